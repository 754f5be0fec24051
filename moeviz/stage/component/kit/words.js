// Pictures in words, for those who hear them: shares of what is to be seen, largest first.

import { percent, percents } from './numbers.js';
import { letter } from './palette.js';

// "A 40 %, C 31 %, …" of numbers that name something.
/** @type {(values: number[] | NumberArray, name: (value: number) => string) => string} */
export function shares(values, name) {
  const counts = new Map();
  values.forEach((value) => counts.set(value, (counts.get(value) ?? 0) + 1));
  const parts = [...counts].sort((a, b) => b[1] - a[1]);
  return parts.map(([value, count]) => `${name(value)} ${percent(count / values.length)} %`).join(', ');
}

// Which share of the cells fulfills a condition, in percent.
/** @type {(values: number[] | NumberArray, condition: (value: number, cell: number) => boolean) => string} */
export function part(values, condition) {
  let count = 0;
  values.forEach((value, cell) => {
    count += condition(value, cell) ? 1 : 0;
  });
  return `${percent(count / values.length)} %`;
}

// A number, or that of each layer where a model has several.
const number = (value) => {
  if (Array.isArray(value)) return value.map((each, layer) => `${number(each)} in layer ${layer + 1}`).join(', ');
  return Number.isFinite(value) ? value.toFixed(3) : 'unknown';
};

// What a time chart has come to by now.
/** @type {(name: string, header: Header, arrays: Arrays) => string} */
export function chartWords(name, header, arrays) {
  const at = `at step ${header.measured_step}`;
  const of = (key) => header[key].map(number).join(' and ');
  if (name === 'loss')
    return `Losses over training steps: task loss ${of('task_loss')}, raw balance loss ${of('balance_loss_value')}, λ ${header.balance_coef.join(' and ')} ${at}.`;
  if (name === 'metric')
    return `${header.metric_name} over training steps: test ${of('test_metric')}, train ${of('train_metric')} ${at}.`;
  if (name === 'uneven') return `Unevenness of load (CV) over training steps: ${of('cv_load')} ${at}.`;
  if (name === 'dropped')
    return `Share of choices dropped over training steps, on test inputs: ${of('dropped_share')} ${at}; by a gate that chooses at random ${header.random_drop.map((each) => (each === null ? 'nothing, without a limit' : number(each))).join(' and ')}.`;
  if (name === 'match') return `Match with true groups over training steps: ${of('specialization')} ${at}.`;
  if (name === 'dead')
    return `Dead experts over training steps: ${header.dead.map((each) => each.filter(Boolean).length).join(' and ')} ${at}.`;
  const run = Number(name.split('-')[1] ?? 0); // load, or load-2: of one of several runs
  if (run >= header.num_runs) return 'Load over training steps.'; // the page is about to show other twins
  const load = percents(arrays.load.of(run).subarray(0, header.ids[run].length));
  return `Load over training steps: ${header.ids[run].map((id, expert) => `${letter(id)} ${load[expert]} %`).join(', ')} ${at}.`;
}
