// The stage's skeleton in its layouts: `playground` (one run, everything about it), `twins` (runs side by side), `journey` (one
// token's way from input to loss), `routers` (a few tokens through two routers), `methods` (runs as rows of curves), `lab` (twins,
// and one question about them at a time), `language` (text in the colors of its experts), `vision` (pictures, their experts, and a
// pad to draw on) and `pairs` (pictures and words).

import { lab } from './labparts.js';
import { language } from './languageparts.js';
import { pairs } from './pairsparts.js';
import { PANELS } from './panels.js';
import { REWOUND, SCRUBBER } from './rewind.js';
import { vision } from './visionparts.js';

const CHART_TITLES = {
  loss: 'Losses',
  metric: 'Accuracy',
  load: 'Load over time',
  uneven: 'Unevenness of load',
  match: 'Match with true groups',
  dropped: 'Dropped when tested, and by chance',
};
const SIDE_CHART = 'loss'; // drawn beside the map; all other charts share the tabs below

const toolbar = (also = '') => `
  <div class="mv-toolbar" role="toolbar" aria-label="Training" data-part="toolbar">
    <button type="button" class="mv-main-button" data-part="play"></button>
    <button type="button" data-part="step" title="Train one step">Step</button>
    <button type="button" data-part="leap" title="Train fifty steps">+50</button>
    <button type="button" data-part="reset" title="Start again from step 0 with the same seed">Reset</button>
    <button type="button" class="mv-presenting" data-part="hide">Hide (H)</button>
    <div class="mv-speeds" role="group" aria-label="Speed" data-part="speeds"></div>${also}
    <p class="mv-readout"><span><span data-part="metric"></span><span data-part="metric-at"></span></span><span>step <b data-part="counter">0</b></span></p>
  </div>
  <div class="mv-banner" role="status" data-part="banner" hidden></div>`;

const TOOLBAR = toolbar();
const WITH_REWIND = `${toolbar(SCRUBBER)}${REWOUND}`;

const PICTURE = `
  <div class="mv-field" data-part="field"><canvas data-part="canvas"></canvas>
    <p class="mv-waiting" data-part="waiting">Waiting for the first picture of the run…</p>
    <div class="mv-ring" data-part="ring" hidden></div></div>`;

const LOAD_KEY = `<span class="mv-key"><i class="mv-diamond">◆</i> mean probability</span>
  <span class="mv-key"><i class="mv-dash"></i> fair share</span>`;

const IDLE = 'no test input chose it in the last three measurements, which are ten steps apart';

const KEYS = `<span class="mv-key" title="${IDLE}">† idle</span> ${LOAD_KEY}`;

const PLAYGROUND = `${WITH_REWIND}
  <p class="mv-guide" data-part="guide"></p>
  <dl class="mv-measured" data-part="measured-0" hidden></dl>
  <div class="mv-stack">
  <div class="mv-main" data-part="main">
    <figure class="mv-picture">
      <div class="mv-tabs mv-pictures" role="tablist" aria-label="Pictures of the map" data-part="pictures" hidden></div>
      <figcaption class="mv-heading" data-part="heading">First choice of the gate, at every place</figcaption>
      ${PICTURE}
      <div class="mv-legend" data-part="legend"></div>
    </figure>
    <div class="mv-side">
      <section>
        <h3 class="mv-heading"><span data-part="probe-title">Gate probability at the probe</span> <span class="mv-key"><span data-part="solid-key"></span>, <b class="mv-inverse" aria-hidden="true"></b> = <span data-part="first-key"></span></span></h3>
        <div class="mv-bars" data-part="probe-bars"></div>
        <p class="mv-formula" data-part="formula"></p>
        <p class="mv-line-text" data-part="line"></p>
        <p class="mv-spoken" aria-live="polite" data-part="spoken"></p>
      </section>
      <section>
        <h3 class="mv-heading">Load, % <span class="mv-key" title="${IDLE}">† idle</span> ${LOAD_KEY}</h3>
        <p class="mv-facts"><span data-part="cv"></span><span>idle <span class="mv-roomy">experts </span><b data-part="idle"></b></span></p>
        <div class="mv-bars mv-load" data-part="load-0"></div>
        <p class="mv-note" data-part="load-note"></p>
      </section>
      <section class="mv-chart" role="img" data-part="side-chart" hidden></section>
    </div>
  </div>
  <canvas class="mv-travel" data-part="travel" aria-hidden="true"></canvas>
  <div class="mv-cover" data-part="cover" hidden>
    <p>What will happen? Vote first.</p><button type="button" data-part="show">Show it (H)</button>
  </div>
  </div>
  <div class="mv-more" data-part="more">
    <div class="mv-tabs" role="tablist" aria-label="More charts" data-part="tabs"></div>
    <div data-part="panels"></div>
  </div>`;

