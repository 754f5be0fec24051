// Tasks on a line: target, prediction and each expert's curve; below them the winner's strip and every gate probability.

import { dashes, fillStyle, hue, INK, letter } from '../kit/palette.js';
import { drawLetter } from '../kit/letters.js';
import { Surface } from '../kit/surface.js';

const LEFT = 44;
const RIGHT = 10;
const BOTTOM = 28;
const STRIP = 34; // the winner's strip between the two panels
const TRAIN_RADIUS = 2.5;
const TRAIN_ALPHA = 0.4;
const TEST_RADIUS = 3.5;
const TEST_ALPHA = 0.7;
const FONT = '"Source Sans", "Source Sans Pro", Arial, sans-serif';

/** @implements {RunView} */
export class CurveView {
  /** @param {HTMLCanvasElement} canvas @param {() => void} onResize */
  constructor(canvas, onResize) {
    this.surface = new Surface(canvas, onResize);
  }

  ready(_header, arrays) {
    return Boolean(arrays.curve_x);
  }

  layout(header) {
    const { width, height } = this.surface;
    const room = height - BOTTOM - STRIP - 12;
    const pad = 0.12 * (header.hi - header.lo || 1);
    this.extent = header.extent;
    this.panel = { top: 6, height: 0.66 * room, low: header.lo - pad, high: header.hi + pad };
    this.strip = { top: this.panel.top + this.panel.height + 4, height: STRIP };
    this.gates = { top: this.strip.top + STRIP + 6, height: 0.34 * room - 6, low: 0, high: 1 };
    this.plotWidth = width - LEFT - RIGHT;
  }

  pixelX = (x) => LEFT + ((x + this.extent) / (2 * this.extent)) * this.plotWidth;

  pixelY = (value, panel) => panel.top + ((panel.high - value) / (panel.high - panel.low)) * panel.height;

  toView = (left) => [((left - LEFT) / this.plotWidth) * 2 * this.extent - this.extent, 0];

  draw({ header, arrays, points, run, theme }) {
    if (this.surface.width === 0) return;
    this.layout(header);
    const context = this.surface.begin();
    this.curve = Object.fromEntries(
      ['x', 'target', 'prediction'].map((name) => [name, arrays[`curve_${name}`].of(run)]),
    );
    const winner = arrays.curve_winner.of(run);
    const experts = arrays.curve_expert.of(run);
    const gates = arrays.curve_gate.of(run);
    const steps = this.curve.x.length;
    this.axes(context, header, theme);
    if (points) this.tokens(context, points, theme);
    header.ids[run].forEach((id, expert) => {
      const part = (flat) => flat.subarray(expert * steps, (expert + 1) * steps);
      this.expertCurve(context, part(experts), winner, expert, id);
      this.line(context, part(gates), this.gates, { color: hue(id), width: 3, dash: dashes(id) });
    });
    this.line(context, this.curve.target, this.panel, { color: theme.text, width: 3, dash: [3, 6] });
    this.line(context, this.curve.prediction, this.panel, { color: theme.text, width: 3 });
    this.winnerStrip(context, winner, header.ids[run]);
    this.keys(context, theme);
  }

