// The live picture of one run group: keeps one socket, draws the newest frame, and asks for the next.

import { placeBelow } from '../panels/below.js';
import { build } from './build.js';
import { Charts } from '../charts/charts.js';
import { Connection } from '../wire/connection.js';
import { Controls } from '../panels/controls.js';
import { decodeFrame } from '../wire/frame.js';
import { Keys } from '../panels/keys.js';
import { greet, warm } from './greeting.js';
import { LAYOUTS } from './layouts.js';
import { Calm, Throttle } from '../kit/numbers.js';
import { Measured } from '../panels/measured.js';
import { Panels } from '../panels/panels.js';
import { Rewind } from '../panels/rewind.js';
import { save, Saved } from '../wire/save.js';
import { Status } from '../panels/status.js';
import { drawStopped } from '../kit/stopped.js';
import { readTheme } from '../kit/theme.js';
import { Tokens } from '../wire/tokens.js';
import { EVERYTHING, mapWants, whole } from './wants.js';

const LEAVING = 1000; // ms until a run that is gone is said to be
const WRITE_EVERY = 100; // ms between changes of numbers while training runs: faster ones could not be read
const DESCRIBE_EVERY = 2000; // ms between changes of the picture in words

export class Stage {
  // What the layout of the page's data brings: none before `arrange`.
  /** @type {Find} */
  find;
  /** @type {Layout} */
  layout;
  /** @type {Status} */
  status;
  /** @type {Controls} */
  controls;
  /** @type {Charts} */
  charts;
  /** @type {Panels} */
  panels;
  /** @type {Measured} */
  measured;
  /** @type {Rewind | null} */
  rewind;
  /** @type {Keys | null} */
  keys;
  /** @type {Connection | Saved} */
  connection;
  /** @type {Theme} */
  theme;

  /** @param {Component} component */
  constructor(component) {
    this.component = component;
    /** @type {HTMLElement} */
    this.root = component.parentElement.querySelector('.mv-stage');
    this.tokens = new Tokens();
    this.writing = new Throttle(WRITE_EVERY);
    this.describing = new Calm(DESCRIBE_EVERY);
    this.frames = 0;
  }

