// The skeleton of the Journey: one token’s way from input to loss.

import { choice, PICTURE, TOOLBAR } from '../../kit/markup.js';

export const journey = () => `${TOOLBAR}
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
