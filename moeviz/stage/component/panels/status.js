// How the run is, as the page says it: connecting, running, paused, diverged, failed, reconnecting, busy, gone.

import { Banner, RELOAD, USUAL } from './banner.js';
import { SETTLED } from './guide.js';
import { alarm } from '../kit/stopped.js';

const GONE = 'This run is no longer on the server.';

export class Status {
  // `send` takes an op for the run; `onRecovered` hears the header with which a diverged run goes on; `titles` are the runs'.
  /**
   * @param {HTMLElement} root
   * @param {Find} find
   * @param {{ send: Send, onRecovered(header: Header): void, titles?: string[] }} page
   * @param {Status} [before]
   */
  constructor(root, find, { send, onRecovered, titles = [] }, before) {
    this.root = root;
    this.toolbar = find('toolbar');
    this.banner = new Banner(find('banner'));
    this.send = send;
    this.onRecovered = onRecovered;
    this.titles = titles;
    this.alarm = '';
    this.guided = Boolean(find('guide')); // it says so itself
    const { over = false, lost = false, reason, settled } = before ?? {};
    this.over = over;
    this.lost = lost;
    this.reason = reason;
    this.settled = settled;
    this.set(before?.state ?? 'connecting');
  }

  set(state) {
    this.state = state;
    this.root.dataset.state = state;
    this.toolbar.inert = state === 'gone';
  }

  // Another run is to be shown.
  connecting() {
    this.over = this.lost = false;
    this.banner.clear();
    this.set('connecting');
  }

  // What became of the socket; `drawn`: whether there is a picture already.
  connected(socket, drawn) {
    if (socket === 'closed') {
      if (this.state === 'busy') return; // it has been told why, and tries again
      this.set(drawn ? 'reconnecting' : 'connecting');
      this.banner.show('Connection lost. Reconnecting…', { lasting: true });
      this.lost = true;
    } else if (socket === 'gone' && this.state !== 'gone') this.hear({ op: 'gone', reason: GONE }, drawn);
    else if (socket === 'open') {
      if (this.lost) this.banner.hide();
      this.lost = false;
    }
  }

  /** @param {Said} said @param {boolean} drawn */
  hear(said, drawn) {
    const text = said.op === 'gone' ? said.reason : said.message;
    if (said.op === 'gone' || said.op === 'busy') {
      this.over = said.op === 'gone';
      this.set(said.op);
      const refused = said.op === 'gone' && said.refused;
      this.banner.show(text, { actions: [refused ? USUAL : RELOAD], lasting: true });
    } else if (said.op === 'error' && !drawn) {
      this.set('failed');
      this.banner.show(text, { actions: [this.offer('Reset', 'reset')], lasting: true });
    } else this.banner.show(text);
  }

  // What the newest frame says of the run.
  show(header) {
    if (this.over) return; // a frame that was still to be drawn
    const before = this.state;
    if (before !== header.state) this.set(header.state);
    const said = this.alarm;
    this.alarm = alarm(header, this.titles);
    if (header.state === 'diverged' || this.alarm) {
      const actions = [this.offer('Go back and lower the learning rate', 'recover'), this.offer('Reset', 'reset')];
      this.banner.show(this.alarm || (header.reason ?? 'The run diverged.'), { actions, lasting: true });
    } else if (said || ['diverged', 'failed', 'busy'].includes(before)) {
      this.banner.hide();
      if (said || before === 'diverged') this.onRecovered(header);
    } else if (header.reason && header.reason !== this.reason) this.banner.show(header.reason);
    if (header.settled && !this.settled && !this.guided) this.banner.show(`${SETTLED} Reset shows it again.`);
    this.reason = header.reason;
    this.settled = header.settled;
  }

  close() {
    this.banner.close();
  }

  offer(label, op) {
    return { label, act: () => this.send({ op }) };
  }
}
