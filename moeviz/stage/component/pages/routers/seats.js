// Tokens (rows) and experts (columns) as a table: who is chosen, in which place of the queue, and who is dropped.

import { background, hue } from '../../kit/palette.js';
import { setText } from '../../kit/numbers.js';

const SIGNS = { dropped: '✕', skipped: '–', none: '' };
const SAID = { kept: 'served', dropped: 'dropped', skipped: 'skipped at random', none: 'not chosen' };

export class Seats {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    host.tabIndex = 0;
    host.setAttribute('role', 'region');
  }

  // `shows`: place | weight.
  draw(batch, shows) {
    this.build(batch);
    const count = batch.ids.length;
    this.cells.forEach((cell, at) => {
      const state = batch.states[at];
      if (cell.dataset.state !== state) cell.dataset.state = state;
      setText(cell.firstChild, written(batch, at, shows));
      const text = `Token ${Math.floor(at / count) + 1}, expert ${batch.names[at % count]}: ${SAID[state]}`;
      if (cell.title !== text) cell.title = text;
    });
  }

  build({ ids, names, tokens }) {
    const key = `${ids.join()} ${tokens}`;
    if (key === this.key) return;
    this.key = key;
    const head = ids
      .map((id, expert) => `<th scope="col"><i style="background:${background(id)}"></i>${names[expert]}</th>`)
      .join('');
    const cells = ids
      .map((id) => `<td style="--mv-hue:${hue(id)};--mv-paint:${background(id)}"><span></span></td>`)
      .join('');
    const rows = Array.from(
      { length: tokens },
      (_, token) => `<tr><th scope="row">${token + 1}</th>${cells}</tr>`,
    ).join('');
    this.host.innerHTML = `<table class="mv-seats"><thead><tr><td></td>${head}</tr></thead><tbody>${rows}</tbody></table>`;
    /** @type {NodeListOf<HTMLTableCellElement>} */
    const tokenCells = this.host.querySelectorAll('tbody td');
    this.cells = [...tokenCells];
  }

  describe(text) {
    this.host.setAttribute('aria-label', `Tokens and experts: ${text}`);
  }
}

function written({ states, position, weight }, at, shows) {
  const state = states[at];
  if (state !== 'kept') return SIGNS[state];
  return shows === 'weight' ? weight[at].toFixed(2).replace(/^0/, '') : String(position[at] + 1);
}
