// Numbers written so that whoever recomputes them from what is printed gets what is printed.

const MOST = 7; // digits behind the point; the frames carry no more

// A number as it is printed: a true minus sign, and never "−0.00".
export function plain(value, digits = 2) {
  if (!Number.isFinite(value)) return 'not a number';
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

// What a reader makes of a printed number.
export const read = (text) => Number(text.replace('−', '-'));

// A loss, which may be tiny: two digits that say something, or that there are none.
export function small(value) {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.00005) return '< 0.0001';
  return plain(value, size >= 0.1 ? 2 : 4);
}

// The fewest digits with which `recompute(round)` prints as `wanted`, by `print`; `round` is what is printed of a number.
export function digitsFor(wanted, recompute, print = plain, fewest = 2) {
  for (let digits = fewest; digits < MOST; digits += 1) {
    if (print(recompute((value) => read(plain(value, digits)))) === wanted) return digits;
  }
  return MOST;
}

// The digits of a sum of products that adds up to its printed result: pairs [factor, factor], and what is added besides.
export function digitsOfSum(pairs, total, print = plain) {
  const wanted = print(total);
  return digitsFor(wanted, (round) => pairs.reduce((sum, [a, b]) => sum + round(a) * round(b), 0), print);
}
