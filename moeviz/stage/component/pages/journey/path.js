// The way of one token as one picture, read from left to right: a column for each stop, a row for each expert.

import { stopTitle } from '../../kit/labels.js';
import { background, hue } from '../../kit/palette.js';
import { setText } from '../../kit/numbers.js';
import { marker } from '../../panels/probe.js';
import { STOPS } from './stops.js';

export class Path {
  /** @param {HTMLElement} host @param {(index: number) => void} onStop */
  constructor(host, onStop) {
    this.host = host;
    this.onStop = onStop;
    this.columns = STOPS.map((stop, index) => this.column(stop, index));
    host.replaceChildren(...this.columns.map(({ section }) => section));
  }

  column({ name, title }, index) {
    const section = document.createElement('section');
    section.className = 'mv-stop';
    section.dataset.stop = name;
    section.innerHTML =
      '<button type="button" class="mv-stop-name"><span></span></button><div class="mv-cells"></div><p class="mv-foot"></p>';
    const button = section.querySelector('button');
    button.firstChild.textContent = `${index + 1} ${title}`; // until a token is there
    button.onclick = () => this.onStop(index);
    return { section, button, cells: section.children[1], foot: section.lastChild, parts: [] };
  }

  draw(token, at) {
    STOPS.forEach((stop, index) => {
      const column = this.columns[index];
      setText(column.button.firstChild, `${index + 1} ${stopTitle(stop, token)}`);
      const cells = stop.cells?.(token);
      if (cells) this.cells(column, cells, token);
      else this.body(column, stop.body(token), token);
      setText(column.foot, stop.foot(token));
      column.section.classList.toggle('mv-here', index === at);
      if (index === at) column.button.setAttribute('aria-current', 'step');
      else column.button.removeAttribute('aria-current');
    });
  }

  cells(column, cells, token) {
    const key = token.ids.join();
    if (column.key !== key) {
      column.key = key;
      column.parts = token.ids.map(cell);
      column.cells.replaceChildren(...column.parts.map(({ box }) => box));
    }
    column.parts.forEach((part, expert) => fill(part, cells[expert], token, expert));
  }

  // What belongs to the token as a whole: pairs of a name and a value, or a picture of many inputs.
  body(column, pairs, token) {
    const key = JSON.stringify(pairs ?? token.x);
    if (column.key === key) return;
    column.key = key;
    column.cells.classList.add('mv-whole');
    column.cells.replaceChildren(...(pairs ? pairs.map(pair) : [pixels(token.x)]));
  }
}

function cell(id) {
  const box = document.createElement('div');
  box.className = 'mv-cell';
  box.style.setProperty('--mv-paint', background(id));
  box.style.setProperty('--mv-hue', hue(id));
  box.innerHTML = '<b></b><i><i></i></i><span></span>';
  return {
    box,
    name: box.children[0],
    slot: box.children[1],
    rod: box.children[1].firstChild,
    number: box.children[2],
  };
}

function fill({ box, name, slot, rod, number }, { rod: size = null, signed, text, mark, even }, token, expert) {
  setText(name, token.names[expert]);
  setText(number, text);
  box.classList.toggle('mv-taken', token.chosen[expert]);
  box.classList.toggle('mv-tick', Boolean(mark));
  slot.hidden = Boolean(mark);
  slot.classList.toggle('mv-signed', Boolean(signed));
  rod.hidden = size === null;
  slot.classList.toggle('mv-even', even !== undefined);
  if (even !== undefined) slot.style.setProperty('--mv-even', `${(100 * even).toFixed(2)}%`);
  if (size === null) return;
  const wide = 100 * Math.min(Math.abs(size), 1) * (signed ? 0.5 : 1);
  rod.style.width = `${wide.toFixed(2)}%`;
  rod.style.left = signed ? `${(size < 0 ? 50 - wide : 50).toFixed(2)}%` : '0';
}

function pair([name, value]) {
  const box = Object.assign(document.createElement('p'), { className: 'mv-pair' });
  const shown = document.createElement('b');
  if (typeof value === 'string') shown.textContent = value;
  else shown.append(`${value.marker} `, marker(value.marker));
  box.append(`${name} `, shown);
  return box;
}

// Many inputs as the picture that they are (8 by 8 pixels), dark where they are large.
function pixels(x) {
  const side = Math.ceil(Math.sqrt(x.length));
  const canvas = Object.assign(document.createElement('canvas'), { width: side, height: side, className: 'mv-pixels' });
  const context = canvas.getContext('2d');
  const low = Math.min(...x);
  const high = Math.max(...x);
  x.forEach((value, index) => {
    const gray = Math.round(247 - (230 * (value - low)) / (high - low || 1));
    context.fillStyle = `rgb(${gray} ${gray} ${gray})`;
    context.fillRect(index % side, Math.floor(index / side), 1, 1);
  });
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `The token's ${x.length} numbers as a picture, dark where they are large`);
  return canvas;
}
