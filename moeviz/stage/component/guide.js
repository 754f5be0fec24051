// Above the map: three things to try, which tick themselves from the run's data; or the story of the preset on screen.

import { setText } from './numbers.js';
import { rewound } from './rewind.js';

const STEPS = [
  { text: 'Watch: some experts get no work (idle, †)', done: (now) => now.idle > 0 && now.step >= SOON },
  { text: 'Drag λ to about 10: the idle experts come back', done: (now, seen) => seen.has(0) && now.coef > 0 && now.idle === 0 },
  {
    text: 'Set k to 1 and drag the probe across a border: another expert takes over',
    done: (now, seen, before) => now.k === 1 && before?.k === 1 && now.probe !== before.probe && now.first !== before.first,
  },
];
const SOON = 120; // steps: time to read what there is to watch
export const SETTLED = 'Settled: hardly anything changes any more.';
const WITHOUT = 'Set λ to 0 and Reset: some experts get no work (idle, †)';
const SLOW = 'Slow: each dot is an input of the next batch, on its way to the experts that the gate chose';
const PAUSED = 'Paused: press Play to see what the change does.';
const DONE = 'All three seen. Go on with a preset, another N, or the pictures above the map.';

const settledWords = (next) => (next ? `Settled. ${next}` : `${SETTLED} Turn a knob, or Reset.`);
const turnedNow = ({ marks, step, state }) => state === 'paused' && step > 0 && marks.at(-1)?.[0] === step && marks.at(-1)[1].startsWith('λ'); // λ acts by training

export class Guide {
  constructor(host) {
    this.host = host;
    this.host.innerHTML = '<b aria-hidden="true"></b> <span role="status"></span>';
    [this.ticks, this.text] = host.children;
    this.seen = new Set();
  }

  forget() {
    this.before = null;
  }

  // `story` takes the place of the steps. `flying`: whether a batch is to be seen on its way.
  draw(header, story, first, flying = false) {
    this.host.hidden = rewound(header); // words about what was recorded stand in its place
    if (this.host.hidden) return;
    if (!story) this.look(header, first);
    const next = STEPS.findIndex((_, index) => !this.seen.has(index));
    setText(this.ticks, story ? '' : STEPS.map((_, index) => (this.seen.has(index) ? '✓' : '○')).join(' '));
    const said = next === 0 && header.balance_coef[0] > 0 ? WITHOUT : STEPS[next]?.text;
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
      step: header.step, idle: header.dead[0].filter(Boolean).length, coef: header.balance_coef[0], k: header.top_k[0],
      probe: String(header.probe), first,
    };
    if (now.step < this.before?.step) this.seen.clear(); // it started again
    STEPS.forEach(({ done }, index) => {
      if (done(now, this.seen, this.before)) this.seen.add(index);
    });
    this.before = now;
  }
}
