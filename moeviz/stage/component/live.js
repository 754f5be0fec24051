// The live picture of one run group: keeps one socket, draws the newest frame, and asks for the next.

import { Charts } from './charts.js';
import { Connection } from './connection.js';
import { Controls } from './controls.js';
import { CurveView } from './curve.js';
import { decodeFrame } from './frame.js';
import { ProbeHandle } from './handle.js';
import { build, chooseAmong, fitWindow, placeCharts } from './layout.js';
import { describe, drawLegend, drawShortLegend, heading } from './legend.js';
import { LoadPanel, loadScale, writeFacts, writeShortFacts } from './load.js';
import { MapView } from './map.js';
import { Calm, setText, Throttle } from './numbers.js';
import { letter } from './palette.js';
import { PICTURES } from './pictures.js';
import { firstChoice, ProbePanel } from './probe.js';
import { Status } from './status.js';
import { readTheme, reducedMotion } from './theme.js';
import { Tokens } from './tokens.js';

const greeted = new Set(); // tokens that were already asked to start paused
const DRAWN_FROM = { curve: ['curve'], projection: ['choices'] }; // a map: what its picture wants
const PLACE_EVERY = 500; // ms between looks at where on the page the stage stands
const DESCRIBE_EVERY = 2000; // ms between changes of the picture in words

export class Stage {
  constructor(component) {
    this.component = component;
    this.root = component.parentElement.querySelector('.mv-stage');
    this.tokens = new Tokens();
    this.describing = new Calm(DESCRIBE_EVERY);
    this.placing = new Throttle(PLACE_EVERY);
    this.frames = 0;
  }

  start() {
    if (this.closed) return;
    this.arrange();
    this.connect();
  }

  // A rerun of the page: nothing is remounted; only what changed is taken over.
  update(component) {
    const before = this.component.data;
    this.component = component;
    const { data } = component;
    if (!this.find || !data) return; // still starting: start() reads the newest data
    this.theme = null;
    const shape = (each) => JSON.stringify([each.layout, each.titles]);
    if (shape(before) !== shape(data)) this.arrange();
    else if (JSON.stringify(before.charts) !== JSON.stringify(data.charts)) this.setCharts();
    this.root.classList.toggle('mv-present', Boolean(data.present));
    if (before.token !== data.token) this.connect();
    else if (String(before.probe) !== String(data.probe) && String(data.probe) !== String(this.released)) this.sendProbe(data.probe);
    this.redraw();
  }

  arrange() {
    const { data } = this.component;
    this.dismantle();
    this.root.classList.toggle('mv-present', Boolean(data.present));
    this.find = build(this.root, data);
    const send = (message) => this.connection.send(message);
    const onRecovered = ({ revision }) => this.component.setTriggerValue('recovered', revision); // the page's widgets show the lowered knob
    this.status = new Status(this.root, this.find, { send, onRecovered }, this.status);
    this.controls = new Controls(this.find, send);
    this.twins = data.layout === 'twins';
    const runs = this.twins ? Math.max(data.titles?.length ?? 1, 1) : 1;
    const write = this.twins ? writeShortFacts : writeFacts;
    const facts = (header, run) => write(this.find, header, run);
    this.loads = Array.from({ length: runs }, (_, run) => new LoadPanel(this.find(`load-${run}`), this.loadLabel(run), facts));
    this.views = [];
    this.probePanel = this.twins ? null : new ProbePanel(this.find);
    this.handle = this.twins ? null : this.makeHandle();
    this.charts = new Charts(() => this.askSoon());
    this.setPictures();
    this.setCharts();
  }

  loadLabel(run) {
    const title = this.component.data.titles?.[run];
    return title ? `Load of each expert, ${title}` : 'Load of each expert';
  }

  makeHandle() {
    const field = this.find('field');
    field.tabIndex = 0;
    field.setAttribute('role', 'application');
    return new ProbeHandle(field, this.find('ring'), {
      move: (position) => this.sendProbe(position),
      release: (position) => {
        this.released = position.map((each) => Number(each.toFixed(3)));
        toAddress('probe', this.released.join());
        this.component.setStateValue('probe', this.released);
      },
    });
  }

  setPictures() {
    this.picture = this.shown = 'first_choice'; // asked for, and on the canvas
    this.pointed = null; // the place of the expert whose part of a picture is asked for; else the probe's first choice
    if (this.twins) return;
    for (const { bars } of [...this.loads, this.probePanel]) bars.onPoint = (expert) => this.point(expert);
    this.find('field').addEventListener('keydown', ({ key }) => {
      this.point(this.frame?.header.ids[0].findIndex((id) => letter(id) === key.toUpperCase()) ?? -1);
    });
    const labels = Object.fromEntries(Object.entries(PICTURES).map(([name, { label }]) => [name, label]));
    chooseAmong(this.find('pictures'), labels, (name) => {
      this.picture = name;
      if (!this.frame) return;
      this.ask();
      this.redraw(); // what is here may do
    });
  }

  asked() {
    const { header, arrays } = this.frame;
    return Math.min(this.pointed ?? firstChoice(arrays.probe_prob.of(0)), header.num_experts - 1);
  }

  point(expert) {
    if (expert < 0) return;
    this.pointed = expert;
    this.redraw();
  }

  setCharts() {
    placeCharts(this.find, this.component.data.charts, (...chart) => this.charts.add(...chart));
  }

  part(name, run) {
    return this.find(this.twins ? `${name}-${run}` : name);
  }

  connect() {
    const { token, probe } = this.component.data;
    this.connection?.close();
    this.tokens.forget();
    this.frame = null;
    this.pictured = false;
    this.probe = probe ?? null;
    this.status.connecting();
    this.connection = new Connection(token, {
      frame: (buffer) => this.receive(buffer),
      message: (message) => this.status.hear(message, Boolean(this.frame)),
      state: (state) => this.connected(state),
    });
  }