  start() {
    if (this.closed) return;
    this.root.closest('[data-testid="stMain"]')?.scrollTo(0, 0); // where the page before had been scrolled to
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
    this.root.dataset.lesson = data.lesson ?? '';
    if (before.story !== data.story && this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView(); // a preset from below
    const shape = ({ layout, titles }) => JSON.stringify([layout, this.layout.follow ? titles.length : titles]);
    if (shape(before) !== shape(data)) this.arrange();
    else if (JSON.stringify(before.charts) !== JSON.stringify(data.charts)) this.setCharts();
    this.layout.follow?.(before, data);
    this.root.classList.toggle('mv-present', Boolean(data.present));
    if (before.ghost !== data.ghost) this.connection.send({ op: 'ghost', value: data.ghost });
    if (before.token !== data.token) this.connect();
    else if (before.save !== data.save)
      this.saving = true; // when a frame with every picture has come
    else if (!this.released && String(before.probe) !== String(data.probe)) this.sendProbe(data.probe); // else the visitor knows better
    this.rewrite();
  }

  arrange() {
    const { data } = this.component;
    this.dismantle();
    this.root.dataset.lesson = data.lesson ?? ''; // how far it has come, which decides what may be done
    this.root.classList.toggle('mv-present', Boolean(data.present));
    this.find = build(this.root, data);
    const send = (message) => this.connection.send(message);
    const onRecovered = ({ revision }) => this.tell('recovered', revision); // the page's widgets show the lowered knob
    this.status = new Status(this.root, this.find, { send, onRecovered, titles: data.titles }, this.status);
    this.controls = new Controls(this.find, (message) => {
      send(message);
      this.askSoon(); // another speed wants other pictures
    });
    this.rewind = this.find('scrub') && !data.saved ? new Rewind(this.find, send) : null;
    this.layout = new LAYOUTS[data.layout].Layout(this);
    this.charts = new Charts(
      () => this.askSoon(),
      () => this.component.data.titles ?? [],
    );
    this.panels = new Panels(() => this.rewrite());
    this.writing.last = -Infinity;
    this.measured = new Measured(this.find);
    this.keys = data.saved ? null : new Keys(this);
    this.setCharts();
  }

  // Lets the page's Python know of something that happened once.
  tell(name, value) {
    this.component.setTriggerValue(name, value);
  }

  setCharts() {
    const { charts } = this.component.data;
    this.charts.clear();
    if (this.layout.placeCharts) this.layout.placeCharts(charts, this.charts);
    else placeBelow(this.find, charts, this.charts, this.panels);
  }

  connect() {
    const { token, probe, saved } = this.component.data;
    this.connection?.close();
    this.tokens.forget();
    this.layout.forget();
    this.frame = this.asked = null;
    this.probe = probe ?? null;
    this.status.connecting();
    const on = {
      frame: (buffer) => this.receive(buffer),
      message: (message) => this.unlessLeaving(message.op, () => this.status.hear(message, Boolean(this.frame))),
      state: (state) => this.unlessLeaving(state, () => this.connected(state)),
    };
    this.connection = saved ? new Saved(saved, on) : new Connection(token, on);
  }

  // A page that is being left loses its run a moment before it goes; no need to alarm anybody.
  unlessLeaving(what, act) {
    const { connection } = this;
    if (what === 'gone') setTimeout(() => !this.closed && connection === this.connection && act(), LEAVING);
    else act();
  }

  connected(socket) {
    this.status.connected(socket, Boolean(this.frame));
    if (socket === 'open') {
      greet(this.connection, this.component.data);
      this.tokens.forget(); // a restarted worker may count versions of the data anew
      if (this.component.data.ghost) this.connection.send({ op: 'ghost', value: this.component.data.ghost });
      this.ask();
    } else if (socket === 'shown') this.askSoon();
  }

  receive(buffer) {
    if (!this.root.isConnected) {
      // the page was left, and its end not told yet
      this.close();
      return;
    }
    const frame = decodeFrame(buffer);
    if (this.saving && whole(frame)) this.save(buffer, frame.header);
    this.tokens.take(frame);
    this.charts.follow(frame.header);
    if (frame.arrays.history_step) this.drawCharts(frame);
    this.frame = frame;
    this.redraw();
  }

  // Also numbers, at once.
  rewrite() {
    this.writing.last = -Infinity;
    this.redraw();
  }

  // Numbers, and all that is drawn beside them, change a few times a second, all of them with one frame; and at once when the viewer has
  // done something. Maps, which have no numbers, follow every frame.
  isDue({ state, revision, data_version, probe }) {
    const asked = [state, revision, data_version, probe].join();
    if (state !== 'running' || asked !== this.asked) this.writing.last = -Infinity;
    this.asked = asked;
    return this.writing.ready();
  }

  // One drawing per screen refresh, of the newest frame only.
  redraw() {
    if (!this.frame || this.pending || this.closed) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      if (this.closed || !this.frame) return; // another run may have taken its place meanwhile
      this.draw();
      this.ask();
    });
  }

  draw() {
    const {
      frame,
      frame: { header },
    } = this;
    this.theme ??= readTheme(this.root);
    this.due = this.isDue(header);
    this.layout.draw(frame, this.theme);
    this.panels.draw(frame, this.due);
    if (this.due) this.measured.draw(header, this.component.data.numbers);
    drawStopped(this.find, header);
    this.describing.run(() => this.layout.describe());
    this.controls.draw(header, this.due);
    this.rewind?.draw(header);
    this.status.show(header);
    warm(this.connection, this.component.data, header);
    this.frames += 1;
    Object.assign(this.root.dataset, { step: header.step, revision: header.revision, frames: this.frames });
  }

  sendProbe(position) {
    this.probe = position;
    this.askSoon();
  }

  // The probe was let go: the address and the page's Python remember where.
  releaseProbe(position) {
    this.released = position.map((each) => Number(each.toFixed(3)));
    toAddress('probe', this.released.join());
    this.component.setStateValue('probe', this.released);
  }

  askSoon() {
    if (this.asking || this.closed) return;
    this.asking = requestAnimationFrame(() => {
      this.asking = null;
      this.ask();
    });
  }

  // Names what is on screen: pictures always, history when a visible chart is behind.
  ask() {
    if (this.closed) return;
    const header = this.frame?.header;
    const view = header?.view ?? this.component.data.view;
    const want = this.layout.picture ? mapWants(view, header, this.layout.picture, this.tokens.dataVersion) : [];
    if (header || this.layout.always) want.push(...this.layout.wants(header));
    if (this.saving) want.push(...EVERYTHING);
    if (this.layout.drawn) want.push(...this.later(header)); // the charts' script is long, so the picture comes first
    if (this.connection.ask([...new Set(want)], this.probe)) this.probe = null;
  }

  // What charts and panels want; they are updated a few times a second, also when a paused run sends no frame by itself.
  later(header) {
    const wanted = this.panels.wants();
    if (this.charts.wants(header)) return [...wanted, 'history'];
    if (this.charts.behind(header)) {
      this.again ??= setTimeout(() => {
        this.again = null;
        this.ask();
      }, this.charts.pause);
    }
    return wanted;
  }

  save(buffer, header) {
    this.saving = false;
    save(this.root, this.component.data, buffer, header).catch((error) => this.status.banner.show(error.message));
  }

  drawCharts({ header, arrays }) {
    this.theme ??= readTheme(this.root);
    this.charts.draw(header, arrays, this.theme).catch((error) => this.status.banner.show(error.message));
  }

  dismantle() {
    this.layout?.close();
    this.status?.close();
    this.describing.stop();
    this.charts?.close();
    this.panels?.close();
    this.keys?.close();
    this.rewind?.close();
    clearTimeout(this.again);
    this.again = null;
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
