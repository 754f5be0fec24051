import assert from 'node:assert/strict';
import test from 'node:test';
import { firstChoice, labelPlace } from '#stage/panels/probe.js';

test('the first choice is the most probable expert, the first of equals', () => {
  assert.equal(firstChoice([0.2, 0.4, 0.4]), 1);
});

test('the cut’s label stands where no bar crosses its line', () => {
  assert.equal(labelPlace([0.9, 0.1, 0.1, 0.1], 0.5), 'right');
  assert.equal(labelPlace([0.1, 0.1, 0.1, 0.9], 0.5), 'left');
  assert.equal(labelPlace([0.9, 0.1, 0.1, 0.1, 0.1, 0.9], 0.5), 'middle');
  assert.equal(labelPlace([0.9, 0.9, 0.9], 0.5), '');
});
