// Measured numbers that the page asks for, in words, beside each run.

import { count, fixed, setText } from '../kit/numbers.js';

export class Measured {
  /** @param {Find} find */
  constructor(find) {
    this.find = find;
  }

  // `wanted`: a label, the number's name in the header, and its digits, for each.
  draw(header, wanted = []) {
    for (let run = 0; run < header.num_runs; run += 1) {
      const host = this.find(`measured-${run}`);
      if (!host) return;
      host.hidden = !wanted.length;
      arrange(
        host,
        wanted.map(([label]) => label),
      );
      wanted.forEach(([, name, digits], index) =>
        setText(host.children[index].lastChild, written(header[name]?.[run], digits)),
      );
    }
  }
}

function arrange(host, labels) {
  if (host.dataset.key === labels.join()) return;
  host.dataset.key = labels.join();
  host.replaceChildren(
    ...labels.map((label) => {
      const pair = document.createElement('div');
      pair.append(...['dt', 'dd'].map((name) => document.createElement(name)));
      pair.firstChild.textContent = label;
      return pair;
    }),
  );
}

function written(value, digits) {
  return Math.abs(value) >= 1000 ? count(Math.round(value)) : fixed(value, digits);
}
