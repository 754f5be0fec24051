// Page Vision: test pictures with the experts that serve them, a pad whose drawing is routed and classified live, a table of experts
// with the pictures they like, and the run beside its twins: the other routing, and the dense network of equal active parameters.

import { Bars } from '../../kit/bars.js';
import {
  Calm,
  count as spaced,
  fixed,
  outdated,
  percent,
  setText,
  share as twoDigits,
  Throttle,
  UNKNOWN,
} from '../../kit/numbers.js';
import { solidKey } from '../../kit/labels.js';
import { Pad } from './pad.js';
import { background, letter } from '../../kit/palette.js';
import { drawPatches, whole } from '../../maps/patches.js';
import { Serves } from './serves.js';

const SENT = 80; // ms between drawings that are sent
const TABLES = 1000; // ms between changes of the tables, for which all test pictures are computed
const SMALL = 64; // pixels of a test picture,
const LARGE = 160; // and of the drawing
const TOP = 3; // classes that are named for the drawing
const DENSE = 'dense'; // the run of this name has no gate

/** @implements {Layout} */
export class Vision {
  /** @param {Stage} stage */
  constructor(stage) {
    const { find } = stage;
    this.stage = stage;
    this.find = find;
    this.always = true;
    this.drawn = false;
    this.texts = new Throttle(TABLES);
    this.given = null;
    this.sending = new Calm(SENT);
    this.pad = new Pad(find('pad'), (cells) => this.give(cells));
    this.bars = new Bars(find('drawn-bars'), 'Gate probability of the drawing, by expert');
    this.serves = new Serves(find('serves'), stage.component.data.names);
    find('clear').onclick = () => this.pad.clear();
    find('example').onclick = () => this.example(Math.floor(Math.random() * this.shown.length));
    setText(find('lead'), stage.component.data.story);
    this.shown = [];
  }

  get picture() {
    return null; // no map
  }

  get names() {
    return this.stage.component.data.names.classes;
  }

  forget() {
    this.served = this.given = null;
    this.drawn = false;
  }

  // Sends the drawing; a pad that is empty again has no answer.
  give(cells) {
    this.cells = cells;
    this.sending.run(() => {
      if (this.closed) return;
      this.given = this.stage.connection.send({ op: 'give', value: this.pad.empty ? '' : cells })
        ? this.stage.connection.socket
        : null;
      this.stage.askSoon();
      if (this.pad.empty) this.silent();
    });
  }

  example(index) {
    const at = this.shown[index];
    if (at) this.pad.load(at.pixels);
  }

  wants(header) {
    const want = ['gallery'];
    if (!this.pad.empty) want.push('drawn');
    if (outdated(this.served, header, this.texts)) want.push('liked', 'groups');
    return want;
  }

  draw(frame) {
    const { header, arrays } = frame;
    if (arrays.gallery_pixels) this.gallery(header, arrays);
    if (this.cells && this.given !== this.stage.connection.socket) this.give(this.cells); // the worker was started again
    if (
      arrays.drawn_class &&
      !this.pad.empty &&
      (this.stage.due || this.shownPixels !== String(arrays.drawn_pixels.of(0)))
    )
      this.answer(header, arrays);
    if (arrays.class_share && arrays.group_share) {
      this.texts.ready();
      this.served = frame;
      this.serves.draw(header, arrays);
      setText(this.find('measured-at'), `at step ${spaced(header.measured_step)}`);
      this.compare(header, arrays);
    }
  }

  // --- the test pictures -----------------------------------------------------------------------------------------

  gallery(header, arrays) {
    this.drawn = true;
    this.find('waiting').hidden = true;
    const of = (name) => arrays[`gallery_${name}`].of(0);
    const [pixels, target, answer, expert] = ['pixels', 'target', 'answer', 'expert'].map(of);
    const {
      ids: [ids],
      route_by: [level],
    } = header;
    const size = pixels.length / target.length;
    const patches = expert.length / target.length;
    if (this.shown.length !== target.length) this.build(target.length);
    this.shown.forEach((cell, at) => {
      const experts = expert.subarray(at * patches, (at + 1) * patches);
      cell.pixels = pixels.slice(at * size, (at + 1) * size);
      const one = level === 'input';
      drawPatches(cell.canvas, SMALL, cell.pixels, one ? null : experts, ids);
      cell.host.style.setProperty('--mv-paint', one ? background(ids[experts[0]]) : 'none');
      setText(cell.letter, one ? letter(ids[experts[0]]) : '');
      setText(cell.answer, this.names[answer[at]]);
      cell.answer.classList.toggle('mv-wrong', answer[at] !== target[at]);
      const who = one ? letter(ids[experts[0]]) : [...new Set(experts)].map((each) => letter(ids[each])).join(', ');
      cell.host.title = `${this.names[target[at]]}, read as ${this.names[answer[at]]}; served by ${who}. Press to put it on the pad.`;
    });
    setText(
      this.find('gallery-note'),
      level === 'input'
        ? 'The frame and the letter name the expert that serves the whole picture. Press a picture to put it on the pad.'
        : 'Each of the 16 patches goes its own way; its color is the expert’s. Press a picture to see the letters beside the pad.',
    );
    if (!this.pad.touched && !this.cells) this.pad.load(this.shown[0].pixels, false);
  }

