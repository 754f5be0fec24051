// Text, character by character, each above a band in the color of the expert that reads it; a letter where another takes over.

import { setText } from '../../kit/numbers.js';
import { background, letter } from '../../kit/palette.js';

export const UNKNOWN = 0xfffd; // stands for every character that the model does not know
const SIGNS = { 10: '⏎', [UNKNOWN]: '□', 32: '\u00a0' };

/** @type {(code: number) => string} */
export const written = (code) => SIGNS[code] ?? String.fromCodePoint(code);

export class TextView {
  // `onPoint` hears the number of the character that is pointed at.
  /** @param {HTMLElement} host @param {(place: number) => void} onPoint */
  constructor(host, onPoint) {
    this.host = host;
    this.onPoint = onPoint;
    this.key = '';
    this.cells = [];
    this.marked = -1;
    host.onpointermove = host.onpointerdown = ({ target }) => {
      const at = this.cells.findIndex(({ cell }) => cell.contains(target));
      if (at >= 0) onPoint(at);
    };
    host.onkeydown = (event) => this.walk(event);
  }

  walk(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.width, ArrowDown: this.width }[event.key];
    if (!by || !this.cells.length) return;
    event.preventDefault();
    this.onPoint(Math.min(Math.max(Math.max(this.marked, 0) + by, 0), this.cells.length - 1));
  }

  // `codes`: of the characters, `width` in each window; `experts`, `kept`: places on the E axis, and 0 where nobody had a seat.
  /** @param {{ codes: Values & { join(): string }, experts: Values, kept?: Values, ids: number[], width: number, titles: string[] }} text */
  draw({ codes, experts, kept, ids, width, titles }) {
    this.width = width;
    const key = [codes.join(), width, titles].join('|');
    if (key !== this.key) this.build(codes, width, titles);
    this.key = key;
    this.cells.forEach((part, at) => {
      const id = kept && !kept[at] ? -1 : ids[experts[at]];
      const starts = at % width === 0 || this.idAt(at - 1) !== id;
      const shown = `${id}|${starts}`;
      part.id = id;
      if (part.shown === shown) return;
      part.shown = shown;
      part.cell.classList.toggle('mv-starts', starts);
      part.cell.classList.toggle('mv-nobody', id < 0);
      part.band.style.background = id < 0 ? '' : background(id);
      setText(part.band, starts ? (id < 0 ? '✕' : letter(id)) : '');
    });
  }

  idAt(at) {
    return this.cells[at].id;
  }

  build(codes, width, titles) {
    this.host.replaceChildren();
    this.cells = [];
    for (let start = 0; start < codes.length; start += width) {
      const line = Object.assign(document.createElement('p'), { className: 'mv-text' });
      const title = titles[start / width];
      if (title)
        line.append(Object.assign(document.createElement('span'), { className: 'mv-kind', textContent: title }));
      const window = Object.assign(document.createElement('span'), { className: 'mv-window' });
      for (const code of codes.subarray(start, start + width)) {
        const cell = document.createElement('span');
        cell.className = 'mv-char';
        const band = document.createElement('b');
        cell.append(written(code), band);
        window.append(cell);
        this.cells.push({ cell, band });
      }
      line.append(window);
      this.host.append(line);
    }
    this.marked = -1;
  }

  // Frames the character that is pointed at.
  mark(at) {
    if (at === this.marked) return;
    this.cells[this.marked]?.cell.classList.remove('mv-pointed');
    this.cells[at]?.cell.classList.add('mv-pointed');
    this.marked = at;
  }
}
