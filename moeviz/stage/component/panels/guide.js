// Above the map: three things to try, which tick themselves from the run's data; or the story of the preset on screen.

import { setText } from '../kit/numbers.js';
import { rewound } from '../kit/rewound.js';

const STEPS = [
  { text: 'Watch: some experts get no work (idle, †)', done: (now) => now.idle.length > 0 && now.step >= SOON },
  { text: 'Drag λ to about 10: the idle experts come back', done: (now, seen) => seen.has(0) && now.helped },
  {
    text: 'Set k to 1 and drag the probe across a border: another expert takes over',
    done: (now, _seen, before) =>
      now.k === 1 && before?.k === 1 && now.probe !== before.probe && now.first !== before.first,
  },
];
const SOON = 120; // steps: time to read what there is to watch
const ENOUGH = 1; // λ from which a balance loss brings experts back, and not chance
export const SETTLED = 'Settled: hardly anything changes any more.';
const ALONE = 'Drag N up: a single expert has nothing to share out';
const ALL = 'Drag k below N: as long as all are chosen, none is idle';
const WITHOUT = 'Set λ to 0 and Reset: some experts get no work (idle, †)';
const SLOW = 'Slow: each dot is an input of the next batch, on its way to the experts that the gate chose';
const PAUSED = 'Paused: press Play to see what the change does.';
const DONE = 'All three seen. Go on with a preset, another N, or the pictures above the map.';

const settledWords = (next) => (next ? `Settled. ${next}` : `${SETTLED} Turn a knob, or Reset.`);
const turnedNow = ({ marks, step, state }) =>
  state === 'paused' && step > 0 && marks.at(-1)?.step === step && marks.at(-1).knob === 'λ'; // λ acts by training

// What has to be turned before any expert can be seen idle.
function beforeAll({ ids: [ids], top_k: [k], balance_coef: [coef] }) {
  if (ids.length === 1) return ALONE;
  if (k === ids.length) return ALL;
  return coef > 0 && WITHOUT;
}

export class Guide {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.host.innerHTML = '<b aria-hidden="true"></b> <span role="status"></span>';
    const [ticks, text] = /** @type {HTMLElement[]} */ ([...host.children]);
    this.ticks = ticks;
    this.text = text;
    this.seen = new Set();
  }

  forget() {
    this.before = this.waiting = null;
  }

  // `story` takes the place of the steps. `flying`: whether a batch is to be seen on its way.
  draw(header, story, first, flying = false) {
    this.host.hidden = rewound(header); // words about what was recorded stand in its place
    if (this.host.hidden) return;
    if (!story) this.look(header, first);
    const next = STEPS.findIndex((_, index) => !this.seen.has(index));
    setText(this.ticks, story ? '' : STEPS.map((_, index) => (this.seen.has(index) ? '✓' : '○')).join(' '));
    const said = (next === 0 && beforeAll(header)) || STEPS[next]?.text;
    const spoken = next < 0 ? DONE : `${next + 1} of ${STEPS.length}: ${said}`;
    this.ticks.hidden = Boolean(story);
    setText(this.text, this.said(header, story || (next < 0 ? '' : spoken), flying) || spoken);
    this.host.dataset.seen = [...this.seen].sort().join('');
  }

  said(header, next, flying) {
    if (header.settled) return settledWords(next);
    if (turnedNow(header)) return PAUSED;
    return flying ? SLOW : next;
  }

  look(header, first) {
    const now = {
      step: header.step,
      idle: header.ids[0].filter((_, expert) => header.dead[0][expert]),
      coef: header.balance_coef[0],
      k: header.top_k[0],
      probe: String(header.probe),
      first,
    };
    if (now.step < this.before?.step) this.seen.clear(); // it started again
    now.helped = this.follow(now, header);
    STEPS.forEach(({ done }, index) => {
      if (done(now, this.seen, this.before)) this.seen.add(index);
    });
    this.before = now;
  }

  // Whether all that were idle when λ was turned up have come back since.
  follow({ step, idle, coef }, { measured_step: measured, ids: [ids] }) {
    const { before } = this;
    const last = before?.coef;
    if (!before || step < before.step || coef < ENOUGH) this.waiting = null;
    else if (last < ENOUGH || (coef > last && !this.waiting)) this.waiting = { since: step, who: before.idle };
    const { since, who = [] } = this.waiting ?? {};
    return who.length > 0 && measured > since && who.every((id) => ids.includes(id) && !idle.includes(id));
  }
}
