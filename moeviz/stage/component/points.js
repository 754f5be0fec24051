// The task's tokens as markers: class = shape with white or black fill, regression = one light-dark scale, test = smaller.

import { classFill, fillStyle, INK, outline } from './palette.js';

const TRAIN_RADIUS = 0.0115; // of the picture's width
const TEST_RADIUS = 0.0075;
const paths = new Map();

function markerPath(classIndex) {
  if (!paths.has(classIndex)) paths.set(classIndex, new Path2D(outline(classIndex)));
  return paths.get(classIndex);
}

// Light is low, dark is high; the outline always stands out from the fill.
export function shade(value, low, high) {
  const share = Math.min(Math.max((value - low) / (high - low || 1), 0), 1);
  return { fill: `hsl(0 0% ${Math.round(97 - 90 * share)}%)`, line: share > 0.5 ? '#FFFFFF' : INK };
}

// `points` holds the flat arrays of one run: xy, target, train, and (where wanted) choice and kept.
// `byExpert` colors a marker by the expert that got the token: where no map lies behind, or the choice depends on the batch.
export function drawPoints(context, points, header, run, toPixel, width, byExpert) {
  const fills = new Map();
  const expertFill = (index) => {
    if (!fills.has(index)) fills.set(index, fillStyle(context, header.ids[run][index]));
    return fills.get(index);
  };
  const base = context.getTransform();
  const ratio = base.a;
  for (let index = 0; index < points.train.length; index += 1) {
    const [x, y] = toPixel(points.xy[2 * index], points.xy[2 * index + 1]);
    const style = tokenStyle(points, index, header);
    if (byExpert && points.choice) Object.assign(style, { fill: expertFill(points.choice[index]), line: INK });
    const radius = Math.max(width * (points.train[index] ? TRAIN_RADIUS : TEST_RADIUS), points.train[index] ? 3.6 : 2.6);
    context.setTransform(ratio * radius, 0, 0, ratio * radius, x * ratio, y * ratio);
    context.fillStyle = style.fill;
    context.strokeStyle = style.line;
    context.lineWidth = (points.train[index] ? 1.6 : 1.2) / radius;
    context.fill(markerPath(style.shape));
    context.stroke(markerPath(style.shape));
    if (points.kept && !points.kept[index]) cross(context, radius);
  }
  context.setTransform(base);
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
  context.lineWidth = 3 / radius;
  context.strokeStyle = INK;
  context.beginPath();
  context.moveTo(-1.3, -1.3);
  context.lineTo(1.3, 1.3);
  context.moveTo(-1.3, 1.3);
  context.lineTo(1.3, -1.3);
  context.stroke();
}
