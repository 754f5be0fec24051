import assert from 'node:assert/strict';
import test from 'node:test';
import { apart, letterPlaces, Regions } from '#stage/maps/regions.js';

const SIZE = 8;
const SCALE = 4;
const cells = (of) => Uint8Array.from({ length: SIZE * SIZE }, (_, cell) => of(cell % SIZE, Math.floor(cell / SIZE)));
const center = (cell) => {
  const [x, y] = [cell % SIZE, Math.floor(cell / SIZE)];
  return (y * SCALE + SCALE / 2) * SIZE * SCALE + x * SCALE + SCALE / 2;
};

test('at the center of every cell the router’s own answer stands, also in regions one cell wide', () => {
  for (const winner of [cells((x) => (x < 4 ? 0 : 1)), cells((x) => (x === 3 ? 1 : 0)), cells((x, y) => (x + y) % 2)]) {
    const regions = new Regions(SIZE, SCALE);
    regions.smooth(winner);
    winner.forEach((expert, cell) => {
      assert.equal(regions.fine[center(cell)], expert, `cell ${cell}`);
    });
  }
});

test('one region has no border, two have one between them', () => {
  const painted = (winner) => {
    const regions = new Regions(SIZE, SCALE);
    const pixels = new Uint32Array((SIZE * SCALE) ** 2);
    regions.smooth(winner);
    regions.paint([10, 11], [0, 0], [null, null], 99, pixels);
    return pixels;
  };
  assert.ok(painted(cells(() => 1)).every((pixel) => pixel === 11));
  const halves = painted(cells((x) => (x < 4 ? 0 : 1)));
  const row = [...halves.subarray(0, SIZE * SCALE)];
  assert.deepEqual(row, [...Array(15).fill(10), 99, 99, ...Array(15).fill(11)]); // the border is two pixels wide
});

test('a letter stands where it is farthest from any border', () => {
  const places = letterPlaces(
    cells((x) => (x < 5 ? 0 : 1)),
    SIZE,
  );
  const { cell, depth } = places.get(0);
  assert.equal(cell % SIZE, 2); // the middle of five columns,
  assert.equal(depth, 2.5); // half a cell to a border from within its cell, and two cells more
  assert.equal(places.get(1).cell % SIZE, 6);
  assert.equal(places.has(2), false);
});

test('a letter stays as long as its place is nearly as good', () => {
  const winner = cells(() => 0);
  const best = letterPlaces(winner, SIZE).get(0);
  const near = { cell: best.cell - 1, depth: 0 };
  assert.equal(letterPlaces(winner, SIZE, new Map([[0, near]])).get(0).cell, near.cell);
  const corner = { cell: 0, depth: 0 };
  assert.equal(letterPlaces(winner, SIZE, new Map([[0, corner]])).get(0).cell, best.cell);
});

test('boxes leave each other and the probe, and stay on the picture', () => {
  const boxes = [
    [50, 50],
    [52, 51],
    [3, 3],
  ].map((at) => ({ at }));
  apart(boxes, 20, [50, 60], { width: 200, height: 200 });
  assert.deepEqual(boxes[2].at, [12, 12]); // half a box and two pixels from the edges
  const [[ax, ay], [bx, by]] = boxes.map(({ at }) => at);
  assert.ok(Math.max(Math.abs(ax - bx), Math.abs(ay - by)) >= 20);
});
