// Too much λ: how good the answers are against how uneven the load is, one trail for each twin.

import { fixed } from '../../kit/numbers.js';
import { DASHES, SHADES } from '../../kit/palette.js';
import { Plot } from '../../kit/plot.js';

const NEAR = 18; // pixels between two names
const BENDS = 16; // of a trail: each is the mean of several measurements, which waver

export class Tradeoff {
  /** @param {Lab} lab */
  constructor(lab) {
    this.lab = lab;
  }

  draw({ header, arrays }) {
    const runs = this.lab.titles.slice(0, header.num_runs);
    const [cv, metric] = [arrays.history_cv_load, arrays.history_test_metric];
    const bounds = (data) =>
      data.reduce(([low, high], each) => [each < low ? each : low, each > high ? each : high], [Infinity, -Infinity]);
    const [worst, best] = bounds(metric.data);
    const room = Math.max(0.04, 0.06 * (best - worst));
    const name = header.metric_name === 'accuracy' ? 'test accuracy' : `test ${header.metric_name}`;
    const plot = new Plot(
      { title: 'unevenness of load (CV): left = even', low: 0, high: Math.max(0.1, 1.05 * bounds(cv.data)[1]) },
      { title: name, low: worst - room, high: Math.min(1, best + room) },
      { width: Math.min(640, Math.max(320, this.lab.find('tradeoff').clientWidth)), height: 400 },
    );
    const trails = runs.map(
      (_, run) =>
        `<path class="mv-trail" d="${plot.trail(smooth(cv.of(run)), smooth(metric.of(run)))}" stroke-dasharray="${DASHES[run]}" opacity="${0.7 * SHADES[run]}"/>`,
    );
    const points = runs
      .map((twin, run) => ({
        twin,
        x: cv.of(run).findLast(Number.isFinite),
        y: metric.of(run).findLast(Number.isFinite),
      }))
      .filter(({ x }) => x !== undefined);
    const names = apart(
      points.map(({ twin, x, y }) => ({ twin, x, y, left: plot.left(x), top: plot.top(y) })),
      plot.height - 60,
    );
    const dots = names.map(
      ({ twin, x, y, left, top, at }) =>
        `<g class="mv-dot" data-twin="${twin}" data-x="${x}" data-y="${y}"><circle cx="${left}" cy="${top}" r="7"/>` +
        `<text x="${left + (left > plot.width - 110 ? -12 : 12)}" y="${at + 5}" text-anchor="${left > plot.width - 110 ? 'end' : 'start'}">${twin}</text></g>`,
    );
    const said = points
      .map(({ twin, x, y }) => `${twin}: ${name} ${fixed(y, 2)}, unevenness ${fixed(x, 2)}`)
      .join('; ');
    this.lab.find('tradeoff').innerHTML = plot.svg(trails.join('') + dots.join(''), said);
  }
}

// Means of so many equal parts, then the newest value itself.
function smooth(values) {
  const known = values.filter(Number.isFinite);
  const size = Math.max(1, Math.ceil(known.length / BENDS));
  const parts = Array.from({ length: Math.ceil(known.length / size) }, (_, at) =>
    known.slice(at * size, (at + 1) * size),
  );
  return [known[0], ...parts.map((part) => part.reduce((sum, each) => sum + each, 0) / part.length), known.at(-1)];
}

// Names that would stand on each other are moved down.
function apart(points, lowest) {
  const placed = [];
  for (const point of [...points].sort((a, b) => a.top - b.top)) {
    let at = point.top;
    for (const other of placed)
      if (Math.abs(other.left - point.left) < 100 && at - other.at < NEAR) at = other.at + NEAR;
    placed.push({ ...point, at: Math.min(at, lowest) });
  }
  return placed;
}
