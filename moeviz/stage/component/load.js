// Who gets the work now: a bar of load per expert, a diamond for its mean gate probability, a dashed line at the fair share.

import { Bars, roomy } from './bars.js';
import { letter } from './palette.js';
import { percent, roundedShares, Throttle } from './numbers.js';

const TEXTS = 200;
const STEPS = [2, 4, 8, 16, 32, 64]; // the scale ends at so many fair shares: few steps, so that it seldom jumps

export class LoadPanel {
  constructor(host, label) {
    this.bars = new Bars(host, label);
    this.texts = new Throttle(TEXTS);
  }

  draw({ header, arrays, run, top }) {
    const ids = header.ids[run];
    const load = arrays.load.of(run);
    const meanProb = arrays.mean_prob.of(run);
    const shown = roundedShares(load);
    const texts = header.state !== 'running' || this.texts.ready();
    const full = roomy(ids.length);
    const bars = ids.map((id, expert) => {
      const dead = header.dead[run][expert];
      return {
        height: load[expert] / top, mark: meanProb[expert] / top, solid: true, dead,
        value: dead && !full ? '†' : percent(shown[expert]) + (dead ? '†' : ''), text: describe(letter(id), shown[expert], meanProb[expert], dead && header.died_at[run][expert]),
      };
    });
    const fair = { height: 1 / ids.length / top, label: '', kind: 'fair' };
    this.bars.draw(ids, bars, [fair], texts);
  }
}

// One scale for all runs on screen, so that twins can be compared; it grows at once and shrinks only when half is empty.
export function loadScale(header, arrays, before) {
  let highest = 0;
  for (const values of [arrays.load.data, arrays.mean_prob.data]) {
    for (const value of values) if (value > highest) highest = value;
  }
  const fair = 1 / header.num_experts;
  const wanted = Math.min(Math.max(fair * (STEPS.find((step) => step * fair >= highest) ?? 64), 4 * fair), 1);
  return before && wanted < before && highest > before * 0.4 ? before : wanted;
}

function describe(name, load, meanProb, diedAt) {
  const idle = { 0: ', never chosen since step 0' }[diedAt] ?? (Number.isFinite(diedAt) ? `, idle since step ${diedAt}` : '');
  return `Expert ${name}: ${percent(load)} % of all choices, mean gate probability ${percent(meanProb)} %${idle}`;
}
