// The stage's skeleton in its two layouts: `playground` (one run, everything about it) and `twins` (runs side by side).

const CHART_TITLES = { loss: 'Losses', metric: 'Accuracy', load: 'Load over time' };
const SIDE_CHART = 'loss'; // drawn beside the map; all other charts share the tabs below

const TOOLBAR = `
  <div class="mv-toolbar" role="toolbar" aria-label="Training" data-part="toolbar">
    <button type="button" class="mv-main-button" data-part="play"></button>
    <button type="button" data-part="step" title="Train one step">Step</button>
    <button type="button" data-part="leap" title="Train fifty steps">+50</button>
    <button type="button" data-part="reset" title="Start again from step 0 with the same seed">Reset</button>
    <div class="mv-speeds" role="group" aria-label="Speed" data-part="speeds"></div>
    <p class="mv-readout"><span class="mv-wide" data-part="metric"></span><span>step <b data-part="counter">0</b></span></p>
  </div>
  <div class="mv-banner" role="status" data-part="banner" hidden></div>`;

const PICTURE = `
  <div class="mv-field" data-part="field"><canvas data-part="canvas"></canvas>
    <p class="mv-waiting" data-part="waiting">Waiting for the first picture of the run…</p>
    <div class="mv-ring" data-part="ring" hidden></div></div>`;

const LOAD_KEY = `<span class="mv-key"><i class="mv-diamond">◆</i> mean probability</span>
  <span class="mv-key"><i class="mv-dash"></i> fair share</span>`;

const LOAD_NOTE = 'Load counts all k choices; the map only the first.';

const PLAYGROUND = `${TOOLBAR}
  <div class="mv-main">
    <figure class="mv-picture">
      <div class="mv-tabs mv-pictures" role="tablist" aria-label="Pictures of the map" data-part="pictures" hidden></div>
      <figcaption class="mv-heading" data-part="heading">First choice of the gate, at every place</figcaption>
      ${PICTURE}
      <div class="mv-legend" data-part="legend"></div>
    </figure>
    <div class="mv-side">
      <section>
        <h3 class="mv-heading">Gate probability at the probe <span class="mv-key">solid = chosen</span></h3>
        <div class="mv-bars" data-part="probe-bars"></div>
        <p class="mv-formula" data-part="formula"></p>
        <p class="mv-line-text" data-part="line"></p>
        <p class="mv-spoken" aria-live="polite" data-part="spoken"></p>
      </section>
      <section>
        <h3 class="mv-heading">Load, % <span class="mv-key">† idle</span> ${LOAD_KEY}</h3>
        <p class="mv-facts"><span data-part="cv"></span><span>idle <span class="mv-roomy">experts </span><b data-part="idle"></b></span></p>
        <div class="mv-bars mv-load" data-part="load-0"></div>
        <p class="mv-note" data-part="load-note" hidden>${LOAD_NOTE}</p>
      </section>
      <section class="mv-chart" data-part="side-chart" hidden></section>
    </div>
  </div>
  <div class="mv-more" data-part="more" hidden>
    <div class="mv-tabs" role="tablist" aria-label="More charts" data-part="tabs"></div>
    <div data-part="panels"></div>
  </div>`;

const twin = (run) => `
  <figure class="mv-picture">
    <figcaption class="mv-title"><span data-part="title-${run}"></span><span class="mv-key" data-part="cv-${run}"></span></figcaption>
    <div class="mv-field" data-part="field-${run}"><canvas data-part="canvas-${run}"></canvas>
      <p class="mv-waiting" data-part="waiting-${run}">Waiting for the first picture of the run…</p></div>
    <div class="mv-bars mv-load" data-part="load-${run}"></div>
  </figure>`;

const twins = (count) => `${TOOLBAR}
  <div class="mv-twins">${Array.from({ length: count }, (_, run) => twin(run)).join('')}</div>
  <p class="mv-legend"><span data-part="legend"></span><span>bars: load in %, the share of choices</span>
    <span class="mv-key">† idle</span> ${LOAD_KEY}<span data-part="load-note" hidden>${LOAD_NOTE}</span></p>`;

// Fills `root` and returns `find(part)`.
export function build(root, data) {
  const paired = data.layout === 'twins';
  const titles = data.titles ?? [];
  root.style.minHeight = '';
  root.innerHTML = paired ? twins(Math.max(titles.length, 1)) : PLAYGROUND;
  root.classList.toggle('mv-paired', paired);
  const find = (part) => root.querySelector(`[data-part="${part}"]`);
  if (paired) titles.forEach((title, run) => { find(`title-${run}`).textContent = title; });
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

// Puts each chart's host in its place; `add(name, host, template)` takes them.
export function placeCharts(find, charts, add) {
  if (!find('side-chart')) return;
  const names = Object.keys(charts ?? {});
  const below = names.filter((name) => name !== SIDE_CHART);
  find('side-chart').hidden = !names.includes(SIDE_CHART);
  find('more').hidden = below.length === 0;
  if (names.includes(SIDE_CHART)) add(SIDE_CHART, chartHost(find('side-chart'), SIDE_CHART), charts[SIDE_CHART]);
  find('panels').replaceChildren();
  for (const name of below) {
    const panel = document.createElement('div');
    panel.className = 'mv-chart mv-panel';
    panel.setAttribute('role', 'tabpanel');
    find('panels').append(panel);
    add(name, chartHost(panel, name), charts[name]);
  }
  chooseAmong(find('tabs'), Object.fromEntries(below.map((name) => [name, CHART_TITLES[name] ?? name])), (_, chosen) => {
    [...find('panels').children].forEach((panel, index) => { panel.hidden = index !== chosen; });
  });
}

function tab(name, label) {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
  button.setAttribute('role', 'tab');
  button.dataset.tab = name;
  return button;
}

// Tabs of which one is chosen: the Tab key enters at that one, the arrow keys choose another.
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
}

function chartHost(panel, name) {
  panel.replaceChildren(document.createElement('div'));
  panel.setAttribute('aria-label', `${CHART_TITLES[name] ?? name} over training steps`);
  return panel.firstChild;
}
