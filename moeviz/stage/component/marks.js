// Knob changes in the time charts: a dotted line where each began, and its label in one of a few rows, none ever left out.

const SAME_CHANGE = 0.05; // of the time axis: marks of one knob nearer than this are one slider being dragged
const SAME_STEP = 0.005; // and marks nearer than this stand on one line
const SPACE = 8; // pixels between labels of one row
const GAP = 4; // pixels from a line to its label
const AXIS_ROOM = 64; // pixels beside a chart that has not been drawn yet
const pen = new OffscreenCanvas(1, 1).getContext('2d');

// Adds lines and labels to a layout whose `meta` says how they look.
export function addMarks(layout, marks, host, theme) {
  const { mark, mark_label: style, mark_rows: rows, mark_row_height: rowHeight } = layout.meta;
  const span = layout.xaxis.range[1];
  const width = host._fullLayout?._size?.w ?? host.clientWidth - AXIS_ROOM;
  pen.font = `${layout.font.size}px ${theme.font}`;
  const changes = dragged(marks, SAME_CHANGE * span);
  for (const { step } of changes) {
    layout.shapes.push({ type: 'line', x0: step, x1: step, y0: 0, y1: 1, yref: 'paper', ...mark });
  }
  const labels = place(together(changes, SAME_STEP * span), { rows, width, perStep: width / span });
  const font = { shadow: `0 0 3px ${theme.background}, 0 0 3px ${theme.background}` };
  for (const { step, text, row, shift } of labels) {
    layout.annotations.push({ x: step, text, ...style, align: 'left', font, xshift: shift, yshift: row * rowHeight });
  }
  const highest = Math.max(0, ...labels.map(({ row }) => row));
  if (style.y === 1) layout.margin.t += highest * rowHeight; // above the plot
}

// A slider that was dragged leaves many marks, "λ 0→0.1", "λ 0.1→1", …: shown as one, "λ 0→1", where the change began.
export function dragged(marks, gap) {
  const changes = [];
  for (const [step, text] of marks) {
    const [, knob, from, to] = /^(.+) (.+?)→(.+)$/.exec(text) ?? [];
    const before = knob && changes.findLast((each) => each.knob === knob);
    if (before && step - before.last <= gap) Object.assign(before, { last: step, to, back: before.from === to });
    else changes.push({ step, last: step, text, knob, from, to, back: false });
  }
  return changes;
}

// One label for the changes of one step: "N 12→4, k 5→4".
export function together(changes, gap) {
  const labels = [];
  for (const change of changes) {
    const before = labels.at(-1);
    if (before && change.step - before.step <= gap) before.changes.push(change);
    else labels.push({ step: change.step, changes: [change] });
  }
  return labels;
}

// Gives every label a row, and a shift in pixels from its line; where there is no room, its text joins that of the one before.
export function place(labels, room) {
  const placed = [];
  const taken = Array.from({ length: room.rows }, () => []);
  for (const [index, { step, changes }] of labels.entries()) {
    const texts = wording(changes);
    const x = step * room.perStep;
    const spot = freeSpot(x, pen.measureText(texts.join(', ')).width + SPACE, taken, room.width);
    if (!spot && index > 0) return place(joined(labels, index), room);
    placed.push(spot ? { step, text: texts.join(', '), ...spot } : { step, text: texts.join(',<br>'), row: 0, shift: GAP - x });
    if (!spot) taken.forEach((intervals) => intervals.push([0, room.width])); // wider than the chart: it gets all rows
  }
  return placed;
}

// To the right of its line, to the left, or as far to the right as the chart goes; in the lowest row that is free there.
function freeSpot(x, length, taken, width) {
  const starts = [x, x - length, width - length].filter((from) => from >= 0 && from + length <= width + SPACE);
  for (const [row, intervals] of taken.entries()) {
    for (const from of starts) {
      if (intervals.some(([start, end]) => from < end && from + length > start)) continue;
      intervals.push([from, from + length]);
      return { row, shift: from - x + GAP };
    }
  }
  return null;
}

function joined(labels, index) {
  const before = labels[index - 1];
  const one = { step: before.step, changes: [...before.changes, ...labels[index].changes] };
  return [...labels.slice(0, index - 1), one, ...labels.slice(index + 1)];
}

// Changes of one knob are written as one: where it came from and where it got to.
function wording(changes) {
  const byKnob = new Map();
  for (const each of changes) {
    const key = each.knob ?? each.text;
    const before = byKnob.get(key);
    byKnob.set(key, before ? { ...before, to: each.to, back: true } : each);
  }
  const text = ({ knob, from, to, back, text: whole }) => (knob ? `${knob} ${from}→${back ? '…→' : ''}${to}` : whole);
  return [...byKnob.values()].map(text);
}
