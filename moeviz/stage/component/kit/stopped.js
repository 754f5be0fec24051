// Of several runs, those that have diverged: named with step, reason and remedy, while the others train on.

import { setText } from './numbers.js';

// What is said beside a run's picture and in its words; '' while it trains, or where the whole page is about it.
/** @type {(header: Header, run: number) => string} */
export function stopped({ num_runs: count, diverged_why: why }, run) {
  return count > 1 && why?.[run] ? `Stands still: it ${why[run]}` : '';
}

/** @type {(find: Find, header: Header) => void} */
export function drawStopped(find, header) {
  for (let run = 0; run < header.num_runs; run += 1) {
    const host = find(`stopped-${run}`);
    if (!host) return;
    setText(host, stopped(header, run));
    host.hidden = !host.textContent;
  }
}

// What the whole picture says of them; '' where all train.
/** @type {(header: Header, titles: string[]) => string} */
export function alarm(header, titles) {
  const { diverged_why: why = [], num_runs: count } = header;
  const runs = why.map((each, run) => (each ? run : -1)).filter((run) => run >= 0);
  if (count < 2 || !runs.length) return '';
  const others =
    runs.length === count
      ? 'Nothing trains.'
      : count - runs.length === 1
        ? 'The other trains on.'
        : 'The others train on.';
  const names = runs.map((run) => titles[run] ?? `Run ${run + 1}`);
  return `${runs.length === 1 ? `${names[0]} ${why[runs[0]]}` : `Diverged: ${names.join(' · ')}. Each says why.`} ${others}`;
}
