// The Balance lab's skeleton: a small stage for each twin, what differs between them as a table, and one section for each question.

import { KEYS } from '../../kit/markup.js';
import { lineSample } from '../../kit/plot.js';
import { TOOLBAR_WITH_REWIND } from '../../panels/rewind.js';
import { SECTIONS } from './sections.js';

const twin = (run) => `
  <figure class="mv-picture mv-small">
    <figcaption class="mv-title"><span data-part="title-${run}"></span>${lineSample(run)}</figcaption>
    <p class="mv-key" data-part="cv-${run}"></p>
    <div class="mv-field" data-part="field-${run}"><canvas data-part="canvas-${run}"></canvas>
      <p class="mv-waiting" data-part="waiting-${run}">Waiting for the first picture of the run…</p></div>
    <div class="mv-bars mv-load" data-part="load-${run}"></div>
    <p class="mv-alarm" data-part="alarm-${run}"></p>
  </figure>`;

const section = ([name, { label, question, note, body }]) => `
  <section class="mv-section" role="tabpanel" aria-label="${label}" data-section="${name}" hidden>
    <h3 class="mv-heading">${question}</h3><p class="mv-said">${note}</p>${body}
  </section>`;

export const lab = (count) => `${TOOLBAR_WITH_REWIND}
  <div class="mv-labs" data-part="labs" style="--mv-twins: ${count}">${Array.from({ length: count }, (_, run) => twin(run)).join('')}</div>
  <p class="mv-legend"><span data-part="legend"></span><span>bars: load in % at <span data-part="measured-at"></span></span><span>unevenness: 0 = even</span>
    ${KEYS}<span class="mv-key">${lineSample(0)} its line in every chart</span><span data-part="load-note"></span><span data-part="gray"></span></p>
  <div class="mv-scroll" tabindex="0" role="region" aria-label="Differences between the twins"><table class="mv-groups mv-differences" data-part="differences"></table></div>
  <div class="mv-more">
    <div class="mv-tabs" role="tablist" aria-label="Questions" data-part="sections"></div>
    <p class="mv-key" data-part="section-at"></p>
    <div data-part="panels">${Object.entries(SECTIONS).map(section).join('')}</div>
  </div>`;
