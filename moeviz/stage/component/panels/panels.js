// Below the map: the squared balance loss as squares, experts against true groups, all numbers as a table, and the log of changes.

import { expertRows, fillShares } from '../kit/expertrows.js';
import { dragged, named } from '../charts/marks.js';
import { background, letter } from '../kit/palette.js';
import { count, fixed, percents, setText, Throttle } from '../kit/numbers.js';

const PAUSE = 250; // ms between updates
const LARGEST = 96; // pixels: side of the square of the largest error

// `draw(host, header, arrays)` fills a host that is kept from frame to frame; `needs` are arrays of the frame.
export const PANELS = {
  squares: { label: 'Balance loss as squares', want: [], needs: [], draw: squares },
  groups: { label: 'Experts and true groups', want: ['groups'], needs: ['group_share'], draw: groups },
  numbers: { label: 'Exact numbers', want: [], needs: [], draw: numbers },
  changes: { label: 'Log of changes', want: [], needs: [], draw: changes },
};

/** @type {Record<string, [name: string, digits: number]>} */
const OF_EXPERT = {
  // a column of the table: the array that it reads, and its digits
  'Gate probability at the probe': ['probe_prob', 4],
  'Weight at the probe': ['probe_weight', 4],
  Load: ['load', 4],
  'Mean probability': ['mean_prob', 4],
  'Importance (sum of weights)': ['importance', 1],
  'Gradient norm': ['gradient_norm', 4],
  'Share of steps with an input': ['update_share', 4],
};
const OF_RUN = {
  'train loss': 'task_loss',
  'test loss': 'test_loss',
  'balance loss': 'balance_loss_value',
  'CV of load': 'cv_load',
  'match with true groups': 'specialization',
};

const RUN_DIGITS = 4;

export class Panels {
  // `onSeen` hears that a panel came into view or left it.
  /** @param {() => void} onSeen */
  constructor(onSeen) {
    this.onSeen = onSeen;
    this.hosts = new Map(); // name -> { host, visible, throttle }
    this.observer = new IntersectionObserver((entries) => this.seen(entries));
  }

  add(name, host) {
    if (this.hosts.has(name)) this.observer.unobserve(this.hosts.get(name).host);
    this.hosts.set(name, { host, visible: false, throttle: new Throttle(PAUSE) });
    this.observer.observe(host);
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      for (const panel of this.hosts.values()) if (panel.host === target) panel.visible = isIntersecting;
    }
    this.onSeen();
  }

  wants() {
    return [...this.hosts]
      .filter(([, { visible, throttle }]) => visible && throttle.due)
      .flatMap(([name]) => PANELS[name].want);
  }

  // `due`: whether numbers change with this frame; what is asked for comes less often, and says its step.
  draw({ header, arrays }, due) {
    for (const [name, { host, visible, throttle }] of this.hosts) {
      const { want, needs, draw } = PANELS[name];
      if (!visible || !needs.every((need) => arrays[need])) continue;
      if (want.length ? header.state === 'running' && !throttle.ready() : !due) continue;
      draw(host, header, arrays);
    }
  }

  close() {
    this.observer.disconnect();
    this.hosts.clear();
  }
}

// One square for each expert, whose area is its part of Σ (1/N − P)²: filled above the fair share, hollow below it.
function squares(host, header, arrays) {
  const ids = header.ids[0];
  const probs = arrays.mean_prob.of(0);
  if (host.dataset.key !== ids.join()) {
    host.dataset.key = ids.join();
    host.innerHTML = `<p></p><div class="mv-squares" role="img">${ids.map(() => '<div><i></i><b></b><span></span></div>').join('')}</div><p></p>`;
    [...host.children[1].children].forEach((cell, expert) => {
      cell.style.setProperty('--mv-paint', background(ids[expert]));
      setText(cell.children[1], letter(ids[expert]));
    });
  }
  const errors = Array.from(probs, (prob) => prob - 1 / ids.length);
  const largest = Math.max(...errors.map(Math.abs), 1 / ids.length);
  const sum = errors.reduce((total, each) => total + each * each, 0);
  const [said, row, note] = host.children;
  errors.forEach((error, expert) => {
    const [square, , value] = row.children[expert].children;
    square.style.setProperty('--mv-side', `${((LARGEST * Math.abs(error)) / largest).toFixed(1)}px`);
    square.classList.toggle('mv-below-fair', error < 0);
    setText(value, `${error < 0 ? '−' : '+'}${Math.abs(error).toFixed(2)}`);
  });
  const coef = header.balance_coef[0];
  setText(
    said,
    `At step ${count(header.measured_step)}: Σ (1/N − P)² = ${sum.toFixed(4)} · times λ = ${coef}: ${(coef * sum).toFixed(3)}`,
  );
  row.setAttribute(
    'aria-label',
    errors.map((error, expert) => `${letter(ids[expert])} ${error.toFixed(2)}`).join(', '),
  );
  const own = header.balance_loss[0] === 'squared' ? '' : ' This run trains with another balance loss.';
  setText(
    note,
    `Side = how far an expert’s mean gate probability P (◆) is from the fair share 1/N: filled above, hollow below. The squared balance loss is the sum of the areas, here on test inputs.${own}`,
  );
}