  connected(socket) {
    this.status.connected(socket, Boolean(this.frame));
    if (socket === 'open') {
      this.tokens.forget(); // a restarted worker may count its scenes anew
      this.ask();
    } else if (socket === 'shown') this.askSoon();
  }

  receive(buffer) {
    const frame = decodeFrame(buffer);
    this.tokens.take(frame);
    this.charts.follow(frame.header);
    if (frame.arrays.history_step) this.drawCharts(frame);
    this.frame = frame;
    this.redraw();
  }

  // One drawing per screen refresh, of the newest frame only.
  redraw() {
    if (!this.frame || this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      if (this.closed) return;
      this.draw();
      this.ask();
    });
  }

  draw() {
    const { header, arrays } = this.frame;
    this.theme ??= readTheme(this.root);
    this.scale = loadScale(header, arrays, this.scale);
    this.loads.forEach((panel, run) => run < header.num_runs && panel.draw({ header, arrays, run, top: this.scale.top }));
    this.loads.forEach((_, run) => run < header.num_runs && this.drawPicture(run));
    if (this.probePanel) this.drawProbe();
    else this.drawTwins(header);
    this.controls.draw(header);
    this.status.show(header);
    this.greet(header);
    this.frames += 1;
    Object.assign(this.root.dataset, { step: header.step, revision: header.revision, frames: this.frames });
  }

  drawPicture(run) {
    const { header, arrays } = this.frame;
    const view = this.view(run, header);
    const points = this.tokens.get(header, run);
    const { picture, theme } = this;
    const pointed = this.asked();
    const complete = view.ready(header, arrays, points, picture);
    this.part('waiting', run).hidden = complete || this.pictured; // the last picture stays until the next one is here
    if (complete) view.draw({ header, arrays, run, theme, points, picture, pointed });
    if (complete) this.root.dataset.picture = this.shown = picture;
    this.pictured ||= complete;
    if (run === 0) this.describing.run(() => this.describe());
  }

  view(run, header) {
    const Kind = header.view === 'curve' ? CurveView : MapView;
    if (!(this.views[run] instanceof Kind)) {
      this.views[run]?.close();
      this.views[run] = new Kind(this.part('canvas', run), () => this.redraw());
    }
    return this.views[run];
  }

  drawProbe() {
    const { header } = this.frame;
    this.root.dataset.firstChoice = letter(this.probePanel.draw(this.frame));
    this.handle.use(this.views[0], header);
    this.find('pictures').hidden = header.view !== 'map';
    setText(this.find('heading'), heading(header, this.shown, this.asked()));
    drawLegend(this.find('legend'), header);
    this.find('legend').classList.toggle('mv-unseen', Boolean(this.views[0]?.tiled)); // no tokens on small maps
  }

  drawTwins(header) {
    drawShortLegend(this.find('legend'), header);
    if (this.placing.ready()) fitWindow(this.root);
  }

  describe() {
    if (this.closed || !this.frame) return;
    const { header, arrays } = this.frame;
    this.loads.forEach((_, run) => {
      if (run >= header.num_runs) return;
      const target = this.twins ? this.part('canvas', run) : this.find('field');
      if (this.twins) target.setAttribute('role', 'img');
      target.setAttribute('aria-label', describe(header, arrays, run, heading(header, this.shown, this.asked()), this.component.data.titles?.[run]));
    });
  }

  // Who asked for a paused page, or for little motion, gets a paused run: once, not at every frame.
  greet(header) {
    const { token, autoplay } = this.component.data;
    if (greeted.has(token)) return;
    greeted.add(token);
    if ((reducedMotion() || autoplay === false) && header.state === 'running') this.connection.send({ op: 'pause' });
  }

  sendProbe(position) {
    this.probe = position;
    this.askSoon();
  }

  askSoon() {
    if (this.asking) return;
    this.asking = requestAnimationFrame(() => {
      this.asking = null;
      this.ask();
    });
  }

  // Names what is on screen: pictures always, tokens once per scene, history when a visible chart is behind.
  ask() {
    if (this.closed) return;
    const header = this.frame?.header;
    const view = header?.view ?? this.component.data.view;
    const want = [...(DRAWN_FROM[view] ?? PICTURES[this.picture].want)];
    if (view !== 'projection' && header?.batch_dependent) want.push('choices');
    if (!header || this.tokens.scene !== header.scene) want.push('points');
    const charting = this.pictured; // the charts' script is long, so the picture comes first
    if (charting && this.charts.wants(header)) want.push('history');
    else if (charting && this.charts.behind(header)) this.askLater();
    if (this.connection.ask(want, this.probe)) this.probe = null;
  }

  // Charts are updated a few times a second, also when no frame comes any more because the run has paused.
  askLater() {
    this.later ??= setTimeout(() => {
      this.later = null;
      this.ask();
    }, this.charts.pause);
  }

  drawCharts({ header, arrays }) {
    this.theme ??= readTheme(this.root);
    this.charts.draw(header, arrays, this.theme).catch((error) => this.status.banner.show(error.message));
  }

  dismantle() {
    this.views?.forEach((view) => view.close());
    this.charts?.close();
    this.handle?.close();
    clearTimeout(this.later);
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.pending);
    cancelAnimationFrame(this.asking);
    this.connection?.close();
    if (this.find) this.dismantle();
  }
}

// Without another step in the browser's history.
function toAddress(name, value) {
  const address = new URL(location.href);
  address.searchParams.set(name, value);
  history.replaceState(history.state, '', address);
}
