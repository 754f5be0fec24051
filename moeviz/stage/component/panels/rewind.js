// Rewind: a scrubber over the recorded steps. What is shown is what was recorded then; Play goes on from there.

import { toolbar } from '../kit/markup.js';
import { count, setText } from '../kit/numbers.js';
import { rewound } from '../kit/rewound.js';

const PATIENCE = 600; // ms the scrubber is believed before the frames have their say again

// Beside the toolbar's buttons, and a line of words that is there only while something recorded is shown.
const SCRUBBER =
  '<label class="mv-scrub" data-part="scrubber" hidden><span>Rewind</span><input type="range" min="0" step="1" data-part="scrub"></label>';
const REWOUND = `<div class="mv-rewound" data-part="rewound" hidden><span data-part="rewound-said" role="status"></span>
  <button type="button" data-part="branch" title="Drop what was recorded after this step; it stays gray">Branch here</button>
  <button type="button" data-part="newest">To the end</button></div>`;
export const TOOLBAR_WITH_REWIND = `${toolbar(SCRUBBER)}${REWOUND}`;

export class Rewind {
  /** @param {Find} find @param {Send} send */
  constructor(find, send) {
    this.find = find;
    this.send = send;
    this.steps = [];
    this.heldUntil = -Infinity;
    this.input = find('scrub');
    this.input.oninput = () => this.scrub();
    find('branch').onclick = () => send({ op: 'branch' });
    find('newest').onclick = () => this.goTo(this.end);
  }

  // The last place that the scrubber was dragged to, once for each screen refresh.
  scrub() {
    this.heldUntil = performance.now() + PATIENCE;
    this.say(this.steps[this.input.value]);
    this.sending ??= requestAnimationFrame(() => {
      this.sending = null;
      this.goTo(this.steps[this.input.value]);
    });
  }

  goTo(step) {
    this.send({ op: 'rewind', step });
  }

  draw(header) {
    const { tape, step } = header;
    this.find('scrubber').hidden = !tape || tape.steps.length < 2;
    if (!tape) return;
    this.steps = tape.steps;
    this.end = tape.end;
    this.input.max = tape.steps.length - 1;
    if (performance.now() > this.heldUntil) {
      this.input.value = rewound(header) ? tape.steps.findLastIndex((each) => each <= step) : tape.steps.length - 1;
      this.say(step);
    }
    this.find('rewound').hidden = !rewound(header);
    if (rewound(header)) setText(this.find('rewound-said'), words(header));
  }

  say(step) {
    this.input.setAttribute('aria-valuetext', `step ${step} of ${this.end}`);
  }

  close() {
    cancelAnimationFrame(this.sending);
  }
}

// What is shown, what happens next, and what is kept in memory.
function words({ step, tape }) {
  return (
    `Step ${count(step)} of ${count(tape.end)}, as recorded. Play repeats it; a turned knob begins a new run here, and the recorded one stays gray. ` +
    `Memory: ${tape.megabytes.toFixed(1)} of at most ${tape.limit.toFixed(0)} MB of states, and at most ${count(tape.rows)} points of each curve.`
  );
}
