import assert from 'node:assert/strict';
import test from 'node:test';
import { Tokens } from '#stage/wire/tokens.js';

const array = (...runs) => ({ stride: runs[0].length, of: (run) => runs[run] });
const header = { data_version: 1, num_runs: 2, step: 10, revision: 0, batch_dependent: true };
const places = {
  point_xy: array([0, 1, 2, 3], [0, 1, 2, 3]),
  point_target: array([1, 0], [1, 0]),
  point_train: array([1, 0], [1, 0]),
};
const choices = { point_choice: array([2, 3], [4, 5]), point_kept: array([1, 0], [1, 1]) };

test('places come once for each version of the data, choices with later frames', () => {
  const tokens = new Tokens();
  tokens.take({ header, arrays: places });
  assert.equal(tokens.get(header, 1).choice, undefined);
  tokens.take({ header, arrays: choices });
  const points = tokens.get(header, 1);
  assert.deepEqual(
    [points.xy, points.choice, points.kept],
    [
      [0, 1, 2, 3],
      [4, 5],
      [1, 1],
    ],
  );
  assert.equal(points.choiceVersion, '10.0');
});

test('where nobody queues, nothing is kept or dropped', () => {
  const tokens = new Tokens();
  const alone = { ...header, batch_dependent: false };
  tokens.take({ header: alone, arrays: { ...places, point_choice: choices.point_choice } });
  assert.equal(tokens.get(alone, 0).kept, null);
});

test('points of another version, and choices of other points, are not shown', () => {
  const tokens = new Tokens();
  tokens.take({ header, arrays: places });
  assert.equal(tokens.get({ ...header, data_version: 2 }, 0), null);
  tokens.take({ header, arrays: { ...choices, point_choice: array([1], [1]) } });
  assert.equal(tokens.get(header, 0).choice, undefined);
  tokens.forget();
  assert.equal(tokens.get(header, 0), null);
});
