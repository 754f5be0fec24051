// What the markers mean, under the map; and the picture in words, for those who hear it.

import { letter } from './palette.js';
import { percent, share } from './numbers.js';
import { marker } from './probe.js';

const HEADINGS = {
  map: 'First choice of the gate, at every place',
  curve: 'Each expert’s curve, and where it is first choice',
  projection: 'Inputs on two principal components, colored by first choice',
};

export function heading(header) {
  return HEADINGS[header.view];
}

// Rebuilt only when the task changes.
export function drawLegend(host, header) {
  const key = [header.task, header.num_outputs, header.batch_dependent, header.lo, header.hi].join();
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  const parts = header.kind === 'regression' ? scale(header) : classes(header.num_outputs);
  if (header.view !== 'curve') parts.push(note('large = training, small = test'));
  parts.push(note('ring = the probe: drag it'));
  if (header.batch_dependent && header.view === 'map') {
    parts.push(note('Seats are limited: the map shows the gate’s preference, the points’ colors the real choice; ✕ = dropped.'));
  } else if (header.batch_dependent) parts.push(note('Seats are limited: ✕ = dropped.'));
  host.replaceChildren(...parts);
}

// For twins: one line, since the maps need the room.
export function drawShortLegend(host, header) {
  const key = [header.task, header.num_outputs].join();
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  const markers = Array.from({ length: header.num_outputs }, (_, index) => marker(index));
  host.replaceChildren(...(header.kind === 'regression' ? scale(header) : [...markers, ' classes']));
}

function classes(count) {
  return Array.from({ length: count }, (_, index) => {
    const part = note('');
    part.append(marker(index), ` ${count > 2 ? index : `class ${index}`}`);
    return part;
  });
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

export function describe(header, arrays, run, title = '') {
  const ids = header.ids[run];
  const winners = (arrays.winner ?? arrays.curve_winner ?? arrays.point_choice)?.of(run);
  if (!winners) return 'The run’s picture is on its way.';
  const cells = ids.map(() => 0);
  winners.forEach((expert) => { cells[expert] += 1; });
  const areas = ids.map((id, expert) => [letter(id), cells[expert] / winners.length]).filter(([, area]) => area > 0);
  const regions = areas.sort((a, b) => b[1] - a[1]).map(([name, area]) => `${name} ${percent(area)} %`).join(', ');
  const where = header.probe ? ` Probe at ${share(header.probe[0])}, ${share(header.probe[1])}; arrow keys move it.` : '';
  return `${title ? `${title}. ` : ''}${HEADINGS[header.view]}. Step ${header.step}. First choice by area: ${regions}.${where}`;
}
