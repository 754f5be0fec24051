// How things are named in a formula, and lists that are too long for it.

import { mi, mn, mo, row, sub, sup } from '../../kit/mathml.js';

const FEW = 4; // parts that are all written out

/** @type {(letters: string, token: Pick<Token, 'names'>, expert: number) => string} */
export const named = (letters, { names }, expert) => sub(mi(letters), mi(names[expert]));
/** @type {(letters: string) => string} */
export const any = (letters) => sub(mi(letters), mi('i'));
export const ofX = row(mo('('), mi('x'), mo(')'));
/** @type {(exponent: string) => string} */
export const power = (exponent) => sup(mi('e'), exponent);
/** @type {(part: string) => string} */
export const square = (part) => sup(part, mn('2'));
/** @type {(token: Pick<Token, 'count'>) => number[]} */
export const all = ({ count }) => [...Array(count).keys()];
/** @type {(parts: Values | string[]) => boolean} */
export const isLong = (parts) => parts.length > FEW;
/** @type {(parts: string[]) => string[]} */
export const elided = (parts) => (isLong(parts) ? [parts[0], parts[1], mo('⋯'), parts.at(-1)] : parts);

// An expert's answer to the token, or (Soft MoE) to the mixture that it is given.
/** @type {(index: string) => string} */
export const mixture = (index) => sub('<mover accent="true"><mi>x</mi><mo>~</mo></mover>', index);
/** @type {(index: string, token: Pick<Token, 'choosing'>) => string} */
export const answerOf = (index, { choosing }) =>
  row(sub(mi('E'), index), choosing === 'nobody' ? row(mo('('), mixture(index), mo(')')) : ofX);

// y, or y with its class or its place.
/** @type {(token: Pick<Token, 'classes' | 'outputs'>, output: number) => string} */
export function outputName({ classes, outputs }, output) {
  if (outputs === 1) return mi('y');
  return sub(mi('y'), classes ? mn(String(output)) : mn(String(output + 1)));
}

// The first numbers of a vector in parentheses; a single number as it is.
/** @type {(values: number[], print: (value: number) => string) => string} */
export function vector(values, print) {
  const shown = values.slice(0, FEW).flatMap((value, index) => [...(index ? [mo(',')] : []), mn(print(value))]);
  if (isLong(values)) shown.push(mo(','), mo('…'));
  return row(mo('('), ...shown, mo(')'));
}
