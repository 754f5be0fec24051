// What the markers mean, under the map; and the picture in words, for those who hear it.

import { bestAt, colorName, companyNote, firstWords, wordsOf } from '../kit/labels.js';
import { dropped } from './load.js';
import { share } from '../kit/numbers.js';
import { letter } from '../kit/palette.js';
import { PICTURES } from '../maps/pictures.js';
import { marker } from './probe.js';
import { rowWords } from '../maps/rows.js';
import { shares } from '../kit/words.js';

// Where seats are limited, the router's preference and what really happens differ.
const HEADINGS = {
  curve: (header) => `Each expert’s curve, and where it ${bestAt(header)}`,
  projection: (header) =>
    header.batch_dependent
      ? 'Inputs, colored by who got them'
      : `Inputs on two principal components, colored by ${wordsOf(header).first}`,
  rows: () => 'Each row in the color of its main expert',
};
const SEATS = {
  map: 'Seats are limited: outline = the expert that got it; ✕ = all its choices dropped',
  curve: 'Seats are limited: ✕ = all its choices dropped',
  projection: 'Seats are limited: white with ✕ = all its choices dropped',
  rows: 'Seats are limited: hatched = all its choices dropped',
};

/** @type {(header: Header, picture: string, pointed?: number | null) => string} */
export function heading(header, picture, pointed) {
  const said = header.view === 'map' ? PICTURES[picture].heading(header, pointed) : HEADINGS[header.view](header);
  if (!header.batch_dependent) return said;
  return [said, dropped(header, 0)].filter(Boolean).join(' · ');
}

// Rebuilt only when the task or the way of drawing changes.
/** @type {(host: HTMLElement, header: Header, fixed?: boolean) => void} */
export function drawLegend(host, header, fixed) {
  const key = [
    header.task,
    header.num_outputs,
    header.batch_dependent,
    header.limited,
    header.choice[0],
    header.skips[0],
    header.lo,
    header.hi,
  ].join();
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  const ring = header.view === 'rows' ? 'box = probe: click another row' : 'ring = probe: drag it';
  const parts = [...tokens(header), note(fixed ? ring.split(':')[0] : ring)];
  if (header.batch_dependent) parts.push(note(header.limited ? SEATS[header.view] : companyNote(header)));
  host.replaceChildren(...parts);
}

// What a token looks like in this view: only what is drawn there.
function tokens(header) {
  if (header.view === 'curve') return [named(0, 'solid', 'training'), named(0, 'none', 'test')];
  if (header.view === 'rows') return [note('number = what the model reads; “3 ≠ 8”: read as 3, but it is an 8')];
  const sizes = note('small = test input');
  if (header.view === 'projection') {
    const shapes = header.kind === 'regression' ? [] : classes(header.num_outputs, 'none');
    return [...shapes, note(`color = ${colorName(header)}`), sizes];
  }
  return [...(header.kind === 'regression' ? scale(header) : classes(header.num_outputs)), sizes];
}

// For twins: one line, since the maps need the room.
/** @type {(host: HTMLElement, header: Header) => void} */
export function drawShortLegend(host, header) {
  const key = [header.task, header.num_outputs].join();
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  if (header.view === 'rows') return host.replaceChildren('number = what the model reads');
  const markers = Array.from({ length: header.num_outputs }, (_, index) => marker(index));
  host.replaceChildren(...(header.kind === 'regression' ? scale(header) : [...markers, ' classes']));
}

function classes(count, fill) {
  return Array.from({ length: count }, (_, index) => named(index, fill, count > 2 ? index : `class ${index}`));
}

function named(index, fill, name) {
  const part = note('');
  part.append(marker(index, fill), ` ${name}`);
  return part;
}

function scale(header) {
  const part = note('');
  const bar = Object.assign(document.createElement('i'), { className: 'mv-scale' });
  part.append('target ', header.lo.toFixed(1), ' ', bar, ' ', header.hi.toFixed(1));
  return [part];
}

function note(text) {
  return Object.assign(document.createElement('span'), { textContent: text });
}

const WORDS = { curve: winners, projection: winners, rows: rowWords }; // a map: what its picture says

// The picture in words: its heading, the step, what is to be seen in it, and where the probe is.
/** @type {(header: Header, arrays: Arrays, run: number, said: { heading: string, picture: string, title?: string, fixed?: boolean }) => string} */
export function describe(header, arrays, run, { heading: said, picture, title, fixed }) {
  const seen = WORDS[header.view]?.(header, arrays, run) ?? PICTURES[picture].words(header, arrays, run);
  const moves = fixed ? '' : '; arrow keys move it';
  const where = header.probe ? `Probe at ${place(header)}${moves}.` : '';
  return [title && `${title}.`, `${said}.`, `Step ${header.step}.`, seen, where].filter(Boolean).join(' ');
}

function place({ view, probe: [x, y] }) {
  return view === 'rows' ? `row ${y + 1} of digit ${x + 1}` : `${share(x)}, ${share(y)}`;
}

function winners(header, arrays, run) {
  const choices = (arrays.curve_winner ?? arrays.point_choice)?.of(run);
  const opening = header.view === 'projection' ? 'Inputs by expert' : `${firstWords(header, run)} by length`;
  return choices ? `${opening}: ${shares(choices, (expert) => letter(header.ids[run][expert]))}.` : '';
}
