// The skeleton of page Routers: a few tokens through two routers.

import { choice, stopped, TOOLBAR } from '../../kit/markup.js';

const side = (run) => `
  <section class="mv-router">
    <p class="mv-title"><span data-part="title-${run}"></span>${stopped(run)}</p>
    <p data-part="says-${run}"></p>
    <div class="mv-scroll" data-part="seats-${run}"></div>
    <div><p data-part="drops-${run}" class="mv-note"></p>
      <div class="mv-lost" data-part="lost-${run}" aria-hidden="true" hidden><i></i><span><b></b></span></div></div>
    <div class="mv-racks" data-part="racks-${run}"></div>
  </section>`;

export const routers = (count) => `${TOOLBAR}
  <div class="mv-choices" data-part="shows">${choice('shows', 'Cells show', [
    ['place', 'place in the queue'],
    ['weight', 'weight'],
  ])}
    <span class="mv-key"><i class="mv-sample"></i> chosen and served</span><span class="mv-key" data-part="dropped-key">✕ dropped: no seat left</span>
    <span class="mv-key" data-part="skipped-key">– second choice skipped at random</span></div>
  <div class="mv-routers">${Array.from({ length: count }, (_, run) => side(run)).join('')}</div>
  <div class="mv-scroll" tabindex="0" role="region" aria-label="What both routers come to on these tokens"><table class="mv-groups" data-part="measures"></table></div>
  <div class="mv-charts" data-part="charts"></div>`;
