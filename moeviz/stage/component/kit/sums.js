// Numbers written so that whoever recomputes them from what is printed gets what is printed.

import { fixed } from './numbers.js';

const MOST = 7; // digits behind the point; the frames carry no more

// A number as it is printed: a true minus sign, and never "−0.00".
/** @type {(value: number, digits?: number) => string} */
export function plain(value, digits = 2) {
  if (!Number.isFinite(value)) return value === -Infinity ? '−∞' : 'not a number'; // −∞: a killed expert's score
  const text = fixed(value, digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

// What a reader makes of a printed number.
/** @type {(text: string) => number} */
export const read = (text) => Number(text.replace('−', '-'));

// A loss, which may be tiny: two digits that say something, or that there are none.
/** @type {(value: number, digits?: number) => string} */
export function small(value, digits = 2) {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.5 / 10 ** (digits + 2)) return `< ${plain(1 / 10 ** (digits + 2), digits + 2)}`;
  return plain(value, size >= 0.1 ? digits : digits + 2);
}

/** @type {(values: number[]) => number} */
export const total = (values) => values.reduce((all, each) => all + each, 0);

// What these come to: by themselves and, where that is something else, as they are printed.
/** @type {(values: number[], said?: string, result?: number) => string} */
export function sumWords(values, said = 'sum ', result = total(values)) {
  const [sum, printed] = [result, total(values.map((each) => read(plain(each))))].map((each) => plain(each));
  return `${said}${sum}${sum === printed ? '' : `, shown ${printed}`}`;
}

// A result as it is printed, and how many digits of its parts lead a reader to just that, by each of the ways to recompute
// it; `round` is what is printed of a part. A result on the border between two prints gets more digits itself.
/** @type {(value: number, ways: Recomputing[], print?: typeof plain) => { shown: string, digits: number }} */
export function settled(value, ways, print = plain) {
  for (let more = 2; more <= MOST; more += 1) {
    const shown = print(value, more);
    for (let digits = 2; digits <= MOST; digits += 1) {
      const round = (part) => read(plain(part, digits));
      if (ways.every((recomputed) => print(recomputed(round), more) === shown)) return { shown, digits };
    }
  }
  return { shown: print(ways[0]((part) => read(plain(part, MOST)))), digits: MOST }; // what the parts come to
}

// So many digits of the parts, at least `least`, that whoever recomputes these results from them gets what is printed of
// each with `digits`: pairs [result, again], where `again` takes what rounds a part. e^2.89 is 17.99, so that a
// numerator of 17.96 needs e^2.888.
/** @type {(results: [result: number, again: Recomputing][], digits: number, least?: number) => number} */
export function partDigits(results, digits, least = digits) {
  for (let fine = least; fine < MOST; fine += 1) {
    const round = (part) => read(plain(part, fine));
    if (results.every(([result, again]) => plain(again(round), digits) === plain(result, digits))) return fine;
  }
  return MOST;
}

// What is printed of a result that is recomputed from parts of so many digits: it is that of the result itself, but where the
// parts would need more digits than the frames carry.
/** @type {(result: Recomputing, digits: number, fine: number) => string} */
export const recomputed = (result, digits, fine) =>
  plain(
    result((part) => read(plain(part, fine))),
    digits,
  );

// A sum of products: pairs [factor, factor].
/** @type {(pairs: number[][], result: number, print?: typeof plain) => { shown: string, digits: number }} */
export const settledSum = (pairs, result, print = plain) =>
  settled(result, [(round) => total(pairs.map(([a, b]) => round(a) * round(b)))], print);
