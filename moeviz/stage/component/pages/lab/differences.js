// What the twins have come to, as a table: each number, and how far it is from that of the first twin.

import { fixed, setText } from '../../kit/numbers.js';

/** @typedef {string | ((header: Header) => string)} Words */

const scaled = (value, by) => (Number.isFinite(value) ? by * value : null);
const part = (value) => scaled(value, 100);

// label, value of a run (null: not there), digits
/** @type {[label: Words, value: (header: Header, run: number) => number | null, digits: number | ((header: Header) => number)][]} */
const COLUMNS = [
  [
    ({ metric_name: name }) => (name === 'accuracy' ? 'Accuracy, %' : name),
    ({ test_metric: values, metric_name: name }, run) => (name === 'accuracy' ? part(values[run]) : values[run]),
    ({ metric_name: name }) => (name === 'accuracy' ? 1 : 2),
  ],
  ['Unevenness (CV)', ({ cv_load: values }, run) => values[run], 2],
  ['Dead experts', ({ dead }, run) => dead[run].filter(Boolean).length, 0],
  ['Match with groups', ({ specialization: values }, run) => values[run], 2],
  [
    'Dropped, %',
    ({ dropped_share: values, choice, unserved_share: unserved }, run) =>
      part(choice[run] === 'experts' ? unserved[run] : values[run]),
    1,
  ],
  ['CPU for a step, ms', ({ step_seconds: values }, run) => scaled(values?.[run], 1000), 2],
];

export class Differences {
  /** @param {HTMLTableElement} host */
  constructor(host) {
    this.host = host;
  }

  draw(header, titles, knob) {
    const runs = Math.min(titles.length, header.num_runs); // for a moment the page may still show other twins
    this.build(titles.slice(0, runs), knob, header);
    COLUMNS.forEach(([, value, digits], column) => {
      const places = typeof digits === 'function' ? digits(header) : digits;
      const first = value(header, 0);
      for (let run = 0; run < runs; run += 1) {
        const [own, cell] = [value(header, run), this.host.tBodies[0].rows[run].cells[1 + column]];
        setText(cell.firstChild, fixed(own, places));
        setText(cell.lastChild, run ? away(own, first, places) : '');
      }
    });
  }

  build(titles, knob, header) {
    const labels = COLUMNS.map(([label]) => (typeof label === 'function' ? label(header) : label));
    const key = JSON.stringify([titles, knob, labels]);
    if (this.host.dataset.key === key) return;
    this.host.dataset.key = key;
    const cells = '<td><b></b> <span></span></td>'.repeat(COLUMNS.length);
    this.host.innerHTML = `<thead><tr>${[knob, ...labels].map(() => '<th scope="col"></th>').join('')}</tr></thead><tbody>${titles.map(() => `<tr><th scope="row"></th>${cells}</tr>`).join('')}</tbody>`;
    [knob, ...labels].forEach((label, column) => setText(this.host.tHead.rows[0].cells[column], label));
    titles.forEach((title, run) => setText(this.host.tBodies[0].rows[run].cells[0], title));
  }
}

// How far a number is from the first, as both are printed: with its sign, and 0 without one.
/** @type {(own: number | null, first: number | null, digits: number) => string} */
export function away(own, first, digits) {
  if (![own, first].every(Number.isFinite)) return '';
  const by = Number(fixed(own, digits)) - Number(fixed(first, digits));
  const text = fixed(Math.abs(by), digits);
  if (Number(text) === 0) return '±0';
  return `${by < 0 ? '−' : '+'}${text}`;
}
