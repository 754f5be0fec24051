// How an output is named in a formula: y, or y with its class or its place.

import { mi, mn, sub } from './mathml.js';

export function outputName({ classes, outputs }, output) {
  if (outputs === 1) return mi('y');
  return sub(mi('y'), classes ? mn(String(output)) : mn(String(output + 1)));
}
