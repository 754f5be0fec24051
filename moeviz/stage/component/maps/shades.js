// Grounds that shade a number: one scale from light to dark, contours with their values, and small maps side by side.

import { INK, pixel } from '../kit/palette.js';

const LIGHT = [244, 239, 250]; // violet: no expert has it
const DARK = [45, 0, 75];
const LABEL = 17; // pixels from the middle of a contour's label to its edge
const HALO = '#FFFFFF';
const hex = (share) =>
  `#${LIGHT.map((light, at) =>
    Math.round(light + share * (DARK[at] - light))
      .toString(16)
      .padStart(2, '0'),
  ).join('')}`;
const gray = (share) =>
  `#${Math.round(247 - 229 * share)
    .toString(16)
    .padStart(2, '0')
    .repeat(3)}`;
const scale = (color) => Uint32Array.from({ length: 256 }, (_, value) => pixel(color(value / 255)));

export const VIOLET = scale(hex);
export const GRAYS = scale(gray);

// Draws bytes, row by row, into a box, each in its color of 256.
/** @type {(context: Pen, values: NumberArray, colors: Uint32Array, box: Box) => void} */
export function drawShades(context, values, colors, { x, y, side }) {
  const size = Math.sqrt(values.length);
  const bitmap = new OffscreenCanvas(size, size);
  const image = new ImageData(size, size);
  const pixels = new Uint32Array(image.data.buffer);
  values.forEach((value, cell) => {
    pixels[cell] = colors[value];
  });
  bitmap.getContext('2d').putImageData(image, 0, 0);
  context.drawImage(bitmap, x, y, side, side);
}

// Lines between cell centers at which the values pass `level`, as pairs of points in cells (marching squares).
/** @type {(values: Values, level: number) => [Point, Point][]} */
export function contour(values, level) {
  const size = Math.sqrt(values.length);
  const segments = [];
  for (let row = 0; row + 1 < size; row += 1) {
    for (let column = 0; column + 1 < size; column += 1) {
      const corners = [
        [0, 0],
        [1, 0],
        [1, 1],
        [0, 1],
      ].map(([x, y]) => [column + x, row + y, values[(row + y) * size + column + x] - level]);
      const crossed = corners.flatMap(([x, y, value], at) => {
        const [nextX, nextY, next] = corners[(at + 1) % 4];
        if (value < 0 === next < 0) return [];
        const share = value / (value - next);
        return [[x + share * (nextX - x) + 0.5, y + share * (nextY - y) + 0.5]];
      });
      for (let pair = 0; pair + 1 < crossed.length; pair += 2) segments.push([crossed[pair], crossed[pair + 1]]);
    }
  }
  return segments;
}

// The contour of a level with its value written once, where it is nearest to the middle.
/** @type {(context: Pen, surface: { width: number, height: number }, values: Values, level: number, look: { label: string, dash: number[], size: number }) => void} */
export function drawContour(context, surface, values, level, { label, dash, size }) {
  const segments = contour(values, level);
  if (segments.length === 0) return;
  const cell = surface.width / Math.sqrt(values.length);
  context.beginPath();
  for (const [[x, y], [toX, toY]] of segments) {
    context.moveTo(x * cell, y * cell);
    context.lineTo(toX * cell, toY * cell);
  }
  context.lineCap = 'round';
  for (const { color, width } of [
    { color: HALO, width: 6 },
    { color: INK, width: 3 },
  ]) {
    context.setLineDash(color === INK ? dash : []);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  }
  context.setLineDash([]);
  /** @type {(segment: [Point, Point]) => number} */
  const far = ([[x, y]]) => (x * cell - surface.width / 2) ** 2 + (y * cell - surface.height / 2) ** 2;
  const [[x, y]] = segments.reduce((best, each) => (far(each) < far(best) ? each : best));
  const [left, top] = [x, y].map((at) => Math.min(Math.max(at * cell, LABEL), surface.width - LABEL));
  context.font = `bold ${size}px "Source Sans", Arial, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillStyle = HALO;
  context.fillRect(left - LABEL + 2, top - 11, 2 * LABEL - 4, 22);
  context.fillStyle = INK;
  context.fillText(label, left, top + 1);
}

// Boxes for `count` small maps in a square picture, row by row.
/** @type {(count: number, width: number) => Box[]} */
export function tiles(count, width) {
  const columns = Math.ceil(Math.sqrt(count));
  const gap = 6;
  const side = (width - gap * (columns - 1)) / columns;
  return Array.from({ length: count }, (_, index) => ({
    x: (index % columns) * (side + gap),
    y: Math.floor(index / columns) * (side + gap),
    side,
  }));
}

// Diagonal lines over the cells of a box for which `hatched` holds.
/** @type {(context: Pen, size: number, hatched: (cell: number) => boolean, box: Box) => void} */
export function drawHatch(context, size, hatched, { x, y, side }) {
  const cell = side / size;
  context.save();
  context.beginPath();
  for (let at = 0; at < size * size; at += 1) {
    if (hatched(at)) context.rect(x + (at % size) * cell, y + Math.floor(at / size) * cell, cell + 0.5, cell + 0.5);
  }
  context.clip();
  context.fillStyle = 'rgba(255, 255, 255, 0.72)';
  context.fillRect(x, y, side, side);
  context.strokeStyle = '#6B7280';
  context.lineWidth = 1.5;
  context.beginPath();
  for (let shift = -side; shift < side; shift += 9) {
    context.moveTo(x + shift, y + side);
    context.lineTo(x + shift + side, y);
  }
  context.stroke();
  context.restore();
}
