import assert from 'node:assert/strict';
import test from 'node:test';
import { chartWords, part, shares } from '#stage/kit/words.js';

test('shares are told from the largest to the smallest', () => {
  assert.equal(
    shares(['b', 'a', 'a', 'a'], (name) => name.toUpperCase()),
    'A 75 %, B 25 %',
  );
});

test('a part is the share of the cells that fulfill a condition', () => {
  assert.equal(
    part([1, 5, 9, 9], (value, cell) => value > 4 && cell < 3),
    '50 %',
  );
});

test('a chart in words says what its lines have come to, and what is unknown', () => {
  const header = { measured_step: 40, cv_load: [0.5, null], dead: [[true, false, true]], num_runs: 1, ids: [[0, 2]] };
  assert.equal(
    chartWords('uneven', header),
    'Unevenness of load (CV) over training steps: 0.500 and unknown at step 40.',
  );
  assert.equal(chartWords('dead', header), 'Dead experts over training steps: 2 at step 40.');
  const arrays = { load: { of: () => Float32Array.of(0.25, 0.75) } };
  assert.equal(chartWords('load', header, arrays), 'Load over training steps: A 25 %, C 75 % at step 40.');
  assert.equal(chartWords('load-1', header, arrays), 'Load over training steps.'); // of twins that are not there yet
});
