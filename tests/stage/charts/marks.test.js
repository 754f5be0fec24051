import '../canvas.js';
import assert from 'node:assert/strict';
import test from 'node:test';

const { dragged, marksOf, named, place, together } = await import('#stage/charts/marks.js'); // after the canvas is there

test('a mark says whose it is, unless all runs that are drawn have it', () => {
  const marks = [
    { step: 10, knob: 'k', before: 2, after: 1, runs: [0, 1] },
    { step: 20, expert: 'C', now: 'killed', runs: [1] },
  ];
  assert.deepEqual(marksOf(marks, [0, 1], ['a', 'b']).map(named), ['k 2→1', 'b: C killed']);
  assert.deepEqual(marksOf(marks, [0], ['a', 'b']).map(named), ['k 2→1']);
});

test('a slider that is dragged is one change where it began, and says when it came back', () => {
  const marks = [
    { step: 100, knob: 'λ', before: 0, after: 1 },
    { step: 103, knob: 'k', before: 2, after: 1 },
    { step: 104, knob: 'λ', before: 1, after: 5 },
    { step: 108, knob: 'λ', before: 5, after: 0 },
  ];
  assert.deepEqual(dragged(marks, 5).map(named), ['λ 0→…→0', 'k 2→1']);
  assert.deepEqual(dragged(marks, 3).map(named), ['λ 0→1', 'k 2→1', 'λ 1→5', 'λ 5→0']);
});

test('what is gray begins without the changes from there on', () => {
  const marks = [
    { step: 100, knob: 'λ', before: 0, after: 1 },
    { step: 104, knob: 'λ', before: 1, after: 5 },
  ];
  assert.deepEqual(dragged(marks, 5, 102).map(named), ['λ 0→1', 'λ 1→5']);
  assert.deepEqual(dragged(marks, 5, 105).map(named), ['λ 0→5']);
});

test('a treatment is a mark of its own', () => {
  const marks = [
    { step: 5, expert: 'C', now: 'killed' },
    { step: 6, expert: 'C', now: 'free' },
  ];
  assert.deepEqual(dragged(marks, 5).map(named), ['C killed', 'C free']);
});

test('values are written as Python writes them', () => {
  const turned = (before, after) => named({ knob: 'rate', before, after });
  assert.equal(turned(0.03, 1e-5), 'rate 0.03→1e-05');
  assert.equal(turned(null, 1.25), 'rate None→1.25');
  assert.equal(turned(false, true), 'rate False→True');
});

test('marks of one step share a label, which begins at the first', () => {
  const labels = together([{ step: 100 }, { step: 102 }, { step: 110 }], 5);
  assert.deepEqual(labels, [
    { step: 100, marks: [{ step: 100 }, { step: 102 }] },
    { step: 110, marks: [{ step: 110 }] },
  ]);
});

test('a label stands to the right of its line, and to the left where the chart ends', () => {
  const label = (step) => [{ step, marks: [{ step, expert: 'C', now: 'killed' }] }]; // 64 pixels, and 8 to the next
  const room = { rows: 1, width: 200, perStep: 1 };
  assert.deepEqual(place(label(10), room), [{ step: 10, text: 'C killed', row: 0, shift: 4 }]);
  assert.deepEqual(place(label(190), room), [{ step: 190, text: 'C killed', row: 0, shift: 4 - 72 }]);
});

test('labels that meet take another row, and without one they join', () => {
  const labels = [10, 20].map((step) => ({ step, marks: [{ step, expert: 'A', now: `at ${step}` }] }));
  const rows = (count) => place(labels, { rows: count, width: 70, perStep: 1 }).map(({ text, row }) => [text, row]);
  assert.deepEqual(rows(2), [
    ['A at 20', 0],
    ['A at 10', 1],
  ]);
  assert.deepEqual(rows(1), [['A at 10,<br>A at 20', 0]]);
});
