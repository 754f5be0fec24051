// The same few tokens through two routers: who goes to whom in which place, who sits in which seat, and what that comes to.

import { whoChooses } from '../../kit/labels.js';
import { letter } from '../../kit/palette.js';
import { count, fixed, outdated, percent, setText, Throttle } from '../../kit/numbers.js';
import { Racks } from './racks.js';
import { Seats } from './seats.js';
import { stopped } from '../../kit/stopped.js';

const TEXTS = 150; // ms between changes while training runs
const DIGITS = 3;

/** @typedef {[label: string, balanced: string, of: (batch: ReturnType<typeof batchOf>) => number]} Row */

/** @implements {Layout} */
export class Routers {
  /** @param {Stage} stage */
  constructor(stage) {
    const {
      find,
      component: { data },
    } = stage;
    this.stage = stage;
    this.always = true;
    this.drawn = false;
    this.texts = new Throttle(TEXTS);
    this.shows = 'place';
    this.sides = data.titles.map((title, run) => ({
      title,
      seats: new Seats(find(`seats-${run}`)),
      racks: new Racks(find(`racks-${run}`)),
      says: find(`says-${run}`),
      drops: find(`drops-${run}`),
      lost: find(`lost-${run}`),
    }));
    for (const button of find('shows').querySelectorAll('button'))
      button.onclick = () => this.show(button.dataset.value);
    this.show(this.shows);
  }

  // What is written into a cell: the place in the queue, or the weight.
  show(what) {
    this.shows = what;
    for (const button of this.stage.find('shows').querySelectorAll('button'))
      button.setAttribute('aria-pressed', String(button.dataset.value === what));
    if (this.seen) this.drawAll(this.seen);
  }

  get picture() {
    return null; // no map
  }

  forget() {
    this.seen = null;
    this.drawn = false;
  }

  wants(header) {
    return outdated(this.seen, header, this.texts) ? ['seating'] : [];
  }

  draw(frame) {
    if (!frame.arrays.seating_prob) return;
    this.texts.ready();
    this.seen = frame;
    this.drawn = true;
    this.drawAll(frame);
  }

  drawAll({ header, arrays }) {
    const { find, root } = this.stage;
    root.classList.toggle('mv-many', header.num_experts > 12);
    this.sides.forEach((side, run) => {
      if (run >= header.num_runs) return;
      const batch = batchOf(header, arrays, run);
      setText(side.says, whoChooses(header.choice[run]));
      side.seats.draw(batch, batch.soft ? 'weight' : this.shows);
      side.racks.draw(batch);
      setText(side.drops, dropped(batch));
      drawLost(side.lost, batch);
    });
    find('dropped-key').hidden = !header.limited;
    find('skipped-key').hidden = !header.skips.some(Boolean);
    this.drawNumbers(find('measures'), header, arrays);
  }

  // A table of what both come to, with the value that means balanced.
  drawNumbers(host, header, arrays) {
    const { losses, titles } = this.stage.component.data;
    const runs = titles.map((_, run) => run).filter((run) => run < header.num_runs);
    /** @type {Row[]} */
    const own = [
      ['Unevenness of load (CV)', '0', ({ load }) => unevenness(load)],
      ['Unevenness of Σ weights, after drops (CV)', '0', ({ importance }) => unevenness(importance)],
      ['Tokens without any expert', '0', ({ unserved }) => unserved],
    ];
    /** @type {(loss: PageData['losses'][0], index: number) => Row} */
    const ofLoss = ([label, balanced], index) => [label, String(balanced), ({ loss }) => loss[index]];
    const rows = [...own, ...losses.map(ofLoss)];
    const batches = runs.map((run) => batchOf(header, arrays, run));
    const key = String(rows.length);
    if (host.dataset.key !== key) {
      host.dataset.key = key;
      host.innerHTML = `<thead><tr><th scope="col">On these tokens</th>${runs.map((run) => `<th scope="col" data-run="${run}"></th>`).join('')}<th scope="col">balanced</th></tr></thead><tbody>${rows
        .map(
          ([label, balanced]) =>
            `<tr><th scope="row">${label}</th>${'<td></td>'.repeat(runs.length)}<td>${balanced}</td></tr>`,
        )
        .join('')}</tbody>`;
    }
    setText(host.tHead.rows[0].cells[0], `On these tokens, step ${count(header.step)}`);
    runs.forEach((run) => setText(host.querySelector(`th[data-run="${run}"]`), titles[run]));
    [...host.tBodies[0].rows].forEach((row, index) =>
      batches.forEach((batch, run) => setText(row.cells[1 + run], fixed(rows[index][2](batch), DIGITS))),
    );
  }

