// The skeleton of page Vision: test pictures with their experts, a pad to draw on, what the model makes of the drawing, who serves
// what, and how the three runs compare.

import { TOOLBAR } from '../../kit/markup.js';

export const vision = () => `${TOOLBAR}
  <p class="mv-lead" data-part="lead"></p>
  <div class="mv-vision">
    <section>
      <h3 class="mv-heading">Test pictures, each with the model’s answer below it <span class="mv-key"><b class="mv-wrong">x</b> = wrong</span></h3>
      <p class="mv-note" data-part="gallery-note"></p>
      <div class="mv-gallery" role="group" aria-label="Test pictures; press one to put it on the pad" data-part="gallery"></div>
      <p class="mv-waiting mv-flat" data-part="waiting">Waiting for the first picture of the run…</p>
    </section>
    <section class="mv-own">
      <h3 class="mv-heading">Draw a digit of your own</h3>
      <div class="mv-drawing">
        <div>
          <canvas class="mv-pad" width="16" height="16" tabindex="0" role="application" data-part="pad"
            aria-label="Drawing pad. Arrow keys move the pen, Space draws, with Shift the arrow keys draw, Delete clears."></canvas>
          <div class="mv-buttons"><button type="button" data-part="clear">Clear</button><button type="button" data-part="example">An example</button></div>
          <p class="mv-key">keys: arrows move, Space draws</p>
        </div>
        <div>
          <canvas class="mv-route" role="img" data-part="route"></canvas>
          <p class="mv-answer" data-part="answer"></p>
        </div>
      </div>
      <p data-part="drawn-line" aria-live="polite"></p>
      <div class="mv-classes" role="list" aria-label="Class probabilities of the drawing" data-part="classes"></div>
      <h3 class="mv-heading">Gate probability of the drawing <span class="mv-key" data-part="solid-key"></span></h3>
      <div class="mv-bars" data-part="drawn-bars"></div>
    </section>
  </div>
  <section>
    <h3 class="mv-heading">Which expert serves what <span class="mv-key">each column adds up to 100 %; <span data-part="measured-at"></span></span></h3>
    <div class="mv-scroll" tabindex="0" role="region" aria-label="Experts, what they serve, and the pictures that each likes most"><table class="mv-groups mv-serves" data-part="serves"></table></div>
  </section>
  <section>
    <h3 class="mv-heading">The same data and steps, three ways</h3>
    <p class="mv-said" data-part="verdict"></p>
    <div class="mv-scroll" tabindex="0" role="region" aria-label="The three runs compared"><table class="mv-groups mv-compare" data-part="compare"></table></div>
  </section>
  <div class="mv-charts" data-part="charts"></div>`;
