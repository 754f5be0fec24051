// What the skeletons of several pages have in common: the toolbar, the picture of a run, the keys to its bars, rows of choices.

// `also`: what stands between the speeds and the step.
/** @type {(also?: string) => string} */
export const toolbar = (also = '') => `
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

export const TOOLBAR = toolbar();

export const PICTURE = `
  <div class="mv-field" data-part="field"><canvas data-part="canvas"></canvas>
    <p class="mv-waiting" data-part="waiting">Waiting for the first picture of the run…</p>
    <div class="mv-ring" data-part="ring" hidden></div></div>`;

export const LOAD_KEY = `<span class="mv-key"><i class="mv-diamond">◆</i> mean probability</span>
  <span class="mv-key"><i class="mv-dash"></i> fair share</span>`;

export const IDLE = 'no test input chose it in the last three measurements, which are ten steps apart';

export const KEYS = `<span class="mv-key" title="${IDLE}">† idle</span> ${LOAD_KEY}`;

// Whether a run has stopped, and why.
/** @type {(run: number) => string} */
export const stopped = (run) => `<span class="mv-stopped" data-part="stopped-${run}" hidden></span>`;

/** @type {(name: string, label: string, options: [value: string, text: string][]) => string} */
export const choice = (name, label, options) =>
  `<div class="mv-choice" role="group" aria-label="${label}"><span>${label}</span><span class="mv-speeds">${options
    .map(([value, text]) => `<button type="button" data-choice="${name}" data-value="${value}">${text}</button>`)
    .join('')}</span></div>`;
