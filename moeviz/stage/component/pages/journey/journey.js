// One token's journey: a map to pick it on, its way as a picture from left to right, the formula of each stop with its
// numbers, and what else could have been.

import { formulas } from './formulas.js';
import { TokenHandle } from './hop.js';
import { stopTitle } from '../../kit/labels.js';
import { describe, drawLegend, heading } from '../../panels/legend.js';
import { Calm, count, setText } from '../../kit/numbers.js';
import { Path } from './path.js';
import { RunPicture } from '../../maps/picture.js';
import { STOPS } from './stops.js';
import { tokenOf } from './token.js';
import { WhatIf } from './whatif.js';

const PICTURE = 'first_choice';
const MANY = 12; // experts whose rows are set closer
const SPOKEN = 1500; // ms between announcements
const FAR = 0.005; // of the picture's half-width: a token nearer than this is the one under the ring
const IN_TRAINING_ONLY = 'At inference no loss is computed: only x → y.';

/** @implements {Layout} */
export class Journey {
  /** @param {Stage} stage */
  constructor(stage) {
    const { find } = stage;
    this.stage = stage;
    this.at = 0;
    this.always = true;
    this.spoken = new Calm(SPOKEN);
    this.run = new RunPicture(find('canvas'), find('waiting'), () => stage.redraw());
    this.path = new Path(find('path'), (index) => this.goTo(index));
    this.whatIf = new WhatIf(find);
    const field = find('field');
    field.tabIndex = 0;
    field.setAttribute('role', 'application');
    this.handle = new TokenHandle(field, find('ring'), {
      move: (position) => stage.sendProbe(position),
      release: (position) => stage.releaseProbe(position),
    });
    find('surprise').onclick = () => this.handle.surprise();
    find('back').onclick = () => this.go(-1);
    find('next').onclick = () => this.go(1);
  }

  get picture() {
    return PICTURE;
  }

  get drawn() {
    return this.run.drawn;
  }

  forget() {
    this.run.forget();
    this.token = null;
  }

  wants() {
    return ['journey'];
  }

  // One stop forward or back; the keys ← and → mean it too.
  go(by) {
    this.goTo(Math.min(Math.max(this.at + by, 0), STOPS.length - 1));
  }

  goTo(index) {
    this.at = index;
    if (this.token) this.drawStop();
    this.speak();
  }

  draw(frame, theme) {
    const { header, arrays } = frame;
    const { root, find, tokens } = this.stage;
    const points = tokens.get(header, 0);
    if (this.run.draw({ header, arrays, run: 0, theme, points, picture: PICTURE })) root.dataset.picture = PICTURE;
    this.handle.use(this.run.view, header, points);
    drawLegend(find('legend'), header);
    root.classList.toggle('mv-many', header.num_experts > MANY);
    if (!arrays.journey_x) return;
    const moved = String(header.probe) !== this.place;
    if (!moved && !this.stage.due) return;
    this.place = String(header.probe);
    this.token = tokenOf(frame);
    this.whatIf.draw(this.token);
    this.drawStop();
    if (moved) this.speak();
  }

  drawStop() {
    const {
      at,
      token,
      stage: {
        find,
        root,
        component: { data },
      },
    } = this;
    const stop = STOPS[at];
    this.path.draw(token, at);
    setText(find('stop-name'), `${at + 1} of ${STOPS.length}: ${stopTitle(stop, token)}`);
    setText(find('stop-says'), typeof stop.says === 'string' ? stop.says : stop.says(token));
    const lines = formulas(stop.name, token)
      .map((pieces) => `<p>${pieces.join(' ')}</p>`)
      .join('');
    if (this.lines !== lines) find('formula').innerHTML = this.lines = lines;
    setText(find('stop-note'), note(token, stop.name));
    find('back').disabled = at === 0;
    find('next').disabled = at === STOPS.length - 1;
    this.drawCode('code', data.code?.[stop.name]);
    this.drawCode('slopes-code', data.code?.slopes);
    root.dataset.stop = stop.name;
  }

  // The real functions behind a formula.
  drawCode(part, places = []) {
    const host = this.stage.find(part);
    host.hidden = places.length === 0;
    if (host.places === places) return;
    host.places = places;
    host.lastElementChild.replaceChildren(
      ...places.flatMap(({ place, source }) => [
        Object.assign(document.createElement('p'), { textContent: place }),
        Object.assign(document.createElement('pre'), { textContent: source, tabIndex: 0 }),
      ]),
    );
  }

  speak() {
    const { find } = this.stage;
    this.spoken.run(
      () =>
        this.token &&
        setText(
          find('spoken'),
          `Step ${count(this.token.header.step)}. ${find('stop-name').textContent}. ${find('stop-says').textContent} ${STOPS[this.at].foot(this.token)}`,
        ),
    );
  }

  describe() {
    if (!this.drawn) return;
    const { header, arrays } = this.run.seen;
    const said = heading(header, PICTURE);
    this.stage
      .find('field')
      .setAttribute('aria-label', describe(header, arrays, 0, { heading: said, picture: PICTURE }));
  }

  close() {
    this.run.close();
    this.handle.close();
    this.spoken.stop();
  }
}

// What must be known beside the formula.
function note(token, stop) {
  const { header, distance } = token;
  const far =
    distance > FAR * header.extent ? ` The target is that of the nearest test token, ${distance.toFixed(2)} away.` : '';
  if (stop === 'task_loss') return IN_TRAINING_ONLY + far;
  if (stop === 'balance_loss') {
    return `${IN_TRAINING_ONLY} The batch here: the training tokens that are measured. The dashed line: all experts alike.`;
  }
  if (stop === 'sum' && token.classes) return 'The class with the largest y is the answer.';
  if (stop === 'top_k' && token.header.top_k[0] === token.count && token.article)
    return 'Every expert answers: the dense sum. Lower k and most of this work disappears.';
  return '';
}
