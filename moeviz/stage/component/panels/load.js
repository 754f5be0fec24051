// Who gets the work now: a bar of load per expert, a diamond for its mean gate probability, a dashed line at the fair share.

import { Bars, roomy } from '../kit/bars.js';
import { letter } from '../kit/palette.js';
import { loadNote, wordsOf } from '../kit/labels.js';
import { count, fixed, percent, percents, setText } from '../kit/numbers.js';

const FAIR_SHARES = 2; // the scale ends at so many fair shares, so that even load stands half way up,
const HEADROOM = 1.1; // or this far above the highest bar; it shrinks only when the bars use less than
const IN_USE = 0.7; // this much of it, so that it seldom jumps

export class LoadPanel {
  // `facts(header, run, arrays)` writes what is said about the load beside the bars.
  /**
   * @param {HTMLElement} host
   * @param {string} label
   * @param {(header: Header, run: number, arrays: Arrays) => void} [facts]
   */
  constructor(host, label, facts) {
    this.bars = new Bars(host, label);
    this.facts = facts;
  }

  draw({ header, arrays, run, top }) {
    const ids = header.ids[run];
    const load = arrays.load.of(run).subarray(0, ids.length); // of several runs, another may have more experts
    const meanProb = arrays.mean_prob.of(run);
    const shown = percents(load);
    const full = roomy(ids.length);
    const ghost = arrays.ghost_load?.of(run);
    const bars = ids.map((id, expert) => {
      const dead = header.dead[run][expert];
      return {
        height: load[expert] / top,
        mark: meanProb[expert] / top,
        ghost: ghost && ghost[expert] / top,
        solid: true,
        value: written(shown[expert], dead, full),
        text: describe(
          letter(id),
          shown[expert],
          wordsOf(header, run).of,
          meanProb[expert],
          dead && header.died_at[run][expert],
        ),
      };
    });
    this.facts?.(header, run, arrays);
    const fair = { height: 1 / ids.length / top, label: '', kind: 'fair' };
    this.bars.draw(ids, bars, [fair]);
  }
}

const written = (share, dead, full) => (dead ? `${full ? share : ''}†` : share);

// One scale for all runs on screen, so that twins can be compared; it grows at once and shrinks late. `before`: the last one.
// A network of one expert, whose load is always 1, does not count beside others.
/** @type {(header: Header, arrays: Arrays, before?: LoadScale) => LoadScale} */
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
/** @type {(header: Header, run: number, short?: boolean) => string} */
export function unevenness(header, run, short) {
  const shown = fixed(header.cv_load[run], 2);
  return short ? `unevenness ${shown}` : `Unevenness of load (CV) ${shown} · 0 = even`;
}

/** @type {(header: Header, run: number) => string} */
export const dropped = (header, run) => {
  if (header.choice[run] === 'experts') return `no expert for ${percent(header.unserved_share[run])} %`;
  const value = header.limited ? (header.dropped_share?.[run] ?? null) : null;
  return value === null ? '' : `dropped ${percent(value)} %${header.top_k[run] > 1 ? ' of choices' : ''}`;
};

// When what is drawn of the load was measured, and what it counts; of gray bars, too.
/** @type {(header: Header) => string} */
export const measuredAt = (header) => `step ${count(header.measured_step)}`;

/** @type {(header: Header, arrays: Arrays) => string} */
export function grayWords(header, arrays) {
  const at = arrays.ghost_load_step?.of(0)[0];
  if (at === undefined) return '';
  return `Gray${at === header.measured_step ? '' : `, step ${count(at)}`}: ${header.ghost}.`;
}

/** @type {(find: Find, header: Header, run: number, arrays: Arrays) => void} */
export function writeFacts(find, header, run, arrays) {
  setText(find('cv'), unevenness(header, run, false));
  setText(find('idle'), String(header.dead[run].filter(Boolean).length));
  const note = [`Step ${count(header.measured_step)}`, loadNote(header)].filter(Boolean).join(': ');
  setText(find('load-note'), [`${note}.`, grayWords(header, arrays)].filter(Boolean).join(' '));
}

/** @type {(find: Find, header: Header, run: number) => void} */
export function writeShortFacts(find, header, run) {
  setText(find(`cv-${run}`), [unevenness(header, run, true), dropped(header, run)].filter(Boolean).join(' · '));
  setText(find('load-note'), loadNote(header) && `Load: ${loadNote(header)}.`);
  setText(find('measured-at'), measuredAt(header));
}

function describe(name, load, of, meanProb, diedAt) {
  return `Expert ${name}: ${load} % ${of}, mean gate probability ${percent(meanProb)} %${idleWords(diedAt)}`;
}

// Since when an expert has had no work; nothing of one that has some.
/** @type {(diedAt: number | null) => string} */
export function idleWords(diedAt) {
  return { 0: ', never chosen since step 0' }[diedAt] ?? (Number.isFinite(diedAt) ? `, idle since step ${diedAt}` : '');
}
