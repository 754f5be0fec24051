import assert from 'node:assert/strict';
import test from 'node:test';
import {
  background,
  classFill,
  HUES,
  letter,
  onStripe,
  outline,
  PATTERNS,
  paintOf,
  pixel,
} from '#stage/kit/palette.js';

const upTo = (count) => [...Array(count).keys()];

test('experts are named A to Z, then AA, AB, …, then AAA', () => {
  assert.deepEqual([0, 25, 26, 27, 51, 52, 701, 702].map(letter), ['A', 'Z', 'AA', 'AB', 'AZ', 'BA', 'ZZ', 'AAA']);
});

test('no two of 64 experts are painted alike, and the next begin anew', () => {
  const paints = upTo(64).map((id) => JSON.stringify(paintOf(id)));
  assert.equal(new Set(paints).size, 64);
  assert.deepEqual(paintOf(64), paintOf(0));
});

test('of eight pixels across a stripe as many are of its color as its pattern says', () => {
  for (const pattern of PATTERNS.filter(Boolean)) {
    for (const period of [8, 16]) {
      const tile = upTo(period).flatMap((y) => upTo(period).map((x) => onStripe(pattern, x, y, period)));
      assert.equal(tile.filter(Boolean).length / tile.length, pattern.wide / 8);
    }
  }
});

test('stripes go on over 0, where slanting lines have negative places', () => {
  const slanting = { turn: 45, wide: 2 }; // along it: x − y
  assert.deepEqual(
    upTo(8).map((y) => onStripe(slanting, 0, y)),
    upTo(8).map((y) => onStripe(slanting, 8, y)),
  );
});

test('a background is plain for the first eight experts and a hard-edged gradient for the next', () => {
  assert.equal(background(0), `linear-gradient(${HUES[0]}, ${HUES[0]})`);
  assert.equal(background(8), `repeating-linear-gradient(135deg, ${HUES[0]} 0 6px, #FFFFFF 6px 8px)`); // 2 of 8 pixels
});

test('a color as a word lies in memory as red, green, blue and full alpha', () => {
  assert.deepEqual([...new Uint8Array(Uint32Array.of(pixel('#0172B2')).buffer)], [0x01, 0x72, 0xb2, 255]);
});

test('ten classes have ten outlines, even ones white and odd ones dark', () => {
  assert.equal(new Set(upTo(10).map(outline)).size, 10);
  assert.equal(outline(10), outline(0));
  assert.deepEqual(upTo(4).map(classFill), ['#FFFFFF', '#111111', '#FFFFFF', '#111111']);
});
