import assert from 'node:assert/strict';
import test from 'node:test';
import { Plot, path } from '#stage/kit/plot.js';

const unit = { title: 'load', low: 0, high: 1 };

test('low and high of an axis stand at the edges of the plot, y upwards', () => {
  const plot = new Plot(unit, { ...unit, low: -1 });
  assert.deepEqual([plot.left(0), plot.left(1)], [58, 300 - 14]);
  assert.deepEqual([plot.top(-1), plot.top(1)], [300 - 48, 12]);
});

test('ticks are round numbers, at most five', () => {
  const ticks = (axis) =>
    [...new Plot(axis, unit).svg('', '').matchAll(/middle">([^<]*)<\/text>/g)].map(([, text]) => text);
  assert.deepEqual(ticks(unit).slice(0, -2), ['0', '0.5', '1']); // a quarter is rounded up to .5; then both titles
  assert.deepEqual(ticks({ ...unit, low: 95, high: 135 }).slice(0, -2), ['100', '110', '120', '130']);
});

test('a trail leaves out what is missing, and of many points ends with the last', () => {
  const place = (x, y) => [x, y];
  assert.equal(path([0, 1, 2], [0, NaN, 4], place), 'M0.0 0.0L2.0 4.0');
  const many = Array.from({ length: 1001 }, (_, at) => at);
  const points = path(many, many, place).slice(1).split('L');
  assert.ok(points.length <= 80);
  assert.equal(points.at(-1), '1000.0 1000.0');
});
