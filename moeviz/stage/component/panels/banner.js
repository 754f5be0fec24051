// What the stage says about itself: lost connection, run gone, server busy, diverged, notices; each with its ways out.

import { setText } from '../kit/numbers.js';

const NOTICE = 10000; // ms that a notice stays
export const RELOAD = { label: 'Reload', act: () => location.reload() };

export const USUAL = { label: 'Start with the usual knobs', act: () => location.assign(location.pathname) };

export class Banner {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.text = document.createElement('span');
    this.buttons = [];
    host.replaceChildren(this.text);
  }

  // `lasting` messages stay until their state is over; a notice that comes meanwhile is shown after them.
  show(text, { actions = [], lasting = false } = {}) {
    if (this.lasting && !lasting) {
      this.next = text;
      return;
    }
    clearTimeout(this.timer);
    this.lasting = lasting;
    setText(this.text, text);
    this.offer(actions);
    this.host.hidden = false;
    if (!lasting) this.timer = setTimeout(() => this.hide(), NOTICE);
  }

  // Buttons are kept between frames: one that is replaced under the pointer never gets its click.
  offer(actions) {
    if (actions.map(({ label }) => label).join() !== this.buttons.map((each) => each.textContent).join()) {
      this.buttons = actions.map(({ label }) =>
        Object.assign(document.createElement('button'), { type: 'button', textContent: label }),
      );
      this.host.replaceChildren(this.text, ...this.buttons);
    }
    actions.forEach(({ act }, index) => {
      this.buttons[index].onclick = act;
    });
  }

  // Without what was waiting: that was about another run.
  clear() {
    this.next = null;
    this.hide();
  }

  close() {
    clearTimeout(this.timer);
  }

  hide() {
    this.close();
    this.lasting = false;
    this.host.hidden = true;
    if (this.next) this.show(this.next);
    this.next = null;
  }
}
