// The formula of each stop: as the article writes it, and with this token's numbers filled in, so that they add up.

import { lossFormulas } from './losses.js';
import { factor, fenced, frac, joined, math, mi, mn, mo, pieces, row, sub, sum, sup, text } from './mathml.js';
import { outputName } from './outputs.js';
import { digitsFor, digitsOfSum, plain } from './sums.js';
import { shownWeights } from './stops.js';
import { share } from './numbers.js';

const FEW = 4; // inputs, or summands, that are written out
export const named = (letters, token, expert) => sub(mi(letters), mi(token.names[expert]));
const ofX = row(mo('('), mi('x'), mo(')'));
export const expertOf = (index) => row(sub(mi('E'), index), ofX);
const inTopK = row(mi('i'), mo('∈'), text('Top-k'));

// Returns lines; a line is a list of pieces of MathML.
export function formulas(stop, token) {
  return (FORMULAS[stop] ?? lossFormulas[stop])(token);
}

const FORMULAS = {
  x: ({ x }) => {
    const shown = x.slice(0, FEW).flatMap((value, index) => [...(index ? [mo(',')] : []), mn(plain(value))]);
    return [[math(mi('x'), mo('='), fenced(...shown, ...(x.length > FEW ? [mo(','), mo('…')] : [])))]];
  },
  logits: (token) => {
    const { x, columns, bias, logits, focus } = token;
    const biased = bias.some((each) => each !== 0);
    const symbols = [sup(sub(mi('w'), mi('i')), mi('T')), mi('x'), ...(biased ? [mo('+'), sub(mi('b'), mi('i'))] : [])];
    const pairs = [...x.map((value, index) => [columns[focus][index], value]), ...(biased ? [[bias[focus], 1]] : [])];
    const digits = digitsOfSum(pairs, logits[focus]);
    const terms = x.map((value, index) => product(columns[focus][index], value, digits));
    const shown = x.length > FEW ? [...terms.slice(0, 3), mo('…')] : terms;
    if (biased) shown.push(factor(plain(bias[focus], digits)));
    return [
      [math(sub(mi('z'), mi('i')), mo('='), ...symbols)],
      [math(named('z', token, focus), mo('=')), ...pieces(shown), math(mo('='), mn(plain(logits[focus])))],
    ];
  },
  softmax: (token) => {
    const { logits, shownProbs, focus, count, softmax } = token;
    const wanted = share(shownProbs[focus]);
    const meaning = [math(sub(mi('p'), mi('i')), mo('='), frac(exp(sub(mi('z'), mi('i'))), row(sum(mi('j')), exp(sub(mi('z'), mi('j'))))))];
    if (!softmax) return [[math(named('p', token, focus), mo('='), mn(wanted))]]; // another router's own score
    const total = logits.reduce((all, each) => all + Math.exp(each), 0);
    const digits = digitsFor(wanted, (round) => round(Math.exp(logits[focus])) / round(total), share);
    const power = (expert) => exp(mn(plain(logits[expert])));
    const others = [...Array(count).keys()];
    const listed = others.length > FEW ? [power(0), power(1), mo('⋯'), power(count - 1)] : others.map(power);
    return [meaning, [
      math(named('p', token, focus), mo('='), frac(power(focus), row(...joined(listed, '+')))),
      math(mo('='), frac(mn(plain(Math.exp(logits[focus]), digits)), mn(plain(total, digits)))),
      math(mo('='), mn(share(shownProbs[focus]))),
    ]];
  },
  top_k: (token) => {
    const { asked, chosen, probs, shownProbs, k, count } = token;
    const set = math(mi('Top-k'), mo('='), mo('{'), ...joined(asked.map((expert) => mi(token.names[expert])), ','), mo('}'));
    const lowest = Math.min(...asked.map((expert) => probs[expert]));
    const left = [...Array(count).keys()].filter((expert) => !chosen[expert]).sort((a, b) => probs[b] - probs[a]);
    if (k === count || !left.length) return [[set], [math(text('k = N: nobody is left out'))]];
    if (lowest < probs[left[0]]) return [[set]]; // not by size alone: noise, a bias, or the experts' own choice
    const order = [...asked].sort((a, b) => probs[b] - probs[a]);
    const ordered = [...order.slice(0, 3), ...(order.length > 3 ? [null, order.at(-1)] : [])];
    const shown = ordered.map((expert) => (expert === null ? mo('⋯') : row(named('p', token, expert), mo('='), mn(share(shownProbs[expert])))));
    return [[set], [
      ...joined(shown, '≥').map((part) => math(part)),
      math(mo('>'), text('cut'), mo('>')),
      math(named('p', token, left[0]), mo('='), mn(share(shownProbs[left[0]]))),
    ]];
  },
  weights: (token) => [weightLine(token), ...formLines(token)],
  experts: (token) => {
    const { asked, experts, outputs } = token;
    const lines = asked.slice(0, FEW).map((expert) => {
      const shown = experts[expert].slice(0, FEW).flatMap((value, index) => [...(index ? [mo(',')] : []), mn(plain(value))]);
      const vector = outputs > 1 ? fenced(...shown, ...(outputs > FEW ? [mo(','), mo('…')] : [])) : shown[0];
      return [math(expertOf(mi(token.names[expert])), mo('='), vector)];
    });
    return [...lines, ...(asked.length > FEW ? [[math(mo('…'))]] : [])];
  },
  sum: (token) => {
    const form = token.form === 'plain' ? row(sub(mi('p'), mi('i'))) : sub(mi('g'), mi('i'));
    const meaning = [math(mi('y'), mo('='), row(sum(inTopK), form, expertOf(mi('i'))), ...(token.shared ? [mo('+'), text('shared'), ofX] : []))];
    const shown = token.classes && token.outputs <= 2 ? [...Array(token.outputs).keys()] : [...new Set([token.shown, token.predicted ?? 0])];
    return [meaning, ...shown.flatMap((output) => sumLines(token, output, output === shown[0]))];
  },
};

