// Time charts: plotly figures from moeviz/figures whose traces name the frame's history arrays; filled a few times a second.

import { nameGhost } from './ghost.js';
import { addMarks, marksOf, plotSize } from './marks.js';
import { hue, letter, square } from '../kit/palette.js';
import { rewound } from '../kit/rewound.js';
import { chartWords } from '../kit/words.js';

const UPDATE_PAUSE = 250; // ms between updates: at most four a second
const SHARE = 4; // pause at least so many times as long as an update takes
const CONFIG = { displayModeBar: false, responsive: true };
const FEWEST_STEPS = 10; // the time axis is at least so long, so that its ticks are whole steps
const STRIP_ROOM = 1.08; // times the largest value
const ROUND = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
const LEAST_STRIP = 0.001; // smaller losses than this are rounding: the strip does not blow them up
let loading = null;

// plotly.js comes from the server's own plotly package, and only to pages with charts.
function loadPlotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly); // a saved page brings it
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = new URL('../../plotly.min.js', import.meta.url).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error('plotly.min.js did not load; charts stay empty until the page is reloaded'));
    };
    document.head.append(script);
  });
  return loading;
}

export class Charts {
  // `onSeen` hears that a chart came into view or left it; `titles` returns the names of the runs.
  /** @param {() => void} onSeen @param {() => string[]} titles */
  constructor(onSeen, titles = () => []) {
    this.onSeen = onSeen;
    this.titles = titles;
    this.hosts = new Map(); // name -> { host, template, visible }
    this.observer = new IntersectionObserver((entries) => this.seen(entries)); // asking the layout at every frame would be slow
    this.askedAt = -Infinity;
    this.pause = UPDATE_PAUSE;
    this.busy = false;
    this.drawn = new Map();
  }

  add(name, host, template) {
    this.remove(name);
    this.hosts.set(name, { host, template, visible: false });
    this.drawn.delete(name);
    this.observer.observe(host);
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      for (const chart of this.hosts.values()) if (chart.host === target) chart.visible = isIntersecting;
    }
    this.onSeen();
  }

  // Curves of a run that has started again, or of other data, are taken away at once, and new ones asked for.
  follow(header) {
    const stale = header.data_version !== this.dataVersion || (header.step < this.step && !rewound(header));
    this.dataVersion = header.data_version;
    this.step = header.step;
    if (!stale) return;
    this.began = {}; // a drawing on its way is of the old run
    this.askedAt = -Infinity;
    this.drawn.clear();
    for (const { host } of this.hosts.values()) host.classList.add('mv-stale');
  }

  // In words, what the charts have come to.
  describe(header, arrays) {
    for (const [name, { host }] of this.hosts)
      host.parentElement.setAttribute('aria-label', chartWords(name, header, arrays));
  }

  get visible() {
    return [...this.hosts].filter(([, { visible }]) => visible).map(([name]) => name);
  }

  behind(header) {
    return this.visible.some((name) => this.drawn.get(name) !== this.stamp(header));
  }

  // True when a history should be asked for now.
  wants(header) {
    if (this.busy || performance.now() - this.askedAt < this.pause || !this.behind(header)) return false;
    this.askedAt = performance.now();
    return true;
  }

  async draw(header, arrays, theme) {
    if (this.busy || !arrays.history_step) return;
    this.busy = true;
    try {
      const { began: run } = this;
      const plotly = await loadPlotly();
      let spent = 0;
      for (const name of this.visible) {
        await nextRefresh(); // one chart at a time, lest the picture stand still meanwhile
        const chart = this.hosts.get(name);
        if (run !== this.began || !chart?.host.isConnected) return;
        const began = performance.now();
        await this.drawOne(plotly, name, fill(chart.template, header, arrays, theme, chart.host, this.titles()));
        if (run !== this.began || this.hosts.get(name) !== chart) return;
        if (this.drawn.has(name)) spent += performance.now() - began; // the first time takes long, but only once
        this.drawn.set(name, this.stamp(header));
        chart.host.classList.remove('mv-stale');
      }
      this.pause = Math.max(UPDATE_PAUSE, SHARE * spent); // a slow computer draws them less often
    } finally {
      this.busy = false;
    }
  }

  // A chart that is taken away while plotly draws it would be put there again, and a listener of the window would keep it.
  async drawOne(plotly, name, { data, layout }) {
    const chart = this.hosts.get(name);
    const { host } = chart;
    const there = () => this.hosts.get(name) === chart;
    try {
      await plotly.react(host, data, layout, CONFIG);
      if (there() && host.clientHeight !== host._fullLayout.height) await plotly.Plots.resize(host);
    } catch (error) {
      if (there()) throw error; // else plotly missed what was taken away
    } finally {
      if (!there()) plotly.purge(host);
    }
  }

  // What a drawing shows: another one is due once it differs.
  stamp({ data_version, step, revision, marks, ghost }) {
    return [data_version, step, revision, marks.length, ghost, ...this.titles()].join();
  }

  remove(name) {
    const host = this.hosts.get(name)?.host;
    if (!host) return;
    this.hosts.delete(name); // first: a drawing on its way sees that it is over
    this.observer.unobserve(host);
    window.Plotly?.purge(host);
  }

  // Takes all charts away: others come, or none.
  clear() {
    for (const name of [...this.hosts.keys()]) this.remove(name);
  }

  close() {
    this.clear();
    this.observer.disconnect();
  }
}

const nextRefresh = () =>
  new Promise((resolve) => {
    setTimeout(() => requestAnimationFrame(resolve));
  });

