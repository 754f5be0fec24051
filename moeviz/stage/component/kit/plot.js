// Small plots with titled axes, as SVG in pixels: trails over time, and the points that they have come to.

import { DASHES, dashes, hue, INK, letter, SHADES } from './palette.js';

const ROOM = { left: 58, right: 14, top: 12, bottom: 48 };
const MOST = 80; // points of a trail: more could not be told apart
const TICKS = 4; // at most, beside the first

export class Plot {
  // `x`, `y`: { title, low, high }
  /** @param {Axis} x @param {Axis} y @param {{ width?: number, height?: number }} [size] */
  constructor(x, y, { width = 300, height = 300 } = {}) {
    this.x = x;
    this.y = y;
    this.width = width;
    this.height = height;
    const span = (axis, from, to) => (value) => from + ((value - axis.low) / (axis.high - axis.low)) * (to - from);
    this.left = span(x, ROOM.left, width - ROOM.right);
    this.top = span(y, height - ROOM.bottom, ROOM.top);
  }

  // `body`: what is drawn inside; `label`: the picture in words.
  svg(body, label) {
    const { x, y, width, height, left, top } = this;
    const across = ticks(x).map(
      (at) =>
        `<path class="mv-grid" d="M${left(at)} ${top(y.low)}V${top(y.high)}"/><text x="${left(at)}" y="${top(y.low) + 19}" text-anchor="middle">${written(at)}</text>`,
    );
    const up = ticks(y).map(
      (at) =>
        `<path class="mv-grid" d="M${left(x.low)} ${top(at)}H${left(x.high)}"/><text x="${left(x.low) - 6}" y="${top(at) + 5}" text-anchor="end">${written(at)}</text>`,
    );
    const middle = (top(y.low) + top(y.high)) / 2;
    const titles =
      `<text x="${(left(x.low) + left(x.high)) / 2}" y="${height - 6}" text-anchor="middle">${x.title}</text>` +
      `<text transform="translate(15 ${middle}) rotate(-90)" text-anchor="middle">${y.title}</text>`;
    return `<svg class="mv-plot" role="img" aria-label="${label}" viewBox="0 0 ${width} ${height}" style="max-width: ${width}px">${across.join('')}${up.join('')}${titles}${body}</svg>`;
  }

  line(from, to, kind) {
    return `<path class="mv-${kind}" d="M${this.left(from[0])} ${this.top(from[1])}L${this.left(to[0])} ${this.top(to[1])}"/>`;
  }

  // Where xs and ys have been, step by step.
  trail(xs, ys) {
    return path(xs, ys, (x, y) => [this.left(x), this.top(y)]);
  }
}

// A line through points of which some may be missing; every so many where there are many, the last one always.
/** @type {(xs: Values, ys: Values, place: (x: number, y: number) => Point) => string} */
export function path(xs, ys, place) {
  const stride = Math.max(1, Math.ceil(xs.length / MOST));
  let text = '';
  for (let at = (xs.length - 1) % stride; at < xs.length; at += stride) {
    if (!Number.isFinite(xs[at]) || !Number.isFinite(ys[at])) continue;
    const [left, top] = place(xs[at], ys[at]);
    text += `${text ? 'L' : 'M'}${left.toFixed(1)} ${top.toFixed(1)}`;
  }
  return text;
}

const dashed = (id) => (dashes(id).length ? ` stroke-dasharray="${dashes(id).join(' ')}"` : '');

// How a twin's curves are drawn, beside its name.
/** @type {(run: number) => string} */
export const lineSample = (run) =>
  `<svg class="mv-line-sample" width="44" height="12" aria-hidden="true"><path d="M0 6H44" stroke-dasharray="${DASHES[run]}" opacity="${SHADES[run]}"/></svg>`;

// An expert's trail in its color, on a dark ground so that it is seen on any page.
/** @type {(d: string, id: number) => string} */
export const coloredTrail = (d, id) =>
  `<path class="mv-under" d="${d}"/><path class="mv-over" d="${d}" style="stroke: ${hue(id)}"${dashed(id)}/>`;

// Where an expert has come to: its letter on its color.
/** @type {(id: number, place: Point, values: Point) => string} */
export function expertPoint(id, [left, top], [x, y]) {
  return (
    `<g class="mv-dot" data-expert="${letter(id)}" data-x="${x}" data-y="${y}"><circle cx="${left}" cy="${top}" r="12" fill="${hue(id)}"${dashed(id)}/>` +
    `<text x="${left}" y="${top + 5.5}" text-anchor="middle" fill="${INK}">${letter(id)}</text></g>`
  );
}

function ticks({ low, high }) {
  const rough = (high - low) / TICKS;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * unit >= rough) * unit;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, at) => (first + at) * step);
}

const written = (value) => String(Number(value.toPrecision(6)));
