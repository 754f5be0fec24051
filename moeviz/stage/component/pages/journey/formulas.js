// The formula of each stop: as the article writes it, and with this token's numbers filled in, so that they add up.

import { choiceLines } from './choosing.js';
import { lossFormulas } from './losses.js';
import { factor, math, mi, mn, mo, pieces, row, sum, sup, text, words } from '../../kit/mathml.js';
import { answerOf, any, elided, named, ofX, outputName, vector } from './outputs.js';
import { probabilityLines, weightLines } from './shares.js';
import { plain, settledSum } from '../../kit/sums.js';

const FEW = 4; // experts that are written out
const MANY = 16; // inputs that are

// Returns lines; a line is a list of pieces of MathML.
/** @type {(stop: string, token: Token) => Lines} */
export function formulas(stop, token) {
  return (FORMULAS[stop] ?? lossFormulas[stop])(token);
}

const FORMULAS = {
  x: ({ x }) => [[math(mi('x'), mo('='), vector(x, plain))]],
  logits: (token) => {
    const { x, columns, bias, logits, focus } = token;
    const biased = bias.some((each) => each !== 0);
    const symbols = [sup(any('w'), mi('T')), mi('x'), ...(biased ? [mo('+'), any('b')] : [])];
    const pairs = [...x.map((value, index) => [columns[focus][index], value]), ...(biased ? [[bias[focus], 1]] : [])];
    const { shown, digits } = settledSum(pairs, logits[focus]);
    const terms = x.map((value, index) => product(columns[focus][index], value, digits));
    const written = x.length > MANY ? [...terms.slice(0, 3), mo('…')] : terms;
    if (biased) written.push(factor(plain(bias[focus], digits)));
    return [
      [math(any('z'), mo('='), ...symbols)],
      [math(named('z', token, focus), mo('=')), ...pieces(written), math(mo('='), mn(shown))],
    ];
  },
  softmax: probabilityLines,
  top_k: choiceLines,
  weights: weightLines,
  experts: (token) => {
    const { asked, experts, outputs } = token;
    if (!asked.length) return [[words('No expert took this token, so none computes an answer to it.')]];
    const lines = asked.slice(0, FEW).map((expert) => {
      const answer = outputs > 1 ? vector(experts[expert], plain) : mn(plain(experts[expert][0]));
      return [math(answerOf(mi(token.names[expert]), token), mo('='), answer)];
    });
    return [...lines, ...(asked.length > FEW ? [[math(mo('…'))]] : [])];
  },
  sum: (token) => {
    const weight = token.weighing === 'plain' ? any('p') : any('g');
    const meaning = [
      math(
        mi('y'),
        mo('='),
        row(sum(ASKED[token.choosing]), weight, answerOf(mi('i'), token)),
        ...(token.shared ? [mo('+'), text('shared'), ofX] : []),
      ),
    ];
    const shown =
      token.classes && token.outputs <= 2
        ? [...Array(token.outputs).keys()]
        : [...new Set([token.shown, token.predicted ?? 0])];
    return [meaning, ...shown.flatMap((output) => sumLines(token, output, output === shown[0]))];
  },
};

const inTopK = row(mi('i'), mo('∈'), text('Top-k'));
const inChosen = row(mi('i'), mo('∈'), text('chosen'));
const ASKED = { scores: inTopK, bias: inTopK, experts: inChosen, table: inChosen, nobody: mi('i') };

const product = (left, right, digits) => row(factor(plain(left, digits)), mo('·'), factor(plain(right, digits)));

// y = 0.62·E_C(x) + 0.38·E_F(x) = 0.62·1.20 + 0.38·(−0.40) = 0.59, with as many digits as make it true.
function sumLines(token, output, first) {
  const { asked, weights, experts, y, shared } = token;
  const pairs = asked.map((expert) => [weights[expert], experts[expert][output]]);
  if (shared) pairs.push([1, shared[output]]); // they answer every token, with weight 1
  const { shown, digits } = settledSum(pairs, y[output]);
  const terms = pairs.map(([weight, value]) => product(weight, value, digits));
  const filled = [
    math(outputName(token, output), mo('='), terms[0] ?? mn('0')),
    ...pieces(terms).slice(1),
    math(mo('='), mn(shown)),
  ];
  if (!first) return [filled];
  const symbols = elided(
    asked.map((expert) => row(mn(plain(weights[expert], digits)), mo('·'), answerOf(mi(token.names[expert]), token))),
  );
  if (shared) symbols.push(row(text('shared'), ofX));
  if (!symbols.length) return [filled];
  return [[math(mi('y'), mo('=')), ...pieces(symbols)], filled];
}
