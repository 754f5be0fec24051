// Mounts the live picture once per element of the page, with its styles; Streamlit calls it again with every rerun.

import { Stage } from './live.js';

const stages = new WeakMap(); // parent element -> Stage

export default async function mount(component) {
  const known = stages.get(component.parentElement);
  if (known?.root.isConnected) {
    known.update(component);
    return;
  }
  known?.close(); // the page replaced our box
  const stage = new Stage(component);
  stages.set(component.parentElement, stage);
  await styles();
  stage.start();
}

export function unmount(parentElement) {
  stages.get(parentElement)?.close();
  stages.delete(parentElement);
}

let stylesReady = null;
function styles() {
  stylesReady ??= new Promise((resolve) => {
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet' });
    link.href = new URL('./stage.css', import.meta.url).href;
    link.onload = resolve;
    link.onerror = resolve; // unstyled is better than nothing
    document.head.append(link);
  });
  return stylesReady;
}
