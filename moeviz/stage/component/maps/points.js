// The task's tokens as markers: class = shape with white or black fill, regression = one light-dark scale, test = smaller.

import { classFill, fillStyle, INK, outline } from '../kit/palette.js';

const TRAIN_RADIUS = 0.0115; // of the picture's width
const TEST_RADIUS = 0.0075;
const HUE_RING = 3; // pixels around a marker in the color of the expert that got its token,
const DARK_RING = 1.25; // and around that, so that it does not melt into a region of the same color
const paths = new Map();

function markerPath(classIndex) {
  if (!paths.has(classIndex)) paths.set(classIndex, new Path2D(outline(classIndex)));
  return paths.get(classIndex);
}

// Light is low, dark is high; the outline always stands out from the fill.
/** @type {(value: number, low: number, high: number) => { fill: string, line: string }} */
export function shade(value, low, high) {
  const share = Math.min(Math.max((value - low) / (high - low || 1), 0), 1);
  return { fill: `hsl(0 0% ${Math.round(97 - 90 * share)}%)`, line: share > 0.5 ? '#FFFFFF' : INK };
}

// `points` holds the flat arrays of one run: xy, target, train, and (where wanted) choice and kept. `mark` says how a marker
// names the expert that got its token: 'fill' where no map lies behind, 'outline' over a map that shows only preference.
/** @type {(context: Pen, points: Points, header: Header, run: number, toPixel: (x: number, y: number) => Point, width: number, mark?: 'fill' | 'outline') => void} */
export function drawPoints(context, points, header, run, toPixel, width, mark) {
  const paints = header.ids[run].map((id) => fillStyle(context, id));
  const base = context.getTransform();
  const ratio = base.a;
  for (let index = 0; index < points.train.length; index += 1) {
    const [x, y] = toPixel(points.xy[2 * index], points.xy[2 * index + 1]);
    const style = tokenStyle(points, index, header);
    const kept = !points.kept || points.kept[index] === 1;
    const radius = Math.max(
      width * (points.train[index] ? TRAIN_RADIUS : TEST_RADIUS),
      points.train[index] ? 3.6 : 2.6,
    );
    context.setTransform(ratio * radius, 0, 0, ratio * radius, x * ratio, y * ratio);
    const path = markerPath(style.shape);
    if (mark && points.choice && kept)
      Object.assign(style, named(context, mark, path, radius, paints[points.choice[index]], style));
    else if (mark === 'fill' && points.choice) Object.assign(style, { fill: '#FFFFFF', line: INK }); // dropped: no expert's color
    context.fillStyle = style.fill;
    context.strokeStyle = style.line;
    context.lineWidth = (style.thin ? 1 : points.train[index] ? 1.6 : 1.2) / radius;
    context.fill(path);
    context.stroke(path);
    if (!kept) cross(context, radius);
  }
  context.setTransform(base);
}

// The style of a marker in its expert's color: as its fill, or as a thick outline with thin dark rings on both sides.
function named(context, mark, path, radius, paint, style) {
  if (mark === 'fill') return { fill: paint, line: INK };
  for (const [color, reach] of [
    [INK, HUE_RING + DARK_RING],
    [paint, HUE_RING],
  ]) {
    context.strokeStyle = color;
    context.lineWidth = (2 * reach) / radius;
    context.stroke(path);
  }
  return { fill: style.fill, line: INK, thin: true };
}

function tokenStyle(points, index, header) {
  const target = points.target[index];
  if (header.kind === 'regression') {
    return { shape: 0, ...shade(target, header.lo, header.hi) };
  }
  const fill = classFill(target);
  return { shape: target, fill, line: fill === INK ? '#FFFFFF' : INK };
}

// A dropped token: nobody had a seat for it.
function cross(context, radius) {
  context.lineCap = 'round';
  for (const { color, width } of [
    { color: '#FFFFFF', width: 4 },
    { color: INK, width: 2 },
  ]) {
    context.strokeStyle = color;
    context.lineWidth = width / radius;
    context.beginPath();
    context.moveTo(-1.15, -1.15);
    context.lineTo(1.15, 1.15);
    context.moveTo(-1.15, 1.15);
    context.lineTo(1.15, -1.15);
    context.stroke();
  }
}
