// The skeleton of runs side by side.

import { KEYS, stopped, TOOLBAR } from '../../kit/markup.js';

const twin = (run) => `
  <figure class="mv-picture">
    <figcaption class="mv-title"><span data-part="title-${run}"></span><span class="mv-key" data-part="cv-${run}"></span>${stopped(run)}</figcaption>
    <div class="mv-field" data-part="field-${run}"><canvas data-part="canvas-${run}"></canvas>
      <p class="mv-waiting" data-part="waiting-${run}">Waiting for the first picture of the run…</p></div>
    <div class="mv-bars mv-load" data-part="load-${run}"></div>
    <dl class="mv-measured" data-part="measured-${run}" hidden></dl>
  </figure>`;

export const twins = (count) => `${TOOLBAR}
  <div class="mv-twins">${Array.from({ length: count }, (_, run) => twin(run)).join('')}</div>
  <p class="mv-legend"><span data-part="legend"></span><span title="the share of choices">bars: load in % at <span data-part="measured-at"></span></span> <span>unevenness: 0 = even</span>
    ${KEYS}<span data-part="load-note"></span></p>`;
