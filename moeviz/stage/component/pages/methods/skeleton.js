// The skeleton of page Methods: runs as rows of curves.

import { stopped, TOOLBAR } from '../../kit/markup.js';

const method = (run) => `<section class="mv-method">
    <div><p class="mv-title"><span data-part="title-${run}"></span>${stopped(run)}</p><p class="mv-why" data-part="why-${run}"></p></div>
    <div class="mv-curves" data-part="curves-${run}"></div>
  </section>`;

export const methods = (count) => `${TOOLBAR}
  <div class="mv-methods">${Array.from({ length: count }, (_, run) => method(run)).join('')}</div>
  <p class="mv-legend"><span>Each curve runs from step 0 to step <span data-part="recorded">0</span>, on one scale for all rows.</span><span class="mv-key"><i class="mv-gray"></i> without balancing</span></p>`;
