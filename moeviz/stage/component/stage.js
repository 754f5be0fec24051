// Mounts the live picture once per element of the page, with its styles; Streamlit calls it again with every rerun.

import { Stage } from './shell/run_stage.js';

const stages = new WeakMap(); // parent element -> Stage
const PATIENCE = 3000; // ms to wait for the stylesheet

/** @type {(component: Component) => Promise<void>} */
export default async function mount(component) {
  const known = stages.get(component.parentElement);
  if (known?.root.isConnected && !known.closed) {
    known.update(component);
    return;
  }
  known?.close(); // the page replaced our box
  const stage = new Stage(component);
  stages.set(component.parentElement, stage);
  await styles(component.parentElement);
  stage.start();
}

/** @type {(parentElement: HTMLElement) => void} */
export function unmount(parentElement) {
  stages.get(parentElement)?.close();
  stages.delete(parentElement);
}

// The loader's own links bring the stylesheets; nothing is drawn before they are there, unless it takes too long.
function styles(parentElement) {
  const links = [...parentElement.querySelectorAll('link[rel="stylesheet"]')].filter(({ sheet }) => !sheet);
  return Promise.all(links.map(arrived));
}

function arrived(link) {
  return new Promise((resolve) => {
    link.onload = resolve;
    link.onerror = resolve; // unstyled is better than nothing
    setTimeout(resolve, PATIENCE);
  });
}
