// A row of bars, one per expert in fixed order, in the experts' colors and letters; for the probe and for the load.

import { background, hue, letter } from './palette.js';
import { setText } from './numbers.js';

const PER_ROW = 16; // more experts take another row, so that every bar stays wide enough
const ROOMY = 8; // up to so many experts, numbers are written in full,
const CROWDED = 12; // and beyond so many in a row, only those of the chosen and of the one pointed at

/** @type {(count: number) => boolean} */
export const roomy = (count) => count <= ROOMY;

export class Bars {
  /** @param {HTMLElement} host @param {string} label @param {number} [perRow] */
  constructor(host, label, perRow = PER_ROW) {
    this.host = host;
    this.perRow = perRow;
    host.setAttribute('role', 'list');
    host.setAttribute('aria-label', label);
    this.key = '';
    this.onPoint = null; // hears the place of the bar that is pointed at
    this.known = new Map(); // bar by expert id: who stays keeps its bar
    host.onkeydown = (event) => this.walk(event);
  }

  // One stop for the Tab key; the arrow keys go from bar to bar, each showing its number.
  walk(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const at = this.parts.findIndex(({ bar }) => bar === document.activeElement);
    const next = this.parts[at + by]?.bar;
    if (at < 0 || !next) return;
    event.preventDefault();
    this.parts.forEach(({ bar }) => {
      bar.tabIndex = bar === next ? 0 : -1;
    });
    next.focus();
  }

  // `bars`: per expert { height 0-1, value, text, solid, first, below, mark 0-1, ghost 0-1 }; `lines`: [{ height 0-1, label, kind }].
  // Bars and their words change together: what is read off is what is seen.
  draw(ids, bars, lines) {
    const key = ids.join();
    if (key !== this.key) {
      this.key = key;
      this.build(ids);
    }
    bars.forEach((bar, index) => this.drawBar(this.parts[index], bar));
    this.rows.forEach((row) => drawLines(row, lines));
  }

  build(ids) {
    this.parts = ids.map((id) => this.known.get(id) ?? this.buildBar(id));
    this.known = new Map(this.parts.map((part) => [part.id, part]));
    this.rows = [];
    const rowCount = Math.ceil(ids.length / this.perRow);
    const perRow = Math.ceil(ids.length / rowCount);
    this.host.replaceChildren();
    for (let start = 0; start < ids.length; start += perRow) {
      const row = document.createElement('div');
      row.className = `mv-row ${roomy(perRow) ? '' : 'mv-close'} ${perRow > CROWDED ? 'mv-tight' : ''}`;
      row.setAttribute('role', 'presentation');
      const lines = document.createElement('div');
      lines.className = 'mv-lines';
      const times = Object.assign(document.createElement('b'), { className: 'mv-times', textContent: '×' });
      row.append(...this.parts.slice(start, start + perRow).map(({ bar }) => bar), lines, times);
      this.rows.push(lines);
      this.host.append(row);
    }
    this.host.style.setProperty('--mv-rows', String(rowCount));
    this.host.classList.toggle('mv-two-rows', rowCount > 1);
    this.parts.forEach(({ bar }, index) => {
      bar.tabIndex = index ? -1 : 0;
    });
  }

  buildBar(id) {
    const bar = document.createElement('div');
    bar.className = 'mv-bar';
    bar.setAttribute('role', 'listitem');
    bar.onpointerenter = bar.onfocus = () => this.onPoint?.(this.parts.findIndex((part) => part.bar === bar));
    bar.style.setProperty('--mv-hue', hue(id));
    bar.style.setProperty('--mv-paint', background(id));
    bar.innerHTML =
      '<div class="mv-track"><div class="mv-fill"></div><div class="mv-ghost"></div><i class="mv-mark">◆</i></div>' +
      '<b class="mv-letter"></b><span class="mv-value"></span><b class="mv-below"></b>';
    bar.querySelector('.mv-letter').textContent = letter(id);
    const find = (name) => bar.querySelector(`.mv-${name}`);
    return {
      bar,
      id,
      fill: find('fill'),
      ghost: find('ghost'),
      value: find('value'),
      mark: find('mark'),
      below: find('below'),
    };
  }

  drawBar(part, bar) {
    part.fill.style.height = `${(100 * Math.min(Math.max(bar.height || 0, 0), 1)).toFixed(2)}%`; // none where it is unknown
    part.bar.classList.toggle('mv-solid', bar.solid);
    part.bar.classList.toggle('mv-empty', !(bar.height > 0));
    part.ghost.hidden = bar.ghost === undefined;
    if (bar.ghost !== undefined) part.ghost.style.height = `${(100 * Math.min(bar.ghost, 1)).toFixed(2)}%`;
    part.mark.hidden = bar.mark === undefined;
    if (bar.mark !== undefined) part.mark.style.bottom = `${(100 * Math.min(bar.mark, 1)).toFixed(2)}%`;
    part.bar.classList.toggle('mv-first', Boolean(bar.first));
    setText(part.value, bar.value);
    setText(part.below, bar.below ?? '');
    part.bar.setAttribute('aria-label', bar.text);
    part.bar.title = bar.text;
  }
}

function drawLines(host, lines) {
  while (host.children.length < lines.length)
    host.append(Object.assign(document.createElement('div'), { innerHTML: '<span></span>' }));
  while (host.children.length > lines.length) host.lastChild.remove();
  lines.forEach(({ height, label, kind }, index) => {
    const line = host.children[index];
    line.className = `mv-line mv-${kind}`;
    line.style.bottom = `${(100 * Math.min(Math.max(height, 0), 1)).toFixed(2)}%`;
    setText(line.firstChild, label);
  });
}
