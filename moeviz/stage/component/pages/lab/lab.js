// The Balance lab: twins that differ in one knob, each with a small stage of its own, and below them one question at a time.

import { alarm } from './collapse.js';
import { Differences } from './differences.js';
import { describe, drawShortLegend, heading } from '../../panels/legend.js';
import { grayWords, LoadPanel, loadScale, writeShortFacts } from '../../panels/load.js';
import { count, setText, Throttle } from '../../kit/numbers.js';
import { RunPicture } from '../../maps/picture.js';
import { placeAll } from '../../charts/place.js';
import { SECTIONS } from './sections.js';
import { chooseAmong } from '../../kit/tabs.js';

const PICTURE = 'first_choice';
const TEXTS = 250; // ms between updates of the open section, where it is drawn from more than every frame has

/** @implements {Layout} */
export class Lab {
  /** @param {Stage} stage */
  constructor(stage) {
    const { find } = stage;
    this.stage = stage;
    this.find = find;
    this.texts = new Throttle(TEXTS);
    this.seen = true; // whether the small stages are on the screen
    this.pictures = this.titles.map(
      (_, run) => new RunPicture(find(`canvas-${run}`), find(`waiting-${run}`), () => stage.redraw()),
    );
    this.loads = this.titles.map(
      (title, run) =>
        new LoadPanel(find(`load-${run}`), `Load of each expert, ${title}`, (header) => this.facts(header, run)),
    );
    this.differences = new Differences(find('differences'));
    this.kinds = Object.fromEntries(
      Object.entries(SECTIONS)
        .filter(([, { Kind }]) => Kind)
        .map(([name, { Kind }]) => [name, new Kind(this)]),
    );
    this.observer = new IntersectionObserver((entries) => {
      const before = this.seen;
      this.seen = entries.at(-1).isIntersecting;
      if (this.seen && !before) this.redraw(); // what has changed meanwhile, also in runs that stand still
    });
    this.observer.observe(find('labs'));
    const labels = Object.fromEntries(Object.entries(SECTIONS).map(([name, { label }]) => [name, label]));
    this.choose = chooseAmong(find('sections'), labels, (name) => this.open(name));
    this.show(stage.component.data.section);
  }

  get titles() {
    return this.stage.component.data.titles;
  }

  // A rerun of the page: other values of the knob are the same stages under other names.
  follow(before, { titles, section }) {
    if (before.section !== section) this.show(section);
    titles.forEach((title, run) => {
      for (const host of [this.find(`title-${run}`), this.find('strips').children[run].firstChild])
        setText(host, title);
    });
    this.texts.last = -Infinity;
  }

  // Opens a section that the page names.
  show(name) {
    if (SECTIONS[name]) this.choose(Object.keys(SECTIONS).indexOf(name));
  }

  open(name) {
    this.section = name;
    for (const panel of this.find('panels').children) panel.hidden = panel.dataset.section !== name;
    this.texts.last = -Infinity;
    setText(this.find('section-at'), '');
    if (!this.stage.frame) return;
    this.stage.ask();
    this.redraw();
  }

  placeCharts(templates, charts) {
    const titles = { match: 'Match with true groups', dead: 'Dead experts' };
    this.titles.forEach((title, run) => {
      titles[`load-${run}`] = title;
    });
    const own = (strips) =>
      Object.fromEntries(Object.entries(templates ?? {}).filter(([name]) => name.startsWith('load-') === strips));
    placeAll(this.find('charts'), own(false), charts, titles);
    placeAll(this.find('strips'), own(true), charts, titles);
  }

  send(message) {
    this.stage.connection.send(message);
  }

  tell(name, value) {
    this.stage.tell(name, value);
  }

  redraw() {
    this.texts.last = -Infinity;
    this.stage.rewrite();
  }

  get drawn() {
    return this.pictures.some(({ drawn }) => drawn);
  }

  forget() {
    this.pictures.forEach((picture) => picture.forget());
  }

  // Maps that have been scrolled away are neither asked for nor drawn.
  get picture() {
    return this.seen || !this.drawn ? PICTURE : null;
  }

  wants() {
    return this.drawn && this.texts.due ? SECTIONS[this.section].want : [];
  }

  draw(frame, theme) {
    const { header, arrays } = frame;
    const { due, find, root, tokens } = this.stage;
    if (due) this.scale = loadScale(header, arrays, this.scale);
    for (let run = 0; this.seen && run < Math.min(this.titles.length, header.num_runs); run += 1) {
      if (due) this.loads[run].draw({ header, arrays, run, top: this.scale.top });
      const points = tokens.get(header, run);
      if (this.pictures[run].draw({ header, arrays, run, theme, points, picture: PICTURE }))
        root.dataset.picture = PICTURE;
    }
    if (due && !this.seen) this.titles.slice(0, header.num_runs).forEach((_, run) => this.facts(header, run)); // still read out
    drawShortLegend(find('legend'), header);
    if (due) setText(find('gray'), grayWords(header, arrays));
    if (due) this.differences.draw(header, this.titles, this.stage.component.data.knob);
    this.drawSection(frame, theme);
  }

  drawSection(frame, theme) {
    const { needs, at } = SECTIONS[this.section];
    const kind = this.kinds[this.section];
    const rows = frame.header.view === 'rows'; // where experts have no answers of their own
    if (!kind || !needs.every((need) => frame.arrays[need] || (rows && need === 'skill_loss'))) return;
    if (needs.length ? frame.header.state === 'running' && !this.texts.ready() : !this.stage.due) return;
    kind.draw(frame, theme);
    setText(this.find('section-at'), `Step ${count(at(frame))}`);
  }

  facts(header, run) {
    writeShortFacts(this.find, header, run);
    setText(this.find(`alarm-${run}`), alarm(header, run, true));
  }

  describe() {
    for (const [run, { seen }] of this.pictures.entries()) {
      if (!seen) continue;
      const { header, arrays } = seen;
      const said = describe(header, arrays, run, {
        heading: heading(header, PICTURE),
        picture: PICTURE,
        title: this.titles[run],
      });
      const canvas = this.find(`canvas-${run}`);
      canvas.setAttribute('role', 'img');
      canvas.setAttribute('aria-label', said);
    }
    const { frame } = this.stage;
    this.stage.charts.describe(frame.header, frame.arrays);
  }

  close() {
    this.observer.disconnect();
    this.pictures.forEach((picture) => picture.close());
  }
}