  axes(context, header, theme) {
    context.font = `${theme.size}px ${FONT}`;
    context.fillStyle = theme.text;
    context.strokeStyle = theme.text;
    context.lineWidth = 1;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const panel of [this.panel, this.gates]) {
      context.strokeRect(LEFT, panel.top, this.plotWidth, panel.height);
      const ticks = panel === this.gates ? [0, 1] : [header.lo, header.hi];
      for (const tick of ticks) context.fillText(tick.toFixed(tick % 1 ? 1 : 0), LEFT - 6, this.pixelY(tick, panel));
    }
    context.textBaseline = 'alphabetic';
    context.textAlign = 'center';
    const base = this.surface.height - 8;
    for (const x of [-this.extent, 0, this.extent]) {
      const inset = x < 0 ? 12 : x > 0 ? -12 : 0;
      context.fillText(x === 0 ? 'input x' : x.toFixed(x % 1 ? 1 : 0), this.pixelX(x) + inset, base);
    }
  }

  // Hundreds of tokens on one line: small and partly transparent, and only test tokens with a ring.
  tokens(context, points, theme) {
    context.fillStyle = theme.text;
    context.strokeStyle = theme.text;
    for (let index = 0; index < points.train.length; index += 1) {
      const [x, y] = [this.pixelX(points.xy[2 * index]), this.pixelY(points.target[index], this.panel)];
      const dropped = points.kept && !points.kept[index];
      context.beginPath();
      context.globalAlpha = dropped ? 1 : points.train[index] ? TRAIN_ALPHA : TEST_ALPHA;
      context.lineWidth = dropped ? 2 : 1;
      if (dropped) cross(context, x, y);
      else context.arc(x, y, points.train[index] ? TRAIN_RADIUS : TEST_RADIUS, 0, 7);
      if (points.train[index] && !dropped) context.fill();
      else context.stroke();
    }
    context.globalAlpha = 1;
  }

  // Full strength only where this expert is the first choice; elsewhere it was hardly trained, so a thin line.
  expertCurve(context, values, winner, expert, id) {
    this.line(context, values, this.panel, { color: hue(id), width: 1.25, dash: dashes(id) });
    const own = (index) => winner[index] === expert;
    this.line(context, values, this.panel, { color: INK, width: 9, where: own });
    this.line(context, values, this.panel, { color: fillStyle(context, id), width: 7, where: own });
  }

  /** @type {(context: Pen, values: Values, panel: { top: number, height: number }, look: { color: string | CanvasPattern, width: number, dash?: number[], where?: (index: number) => boolean }) => void} */
  line(context, values, panel, { color, width, dash = [], where = () => true }) {
    context.save();
    context.beginPath();
    context.rect(LEFT, panel.top, this.plotWidth, panel.height);
    context.clip();
    context.strokeStyle = color;
    context.lineWidth = width;
    context.lineJoin = 'round';
    context.setLineDash(dash);
    context.beginPath();
    let drawing = false;
    for (let index = 0; index < values.length; index += 1) {
      const visible = Number.isFinite(values[index]) && where(index);
      const [x, y] = [this.pixelX(this.curve.x[index]), this.pixelY(values[index], panel)];
      if (visible && drawing) context.lineTo(x, y);
      else if (visible) context.moveTo(x, y);
      drawing = visible;
    }
    context.stroke();
    context.restore();
  }

  winnerStrip(context, winner, ids) {
    const half = this.plotWidth / (winner.length - 1) / 2;
    for (let start = 0, index = 1; index <= winner.length; index += 1) {
      if (index < winner.length && winner[index] === winner[start]) continue;
      const left = Math.max(this.pixelX(this.curve.x[start]) - half, LEFT);
      const right = Math.min(this.pixelX(this.curve.x[index - 1]) + half, LEFT + this.plotWidth);
      const id = ids[winner[start]];
      context.fillStyle = fillStyle(context, id);
      context.strokeStyle = INK;
      context.lineWidth = 2;
      context.fillRect(left, this.strip.top, right - left, STRIP);
      context.strokeRect(left, this.strip.top, right - left, STRIP);
      if (right - left > 22) drawLetter(context, letter(id), (left + right) / 2, this.strip.top + STRIP / 2);
      start = index;
    }
  }

  keys(context, theme) {
    context.font = `${theme.size}px ${FONT}`;
    context.textAlign = 'left';
    context.textBaseline = 'top';
    context.lineJoin = 'round';
    context.lineWidth = 5;
    context.strokeStyle = theme.background;
    context.fillStyle = theme.text;
    const label = (text, panel) => {
      context.strokeText(text, LEFT + 8, panel.top + 6);
      context.fillText(text, LEFT + 8, panel.top + 6);
    };
    label('output: ··· target   — prediction', this.panel);
    label('gate probability', this.gates);
  }

  // The probe's ring rides on the prediction.
  /** @type {RunView['anchor']} */
  anchor([x]) {
    if (!this.curve) return [this.surface.width / 2, this.surface.height / 2];
    const share = (x + this.extent) / (2 * this.extent);
    const index = Math.min(Math.max(Math.round(share * (this.curve.x.length - 1)), 0), this.curve.x.length - 1);
    return [this.pixelX(x), this.pixelY(this.curve.prediction[index], this.panel)];
  }

  // Where a token is drawn.
  place([x, y]) {
    return [this.pixelX(x), this.pixelY(y, this.panel)];
  }

  close() {
    this.surface.close();
  }
}

function cross(context, x, y) {
  for (const slope of [-1, 1]) {
    context.moveTo(x - 4, y - 4 * slope);
    context.lineTo(x + 4, y + 4 * slope);
  }
}