  describe() {
    if (!this.seen) return;
    const { header, arrays } = this.seen;
    this.sides.forEach(({ title, seats }, run) => {
      if (run < header.num_runs)
        seats.describe(
          `${title}, step ${header.step}. ${stopped(header, run)} ${dropped(batchOf(header, arrays, run))}`,
        );
    });
    this.stage.charts.describe(header, arrays);
  }

  close() {}
}

// One run's part of the arrays, under short names, with a state for each token and expert.
/** @param {Header} header @param {Arrays} arrays @param {number} run */
export function batchOf(header, arrays, run) {
  const of = (name) => arrays[`seating_${name}`].of(run);
  const ids = header.ids[run];
  const [chosen, kept, position] = [of('chosen'), of('kept'), of('position')];
  const states = Array.from(chosen, (wanted, at) => {
    if (!wanted) return 'none';
    if (kept[at]) return 'kept';
    return position[at] < 0 ? 'skipped' : 'dropped';
  });
  return {
    ids,
    names: ids.map(letter),
    states,
    position,
    kept,
    weight: of('weight'),
    load: of('load'),
    importance: of('importance'),
    loss: of('loss'),
    unserved: of('unserved')[0],
    places: of('places')[0],
    drop: of('dropped')[0],
    byChance: of('dropped')[1],
    tokens: chosen.length / ids.length,
    choice: header.choice[run],
    soft: header.choice[run] === 'nobody',
  };
}

// What found no seat, beside what a gate without any sense would lose.
/** @type {(batch: Pick<Batch, 'drop' | 'byChance' | 'places' | 'unserved' | 'states' | 'choice'>) => string} */
export function dropped({ drop, byChance, places, unserved, states, choice }) {
  if (!Number.isNaN(drop)) {
    const chosen = states.filter((state) => state !== 'none').length;
    const lost = states.filter((state) => state === 'dropped').length;
    const skipped = states.filter((state) => state === 'skipped').length;
    const also = skipped ? `, ${skipped} skipped at random` : '';
    return `${places} seats for each expert. Dropped: ${lost} of ${chosen} choices (${percent(lost / chosen)} %)${also}. A gate that chooses at random would drop ${percent(byChance)} % on average.`;
  }
  if (choice === 'experts')
    return `Every expert takes equally many. Tokens that no expert takes: ${percent(unserved)} %.`;
  return 'No seat limit: nothing is dropped.';
}

// The share of choices that found no seat, as a bar, with the line of a gate without any sense in it.
function drawLost(host, { drop, byChance, states }) {
  host.hidden = Number.isNaN(drop);
  if (host.hidden) return;
  const share =
    states.filter((state) => state === 'dropped').length / states.filter((state) => state !== 'none').length;
  host.style.setProperty('--mv-lost', share);
  host.style.setProperty('--mv-chance', byChance);
  host.classList.toggle('mv-late', byChance > 0.5); // its words would leave the picture on the right
  setText(host.querySelector('b'), `by chance ${percent(byChance)} %`);
}

function unevenness(amounts) {
  const values = Array.from(amounts);
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  return Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length) / mean;
}
