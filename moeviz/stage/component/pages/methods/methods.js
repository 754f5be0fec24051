// Ways to balance, one row each: four curves on common scales, each beside that of no balancing in gray, with the number they have come to.

import { count, fixed, outdated, setText, Throttle } from '../../kit/numbers.js';
import { stopped } from '../../kit/stopped.js';

const TEXTS = 200; // ms between changes while training runs
const WIDE = 200;
const HIGH = 56; // units of a curve's picture
const ROOM = 1.05; // times the largest value

/** @implements {Layout} */
export class Methods {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.always = true;
    this.drawn = false;
    this.texts = new Throttle(TEXTS);
    this.rows = stage.component.data.titles.map((_, run) =>
      row(stage.find(`curves-${run}`), stage.component.data.measures),
    );
  }

  get picture() {
    return null; // no map
  }

  forget() {
    this.seen = null;
    this.drawn = false;
  }

  wants(header) {
    return outdated(this.seen, header, this.texts) ? ['history'] : [];
  }

  draw({ header, arrays }) {
    if (!arrays.history_step) return;
    this.texts.ready();
    this.seen = { header, arrays };
    this.drawn = true;
    const { measures } = this.stage.component.data;
    const steps = arrays.history_step.data;
    this.recorded = steps.at(-1);
    setText(this.stage.find('recorded'), count(this.recorded));
    measures.forEach(({ arrays: names, low, high }, column) => {
      const values = this.rows.map((_, run) => arrays[names[run]].of(run));
      const scale = { low: low ?? 0, high: high ?? ROOM * largest(values), last: Math.max(steps[steps.length - 1], 1) };
      this.rows[0][column].name(scale);
      const first = line(steps, values[0], scale);
      this.rows.forEach((cells, run) =>
        cells[column].draw(line(steps, values[run], scale), run ? first : '', values[run]),
      );
    });
  }

  describe() {
    if (!this.seen) return;
    const { titles, measures } = this.stage.component.data;
    this.rows.forEach((cells, run) =>
      cells.forEach((cell, column) => {
        cell.host.setAttribute(
          'aria-label',
          `${titles[run]}: ${measures[column].label} ${cell.number.textContent} at step ${this.recorded}. ${stopped(this.seen.header, run)}`,
        );
      }),
    );
  }

  close() {}
}

function row(host, measures) {
  const cells = measures.map(({ label, digits }) => new Cell(label, digits));
  host.replaceChildren(...cells.map((cell) => cell.host));
  return cells;
}

class Cell {
  /** @param {string} label @param {number} digits */
  constructor(label, digits) {
    this.label = label;
    this.digits = digits;
    this.host = Object.assign(document.createElement('div'), { className: 'mv-curve' });
    this.host.setAttribute('role', 'img');
    this.host.innerHTML =
      `<span class="mv-curve-name">${label}</span><svg viewBox="0 0 ${WIDE} ${HIGH}" preserveAspectRatio="none" aria-hidden="true">` +
      '<path class="mv-without"/><path class="mv-with"/></svg><b></b>';
    const [, picture, number] = this.host.children;
    const [without, own] = picture.children;
    this.number = number;
    this.without = without;
    this.own = own;
  }

  // What all cells of the column show, with the scale that they share.
  name({ low, high }) {
    setText(
      this.host.firstChild,
      `${this.label}, ${low.toFixed(0)} to ${high.toFixed(high < 2 && high !== 1 ? 1 : 0)}`,
    );
  }

  draw(own, without, values) {
    this.own.setAttribute('d', own);
    this.without.setAttribute('d', without);
    const last = values.findLast(Number.isFinite);
    setText(this.number, fixed(last, this.digits));
  }
}

/** @type {(all: NumberArray[]) => number} */
function largest(all) {
  let most = 1e-9;
  for (const values of all) for (const each of values) if (each > most) most = each;
  return most;
}

// A curve as SVG path data; it stops where its run has stopped.
/** @type {(steps: Values, values: number[] | NumberArray, scale: { low: number, high: number, last: number }) => string} */
export function line(steps, values, { low, high, last }) {
  let path = '';
  values.forEach((value, index) => {
    if (!Number.isFinite(value)) return;
    const y = HIGH - 2 - ((Math.min(Math.max(value, low), high) - low) / (high - low)) * (HIGH - 4);
    path += `${path ? 'L' : 'M'}${((steps[index] / last) * WIDE).toFixed(1)} ${y.toFixed(1)}`;
  });
  return path;
}
