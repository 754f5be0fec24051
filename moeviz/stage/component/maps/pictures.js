// The pictures of a map: what each asks of the run, what it says above itself, and how it draws the ground under the tokens.

import { drawLetter } from '../kit/letters.js';
import {
  answersHeading,
  asksForOne,
  chosenHeading,
  chosenWords,
  firstHeading,
  firstWords,
  gatesHeading,
  sureHeading,
} from '../kit/labels.js';
import { percent } from '../kit/numbers.js';
import { classFill, fillStyle, hue, INK, letter, outline, paintOf, PATTERNS, pixel } from '../kit/palette.js';
import { drawContour, drawHatch, drawShades, GRAYS, tiles, VIOLET } from './shades.js';
import { part, shares } from '../kit/words.js';

const CLASS_GRAYS = ['#D6D6D6', '#5E5E5E']; // even classes are light, odd ones dark, as their markers
/** @type {[level: number, label: string, dash: number[]][]} */
const SURE = [
  [0.5, '.5', [2, 8]],
  [0.9, '.9', []],
];
const EDGE = 26; // pixels: two letters beside each other stay inside the picture
const MOST_PAIRS = 150; // before they are numbered anew: a cell's number is a byte
const NOT_CHOSEN = '#F2F2F2';
const CLASS_PIXELS = Uint32Array.from({ length: 256 }, (_, index) => pixel(CLASS_GRAYS[index % 2]));

// `draw` gets { context, surface, layer, header, arrays, run, pointed }; `words(header, arrays, run)` says what is to be seen;
// `needs` are arrays of the frame.
export const PICTURES = {
  first_choice: {
    label: 'First choice',
    want: ['first_choice'],
    needs: ['winner'],
    points: true,
    heading: firstHeading,
    draw: firstChoice,
    words: areas,
  },
  top_k: {
    label: 'Top k',
    want: ['first_choice'],
    needs: ['chosen'],
    points: true,
    draw: topK,
    heading: (header, pointed) => chosenHeading(header, letter(header.ids[0][pointed])),
    words: chosenShares,
  },
  confidence: {
    label: 'Sure',
    want: ['confidence'],
    needs: ['confidence'],
    points: true,
    heading: sureHeading,
    draw: confidence,
    words: (_, arrays, run) => {
      const values = arrays.confidence.of(run);
      return `Above .9 on ${part(values, (each) => each >= 0.9 * 255)} of the area, below .5 on ${part(values, (each) => each < 0.5 * 255)}.`;
    },
  },
  prediction: {
    label: 'Answer',
    want: ['prediction'],
    needs: ['prediction'],
    points: true,
    heading: ({ kind }) =>
      kind === 'regression' ? 'What the model answers: light = low, dark = high' : 'What class the model answers',
    draw: prediction,
    words: answers,
  },
  gate: {
    label: 'Gates',
    want: ['gate'],
    needs: ['gate'],
    heading: gatesHeading,
    draw: gates,
    words: ({ ids }, arrays, run) =>
      `Mean over the map: ${ids[run].map((id, expert) => `${letter(id)} ${percent(mean(tile(arrays.gate.of(run), ids[run].length, expert)) / 255)} %`).join(', ')}.`,
  },
  expert_output: {
    label: 'Experts',
    want: ['expert_output', 'first_choice'],
    needs: ['expert_output', 'chosen'],
    heading: answersHeading,
    draw: experts,
    words: chosenShares,
  },
};

function firstChoice({ context, surface, layer, header, arrays, run }) {
  const ids = header.ids[run];
  layer.draw(context, surface, arrays.winner.of(run), ids.map(paintOf));
  return () => layer.named(surface, (expert, x, y) => drawLetter(context, letter(ids[expert]), x, y));
}

// Two at each place: color = first choice, stripes = second. Else: where one expert is among the chosen.
function topK(scene) {
  const { context, surface, layer, header, arrays, run } = scene;
  const ids = header.ids[run];
  if (header.top_k[run] === 1 && !asksForOne(header, run)) return firstChoice(scene);
  const winner = arrays.winner.of(run);
  const chosen = arrays.chosen.of(run);
  if (asksForOne(header, run)) {
    const { pointed } = scene;
    const cells = winner.map((_, cell) => (isChosen(chosen, ids.length, cell, pointed) ? 1 : 0));
    layer.draw(context, surface, cells, [plain(NOT_CHOSEN), paintOf(ids[pointed])]);
    return () => layer.named(surface, (number, x, y) => number && drawLetter(context, letter(ids[pointed]), x, y));
  }
  const pairs = numbersOf(layer, ids);
  const cells = winner.map((first, cell) => {
    const second = ids.findIndex((_, expert) => expert !== first && isChosen(chosen, ids.length, cell, expert));
    const name = first * ids.length + second;
    if (!pairs.has(name)) pairs.set(name, { number: pairs.size, first, second });
    return pairs.get(name).number;
  });
  const named = [...pairs.values()];
  layer.draw(
    context,
    surface,
    cells,
    named.map(({ first, second }) => ({ color: hue(ids[first]), stripe: hue(ids[second]), pattern: PATTERNS[1] })),
  );
  return () =>
    layer.named(surface, (number, x, y) => {
      const { first, second } = named[number];
      const middle = Math.min(Math.max(x, EDGE), surface.width - EDGE);
      drawLetter(context, letter(ids[first]), middle - 11, y);
      drawLetter(context, letter(ids[second]), middle + 11, y);
    });
}

