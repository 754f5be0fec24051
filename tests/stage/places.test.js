import assert from 'node:assert/strict';
import test from 'node:test';
import { firstChoice, labelPlace } from '#stage/probe.js';
import { queueOf } from '#stage/racks.js';

test('the first choice is the most probable expert, the first of equals', () => {
  assert.equal(firstChoice([0.2, 0.4, 0.4]), 1);
});

test('the cut’s label stands where no bar crosses its line', () => {
  assert.equal(labelPlace([0.9, 0.1, 0.1, 0.1], 0.5), 'right');
  assert.equal(labelPlace([0.1, 0.1, 0.1, 0.9], 0.5), 'left');
  assert.equal(labelPlace([0.9, 0.1, 0.1, 0.1, 0.1, 0.9], 0.5), 'middle');
  assert.equal(labelPlace([0.9, 0.9, 0.9], 0.5), '');
});

test('tokens queue in the order of their places, and who did not choose the expert does not', () => {
  const position = [1, -1, 0, 0, -1, 2, 2, 1]; // four tokens, two experts: of A 1, 0, none, 2
  assert.deepEqual(queueOf({ position, ids: [0, 1], tokens: 4 }, 0), [1, 0, 3]);
  assert.deepEqual(queueOf({ position, ids: [0, 1], tokens: 4 }, 1), [1, 3, 2]);
});
