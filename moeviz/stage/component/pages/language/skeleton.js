// The skeleton of the page Language: text in its experts' colors, what the model writes, and who takes what.

import { TOOLBAR } from '../../kit/markup.js';

export const LAYERS = ['Layer 1', 'Layer 2'];

const table = (part, label) =>
  `<div class="mv-scroll" tabindex="0" role="region" aria-label="${label}"><table class="mv-groups" data-part="${part}"></table></div>`;

export const language = () => `${TOOLBAR}
  <dl class="mv-measured mv-scores" data-part="scores"></dl>
  <div class="mv-choices"><div class="mv-choice" role="group" aria-label="Colors by"><span>Colors by</span><span class="mv-speeds" data-part="layers">${LAYERS.map(
    (name, layer) => `<button type="button" data-layer="${layer}" aria-pressed="${layer === 0}">${name}</button>`,
  ).join('')}</span></div>
    <span class="mv-key">band = the expert that reads the character above it</span><span class="mv-key" data-part="dropped-key" hidden>✕ no seat left</span></div>
  <div class="mv-reading">
    <section>
      <h3 class="mv-heading">Test text, never trained on</h3>
      <div class="mv-texts" data-part="texts" tabindex="0" role="group" aria-label="Test text: point at a character, or use the arrow keys"></div>
      <p class="mv-waiting" data-part="waiting">Waiting for the first picture of the run…</p>
      <h3 class="mv-heading"><label for="mv-own">Your own text: who reads it?</label></h3>
      <textarea id="mv-own" data-part="own" rows="2" maxlength="400" spellcheck="false">print("Hallo")  # the answer is 12+30=42; Привет, Αθήνα</textarea>
      <div class="mv-texts" data-part="own-text" role="img" aria-label="Your text by expert"></div>
      <p class="mv-note">The model reads 64 characters at a time, and begins anew after them. □ = not in its alphabet, ⏎ = new line.</p>
    </section>
    <aside>
      <h3 class="mv-heading" data-part="pointed">Gate probability, %</h3>
      <div class="mv-bars" data-part="prob-bars"></div>
      <h3 class="mv-heading"><span data-part="load-title">Load, %</span> <span class="mv-key"><i class="mv-dash"></i> fair share</span> <span class="mv-key">† idle</span></h3>
      <div class="mv-bars mv-load" data-part="load-bars"></div>
    </aside>
  </div>
  <section>
    <h3 class="mv-heading">What the model writes by itself <span class="mv-key">underlined = what it was given; <span data-part="written-at">drawn anew every few seconds</span></span></h3>
    <div class="mv-samples" data-part="samples"></div>
  </section>
  <div class="mv-tables">
    <section><h3 class="mv-heading">Experts and kinds of text</h3><p data-part="kind-match"></p>${table('kinds', 'Experts and kinds of text')}</section>
    <section><h3 class="mv-heading">Experts and kinds of characters</h3><p data-part="class-match"></p>${table('classes', 'Experts and kinds of characters')}</section>
  </div>
  <p class="mv-note"><span data-part="measured-at"></span> Tables: % of each column that this expert reads (first choice), on test text. <span data-part="repeat"></span> <span data-part="several"></span></p>
  <div class="mv-charts" data-part="charts"></div>`;
