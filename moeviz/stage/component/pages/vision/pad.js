// A pad of 16 by 16 cells to draw on with a pointer, a finger or the keyboard. `onChange` hears the cells, row by row, 0 = paper to 1 = ink.

import { INK } from '../../kit/palette.js';

export const SIDE = 16;
const RADIUS = 1.3; // cells: how far ink reaches from the middle of the pen,
const SOFT = 0.9; // the last part of it ever lighter
const STEP = 0.3; // cells between two prints of a pen that moves
const SCALE = 20; // pixels of a cell
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  /** @param {HTMLCanvasElement} canvas @param {(cells: number[]) => void} onChange */
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.cells = new Float32Array(SIDE * SIDE);
    this.touched = false;
    this.pen = [SIDE / 2, SIDE / 2];
    this.keyed = false;
    canvas.width = canvas.height = SIDE * SCALE;
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.begin();
      this.keyed = false;
      this.last = this.at(event);
      this.print(this.last);
    };
    canvas.onpointermove = (event) => this.last && this.line(event.getCoalescedEvents?.() ?? [event]);
    canvas.onpointerup = canvas.onpointercancel = () => {
      this.last = null;
    };
    canvas.onkeydown = (event) => this.press(event);
    canvas.onblur = () => {
      this.keyed = false;
      this.show();
    };
    this.show();
  }

  get empty() {
    return this.cells.every((each) => each === 0);
  }

  at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * SIDE, ((clientY - box.top) / box.height) * SIDE];
  }

  // The first stroke of a visitor takes the place of the example.
  begin() {
    if (!this.touched) this.cells.fill(0);
    this.touched = true;
  }

  line(events) {
    for (const event of events) {
      const [x, y] = this.at(event);
      const [fromX, fromY] = this.last;
      const steps = Math.max(Math.ceil(Math.hypot(x - fromX, y - fromY) / STEP), 1);
      for (let step = 1; step <= steps; step += 1)
        this.ink([fromX + ((x - fromX) * step) / steps, fromY + ((y - fromY) * step) / steps]);
      this.last = [x, y];
    }
    this.changed();
  }

  print(place) {
    this.ink(place);
    this.changed();
  }

  ink([x, y]) {
    for (let row = 0; row < SIDE; row += 1) {
      for (let column = 0; column < SIDE; column += 1) {
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const ink = Math.min(Math.max((RADIUS - far) / SOFT, 0), 1);
        const cell = row * SIDE + column;
        if (ink > this.cells[cell]) this.cells[cell] = ink;
      }
    }
  }

  press(event) {
    const move = MOVES[event.key];
    if (!move && ![' ', 'Delete', 'Backspace'].includes(event.key)) return;
    event.preventDefault();
    this.keyed = true;
    if (move) this.pen = this.pen.map((each, axis) => Math.min(Math.max(each + move[axis], 0.5), SIDE - 0.5));
    if (event.key === ' ' || (move && event.shiftKey)) {
      this.begin();
      this.print(this.pen);
    } else if (move) this.show();
    else this.clear();
  }

  clear() {
    this.touched = true;
    this.cells.fill(0);
    this.changed();
  }

  // Puts a picture on the pad; `bytes` are its pixels, ink × 255.
  load(bytes, touched = true) {
    this.touched = touched;
    this.cells = Float32Array.from(bytes, (each) => each / 255);
    this.changed();
  }

  changed() {
    this.show();
    this.onChange([...this.cells].map((each) => Number(each.toFixed(3))));
  }

  show() {
    const context = this.canvas.getContext('2d');
    context.fillStyle = '#FFFFFF';
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.fillStyle = INK;
    this.cells.forEach((ink, cell) => {
      context.globalAlpha = ink;
      if (ink) context.fillRect((cell % SIDE) * SCALE, Math.floor(cell / SIDE) * SCALE, SCALE, SCALE);
    });
    context.globalAlpha = 1;
    if (!this.keyed) return;
    const [x, y] = this.pen.map((each) => each * SCALE);
    for (const { color, width } of [
      { color: '#FFFFFF', width: 8 },
      { color: INK, width: 4 },
    ]) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.strokeRect(x - SCALE, y - SCALE, 2 * SCALE, 2 * SCALE);
    }
  }
}