const stopped = (run) => `<span class="mv-stopped" data-part="stopped-${run}" hidden></span>`;

const twin = (run) => `
  <figure class="mv-picture">
    <figcaption class="mv-title"><span data-part="title-${run}"></span><span class="mv-key" data-part="cv-${run}"></span>${stopped(run)}</figcaption>
    <div class="mv-field" data-part="field-${run}"><canvas data-part="canvas-${run}"></canvas>
      <p class="mv-waiting" data-part="waiting-${run}">Waiting for the first picture of the run…</p></div>
    <div class="mv-bars mv-load" data-part="load-${run}"></div>
    <dl class="mv-measured" data-part="measured-${run}" hidden></dl>
  </figure>`;

const twins = (count) => `${TOOLBAR}
  <div class="mv-twins">${Array.from({ length: count }, (_, run) => twin(run)).join('')}</div>
  <p class="mv-legend"><span data-part="legend"></span><span title="the share of choices">bars: load in % at <span data-part="measured-at"></span></span> <span>unevenness: 0 = even</span>
    ${KEYS}<span data-part="load-note"></span></p>`;

const choice = (name, label, options) =>
  `<div class="mv-choice" role="group" aria-label="${label}"><span>${label}</span><span class="mv-speeds">${options
    .map(([value, text]) => `<button type="button" data-choice="${name}" data-value="${value}">${text}</button>`)
    .join('')}</span></div>`;

const JOURNEY = `${TOOLBAR}
  <div class="mv-way" data-part="main">
    <figure class="mv-picture">
      <figcaption class="mv-heading">Pick a token: click it, or use the arrow keys</figcaption>
      ${PICTURE}
      <div class="mv-legend" data-part="legend"></div>
      <p><button type="button" data-part="surprise">Surprise me</button></p>
    </figure>
    <div class="mv-steps">
      <div class="mv-formula-head">
        <button type="button" data-part="back">◀ Back</button>
        <button type="button" class="mv-main-button" data-part="next">Next ▶</button>
        <h3 data-part="stop-name"></h3>
        <p data-part="stop-says"></p>
      </div>
      <div class="mv-path-box" tabindex="0" role="group" aria-label="The way of the token, from left to right">
        <div class="mv-path" data-part="path"></div>
      </div>
      <section class="mv-formulas" aria-label="The formula of this stage, with this token's numbers">
        <div class="mv-lines-of-math" data-part="formula"></div>
        <p class="mv-note" data-part="stop-note"></p>
        <details data-part="code"><summary>Show code</summary><div></div></details>
        <p class="mv-spoken" aria-live="polite" data-part="spoken"></p>
      </section>
    </div>
  </div>
  <div class="mv-else">
    <section>
      <h3 class="mv-heading">What if it had gone elsewhere?</h3>
      <p data-part="sent"></p>
      <div class="mv-tiles" role="list" aria-label="Outcome with each expert alone" data-part="elsewhere"></div>
      <p data-part="regret"></p>
    </section>
    <section>
      <h3 class="mv-heading">Who learns from this token?</h3>
      <div class="mv-choices" data-part="forms">
        ${choice('own', 'This router', [['own', 'its own way']])}
        ${choice('softmax', 'Softmax', [
          ['before', 'before top-k'],
          ['after', 'after top-k'],
        ])}
        ${choice('weights', 'Weights', [
          ['plain', 'plain'],
          ['renormalized', 'renormalized'],
        ])}
        ${choice('k', 'Experts', [
          ['own', 'k'],
          ['one', 'k = 1'],
        ])}
      </div>
      <p>Weight of each expert, and the measured slope ∂ task loss / ∂ z of its score. <span data-part="form-loss"></span></p>
      <div class="mv-tiles" role="list" aria-label="Slope along each expert's score" data-part="slopes"></div>
      <p data-part="verdict"></p>
      <details data-part="slopes-code"><summary>Show code</summary><div></div></details>
    </section>
  </div>`;

