// Who gets the work now: a bar of load per expert, a diamond for its mean gate probability, a dashed line at the fair share.

import { Bars, roomy } from './bars.js';
import { letter } from './palette.js';
import { fixed, percent, roundedShares, setText, Throttle } from './numbers.js';

export const LOAD_NOTE = 'Load: all k choices; map: the first only.';
const TEXTS = 200;
const FAIR_SHARES = 2; // the scale ends at so many fair shares, so that even load stands half way up,
const HEADROOM = 1.1; // or this far above the highest bar; it shrinks only when the bars use less than
const IN_USE = 0.7; // this much of it, so that it seldom jumps

export class LoadPanel {
  // `facts(header, run, arrays)` writes what is said about the load beside the bars.
  constructor(host, label, facts) {
    this.bars = new Bars(host, label);
    this.facts = facts;
    this.texts = new Throttle(TEXTS);
  }

  draw({ header, arrays, run, top }) {
    const ids = header.ids[run];
    const load = arrays.load.of(run).subarray(0, ids.length); // of several runs, another may have more experts
    const meanProb = arrays.mean_prob.of(run);
    const shown = roundedShares(load);
    const texts = header.state !== 'running' || this.texts.ready();
    const full = roomy(ids.length);
    const ghost = arrays.ghost_load?.of(run);
    const bars = ids.map((id, expert) => {
      const dead = header.dead[run][expert];
      return {
        height: load[expert] / top, mark: meanProb[expert] / top, ghost: ghost && ghost[expert] / top, solid: true,
        value: written(shown[expert], load[expert], dead, full),
        text: describe(letter(id), shown[expert], meanProb[expert], dead && header.died_at[run][expert]),
      };
    });
    if (texts && this.facts) this.facts(header, run, arrays);
    const fair = { height: 1 / ids.length / top, label: '', kind: 'fair' };
    this.bars.draw(ids, bars, [fair], texts);
  }
}

// In percent; an expert that has little work is told from one that has none.
function written(share, load, dead, full) {
  if (dead) return full ? `${percent(share)}†` : '†';
  return load > 0 && percent(share) === '0' ? '<1' : percent(share);
}

// One scale for all runs on screen, so that twins can be compared; it grows at once and shrinks late. `before`: the last one.
// A network of one expert, whose load is always 1, does not count beside others.
export function loadScale(header, arrays, before) {
  let highest = 0;
  for (let run = 0; run < header.num_runs; run += 1) {
    if (header.ids[run].length === 1 && header.num_experts > 1) continue;
    for (const values of [arrays.load, arrays.mean_prob, arrays.ghost_load]) {
      for (const value of values?.of(run) ?? []) if (value > highest) highest = value;
    }
  }
  const least = FAIR_SHARES / header.num_experts;
  const wanted = highest > least ? highest * HEADROOM : least;
  const holds = before?.experts === header.num_experts && highest <= before.top && wanted > IN_USE * before.top;
  return holds ? before : { experts: header.num_experts, top: wanted };
}

// How uneven the load is, in the words that the room has: beside one map in full, above each of two in short, where the legend
// says what 0 means.
export function unevenness(header, run, short) {
  const shown = fixed(header.cv_load[run], 2);
  return short ? `unevenness ${shown}` : `Unevenness of load (CV) ${shown} · 0 = even`;
}

export const dropped = (header, run) => {
  if (header.router[run] === 'expert_choice') return `no expert for ${percent(header.unserved_share[run])} %`;
  const value = header.limited ? header.dropped_share?.[run] ?? null : null;
  return value === null ? '' : `dropped ${percent(value)} %${header.top_k[run] > 1 ? ' of choices' : ''}`;
};

// The bars count every choice, a map shows one: said wherever both are seen.
export const countsAll = (header) => header.view === 'map' && header.top_k.some((k) => k > 1);

export function writeFacts(find, header, run, arrays) {
  setText(find('cv'), unevenness(header, run, false));
  setText(find('idle'), String(header.dead[run].filter(Boolean).length));
  setText(find('load-note'), [countsAll(header) && LOAD_NOTE, arrays.ghost_load && `Gray: ${header.ghost}.`].filter(Boolean).join(' '));
}

export function writeShortFacts(find, header, run) {
  setText(find(`cv-${run}`), [unevenness(header, run, true), dropped(header, run)].filter(Boolean).join(' · '));
  find('load-note').hidden = !countsAll(header);
}

function describe(name, load, meanProb, diedAt) {
  const idle = { 0: ', never chosen since step 0' }[diedAt] ?? (Number.isFinite(diedAt) ? `, idle since step ${diedAt}` : '');
  return `Expert ${name}: ${percent(load)} % of all choices, mean gate probability ${percent(meanProb)} %${idle}`;
}
