// How things are named in a formula, and lists that are too long for it.

import { mi, mn, mo, row, sub, sup } from './mathml.js';

const FEW = 4; // parts that are all written out

export const named = (letters, { names }, expert) => sub(mi(letters), mi(names[expert]));
export const any = (letters) => sub(mi(letters), mi('i'));
export const ofX = row(mo('('), mi('x'), mo(')'));
export const power = (exponent) => sup(mi('e'), exponent);
export const square = (part) => sup(part, mn('2'));
export const all = ({ count }) => [...Array(count).keys()];
export const isLong = (parts) => parts.length > FEW;
export const elided = (parts) => (isLong(parts) ? [parts[0], parts[1], mo('⋯'), parts.at(-1)] : parts);

// An expert's answer to the token, or (Soft MoE) to the mixture that it is given.
export const mixture = (index) => sub('<mover accent="true"><mi>x</mi><mo>~</mo></mover>', index);
export const answerOf = (index, { choosing }) =>
  row(sub(mi('E'), index), choosing === 'nobody' ? row(mo('('), mixture(index), mo(')')) : ofX);

// y, or y with its class or its place.
export function outputName({ classes, outputs }, output) {
  if (outputs === 1) return mi('y');
  return sub(mi('y'), classes ? mn(String(output)) : mn(String(output + 1)));
}

// The first numbers of a vector in parentheses; a single number as it is.
export function vector(values, print) {
  const shown = values.slice(0, FEW).flatMap((value, index) => [...(index ? [mo(',')] : []), mn(print(value))]);
  if (isLong(values)) shown.push(mo(','), mo('…'));
  return row(mo('('), ...shown, mo(')'));
}