const side = (run) => `
  <section class="mv-router">
    <p class="mv-title"><span data-part="title-${run}"></span>${stopped(run)}</p>
    <p data-part="says-${run}"></p>
    <div class="mv-scroll" data-part="seats-${run}"></div>
    <div><p data-part="drops-${run}" class="mv-note"></p>
      <div class="mv-lost" data-part="lost-${run}" aria-hidden="true" hidden><i></i><span><b></b></span></div></div>
    <div class="mv-racks" data-part="racks-${run}"></div>
  </section>`;

const routers = (count) => `${TOOLBAR}
  <div class="mv-choices" data-part="shows">${choice('shows', 'Cells show', [
    ['place', 'place in the queue'],
    ['weight', 'weight'],
  ])}
    <span class="mv-key"><i class="mv-sample"></i> chosen and served</span><span class="mv-key" data-part="dropped-key">✕ dropped: no seat left</span>
    <span class="mv-key" data-part="skipped-key">– second choice skipped at random</span></div>
  <div class="mv-routers">${Array.from({ length: count }, (_, run) => side(run)).join('')}</div>
  <div class="mv-scroll" tabindex="0" role="region" aria-label="What both routers come to on these tokens"><table class="mv-groups" data-part="measures"></table></div>
  <div class="mv-charts" data-part="charts"></div>`;

const method = (run) => `<section class="mv-method">
    <div><p class="mv-title"><span data-part="title-${run}"></span>${stopped(run)}</p><p class="mv-why" data-part="why-${run}"></p></div>
    <div class="mv-curves" data-part="curves-${run}"></div>
  </section>`;

const methods = (count) => `${TOOLBAR}
  <div class="mv-methods">${Array.from({ length: count }, (_, run) => method(run)).join('')}</div>
  <p class="mv-legend"><span>Each curve runs from step 0 to step <span data-part="recorded">0</span>, on one scale for all rows.</span><span class="mv-key"><i class="mv-gray"></i> without balancing</span></p>`;

const SKELETONS = {
  playground: () => PLAYGROUND,
  twins,
  journey: () => JOURNEY,
  routers,
  methods,
  lab: (count) => `${WITH_REWIND}${lab(count, KEYS)}`,
  language: () => `${TOOLBAR}${language()}`,
  vision: () => `${TOOLBAR}${vision()}`,
  pairs: (count) => `${TOOLBAR}${pairs(count)}`,
};

// Fills `root` and returns `find(part)`.
export function build(root, data) {
  const paired = data.layout === 'twins';
  const titles = data.titles ?? [];
  root.style.minHeight = '';
  root.innerHTML = SKELETONS[data.layout](Math.max(titles.length, 1));
  root.classList.toggle('mv-paired', paired);
  const find = (part) => root.querySelector(`[data-part="${part}"]`);
  titles.forEach((title, run) => {
    if (find(`title-${run}`)) find(`title-${run}`).textContent = title;
    if (find(`why-${run}`)) find(`why-${run}`).textContent = data.whys[run];
  });
  return find;
}

