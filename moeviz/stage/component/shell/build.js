// Fills the stage's box with the skeleton of its layout.

import { LAYOUTS } from './layouts.js';

// Fills `root` and returns `find(part)`.
/** @type {(root: HTMLElement, data: PageData) => Find} */
export function build(root, data) {
  const paired = data.layout === 'twins';
  const titles = data.titles ?? [];
  root.style.minHeight = '';
  root.innerHTML = LAYOUTS[data.layout].skeleton(Math.max(titles.length, 1));
  root.classList.toggle('mv-paired', paired);
  const find = (part) => root.querySelector(`[data-part="${part}"]`);
  titles.forEach((title, run) => {
    if (find(`title-${run}`)) find(`title-${run}`).textContent = title;
    if (find(`why-${run}`)) find(`why-${run}`).textContent = data.whys[run];
  });
  return find;
}