  build(count) {
    this.shown = Array.from({ length: count }, (_, index) => {
      const host = Object.assign(document.createElement('button'), { type: 'button', className: 'mv-shown' });
      host.innerHTML = '<canvas></canvas><span><b></b> <span></span></span>';
      host.onclick = () => this.example(index);
      const [canvas, line] = host.children;
      return { host, canvas, letter: line.firstChild, answer: line.lastChild };
    });
    this.find('gallery').replaceChildren(...this.shown.map(({ host }) => host));
  }

  // --- the drawing -----------------------------------------------------------------------------------------------

  answer(header, arrays) {
    const of = (name) => arrays[`drawn_${name}`].of(0);
    const [
      {
        ids: [ids],
        route_by: [level],
      },
      experts,
    ] = [header, of('expert')];
    this.shownPixels = String(of('pixels'));
    drawPatches(this.find('route'), LARGE, of('pixels'), experts, ids, true);
    const prob = of('prob').subarray(0, ids.length);
    const weight = of('weight');
    const first = prob.indexOf(Math.max(...prob));
    this.bars.draw(
      ids,
      ids.map((id, expert) => ({
        height: prob[expert],
        solid: weight[expert] > 0,
        first: expert === first,
        value: twoDigits(prob[expert], true),
        text: `Expert ${letter(id)}: gate probability ${twoDigits(prob[expert])}`,
      })),
      [],
    );
    setText(this.find('solid-key'), solidKey(header));
    const classes = of('class');
    const best = [...classes.keys()].sort((a, b) => classes[b] - classes[a]).slice(0, TOP);
    setText(this.find('answer'), `read as ${this.names[best[0]]}`);
    const who = whole(experts)
      ? `expert ${letter(ids[experts[0]])}`
      : `experts ${[...new Set(experts)].map((each) => letter(ids[each])).join(', ')}`;
    const all = level === 'input' ? 'The whole drawing goes to' : 'Its patches go to';
    setText(this.find('drawn-line'), `${all} ${who}. The model says: ${this.names[best[0]]}.`);
    this.find('route').setAttribute(
      'aria-label',
      `The drawing as the model sees it, fitted into the frame, with the experts of its patches: ${who}`,
    );
    this.find('classes').innerHTML = best
      .map(
        (each) =>
          `<div role="listitem"><b>${this.names[each]}</b><i><i style="width: ${(100 * classes[each]).toFixed(1)}%"></i></i><span>${percent(classes[each])} %</span></div>`,
      )
      .join('');
  }

  // An empty pad.
  silent() {
    const route = this.find('route');
    route.width = route.height = 1;
    for (const name of ['answer', 'drawn-line'])
      setText(this.find(name), name === 'answer' ? 'empty' : 'Draw, and the model answers at once.');
    this.find('classes').replaceChildren();
    this.find('drawn-bars').replaceChildren();
    this.bars.key = '';
  }

  // --- the runs beside each other --------------------------------------------------------------------------------

  compare(header, arrays) {
    const {
      titles,
      names: { groups },
    } = this.stage.component.data;
    const chance = arrays.group_baseline.data;
    const head = [
      '',
      'test accuracy',
      ...groups,
      'experts match domains',
      'by chance',
      'parameters used',
      'parameters in all',
    ];
    const rows = titles.slice(0, header.num_runs).map((title, run) => {
      const gate = header.experts[run] > 1;
      return [
        title,
        share(header.test_metric[run]),
        ...Array.from(arrays.domain_metric.of(run), share),
        gate ? fixed(header.specialization[run], 2) : UNKNOWN,
        gate ? fixed(chance[run], 2) : UNKNOWN,
        spaced(header.active_parameters[run]),
        spaced(header.num_parameters[run]),
      ];
    });
    this.find('compare').innerHTML =
      `<thead><tr>${head.map((each) => `<th scope="col">${each}</th>`).join('')}</tr></thead><tbody>${rows
        .map(
          ([name, ...cells]) =>
            `<tr><th scope="row">${name}</th>${cells.map((each) => `<td>${each}</td>`).join('')}</tr>`,
        )
        .join('')}</tbody>`;
    const dense = titles.findIndex((title) => title.toLowerCase().includes(DENSE));
    setText(this.find('verdict'), verdict(header.test_metric[0], header.test_metric[dense], header.measured_step));
  }

  describe() {
    const { frame } = this.stage;
    if (frame) this.stage.charts.describe(frame.header, frame.arrays);
  }

  close() {
    this.closed = true;
    this.sending.stop();
  }
}

const share = (value) => `${percent(value, 1)} %`;

// How the run stands against the dense network, in points of accuracy; nothing while one of them has none.
function verdict(own, dense, step) {
  if (![own, dense].every(Number.isFinite)) return '';
  const by = 100 * (own - dense);
  const than = `the dense network, which uses as many parameters for each picture (step ${step})`;
  return Math.abs(by) < 0.05
    ? `Accuracy now is that of ${than}.`
    : `Accuracy now is ${Math.abs(by).toFixed(1)} points ${by > 0 ? 'above' : 'below'} that of ${than}.`;
}
