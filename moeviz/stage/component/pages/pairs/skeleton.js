// The skeleton of the page "Image and text": unseen emoji to choose from, and below them what each twin makes of the chosen one.

import { TOOLBAR } from '../../kit/markup.js';

export const LANGUAGES = ['English', 'German', 'Spanish', 'Russian', 'Chinese'];

const twin = (run) => `
  <article class="mv-emoji-run" data-run="${run}">
    <p class="mv-title"><span data-part="title-${run}"></span><span class="mv-key" data-part="score-${run}"></span><span class="mv-stopped" data-part="stopped-${run}" hidden></span></p>
    <section data-part="own-${run}" hidden><h3 class="mv-heading">Pictures found for your word</h3>
      <ul class="mv-words" data-part="own-words-${run}"></ul><ol class="mv-found" data-part="own-pictures-${run}"></ol></section>
    <section data-part="shares-${run}"><h3 class="mv-heading">Whose tokens go to which expert, %</h3>
      <div class="mv-scroll" tabindex="0" role="region" aria-label="Share of each part's tokens by expert"><table class="mv-groups" data-part="table-${run}"></table></div>
      <p class="mv-owners" data-part="owners-${run}"></p></section>
    <section data-part="served-${run}"><h3 class="mv-heading">Who serves the chosen emoji: each patch, each word</h3>
      <div class="mv-served"><div class="mv-emoji-route" role="img" data-part="route-${run}"></div><ul class="mv-words" data-part="words-${run}"></ul></div></section>
    <section><h3 class="mv-heading">Pictures found for its <span data-part="language-${run}"></span> name</h3>
      <ol class="mv-found" data-part="pictures-${run}"></ol></section>
    <section><h3 class="mv-heading">Names found for its picture</h3><ul class="mv-names" data-part="names-${run}"></ul></section>
  </article>`;

export const pairs = (count) => `${TOOLBAR}
  <p class="mv-waiting" data-part="waiting">Waiting for the first picture of the run…</p>
  <div class="mv-choosing" data-part="choosing" hidden>
    <h3 class="mv-heading">Emoji that no model here has trained on: choose one</h3>
    <div class="mv-emoji-list" role="group" aria-label="Unseen emoji" data-part="gallery"></div>
    <div class="mv-choices">
      <div class="mv-choice" role="group" aria-label="Name in"><span>Name in</span><span class="mv-speeds" data-part="languages">${LANGUAGES.map(
        (name, at) => `<button type="button" data-language="${at}">${name}</button>`,
      ).join('')}</span></div>
      <label class="mv-choice">Or your own word <input type="text" data-part="own" maxlength="60" placeholder="cat, Haus, árbol, луна, 车" autocomplete="off" spellcheck="false"></label>
    </div>
  </div>
  <div class="mv-emoji-runs">${Array.from({ length: count }, (_, run) => twin(run)).join('')}</div>
  <p class="mv-legend"><span>Own expert: three quarters of its tokens or more. Nearly idle: less than a fifth of a fair share.</span> <span>Names have four tokens: a shorter one is said again, of a longer one neighbors join.</span> <span>Number = cosine: 1 is the same direction, 0 has nothing in common.</span><span class="mv-key">✓ = the right one</span> <span data-part="several"></span></p>
  <div class="mv-charts" data-part="charts"></div>`;
