// One run and everything about it: a map with pictures in tabs, the probe, the load, charts and panels.

import { Cover } from '../../panels/cover.js';
import { Guide } from '../../panels/guide.js';
import { ProbeHandle } from '../../maps/handle.js';
import { chooseAmong } from '../../kit/tabs.js';
import { asksForOne, tabNames } from '../../kit/labels.js';
import { describe, drawLegend, heading } from '../../panels/legend.js';
import { LoadPanel, loadScale, writeFacts } from '../../panels/load.js';
import { setText } from '../../kit/numbers.js';
import { letter } from '../../kit/palette.js';
import { RunPicture } from '../../maps/picture.js';
import { PICTURES } from '../../maps/pictures.js';
import { ProbePanel } from '../../panels/probe.js';
import { reducedMotion } from '../../kit/theme.js';
import { flies, Travel } from './travel.js';

/** @implements {Layout} */
export class Playground {
  /** @param {Stage} stage */
  constructor(stage) {
    const { find } = stage;
    this.stage = stage;
    this.fixed = Boolean(stage.component.data.saved); // nothing can be asked of a saved page
    this.run = new RunPicture(find('canvas'), find('waiting'), () => stage.redraw());
    this.probe = new ProbePanel(find);
    this.load = new LoadPanel(find('load-0'), 'Load of each expert', (header, run, arrays) =>
      writeFacts(find, header, run, arrays),
    );
    this.guide = new Guide(find('guide'));
    this.cover = new Cover(stage.root, find);
    this.travel = new Travel(find('main'), find('travel'), find('load-0'));
    this.handle = this.makeHandle();
    this.setPictures();
  }

  makeHandle() {
    const { stage } = this;
    const field = stage.find('field');
    field.tabIndex = 0;
    field.setAttribute('role', this.fixed ? 'img' : 'application');
    return new ProbeHandle(
      field,
      stage.find('ring'),
      this.fixed
        ? null
        : {
            move: (position) => stage.sendProbe(position),
            release: (position) => stage.releaseProbe(position),
          },
    );
  }

  setPictures() {
    const { stage } = this;
    this.picture = this.shown = 'first_choice'; // asked for, and on the canvas
    this.pointed = null; // the place of the expert whose part of a picture is asked for; else the probe's first choice
    for (const { bars } of [this.load, this.probe]) bars.onPoint = (expert) => this.point(expert);
    const labels = Object.fromEntries(Object.entries(PICTURES).map(([name, { label }]) => [name, label]));
    chooseAmong(stage.find('pictures'), labels, (name) => {
      this.picture = name;
      if (!stage.frame) return;
      stage.ask();
      stage.redraw(); // what is here may do
    });
  }

  get drawn() {
    return this.run.drawn;
  }

  forget() {
    this.run.forget();
    this.guide.forget();
  }

  asked({ header, arrays }) {
    return Math.min(this.pointed ?? arrays.probe_first.of(0)[0], header.num_experts - 1);
  }

  point(expert) {
    if (expert < 0 || expert === this.pointed) return;
    this.pointed = expert;
    if (this.asks) this.stage.redraw();
  }

  // Whether the picture is about one expert that is pointed at.
  get asks() {
    const { frame } = this.stage;
    return this.shown === 'top_k' && frame?.header.view === 'map' && asksForOne(frame.header);
  }

  // The place of the expert whose letter was typed on the map, where the picture can be asked; else -1.
  typed(text) {
    if (!this.asks || !this.stage.find('field').contains(document.activeElement)) return -1;
    return this.stage.frame.header.ids[0].findIndex((id) => letter(id) === text.toUpperCase());
  }

  // What was pressed counts: the next frame of slow motion is seconds away.
  wants({ state, view }) {
    const slow = this.stage.controls.speed === 'slow' && view !== 'rows' && state !== 'diverged' && !reducedMotion();
    return slow ? ['batch'] : [];
  }

  draw(frame, theme) {
    const { header, arrays } = frame;
    const { due, find, root, tokens } = this.stage;
    const pointed = this.asked(frame);
    const { picture } = this;
    const points = tokens.get(header, 0);
    if (this.run.draw({ header, arrays, run: 0, theme, points, picture, pointed }))
      root.dataset.picture = this.shown = picture;
    this.handle.use(this.run.view, header);
    find('pictures').hidden = header.view !== 'map';
    if (due) this.write(frame);
    setText(find('heading'), heading(this.written, this.shown, pointed)); // also when another picture has come
    drawLegend(find('legend'), header, this.fixed);
    find('legend').classList.toggle('mv-unseen', Boolean(this.run.view.tiled)); // no tokens on small maps
    setText(find('tabs').querySelector('[data-tab="metric"]'), header.metric_name === 'R²' ? 'R²' : 'Accuracy');
    this.travel.draw(frame, this.run.view, find('canvas'));
  }

  // Everything with numbers, and their bars, from one frame.
  write({ header, arrays }) {
    const {
      find,
      root,
      component: {
        data: { story },
      },
    } = this.stage;
    for (const [picture, name] of Object.entries(tabNames(header)))
      setText(find('pictures').querySelector(`[data-tab="${picture}"]`), name);
    this.written = header;
    this.scale = loadScale(header, arrays, this.scale);
    this.load.draw({ header, arrays, run: 0, top: this.scale.top });
    root.dataset.firstChoice = letter(this.probe.draw({ header, arrays }));
    this.guide.draw(header, story, root.dataset.firstChoice, flies(header, this.run.view));
  }

  // In words what is on the canvas, which may be of an earlier frame than the newest.
  describe() {
    if (!this.drawn) return;
    const {
      seen,
      seen: { header, arrays },
    } = this.run;
    const said = heading(header, this.shown, this.asked(seen));
    this.stage.charts.describe(header, arrays);
    this.stage
      .find('field')
      .setAttribute(
        'aria-label',
        describe(header, arrays, 0, { heading: said, picture: this.shown, fixed: this.fixed }),
      );
  }

  close() {
    this.run.close();
    this.probe.close();
    this.handle.close();
    this.travel.close();
  }
}