function fill(template, header, arrays, theme, host, titles) {
  const layout = structuredClone(template.layout);
  const data = template.data.map((trace) => filledTrace(trace, arrays, theme));
  layout.font = { ...layout.font, color: theme.text, family: theme.font };
  const heat = data.find((trace) => trace.type === 'heatmap');
  if (heat) nameStrips(layout, heat);
  const steps = arrays.history_step.data;
  layout.xaxis.range = [0, Math.max(steps[steps.length - 1] ?? 0, FEWEST_STEPS)];
  if (layout.yaxis2)
    fitStrip(
      layout,
      plotSize(host).height,
      data.filter(({ yaxis }) => yaxis === 'y2').flatMap(({ y }) => [...y]),
    );
  if (layout.meta?.y_title_from) layout.yaxis.title.text = metricTitle(header[layout.meta.y_title_from]);
  const hidden = data.some(({ meta, visible }) => meta.times && visible === false); // a heading must not promise what is not drawn
  for (const note of layout.annotations ?? []) if (hidden && note.name === 'minimized') note.text = 'task loss';
  layout.shapes = layout.shapes ?? [];
  layout.annotations = layout.annotations ?? [];
  if (heat) layout.annotations.push(...daggers(layout, arrays, heat.meta.run));
  let room = nameGhost(layout, data, header.ghost, host, theme);
  room += addMarks(
    layout,
    marksOf(header.marks, [...new Set(data.map(({ meta }) => meta.run))], titles),
    host,
    theme,
    arrays.ghost_step?.data[0],
  );
  layout.margin.t += room;
  host.parentElement.style.setProperty('--mv-marks', `${room}px`); // the chart grows by it
  host.parentElement.style.setProperty('--mv-strips', heat?.y.length ?? 0); // and with every strip, so that each is named
  return { data, layout };
}

function filledTrace(template, arrays, theme) {
  const { meta } = template;
  if (!arrays[meta.x]) return { ...template, x: [], y: [], visible: false }; // a ghost that is not there
  const trace = { ...template, x: arrays[meta.x].data };
  const steps = trace.x.length;
  if (meta.z) {
    const load = arrays[meta.z].of(meta.run);
    trace.z = perFairShare(load, steps);
    trace.y = trace.z.map((_, expert) => expert);
    if (meta.ink)
      trace.colorscale = [
        [0, 'rgba(128,128,128,0.08)'],
        [1, theme.text],
      ];
    return trace;
  }
  const values = arrays[meta.y]?.of(meta.run);
  const factor = meta.times ? arrays[meta.times]?.of(meta.run) : null;
  if (!values?.some(Number.isFinite) || factor === undefined) return { ...trace, x: [], y: [], visible: false }; // not recorded: not made up
  trace.y = factor ? values.map((value, index) => value * factor[index]) : values;
  if (meta.ink) trace.line = { ...trace.line, color: theme.text };
  if (steps === 1)
    Object.assign(trace, { mode: 'lines+markers', cliponaxis: false, marker: { size: 9, color: trace.line.color } }); // a line needs two
  return trace;
}

// Load ÷ (1/N), N being how many experts exist at that step; a gap where this one does not.
function perFairShare(load, steps) {
  const rows = Array.from({ length: load.length / steps }, (_, expert) =>
    load.subarray(expert * steps, (expert + 1) * steps),
  );
  const alive = Array.from({ length: steps }, (_, step) => rows.filter((row) => Number.isFinite(row[step])).length);
  return rows.map((row) => Array.from(row, (value, step) => (Number.isFinite(value) ? value * alive[step] : null)));
}

// A strip has room for one number near its top, and for a zero if that stands clear of it. Its range is always set: plotly would else
// keep that of another run.
function fitStrip({ yaxis2: axis, font }, height, values) {
  const highest = values.reduce((most, each) => (each > most ? each : most), LEAST_STRIP);
  axis.range = [0, STRIP_ROOM * highest];
  axis.tickvals = stripTicks(highest, (height * (axis.domain[1] - axis.domain[0])) / axis.range[1], font.size);
}

// `perUnit`: pixels for each unit of the axis; `size`: of a label.
/** @type {(highest: number, perUnit: number, size: number) => number[]} */
export function stripTicks(highest, perUnit, size) {
  const unit = 10 ** Math.floor(Math.log10(highest));
  const most = ROUND.findLast((each) => each * unit <= highest * (1 + 1e-9)) * unit;
  const top = Number(most.toPrecision(2));
  return top * perUnit < size ? [top] : [0, top];
}

function nameStrips(layout, heat) {
  const ids = heat.y;
  layout.yaxis.tickvals = ids;
  layout.yaxis.ticktext = ids.map((id) => `<span style="color:${hue(id)}">${square(id)}</span> ${letter(id)}`);
}

// A dagger at every death, in parentheses where the expert came back: it died again later, or a load was recorded.
/** @type {(trace: Trace, arrays: Arrays, run: number) => Trace} */
export function daggers({ meta }, { deaths, history_step: { data: steps }, history_load: loads }, run) {
  const [, , most] = deaths.shape;
  const marks = Array.from(deaths.of(run), (step, at) => ({ x: step, y: Math.floor(at / most), ...meta.death })).filter(
    ({ x }) => Number.isFinite(x),
  );
  const worked = ({ x, y }) =>
    loads
      .of(run)
      .subarray(y * steps.length, (y + 1) * steps.length)
      .some((load, at) => steps[at] > x && load > 0);
  const cameBack = (mark) => marks.some(({ x, y }) => y === mark.y && x > mark.x) || worked(mark);
  return marks.map((mark) => (cameBack(mark) ? { ...mark, text: `(${mark.text})` } : mark));
}

const metricTitle = (name) => (name === 'R²' ? 'R² (at most 1)' : `${name} (0-1)`);
