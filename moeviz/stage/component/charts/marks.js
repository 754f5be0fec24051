// Changes by hand in the time charts: a dotted line where each began, and its label in one of a few rows, none ever left out.

import { shortest } from '../kit/numbers.js';

const SAME_CHANGE = 0.05; // of the time axis: marks of one knob nearer than this are one slider being dragged
const SAME_STEP = 0.005; // and marks nearer than this stand on one line
const SPACE = 8; // pixels between labels of one row
const GAP = 4; // pixels from a line to its label
const AXIS_ROOM = 64; // pixels beside a chart that has not been drawn yet
const pen = new OffscreenCanvas(1, 1).getContext('2d');

// The marks of a chart that draws these runs: one that only some of them have says whose it is.
/** @type {(marks: Mark[], runs: number[], titles: string[]) => OwnMark[]} */
export function marksOf(marks, runs, titles) {
  return marks.flatMap((mark) => {
    const here = runs.filter((run) => mark.runs.includes(run));
    if (!here.length) return [];
    return [here.length === runs.length ? mark : { ...mark, whose: here.map((run) => titles[run]).join(', ') }];
  });
}

// Adds lines and labels to a layout whose `meta` says how they look, and returns the pixels that the labels need above the plot.
/** @type {(layout: ChartLayout, marks: OwnMark[], host: HTMLElement, theme: Theme, border: number) => number} */
export function addMarks(layout, marks, host, theme, border) {
  const { mark, mark_label: style, mark_rows: rows, mark_row_height: rowHeight, mark_offset: offset } = layout.meta;
  const span = layout.xaxis.range[1];
  const { width, height } = plotSize(host);
  textWidth(layout.font.size, theme);
  const joined = dragged(marks, SAME_CHANGE * span, border);
  const labels = place(together(joined, SAME_STEP * span), { rows, width, perStep: width / span });
  for (const { step } of joined) {
    const row = labels.find((label) => label.step === step)?.row;
    const top = row === undefined ? 1 : 1 + (offset + (row + 1) * rowHeight) / height; // up to its label
    layout.shapes.push({ type: 'line', x0: step, x1: step, y0: 0, y1: top, yref: 'paper', ...mark });
  }
  for (const { step, text, row, shift } of labels) {
    const ground = { bgcolor: theme.background, borderpad: 0, align: 'left' }; // other changes' lines end at it
    layout.annotations.push({ x: step, text, ...style, ...ground, xshift: shift, yshift: offset + row * rowHeight });
  }
  return labels.length ? rowHeight * (1 + Math.max(...labels.map(({ row }) => row))) : 0;
}

// Pixels of a chart's plot, without its axes.
/** @type {(host: HTMLElement & { _fullLayout?: any }) => { width: number, height: number }} */
export function plotSize(host) {
  const { w, h } = host._fullLayout?._size ?? { w: host.clientWidth - AXIS_ROOM, h: host.clientHeight - AXIS_ROOM };
  return { width: w, height: h };
}

// A function that measures texts in pixels.
/** @type {(size: number, theme: Pick<Theme, 'font'>) => (text: string) => number} */
export function textWidth(size, { font }) {
  pen.font = `${size}px ${font}`;
  return (text) => pen.measureText(text).width;
}

// A slider that was dragged leaves many marks, "λ 0→0.1", "λ 0.1→1", …: shown as one, "λ 0→1", where the change began.
// `border`: a step that parts them, where what is gray begins: that is without the changes from there on.
/** @type {(marks: OwnMark[], gap: number, border?: number) => JoinedMark[]} */
export function dragged(marks, gap, border = 0) {
  const joined = [];
  const parted = (earlier, later) => earlier < border && later >= border;
  for (const mark of marks) {
    const { step, knob, after, whose } = mark;
    const began = knob && joined.findLast((each) => each.knob === knob && each.whose === whose);
    if (began && step - began.last <= gap && !parted(began.last, step))
      Object.assign(began, { last: step, after, back: began.before === after });
    else joined.push({ ...mark, last: step, back: false });
  }
  return joined;
}

// One label for the marks of one step: "N 12→4, k 5→4".
/** @type {(marks: JoinedMark[], gap: number) => MarkLabel[]} */
export function together(marks, gap) {
  const labels = [];
  for (const mark of marks) {
    const last = labels.at(-1);
    if (last && mark.step - last.step <= gap) last.marks.push(mark);
    else labels.push({ step: mark.step, marks: [mark] });
  }
  return labels;
}

// Gives every label a row, and a shift in pixels from its line. The newest come first, so that older lines, which rise to
// higher rows, cross no label. Where there is no room, a label's text joins that of the one before.
/** @type {(labels: MarkLabel[], room: { rows: number, width: number, perStep: number }) => { step: number, text: string, row: number, shift: number }[]} */
export function place(labels, room) {
  const placed = [];
  const taken = Array.from({ length: room.rows }, () => []);
  for (let index = labels.length - 1; index >= 0; index -= 1) {
    const { step, marks } = labels[index];
    const texts = wording(marks);
    const x = step * room.perStep;
    const spot = freeSpot(x, pen.measureText(texts.join(', ')).width + SPACE, taken, room.width);
    if (!spot && labels.length > 1) return place(joined(labels, Math.max(index, 1)), room);
    placed.push(
      spot ? { step, text: texts.join(', '), ...spot } : { step, text: texts.join(',<br>'), row: 0, shift: GAP - x },
    );
  }
  return placed;
}

// To the right of its line or to the left; where it fits on neither side, as far to the right as the chart goes.
function freeSpot(x, length, taken, width) {
  const beside = [x, x - length].filter((from) => from >= 0 && from + length <= width + SPACE);
  const starts = beside.length || length > width ? beside : [width - length];
  for (const from of starts) {
    for (const [row, intervals] of taken.entries()) {
      if (intervals.some(([start, end]) => from < end && from + length > start)) continue;
      intervals.push([from, from + length]);
      return { row, shift: from - x + GAP };
    }
  }
  return null;
}

function joined(labels, index) {
  const before = labels[index - 1];
  const one = { step: before.step, marks: [...before.marks, ...labels[index].marks] };
  return [...labels.slice(0, index - 1), one, ...labels.slice(index + 1)];
}

// Marks of one knob are written as one: where it came from and where it got to.
function wording(marks) {
  const byKnob = new Map();
  for (const mark of marks) {
    const key = mark.knob ? JSON.stringify([mark.knob, mark.whose]) : named(mark);
    const began = byKnob.get(key);
    byKnob.set(key, began ? { ...began, after: mark.after, back: true } : mark);
  }
  return [...byKnob.values()].map(named);
}

// A mark in words, wherever they are written: "λ 0→10", "λ 0→…→0", "b: C killed".
/** @type {(mark: OwnMark & { back?: boolean }) => string} */
export function named({ whose, knob, before, after, back, expert, now }) {
  const what = knob ? `${knob} ${written(before)}→${back ? '…→' : ''}${written(after)}` : `${expert} ${now}`;
  return whose ? `${whose}: ${what}` : what;
}

// A knob's value, as moeviz/config/changes.py writes it.
function written(value) {
  if (typeof value === 'number') return shortest(value);
  return { null: 'None', true: 'True', false: 'False' }[String(value)] ?? value;
}