const exp = (power) => sup(mi('e'), power);
const product = (left, right, digits) => row(factor(plain(left, digits)), mo('·'), factor(plain(right, digits)));

// y = 0.62·E_C(x) + 0.38·E_F(x) = 0.62·1.20 + 0.38·(−0.40) = 0.59, with as many digits as make it true.
function sumLines(token, output, first) {
  const { asked, weights, experts, y, shared } = token;
  const pairs = asked.map((expert) => [weights[expert], experts[expert][output]]);
  if (shared) pairs.push([1, shared[output]]); // they answer every token, with weight 1
  const digits = digitsOfSum(pairs, y[output]);
  const name = outputName(token, output);
  const terms = pairs.map(([weight, value]) => product(weight, value, digits));
  const filled = [math(name, mo('='), terms[0] ?? mn('0')), ...pieces(terms).slice(1), math(mo('='), mn(plain(y[output])))];
  if (!first) return [filled];
  const shown = shownWeights(token);
  const symbols = asked.slice(0, FEW).map((expert) => row(mn(share(shown[expert])), mo('·'), expertOf(mi(token.names[expert]))));
  if (asked.length > FEW) symbols.push(mo('⋯'));
  if (shared) symbols.push(row(text('shared'), ofX));
  return [[math(mi('y'), mo('=')), ...pieces(symbols)], filled];
}

// The weight of the expert that is followed, by the formula that the weights really obey.
function weightLine(token) {
  const { form, focus, weights } = token;
  const wanted = share(shownWeights(token)[focus]);
  if (form === 'plain') return [math(named('g', token, focus), mo('='), named('p', token, focus), mo('='), mn(wanted))];
  if (!form || !weights[focus]) return [math(named('g', token, focus), mo('='), mn(wanted))];
  return divided(token, wanted);
}

function divided(token, wanted) {
  const { asked, probs, focus } = token;
  const digits = digitsFor(wanted, (round) => round(probs[focus]) / asked.reduce((total, expert) => total + round(probs[expert]), 0), share);
  const listed = asked.length > FEW ? [...asked.slice(0, 2), null, asked.at(-1)] : asked;
  const parts = (write) => listed.map((expert) => (expert === null ? mo('⋯') : write(expert)));
  return [
    math(named('g', token, focus), mo('='), frac(named('p', token, focus), row(...joined(parts((expert) => named('p', token, expert)), '+')))),
    math(mo('='), frac(mn(plain(probs[focus], digits)), row(...joined(parts((expert) => mn(plain(probs[expert], digits))), '+')))),
    math(mo('='), mn(wanted)),
  ];
}

// The other of the two forms, so that both are seen.
function formLines(token) {
  const { form, focus, forms } = token;
  if (form === undefined || token.count === 1) return [];
  const other = form === 'plain' ? 1 : 0;
  const words = form === 'plain' ? 'if made to add up to 1 (renormalized):' : 'if left as they are (plain):';
  return [[math(text(words)), math(named('g', token, focus), mo('='), mn(plain(forms[other].weight[focus])))]];
}
