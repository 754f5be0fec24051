import assert from 'node:assert/strict';
import test from 'node:test';
import { EVERYTHING, mapWants, whole } from '#stage/shell/wants.js';

const header = { data_version: 3, batch_dependent: false };

test('a map asks for its picture, and for its tokens once for each version of the data', () => {
  assert.deepEqual(mapWants('map', undefined, 'first_choice', null), ['first_choice', 'points']);
  assert.deepEqual(mapWants('map', header, 'first_choice', 2), ['first_choice', 'points']);
  assert.deepEqual(mapWants('map', header, 'first_choice', 3), ['first_choice']);
});

test('where a batch decides, choices are asked for with each frame', () => {
  assert.deepEqual(mapWants('curve', { ...header, batch_dependent: true }, 'first_choice', 3), ['curve', 'choices']);
  assert.deepEqual(mapWants('projection', { ...header, batch_dependent: true }, 'first_choice', 3), ['choices']);
});

test('rows bring their tokens with them', () => {
  assert.deepEqual(mapWants('rows', undefined, 'first_choice', null), ['rows']);
});

test('a frame is whole when it has what each picture needs', () => {
  const names = ['point_xy', 'group_share', 'history_step', 'winner', 'chosen', 'confidence', 'prediction', 'gate'];
  const arrays = Object.fromEntries([...names, 'expert_output'].map((name) => [name, {}]));
  assert.equal(whole({ header: { view: 'map' }, arrays }), true);
  assert.equal(whole({ header: { view: 'map' }, arrays: { ...arrays, gate: undefined } }), false);
  const rows = { row_pixels: {}, group_share: {}, history_step: {} };
  assert.equal(whole({ header: { view: 'rows' }, arrays: rows }), true); // rows have one picture
  assert.equal(whole({ header: { view: 'map' }, arrays: rows }), false);
});

test('everything is asked for once the picture is to be saved', () => {
  for (const name of ['points', 'history', 'groups', 'rows', 'first_choice', 'gate'])
    assert.ok(EVERYTHING.includes(name));
});
