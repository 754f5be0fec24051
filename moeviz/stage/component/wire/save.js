// The whole picture as one HTML file that needs no server: the newest frame with all pictures, and the code that draws it.

const FROM = /from '(\.[\w./]+)'/g;
const KEPT = ['--st-text-color', '--st-background-color', '--st-font', '--st-link-color']; // of the page's theme
const LARGE = 0x8000; // bytes turned into text at once

// What the saved page has instead of a connection: one frame, and never another.
export class Saved {
  /** @type {undefined} */
  socket; // none

  /** @param {ArrayBuffer} frame @param {Hearing} on */
  constructor(frame, on) {
    this.show = () => on.frame(frame);
    setTimeout(() => {
      on.state('open');
      this.show();
    });
  }

  send() {
    return false;
  }

  // Charts draw themselves when they come into view, from a frame with the history.
  ask(want) {
    if (want.includes('history')) setTimeout(this.show);
    return false;
  }

  close() {}
}

// Lets the browser download the page; `data` is the component's, `buffer` a frame with every picture.
/** @type {(root: HTMLElement, data: PageData, buffer: ArrayBuffer, header: Header) => Promise<void>} */
export async function save(root, data, buffer, { step, task }) {
  const page = await pageOf(root, data, buffer, `moeviz: ${task}, step ${step}`);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([page], { type: 'text/html' }));
  link.download = `moeviz-${task}-step-${step}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function pageOf(root, data, buffer, title) {
  const names = await modules('stage.js');
  const imports = Object.fromEntries(
    [...names].map(([name, text]) => [
      `moeviz/${name}`,
      dataUrl(text.replaceAll(FROM, (_, next) => `from 'moeviz/${resolve(name, next)}'`)),
    ]),
  );
  const style = getComputedStyle(root);
  const theme = KEPT.map((name) => `${name}: ${style.getPropertyValue(name)};`).join(' ');
  const shown = { ...data, token: null, saved: base64(new Uint8Array(buffer)) };
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>:root { ${theme} } body { margin: 1rem auto; max-width: 72rem; padding: 0 1rem; background: var(--st-background-color); }
${await read('stage.css')}</style>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script>${(await read('../plotly.min.js')).replaceAll('</script', '<\\/script')}</script></head>
<body><div><div class="mv-stage mv-saved"></div></div>
<script type="module">
  import mount from 'moeviz/stage.js';
const data = ${JSON.stringify(shown).replaceAll('<', '\\u003c')};
data.saved = Uint8Array.from(atob(data.saved), (letter) => letter.charCodeAt(0)).buffer;
mount({ parentElement: document.body.firstElementChild, data, setStateValue() {}, setTriggerValue() {} });
</script></body></html>`;
}

// Every module that `name` needs, by its path below the stage's folder.
async function modules(name, texts = new Map()) {
  if (texts.has(name)) return texts;
  texts.set(name, '');
  const text = await read(name);
  texts.set(name, text);
  for (const [, next] of text.matchAll(FROM)) await modules(resolve(name, next), texts);
  return texts;
}

// The path of a module that another one imports.
const resolve = (from, next) => new URL(next, `stage:///${from}`).pathname.slice(1);

async function read(name) {
  const answer = await fetch(new URL(`../${name}`, import.meta.url)); // this module's folder is one below the stage's
  if (!answer.ok)
    throw new Error(`${name} could not be read (${answer.status}): the picture was not saved; reload and try again`);
  return answer.text();
}

const dataUrl = (text) => `data:text/javascript;base64,${base64(new TextEncoder().encode(text))}`;

function base64(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += LARGE) text += String.fromCharCode(...bytes.subarray(at, at + LARGE));
  return btoa(text);
}