// Tells the styles how much of the window is above the stage, so that its pictures can fill the rest of the first screen.
export function fitWindow(root) {
  const main = root.closest('[data-testid="stMain"]');
  const above = root.getBoundingClientRect().top + (main?.scrollTop ?? scrollY);
  if (Math.abs(above - (root.mvAbove ?? 0)) < 4) return;
  root.mvAbove = above;
  root.style.setProperty('--mv-above', `${Math.round(above)}px`);
}

// Puts each chart in its place, and the panels after them: one chart beside the map, the rest in tabs below.
export function placeBelow(find, templates, charts, panels) {
  if (find('charts')) placeAll(find('charts'), templates, charts);
  if (!find('side-chart')) return;
  const names = Object.keys(templates ?? {});
  find('side-chart').hidden = !names.includes(SIDE_CHART);
  if (names.includes(SIDE_CHART))
    charts.add(SIDE_CHART, chartHost(find('side-chart'), CHART_TITLES[SIDE_CHART]), templates[SIDE_CHART]);
  find('panels').replaceChildren();
  const titles = {};
  for (const name of names.filter((each) => each !== SIDE_CHART)) {
    titles[name] = CHART_TITLES[name] ?? name;
    charts.add(
      name,
      chartHost(tabPanel(find('panels'), 'mv-chart mv-panel', titles[name]), titles[name]),
      templates[name],
    );
  }
  for (const [name, { label }] of Object.entries(PANELS)) {
    titles[name] = label;
    panels.add(name, tabPanel(find('panels'), 'mv-panel', label));
  }
  chooseAmong(find('tabs'), titles, (_, chosen) => {
    [...find('panels').children].forEach((panel, index) => {
      panel.hidden = index !== chosen;
    });
  });
}

// Every chart with its title, side by side; `titles` are those of charts that only one layout has.
export function placeAll(host, templates, charts, titles = {}) {
  host.replaceChildren();
  for (const [name, template] of Object.entries(templates ?? {})) {
    const box = document.createElement('figure');
    const panel = Object.assign(document.createElement('div'), { className: 'mv-chart' });
    panel.setAttribute('role', 'img');
    box.append(
      Object.assign(document.createElement('figcaption'), {
        className: 'mv-heading',
        textContent: titles[name] ?? CHART_TITLES[name],
      }),
      panel,
    );
    host.append(box);
    charts.add(name, chartHost(panel, titles[name] ?? CHART_TITLES[name]), template);
  }
}

function tabPanel(host, className, label) {
  const panel = Object.assign(document.createElement('div'), { className });
  panel.setAttribute('role', 'tabpanel');
  panel.setAttribute('aria-label', label);
  host.append(panel);
  return panel;
}

function tab(name, label) {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
  button.setAttribute('role', 'tab');
  button.dataset.tab = name;
  return button;
}

// Tabs of which one is chosen: the Tab key enters at that one, the arrow keys choose another. Returns what chooses by place.
export function chooseAmong(host, labels, onChoose) {
  const names = Object.keys(labels);
  const tabs = names.map((name) => tab(name, labels[name]));
  const choose = (index, focus) => {
    tabs.forEach((each, at) => {
      each.setAttribute('aria-selected', String(at === index));
      each.tabIndex = at === index ? 0 : -1;
    });
    if (focus) tabs[index].focus();
    onChoose(names[index], index);
  };
  tabs.forEach((each, index) => {
    each.onclick = () => choose(index);
    each.onkeydown = ({ key }) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (by) choose((index + by + tabs.length) % tabs.length, true);
    };
  });
  host.replaceChildren(...tabs);
  if (tabs.length) choose(0);
  return choose;
}

function chartHost(panel, title) {
  panel.replaceChildren(document.createElement('div'));
  panel.setAttribute('aria-label', `${title} over training steps`);
  return panel.firstChild;
}
