// The toolbar: play, step and speed over the socket, so that they answer at once and never show a stale state.

import { count, fixed, percent, setText } from '../kit/numbers.js';

const SPEEDS = [
  ['slow', 'Slow'],
  ['watch', 'Watch'],
  ['fast', 'Fast'],
];
const PATIENCE = 600; // ms a pressed button is believed before the frames have their say again
const PLAY = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 1.5v13l11-6.5z"/></svg>';
const PAUSE = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 1.5h3.6v13H3zM9.4 1.5H13v13H9.4z"/></svg>';

export class Controls {
  /** @param {Find} find @param {Send} send */
  constructor(find, send) {
    this.find = find;
    this.send = send;
    this.pressedAt = -Infinity;
    find('play').onclick = () => this.toggle();
    find('step').onclick = () => this.step(1);
    find('leap').onclick = () => this.step(50);
    find('reset').onclick = () => this.reset();
    find('speeds').append(...SPEEDS.map(([value, label]) => this.speedButton(value, label)));
    this.show('paused', 'watch');
  }

  speedButton(value, label) {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
    button.dataset.speed = value;
    button.onclick = () => {
      this.pressed();
      this.show(this.state, value);
      this.send({ op: 'speed', value });
    };
    return button;
  }

  step(n) {
    this.send({ op: 'step', n });
  }

  reset() {
    this.send({ op: 'reset' });
  }

  toggle() {
    if (this.state === 'diverged') return;
    const running = this.state === 'running';
    this.pressed();
    this.show(running ? 'paused' : 'running', this.speed);
    this.send({ op: running ? 'pause' : 'play' });
  }

  pressed() {
    this.pressedAt = performance.now();
  }

  // `due`: whether numbers change with this frame.
  draw(header, due) {
    const answered = performance.now() - this.pressedAt > PATIENCE;
    // A diverged run sends no later frame that could correct the button, so its state counts at once.
    if (answered || header.state === 'diverged') this.show(header.state, header.speed);
    if (!due) return;
    setText(this.find('counter'), count(header.step));
    const metric = metricText(header);
    setText(this.find('metric'), metric);
    setText(
      this.find('metric-at'),
      metric && header.measured_step !== header.step ? ` at ${count(header.measured_step)}` : '',
    ); // a while ago
  }

  show(state, speed) {
    if (state !== this.state) {
      const running = state === 'running';
      this.find('play').innerHTML = running ? `${PAUSE}Pause` : `${PLAY}Play`;
      this.find('play').disabled = state === 'diverged';
    }
    if (speed !== this.speed) {
      for (const button of this.find('speeds').children)
        button.setAttribute('aria-pressed', String(button.dataset.speed === speed));
    }
    this.state = state;
    this.speed = speed;
  }
}

function metricText(header) {
  if (header.num_runs !== 1) return '';
  const value = header.test_metric[0];
  if (value === null) return '';
  return header.metric_name === 'accuracy'
    ? `test accuracy ${percent(value)} %`
    : `test ${header.metric_name} ${fixed(value, 2)}`;
}
