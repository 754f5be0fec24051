// Each expert's queue as a rack of seats: who sits, in the order of the queue, a hard line behind the last seat, and who stands behind it.

import { background, hue } from '../../kit/palette.js';
import { fixed, percents, setText } from '../../kit/numbers.js';

export class Racks {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
  }

  draw(batch) {
    this.build(batch);
    const { ids, names, load, importance, soft, places } = batch;
    const limited = !Number.isNaN(batch.drop);
    const shares = percents(load);
    this.rows.forEach((row, expert) => {
      const queue = soft ? [] : queueOf(batch, expert);
      const length = Math.max(queue.length, limited ? places : 0);
      fit(row.seats, length);
      [...row.seats.children].forEach((seat, place) => {
        const token = queue[place];
        seat.className = `mv-seat${token === undefined ? '' : batch.kept[token * ids.length + expert] ? ' mv-taken' : ' mv-out'}${limited && place === places - 1 ? ' mv-last' : ''}`;
        setText(
          seat.firstChild,
          token === undefined ? '' : batch.kept[token * ids.length + expert] ? String(token + 1) : '✕',
        );
      });
      setText(row.load, soft ? 'a mixture' : `${shares[expert]} %`);
      setText(row.importance, fixed(importance[expert], 1));
      const who = queue
        .map((token) => `${token + 1}${batch.kept[token * ids.length + expert] ? '' : ' dropped'}`)
        .join(', ');
      row.box.setAttribute(
        'aria-label',
        `Expert ${names[expert]}: ${soft ? 'a mixture of all tokens' : who ? `tokens ${who}` : 'no token'}`,
      );
    });
    this.host.style.setProperty('--mv-fair', soft ? '-1' : String(fair(batch)));
  }

  build({ ids, names }) {
    const key = ids.join();
    if (key === this.key) return;
    this.key = key;
    const head = Object.assign(document.createElement('div'), { className: 'mv-rack mv-rack-head' });
    head.innerHTML =
      '<b></b><span class="mv-rack-seats">seats, in the order of the queue</span><span title="share of all choices, also of those that were dropped or skipped">load, all</span><span>Σ weights</span>';
    this.rows = ids.map((id, expert) => rack(id, names[expert]));
    this.host.replaceChildren(head, ...this.rows.map(({ box }) => box));
  }
}

// The fair share in seats: all choices, divided by the experts.
const fair = ({ states, ids }) => states.filter((state) => state !== 'none').length / ids.length;

// Tokens that queue for an expert, in that order.
/** @type {(batch: { position: Values, ids: number[], tokens: number }, expert: number) => number[]} */
export function queueOf({ position, ids, tokens }, expert) {
  const places = Array.from({ length: tokens }, (_, token) => position[token * ids.length + expert]);
  return [...places.keys()].filter((token) => places[token] >= 0).sort((a, b) => places[a] - places[b]);
}

function rack(id, name) {
  const box = document.createElement('div');
  box.className = 'mv-rack';
  box.setAttribute('role', 'img');
  box.style.setProperty('--mv-hue', hue(id));
  box.style.setProperty('--mv-paint', background(id));
  box.innerHTML = '<b></b><span class="mv-rack-seats"></span><span></span><span></span>';
  const [letter, seats, load, importance] = box.children;
  letter.textContent = name;
  return { box, seats, load, importance };
}

function fit(host, count) {
  while (host.children.length < count)
    host.append(Object.assign(document.createElement('i'), { innerHTML: '<span></span>' }));
  while (host.children.length > count) host.lastChild.remove();
}
