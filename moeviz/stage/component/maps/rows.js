// Inputs of several tokens: test digits, each row in the color of the expert that serves it. The digit at the probe is large,
// with every row's experts and weights beside it; all digits are below, each with the model's answer.

import { share } from '../kit/numbers.js';
import { fillStyle, INK, letter } from '../kit/palette.js';
import { Surface } from '../kit/surface.js';
import { part, shares } from '../kit/words.js';

const ACROSS = 8; // digits beside each other
const CAPTION = 26; // pixels: the line above the large digit
const ANSWER = 22; // and below each small one
const GAP = 10;
const GAP_BETWEEN = 4; // small digits, at least
const TOP = 0.5; // the large digit's share of the height
const MOST = 3; // experts that are named for a row
const PAPER = '#FFFFFF';
const FONT = '"Source Sans", "Source Sans Pro", Arial, sans-serif';

/** @implements {RunView} */
export class RowsView {
  /** @param {HTMLCanvasElement} canvas @param {() => void} onResize */
  constructor(canvas, onResize) {
    this.surface = new Surface(canvas, onResize);
    this.probe = [0, 0];
  }

  ready(_header, arrays) {
    return Boolean(arrays.row_pixels);
  }

  draw({ header, arrays, run, theme }) {
    this.probe = header.probe ?? this.probe;
    const of = (name) => arrays[`row_${name}`].of(run);
    const [pixels, target, answer] = ['pixels', 'target', 'answer'].map(of);
    const [expert, kept, weight] = ['expert', 'kept', 'weight'].map(of);
    this.digits = { pixels, target, answer, expert, kept, weight, ids: header.ids[run] };
    if (this.surface.width === 0) return;
    this.layout();
    const context = this.surface.begin();
    this.context = context;
    this.theme = theme;
    this.paints = header.ids[run].map((id) => fillStyle(context, id));
    this.ink = inked(this.digits.pixels);
    this.hatch = hatched(context);
    this.large();
    for (let digit = 0; digit < this.count; digit += 1) this.small(digit);
  }

  layout() {
    const { width, height } = this.surface;
    this.count = this.digits.target.length;
    this.rows = this.digits.expert.length / this.count;
    const down = Math.ceil(this.count / ACROSS);
    const row = Math.floor((TOP * height - CAPTION - GAP) / this.rows);
    this.big = { x: 2, y: CAPTION, row, side: row * this.rows };
    const grid = { y: this.big.y + this.big.side + GAP + 6, wide: width / ACROSS };
    grid.high = (height - grid.y) / down;
    grid.row = Math.max(Math.floor(Math.min(grid.wide - GAP_BETWEEN, grid.high - ANSWER - 6) / this.rows), 1);
    this.grid = grid;
  }

  // Where a small digit is.
  cell(digit) {
    const { y, wide, high, row } = this.grid;
    const side = row * this.rows;
    return {
      x: Math.round((digit % ACROSS) * wide + (wide - side) / 2),
      y: Math.round(y + Math.floor(digit / ACROSS) * high),
      row,
      side,
    };
  }

  large() {
    const { context, theme, digits, big } = this;
    const [digit] = this.probe;
    const [target, answer] = [digits.target[digit], digits.answer[digit]];
    this.paint(digit, big);
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    context.font = `600 ${theme.size}px ${FONT}`;
    context.fillStyle = theme.text;
    context.fillText(
      `Digit ${digit + 1}: ${target === answer ? `a ${target}, read as ${answer}` : `read as ${answer}, but it is a ${target}`}`,
      big.x,
      CAPTION / 2,
    );
    for (let row = 0; row < this.rows; row += 1) this.weights(digit, row);
  }

  // Who serves a row, with which weight; or that nobody does.
  weights(digit, row) {
    const { context, theme, digits, big } = this;
    const y = big.y + (row + 0.5) * big.row;
    let x = big.x + big.side + 12;
    context.font = `${theme.size}px ${FONT}`;
    if (!digits.kept[digit * this.rows + row]) {
      context.fillStyle = theme.text;
      context.fillText('✕ dropped: goes on unchanged', x, y);
      return;
    }
    const chosen = heaviest(digits, row);
    for (const expert of chosen.slice(0, MOST)) {
      this.chip(letter(digits.ids[expert]), this.paints[expert], x, y);
      context.font = `${theme.size}px ${FONT}`;
      context.fillStyle = theme.text;
      const text = share(digits.weight[row * digits.ids.length + expert], true);
      context.fillText(text, x + 30, y);
      x += 30 + context.measureText('.000').width + 8;
    }
    if (chosen.length > MOST) context.fillText('…', x, y);
  }

  // An expert's letter on its color.
  chip(text, paint, x, y) {
    const { context, theme, big } = this;
    const high = Math.min(big.row - 2, 24);
    context.fillStyle = paint;
    context.strokeStyle = INK;
    context.lineWidth = 1.5;
    context.fillRect(x, y - high / 2, 24, high);
    context.strokeRect(x, y - high / 2, 24, high);
    context.save();
    context.textAlign = 'center';
    context.font = `bold ${theme.size}px ${FONT}`;
    context.lineJoin = 'round';
    context.lineWidth = 4;
    context.strokeStyle = PAPER;
    context.strokeText(text, x + 12, y + 1);
    context.fillStyle = INK;
    context.fillText(text, x + 12, y + 1);
    context.restore();
  }

