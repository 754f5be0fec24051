// The skeleton of the Playground: one run, and everything about it.

import { IDLE, LOAD_KEY, PICTURE } from '../../kit/markup.js';
import { TOOLBAR_WITH_REWIND } from '../../panels/rewind.js';

export const playground = () => `${TOOLBAR_WITH_REWIND}
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
