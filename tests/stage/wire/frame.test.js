import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeFrame } from '#stage/wire/frame.js';

// A frame by hand, as moeviz/frames/packing.py describes it: magic, length of the header, header, arrays at multiples of 8.
function packed() {
  const arrays = [
    ['winner', 'u1', [2, 3], 256],
    ['load', 'f4', [2, 2], 264],
    ['history_step', 'f4', [2], 280],
    ['seats', 'i2', [1, 2], 288],
    ['codes', 'i4', [1, 1], 296],
  ];
  const buffer = new ArrayBuffer(304);
  const header = JSON.stringify({ step: 7, arrays }).padEnd(248);
  new Uint8Array(buffer).set(new TextEncoder().encode(`MOE1\0\0\0\0${header}`));
  new DataView(buffer).setUint32(4, 248, true);
  new Uint8Array(buffer, 256).set([0, 1, 2, 3, 4, 5]);
  for (const [at, value] of [0.25, 0.75, 0.5, NaN, 0, 10].entries())
    new DataView(buffer).setFloat32(264 + 4 * at, value, true);
  new DataView(buffer).setInt16(288, -1, true);
  new DataView(buffer).setInt32(296, 0x1f600, true);
  return buffer;
}

test('a frame is its header and its arrays by name', () => {
  const { header, arrays } = decodeFrame(packed());
  assert.equal(header.step, 7);
  assert.deepEqual([...arrays.load.data], [0.25, 0.75, 0.5, NaN]);
  assert.deepEqual(arrays.load.shape, [2, 2]);
  assert.deepEqual([arrays.seats.data[0], arrays.codes.data[0]], [-1, 0x1f600]);
});

test('an array is parted by runs, but one with a single axis belongs to all of them', () => {
  const { arrays } = decodeFrame(packed());
  assert.deepEqual([...arrays.winner.of(1)], [3, 4, 5]);
  assert.equal(arrays.winner.stride, 3);
  assert.deepEqual([...arrays.history_step.of(1)], [0, 10]);
});

test('nothing is copied: all arrays look at the frame itself', () => {
  const buffer = packed();
  const { arrays } = decodeFrame(buffer);
  assert.ok(Object.values(arrays).every(({ data }) => data.buffer === buffer));
  assert.equal(arrays.winner.of(1).buffer, buffer);
});

test('other bytes are refused with what to do', () => {
  for (const buffer of [new ArrayBuffer(0), new TextEncoder().encode('<html><body>').buffer])
    assert.throws(() => decodeFrame(buffer), /must begin with MOE1: got \d+ other bytes; reload the page/);
});
