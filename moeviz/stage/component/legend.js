// What the markers mean, under the map; and the picture in words, for those who hear it.

import { letter } from './palette.js';
import { dropped } from './load.js';
import { percent, share } from './numbers.js';
import { PICTURES } from './pictures.js';
import { marker } from './probe.js';

const HEADINGS = {
  curve: 'Each expert’s curve, and where it is first choice',
  projection: 'Inputs on two principal components, colored by first choice',
};

// Where seats are limited, the router's preference and what really happens differ.
const LIMITED = {
  curve: 'Each expert’s curve, and where the gate prefers it',
  projection: 'Inputs, colored by who got them',
};
const SEATS = {
  map: 'Seats are limited: outline = the expert that got it; ✕ = all its choices dropped',
  curve: 'Seats are limited: ✕ = all its choices dropped',
  projection: 'Seats are limited: white with ✕ = all its choices dropped',
};

export function heading(header, picture, pointed) {
  const said = header.view === 'map' ? PICTURES[picture].heading(header, pointed) : HEADINGS[header.view];
  if (!header.batch_dependent) return said;
  return [LIMITED[header.view] ?? said, dropped(header, 0)].filter(Boolean).join(' · ');
}

// Rebuilt only when the task or the way of drawing changes.
export function drawLegend(host, header) {
  const key = [header.task, header.num_outputs, header.batch_dependent, header.lo, header.hi].join();
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  const parts = [...tokens(header), note('ring = the probe: drag it')];
  if (header.batch_dependent) parts.push(note(SEATS[header.view]));
  host.replaceChildren(...parts);
}

// What a token looks like in this view: only what is drawn there.
function tokens(header) {
  if (header.view === 'curve') return [named(0, 'solid', 'training'), named(0, 'none', 'test')];
  const sizes = note('large = training, small = test');
  if (header.view === 'projection') {
    const shapes = header.kind === 'regression' ? [] : classes(header.num_outputs, 'none');
    return [...shapes, note(header.batch_dependent ? 'color = expert' : 'color = first choice'), sizes];
  }
  return [...(header.kind === 'regression' ? scale(header) : classes(header.num_outputs)), sizes];
}

// For twins: one line, since the maps need the room.
export function drawShortLegend(host, header) {
  const key = [header.task, header.num_outputs].join();
  if (host.dataset.key === key) return;
  host.dataset.key = key;
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

const winnersAre = (header) => (header.view === 'projection' ? 'Inputs by expert' : 'First choice by area');

export function describe(header, arrays, run, said, title = '') {
  const ids = header.ids[run];
  const winners = (arrays.winner ?? arrays.curve_winner ?? arrays.point_choice)?.of(run);
  const where = header.probe ? ` Probe at ${share(header.probe[0])}, ${share(header.probe[1])}; arrow keys move it.` : '';
  const opening = `${title ? `${title}. ` : ''}${said}. Step ${header.step}.`;
  if (!winners) return `${opening}${where}`;
  const cells = ids.map(() => 0);
  winners.forEach((expert) => { cells[expert] += 1; });
  const areas = ids.map((id, expert) => [letter(id), cells[expert] / winners.length]).filter(([, area]) => area > 0);
  const regions = areas.sort((a, b) => b[1] - a[1]).map(([name, area]) => `${name} ${percent(area)} %`).join(', ');
  return `${opening} ${winnersAre(header)}: ${regions}.${where}`;
}