// Which share of each true group has which expert as its first choice; with what a gate would reach that knows nothing.
function groups(host, header, arrays) {
  const match = groupTable(host, header, arrays, 0);
  setText(
    host.firstChild,
    `${match} Table: % of each true group (columns; hidden from the model) whose first choice is this expert (rows), and the expert’s load.`,
  );
}

// The same of any run, for any page; returns how well experts and groups match.
/** @type {(host: HTMLElement, header: Header, arrays: Arrays, run: number) => string} */
export function groupTable(host, header, arrays, run) {
  const ids = header.ids[run];
  const groupCount = arrays.group_share.shape.at(-1);
  const [said, table] = saidAndTable(host, 'Experts and true groups');
  const rows = expertRows(table, ids, [
    ...Array.from({ length: groupCount }, (_, group) => String(group + 1)),
    'load, %',
  ]);
  fillShares(
    rows.map((cells) => cells.slice(0, groupCount)),
    arrays.group_share.of(run).subarray(0, ids.length * groupCount),
  );
  const load = percents(arrays.load.of(run).subarray(0, ids.length));
  rows.forEach((cells, expert) => setText(cells.at(-1), load[expert]));
  const match = header.specialization[run];
  const text = `At step ${count(header.measured_step)}: match with true groups (0-1): ${fixed(match, 2)} · with shuffled groups: ${fixed(arrays.group_baseline.data[run], 2)}.`;
  setText(said, text);
  return text;
}

// A line of words above a table.
function saidAndTable(host, name) {
  if (!host.firstChild) {
    host.innerHTML = `<p></p><div class="mv-scroll" tabindex="0" role="region" aria-label="${name}"><table class="mv-groups"></table></div>`;
  }
  return [host.firstElementChild, host.querySelector('table')];
}

// What bars and curves show, to be read off.
function numbers(host, header, arrays) {
  const ids = header.ids[0];
  const [said, table] = saidAndTable(host, 'Exact numbers of each expert');
  const rows = expertRows(table, ids, Object.keys(OF_EXPERT));
  Object.values(OF_EXPERT).forEach(([name, digits], column) => {
    const values = arrays[name].of(0);
    rows.forEach((cells, expert) => setText(cells[column], fixed(values[expert], digits)));
  });
  const written = Object.entries(OF_RUN).map(([label, name]) => `${label} ${fixed(header[name][0], RUN_DIGITS)}`);
  const { metric_name: metric, step, measured_step: measured } = header;
  const at =
    step === measured ? `Step ${count(step)}` : `Probe: step ${count(step)}; all else, step ${count(measured)}`;
  setText(
    said,
    `${at}: ${written.join(' · ')} · train ${metric} ${fixed(header.train_metric[0], RUN_DIGITS)} · test ${metric} ${fixed(header.test_metric[0], RUN_DIGITS)}. Losses are unweighted.`,
  );
}

// The knobs that were turned while the run trained; what was turned on within one step is one line.
function changes(host, header) {
  const key = JSON.stringify(header.marks);
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  const list = document.createElement('ol');
  list.className = 'mv-log';
  const lines = dragged(header.marks, 0).map((mark) => `step ${mark.step}: ${named(mark)}`);
  list.append(...lines.map((textContent) => Object.assign(document.createElement('li'), { textContent })));
  const none = Object.assign(document.createElement('p'), { textContent: 'No knob was turned since step 0.' });
  host.replaceChildren(header.marks.length ? list : none);
}
