import assert from 'node:assert/strict';
import test from 'node:test';
import { partDigits, plain, read, recomputed, settled, settledSum, small, sumWords, total } from '#stage/kit/sums.js';

const decimals = (text) => text.split('.')[1]?.length ?? 0;

test('a printed number has a true minus sign, and 0 none', () => {
  assert.deepEqual([plain(-1.5), plain(-0.001), plain(2, 0)], ['−1.50', '0.00', '2']);
  assert.deepEqual([plain(-Infinity), plain(NaN), plain(Infinity)], ['−∞', 'not a number', 'not a number']);
  assert.equal(read(plain(-1.25)), -1.25);
});

test('a tiny loss keeps two digits that say something, or says that it has none', () => {
  assert.deepEqual(
    [0, 0.5, 0.0123, 0.00004, -0.0123].map((value) => small(value)),
    [
      '0',
      '0.50',
      '0.0123',
      '< 0.0001', // below half of the last digit
      '−0.0123',
    ],
  );
});

test('a sum says what its printed parts come to, where that is something else', () => {
  assert.equal(sumWords([0.25, 0.75]), 'sum 1.00');
  assert.equal(sumWords([0.004, 0.004]), 'sum 0.01, shown 0.00');
  assert.equal(sumWords([1, 2], 'y = ', 3.5), 'y = 3.50, shown 3.00'); // with a part that is not among them
});

test('whoever multiplies and adds the printed parts of a sum gets the printed result', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const pairs = Array.from({ length: 5 }, (_, at) => [Math.sin(seed * 7 + at), 10 * Math.cos(seed * 3 + 2 * at)]);
    const { shown, digits } = settledSum(pairs, total(pairs.map(([a, b]) => a * b)));
    const again = total(pairs.map(([a, b]) => read(plain(a, digits)) * read(plain(b, digits))));
    assert.equal(plain(again, decimals(shown)), shown);
  }
});

test('few digits are enough where they lead to the result', () => {
  assert.deepEqual(settledSum([[0.5, 0.5]], 0.25), { shown: '0.25', digits: 2 });
  assert.deepEqual(settledSum([[1.005, 2]], 2.01), { shown: '2.01', digits: 3 }); // 1.00 or 1.01 would give 2.00 or 2.02
});

test('a result that no digits lead to is what its parts come to', () => {
  assert.deepEqual(settled(5, [(round) => round(3)]), { shown: '3.00', digits: 7 });
});

test('an exponent gets the digits that its power needs', () => {
  const exponent = Math.log(17.96); // 2.8881…
  const power = (round) => Math.exp(round(exponent));
  // e^2.89 = 17.99, e^2.888 = 17.957: three digits lead to 17.96
  assert.equal(partDigits([[17.96, power]], 2), 3);
  assert.equal(partDigits([[17.96, power]], 2, 5), 5);
  assert.equal(recomputed(power, 2, 3), '17.96');
});
