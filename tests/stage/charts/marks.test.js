import '../canvas.js';
import assert from 'node:assert/strict';
import test from 'node:test';

const { dragged, marksOf, named, place, together } = await import('#stage/charts/marks.js'); // after the canvas is there

test('a mark says whose it is, unless all runs that are drawn have it', () => {
  const marks = [
    [10, 'k 2→1', [0, 1]],
    [20, 'C killed', [1]],
  ];
  assert.deepEqual(marksOf(marks, [0, 1], ['a', 'b']), [
    [10, 'k 2→1'],
    [20, 'b: C killed'],
  ]);
  assert.deepEqual(marksOf(marks, [0], ['a', 'b']), [[10, 'k 2→1']]);
});

test('a slider that is dragged is one change where it began, and says when it came back', () => {
  const marks = [
    [100, 'λ 0→1'],
    [103, 'k 2→1'],
    [104, 'λ 1→5'],
    [108, 'λ 5→0'],
  ];
  assert.deepEqual(dragged(marks, 5).map(named), ['λ 0→…→0', 'k 2→1']);
  assert.deepEqual(dragged(marks, 3).map(named), ['λ 0→1', 'k 2→1', 'λ 1→5', 'λ 5→0']);
});

test('what is gray begins without the changes from there on', () => {
  const marks = [
    [100, 'λ 0→1'],
    [104, 'λ 1→5'],
  ];
  assert.deepEqual(dragged(marks, 5, 102).map(named), ['λ 0→1', 'λ 1→5']);
  assert.deepEqual(dragged(marks, 5, 105).map(named), ['λ 0→5']);
});

test('a text that is no knob stays as it is', () => {
  assert.deepEqual(dragged([[5, 'C killed']], 5).map(named), ['C killed']);
});

test('changes of one step share a label, which begins at the first', () => {
  const labels = together([{ step: 100 }, { step: 102 }, { step: 110 }], 5);
  assert.deepEqual(labels, [
    { step: 100, changes: [{ step: 100 }, { step: 102 }] },
    { step: 110, changes: [{ step: 110 }] },
  ]);
});

test('a label stands to the right of its line, and to the left where the chart ends', () => {
  const label = (step) => [{ step, changes: [{ step, text: 'C killed' }] }]; // 64 pixels, and 8 to the next
  const room = { rows: 1, width: 200, perStep: 1 };
  assert.deepEqual(place(label(10), room), [{ step: 10, text: 'C killed', row: 0, shift: 4 }]);
  assert.deepEqual(place(label(190), room), [{ step: 190, text: 'C killed', row: 0, shift: 4 - 72 }]);
});

test('labels that meet take another row, and without one they join', () => {
  const labels = [10, 20].map((step) => ({ step, changes: [{ step, text: `at ${step}` }] }));
  const rows = (count) => place(labels, { rows: count, width: 60, perStep: 1 }).map(({ text, row }) => [text, row]);
  assert.deepEqual(rows(2), [
    ['at 20', 0],
    ['at 10', 1],
  ]);
  assert.deepEqual(rows(1), [['at 10,<br>at 20', 0]]);
});