// Each pair keeps its number from frame to frame, so that only what changed is painted again.
function numbersOf(layer, ids) {
  const key = ids.join();
  if (layer.pairs?.key !== key || layer.pairs.size > MOST_PAIRS) layer.pairs = Object.assign(new Map(), { key });
  return layer.pairs;
}

function areas(header, arrays, run) {
  const { ids } = header;
  return `${firstWords(header, run)} by area: ${shares(arrays.winner.of(run), (expert) => letter(ids[run][expert]))}.`;
}

function chosenShares(header, arrays, run) {
  const { ids } = header;
  const cells = arrays.winner.of(run);
  const chosen = arrays.chosen.of(run);
  const each = ids[run].map(
    (id, expert) => `${letter(id)} ${part(cells, (_, cell) => isChosen(chosen, ids[run].length, cell, expert))}`,
  );
  return `${chosenWords(header, run)}: ${each.join(', ')}.`;
}

function answers({ kind, lo, hi }, arrays, run) {
  const values = arrays.prediction.of(run);
  if (kind !== 'regression') return `By area: ${shares(values, (index) => `class ${index}`)}.`;
  return `Mean ${(lo + (mean(values) / 255) * (hi - lo)).toFixed(2)}, between ${lo.toFixed(2)} and ${hi.toFixed(2)}.`;
}

const plain = (color) => ({ color, stripe: '', pattern: null });
const mean = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;
const tile = (values, count, expert) =>
  values.subarray((expert * values.length) / count, ((expert + 1) * values.length) / count);

const isChosen = (chosen, count, cell, expert) =>
  ((chosen[cell * Math.ceil(count / 8) + (expert >> 3)] >> (expert & 7)) & 1) === 1;

function confidence({ context, surface, arrays, run, theme }) {
  const values = arrays.confidence.of(run);
  drawShades(context, values, VIOLET, { x: 0, y: 0, side: surface.width });
  return () =>
    SURE.forEach(([level, label, dash]) =>
      drawContour(context, surface, values, level * 255, { label, dash, size: theme.size + 2 }),
    );
}

function prediction({ context, surface, layer, header, arrays, run }) {
  const values = arrays.prediction.of(run);
  if (header.kind === 'regression') {
    drawShades(context, values, GRAYS, { x: 0, y: 0, side: surface.width });
    return () => {};
  }
  const paints = Array.from({ length: header.num_outputs }, (_, index) => plain(CLASS_GRAYS[index % 2]));
  layer.draw(context, surface, values, paints);
  return () => layer.named(surface, (index, x, y) => drawMarker(context, index, x, y));
}

function drawMarker(context, index, x, y) {
  context.save();
  context.translate(x, y);
  context.scale(13, 13);
  context.fillStyle = classFill(index);
  context.strokeStyle = classFill(index) === INK ? '#FFFFFF' : INK;
  context.lineWidth = 3 / 13;
  const path = new Path2D(outline(index));
  context.fill(path);
  context.stroke(path);
  context.restore();
}

function gates({ context, surface, header, arrays, run }) {
  return small(context, surface, header.ids[run], arrays.gate.of(run), VIOLET);
}

function experts({ context, surface, header, arrays, run }) {
  const ids = header.ids[run];
  const chosen = arrays.chosen.of(run);
  const wide = Math.sqrt(arrays.winner.of(run).length);
  const colors = header.kind === 'regression' ? GRAYS : CLASS_PIXELS;
  return small(context, surface, ids, arrays.expert_output.of(run), colors, (expert, size) => (cell) => {
    const ratio = wide / size; // the choices are known more finely
    const at = Math.floor(cell / size) * ratio * wide + (cell % size) * ratio;
    return !isChosen(chosen, ids.length, at, expert);
  });
}

// One small map for each expert, all on one scale, each with its letter in its color.
function small(context, surface, ids, values, colors, hatched) {
  const cells = values.length / ids.length;
  const boxes = tiles(ids.length, surface.width);
  boxes.forEach((box, expert) => {
    drawShades(context, tile(values, ids.length, expert), colors, box);
    if (hatched) drawHatch(context, Math.sqrt(cells), hatched(expert, Math.sqrt(cells)), box);
  });
  return () =>
    boxes.forEach(({ x, y, side }, expert) => {
      context.strokeStyle = INK;
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, side - 2, side - 2);
      context.fillStyle = fillStyle(context, ids[expert]);
      context.fillRect(x + 2, y + 2, 30, 30);
      context.strokeRect(x + 2, y + 2, 30, 30);
      drawLetter(context, letter(ids[expert]), x + 17, y + 16);
    });
}
