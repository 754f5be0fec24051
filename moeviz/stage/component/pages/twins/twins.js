// Runs side by side that differ in one knob: a map and a row of load bars for each.

import { describe, drawShortLegend, heading } from '../../panels/legend.js';
import { LoadPanel, loadScale, writeShortFacts } from '../../panels/load.js';
import { Throttle } from '../../kit/numbers.js';
import { RunPicture } from '../../maps/picture.js';
import { stopped } from '../../kit/stopped.js';

const PLACE_EVERY = 500; // ms between looks at where on the page the stage stands
const PICTURE = 'first_choice';

/** @implements {Layout} */
export class Twins {
  /** @param {Stage} stage */
  constructor(stage) {
    const {
      find,
      component: { data },
    } = stage;
    this.stage = stage;
    this.placing = new Throttle(PLACE_EVERY);
    this.titles = data.titles?.length ? data.titles : [''];
    const facts = (header, run) => writeShortFacts(find, header, run);
    this.loads = this.titles.map(
      (title, run) => new LoadPanel(find(`load-${run}`), `Load of each expert, ${title}`, facts),
    );
    this.pictures = this.titles.map(
      (_, run) => new RunPicture(find(`canvas-${run}`), find(`waiting-${run}`), () => stage.redraw()),
    );
  }

  get drawn() {
    return this.pictures.some(({ drawn }) => drawn);
  }

  forget() {
    this.pictures.forEach((picture) => picture.forget());
  }

  wants() {
    return [];
  }

  get picture() {
    return PICTURE;
  }

  draw({ header, arrays }, theme) {
    const { due, find, root, tokens } = this.stage;
    this.scale = due ? loadScale(header, arrays, this.scale) : this.scale;
    for (let run = 0; run < Math.min(this.titles.length, header.num_runs); run += 1) {
      if (due) this.loads[run].draw({ header, arrays, run, top: this.scale.top });
      const points = tokens.get(header, run);
      if (this.pictures[run].draw({ header, arrays, run, theme, points, picture: PICTURE }))
        root.dataset.picture = PICTURE;
    }
    drawShortLegend(find('legend'), header);
    if (this.placing.ready()) fitWindow(root);
  }

  describe() {
    for (const [run, { seen }] of this.pictures.entries()) {
      if (!seen) continue;
      const { header, arrays } = seen;
      const canvas = this.stage.find(`canvas-${run}`);
      canvas.setAttribute('role', 'img');
      const said = describe(header, arrays, run, {
        heading: heading(header, PICTURE),
        picture: PICTURE,
        title: this.titles[run],
      });
      canvas.setAttribute('aria-label', `${said} ${stopped(header, run)}`);
    }
  }

  close() {
    this.pictures.forEach((picture) => picture.close());
  }
}

// Tells the styles how much of the window is above the stage, so that its pictures can fill the rest of the first screen.
function fitWindow(root) {
  const main = root.closest('[data-testid="stMain"]');
  const above = root.getBoundingClientRect().top + (main?.scrollTop ?? scrollY);
  if (Math.abs(above - (root.mvAbove ?? 0)) < 4) return;
  root.mvAbove = above;
  root.style.setProperty('--mv-above', `${Math.round(above)}px`);
}