  small(digit) {
    const { context, theme, digits } = this;
    const box = this.cell(digit);
    this.paint(digit, box);
    if (digit === this.probe[0]) {
      context.strokeStyle = theme.text;
      context.lineWidth = 3;
      context.strokeRect(box.x - 2.5, box.y - 2.5, box.side + 5, box.side + 5);
    }
    const wrong = digits.answer[digit] !== digits.target[digit];
    const text = wrong ? `${digits.answer[digit]} ≠ ${digits.target[digit]}` : String(digits.answer[digit]);
    const [x, y] = [box.x + box.side / 2, box.y + box.side + 6 + ANSWER / 2];
    context.font = `${wrong ? 'bold ' : ''}${theme.size}px ${FONT}`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = theme.text;
    if (wrong) {
      const wide = context.measureText(text).width + 8;
      context.fillRect(x - wide / 2, y - ANSWER / 2, wide, ANSWER - 2);
      context.fillStyle = theme.background;
    }
    context.fillText(text, x, y);
    context.textAlign = 'left';
  }

  // A digit's rows in their experts' colors, the ink on top, and a line wherever another expert takes over.
  paint(digit, { x, y, row: high, side }) {
    const { context, digits } = this;
    const server = (row) => (digits.kept[digit * this.rows + row] ? digits.expert[digit * this.rows + row] : -1);
    for (let row = 0; row < this.rows; row += 1) {
      const expert = server(row);
      context.fillStyle = expert < 0 ? PAPER : this.paints[expert];
      context.fillRect(x, y + row * high, side, high);
      if (expert < 0) {
        context.fillStyle = this.hatch;
        context.fillRect(x, y + row * high, side, high);
      }
    }
    context.imageSmoothingEnabled = false;
    context.drawImage(this.ink, 0, digit * this.rows, this.ink.width, this.rows, x, y, side, side);
    context.fillStyle = INK;
    for (let row = 1; row < this.rows; row += 1)
      if (server(row) !== server(row - 1)) context.fillRect(x, y + row * high - 0.5, side, 1);
    context.strokeStyle = INK;
    context.lineWidth = 1.5;
    context.strokeRect(x, y, side, side);
  }

  // The row that is meant by a place on the canvas: of the large digit, or of a small one.
  toView = (left, top) => {
    const { big, grid } = this;
    if (top < grid.y - 8) return this.nearest([this.probe[0], Math.floor((top - big.y) / big.row)]);
    const digit = Math.floor((top - grid.y) / grid.high) * ACROSS + Math.floor(left / grid.wide);
    const { y, row } = this.cell(this.nearest([digit, 0])[0]);
    return this.nearest([digit, Math.floor((top - y) / row)]);
  };

  nearest([digit, row]) {
    const inside = (value, count) => Math.min(Math.max(Math.round(value), 0), count - 1);
    return [inside(digit, this.count ?? 1), inside(row, this.rows ?? 1)];
  }

  // One row up or down, on to the digit above or below; or to the digit beside it.
  moved([digit, row], [x, y]) {
    const next = row - y;
    if (next >= 0 && next < this.rows) return this.nearest([digit + x, next]);
    const other = digit + (next < 0 ? -ACROSS : ACROSS);
    return other >= 0 && other < this.count ? [other, next < 0 ? this.rows - 1 : 0] : [digit, row];
  }

  // The outline of the row at the probe: along the large digit and what is said of the row.
  anchor([, row]) {
    if (!this.big) return null;
    return [this.surface.width / 2, this.big.y + (row + 0.5) * this.big.row];
  }

  get box() {
    return [this.surface.width, this.big?.row ?? 0];
  }

  close() {
    this.surface.close();
  }
}

// All experts that have a part in a row of the probe's digit, the largest weight first.
function heaviest({ weight, ids }, row) {
  const of = (expert) => weight[row * ids.length + expert];
  return [...ids.keys()].filter((expert) => of(expert) > 0).sort((a, b) => of(b) - of(a));
}

// The ink of all digits, one below the other, a pixel each; paper is transparent.
function inked(pixels) {
  const side = 8;
  const image = new ImageData(side, pixels.length / side);
  const words = new Uint32Array(image.data.buffer);
  const dark = parseInt(INK.slice(5, 7), 16);
  pixels.forEach((value, at) => {
    words[at] = ((value << 24) | (dark << 16) | (dark << 8) | dark) >>> 0;
  });
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

function hatched(context) {
  const tile = new OffscreenCanvas(5, 5);
  const pen = tile.getContext('2d');
  pen.strokeStyle = '#8A8F98';
  for (const shift of [-5, 0, 5]) {
    pen.moveTo(shift - 1, -1);
    pen.lineTo(shift + 6, 6);
  }
  pen.stroke();
  return context.createPattern(tile, 'repeat');
}

// The picture in words: who serves how many rows, how many digits are read right, and the probe's digit row by row.
/** @type {(header: Header, arrays: Arrays, run: number) => string} */
export function rowWords({ ids, probe }, arrays, run) {
  const of = (name) => arrays[`row_${name}`].of(run);
  const [target, answer, expert, kept, weight] = ['target', 'answer', 'expert', 'kept', 'weight'].map(of);
  const right = answer.filter((each, digit) => each === target[digit]).length;
  const name = (place) => letter(ids[run][place]);
  const [digit] = probe;
  const rows = Array.from({ length: expert.length / target.length }, (_, row) => {
    const chosen = kept[digit * (expert.length / target.length) + row]
      ? heaviest({ weight, ids: ids[run] }, row).slice(0, MOST)
      : [];
    return chosen.map(name).join(' and ') || 'dropped';
  });
  return (
    `${right} of ${target.length} digits are read right. Rows by expert: ${shares(expert, name)}; dropped: ${part(kept, (each) => !each)}.` +
    ` Digit ${digit + 1} is a ${target[digit]}, read as ${answer[digit]}; its rows go to ${rows.join(', ')}.`
  );
}
