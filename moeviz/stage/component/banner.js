// What the stage says about itself: lost connection, run gone, server busy, diverged, notices; each with its way out.

import { setText } from './numbers.js';

const NOTICE = 10000; // ms that a notice stays
export const RELOAD = { label: 'Reload', act: () => location.reload() };

export class Banner {
  constructor(host) {
    this.host = host;
    host.innerHTML = '<span></span><button type="button" hidden></button>';
    [this.text, this.button] = host.children;
  }

  // `lasting` messages stay until their state is over and are not covered by notices.
  show(text, { action = null, lasting = false } = {}) {
    if (this.lasting && !lasting) return;
    clearTimeout(this.timer);
    this.lasting = lasting;
    setText(this.text, text);
    this.button.hidden = action === null;
    if (action) {
      setText(this.button, action.label);
      this.button.onclick = action.act;
    }
    this.host.hidden = false;
    if (!lasting) this.timer = setTimeout(() => this.hide(), NOTICE);
  }

  hide() {
    clearTimeout(this.timer);
    this.lasting = false;
    this.host.hidden = true;
  }
}
