import assert from 'node:assert/strict';
import test from 'node:test';
import {
  Calm,
  count,
  fixed,
  outdated,
  percent,
  percents,
  precise,
  roundedShares,
  setText,
  share,
  Throttle,
  UNKNOWN,
} from '#stage/kit/numbers.js';

// A clock that stands until it is set.
function clock(context) {
  const time = { now: 1000 };
  context.mock.method(performance, 'now', () => time.now);
  return time;
}

test('what was not measured is a dash in every form, and 0 is not', () => {
  for (const value of [null, undefined, NaN, Infinity]) {
    const written = [fixed(value, 2), precise(value, 2), share(value, true), percent(value), count(value)];
    assert.deepEqual(written, Array(5).fill(UNKNOWN));
  }
  assert.deepEqual([fixed(0, 2), precise(0, 2), share(0), percent(0), count(0)], ['0.00', '0.0', '0.00', '0', '0']);
});

test('a share leaves out its leading zero only where room is short', () => {
  assert.deepEqual([share(0.05), share(0.05, true), share(1, true)], ['0.05', '.05', '1.00']);
});

test('thousands are parted by a narrow space that does not break', () => {
  assert.equal(count(1234567), '1\u202f234\u202f567');
});

test('the largest remainders get the units that rounding down leaves', () => {
  assert.deepEqual(roundedShares([1 / 3, 1 / 3, 1 / 3]), [0.34, 0.33, 0.33]);
  assert.deepEqual(roundedShares([0.125, 0.875], 1), [0.1, 0.9]); // 1.25 and 8.75 tenths: one is left, for the .75
});

test('shares add up as they are shown, whatever they are', () => {
  for (let experts = 1; experts <= 64; experts += 1) {
    const parts = Array.from({ length: experts }, (_, at) => ((at * 7919) % 101) + 1);
    const sum = parts.reduce((all, each) => all + each, 0);
    const shown = roundedShares(parts.map((each) => each / sum));
    assert.equal(Math.round(100 * shown.reduce((all, each) => all + each, 0)), 100);
  }
});

test('little is told from nothing', () => {
  assert.deepEqual(percents([0.001, 0.999, 0]), ['<1', '100', '0']); // 0.1, 99.9: the unit left goes to the .9
});

test('a throttle lets through once in its pause', (context) => {
  const time = clock(context);
  const throttle = new Throttle(100);
  assert.deepEqual([throttle.ready(), throttle.ready()], [true, false]);
  time.now += 99;
  assert.equal(throttle.due, false);
  time.now += 1;
  assert.deepEqual([throttle.due, throttle.ready(), throttle.due], [true, true, false]);
});

test('of many calls the first is done at once, the last one later, and none after a stop', (context) => {
  const time = clock(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const [calm, done] = [new Calm(100), []];
  for (const name of ['first', 'second', 'third']) calm.run(() => done.push(name));
  assert.deepEqual(done, ['first']);
  time.now += 100;
  context.mock.timers.tick(100);
  assert.deepEqual(done, ['first', 'third']);
  calm.run(() => done.push('never'));
  calm.stop();
  time.now += 100;
  context.mock.timers.tick(100);
  assert.deepEqual(done, ['first', 'third']);
});

test('what was drawn is out of date once the run has changed: at once while it stands still, else when it is due', () => {
  const header = { step: 5, revision: 1, data_version: 1, state: 'running' };
  const [seen, due, early] = [{ header }, { due: true }, { due: false }];
  assert.equal(outdated(null, header, early), true);
  assert.equal(outdated(seen, header, due), false);
  for (const name of ['step', 'revision', 'data_version']) {
    const later = { ...header, [name]: 9 };
    assert.deepEqual([outdated(seen, later, due), outdated(seen, later, early)], [true, false]);
    assert.equal(outdated(seen, { ...later, state: 'paused' }, early), true);
  }
});

test('a text that stays is not written again, which would end a selection in it', () => {
  let writes = 0;
  const element = {
    text: 'a',
    get textContent() {
      return this.text;
    },
    set textContent(text) {
      writes += 1;
      this.text = text;
    },
  };
  setText(element, 'a');
  assert.equal(writes, 0);
  setText(element, 'b');
  assert.deepEqual([element.text, writes], ['b', 1]);
});
