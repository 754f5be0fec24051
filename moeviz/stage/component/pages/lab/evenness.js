// Mean gate probability (or share of all weights) against load: the gate may be even on average while its first choices are not.

import { coloredTrail, expertPoint, lineSample, Plot } from '../../kit/plot.js';
import { fixed, roundedShares } from '../../kit/numbers.js';
import { letter } from '../../kit/palette.js';

const SHOWS = [
  ['mean_prob', 'mean gate probability', 'mean gate probability P'],
  ['importance', 'share of all weights', 'importance (share of weights)'],
];
const ROOM = 1.08; // times the largest value

export class Evenness {
  /** @param {Lab} lab */
  constructor(lab) {
    this.lab = lab;
    this.shows = SHOWS[0];
    const host = lab.find('evenness-shows');
    host.innerHTML = `<span>Upwards</span><span class="mv-speeds">${SHOWS.map(([name, label]) => `<button type="button" data-value="${name}">${label}</button>`).join('')}</span>`;
    this.buttons = [...host.querySelectorAll('button')];
    this.buttons.forEach((button, at) => {
      button.onclick = () => this.show(SHOWS[at]);
    });
    this.show(this.shows);
  }

  show(which) {
    this.shows = which;
    this.buttons.forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.value === which[0])));
    if (this.lab.stage.frame) this.lab.redraw();
  }

  draw({ header, arrays }) {
    const [name, , title] = this.shows;
    const [loads, shares] = [arrays.history_load, arrays[`history_${name}`]];
    const largest = [loads, shares].reduce(
      (most, { data }) => data.reduce((greatest, each) => (each > greatest ? each : greatest), most),
      0,
    );
    const high = Math.min(1, ROOM * largest);
    const steps = arrays.history_step.data.length;
    const row = (array, run, id) => array.of(run).subarray(id * steps, (id + 1) * steps);
    const boxes = this.lab.titles.slice(0, header.num_runs).map((twin, run) => {
      const plot = new Plot({ title: 'load (share of choices)', low: 0, high }, { title, low: 0, high });
      const fair = 1 / header.ids[run].length;
      const guides =
        plot.line([0, 0], [high, high], 'diagonal') +
        plot.line([fair, 0], [fair, high], 'fair-share') +
        plot.line([0, fair], [high, fair], 'fair-share');
      const ends = header.ids[run].map((id) => ({ id, x: row(loads, run, id), y: row(shares, run, id) }));
      const trails = ends.map(({ id, x, y }) => coloredTrail(plot.trail(x, y), id)).join('');
      const points = ends.map(({ id, x, y }) => [id, x.at(-1), y.at(-1)]);
      const dots = points.map(([id, x, y]) => expertPoint(id, [plot.left(x), plot.top(y)], [x, y])).join('');
      const shown = roundedShares(points.map(([, x]) => x)); // as the bars of load
      const said = points.map(([id, , y], at) => `${letter(id)} ${fixed(shown[at], 2)} and ${fixed(y, 2)}`).join(', ');
      return `<figure><figcaption class="mv-title"><span>${twin}</span>${lineSample(run)}</figcaption>${plot.svg(guides + trails + dots, `${twin}: load and ${title} of each expert at step ${arrays.history_step.data.at(-1)}: ${said}`)}</figure>`;
    });
    this.lab.find('evenness').innerHTML = boxes.join('');
  }
}
