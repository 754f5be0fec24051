import assert from 'node:assert/strict';
import test from 'node:test';
import { queueOf } from '#stage/pages/routers/racks.js';

test('tokens queue in the order of their places, and who did not choose the expert does not', () => {
  const position = [1, -1, 0, 0, -1, 2, 2, 1]; // four tokens, two experts: of A 1, 0, none, 2
  assert.deepEqual(queueOf({ position, ids: [0, 1], tokens: 4 }, 0), [1, 0, 3]);
  assert.deepEqual(queueOf({ position, ids: [0, 1], tokens: 4 }, 1), [1, 3, 2]);
});
