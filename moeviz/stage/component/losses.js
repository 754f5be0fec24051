// The formulas of the two losses, filled in.

import { fenced, frac, joined, math, mi, mn, mo, row, sub, sum, sup, text } from './mathml.js';
import { digitsFor, plain, small } from './sums.js';

const FEW = 3;
const exp = (power) => sup(mi('e'), power);
const squared = (part) => sup(part, mn('2'));

export const lossFormulas = {
  task_loss: (token) => (token.classes ? crossEntropy(token) : squaredError(token)),
  balance_loss: (token) => {
    const { balance, coef, loss, header } = token;
    const filled = header.balance_loss[0] === 'squared' ? squaredBalance(token) : [[math(mi('L'), mo('='), mn(small(balance)))]];
    const total = loss + coef * balance;
    const wanted = small(total);
    const digits = digitsFor(wanted, (round) => round(loss) + coef * round(balance), small);
    return [...filled, [
      math(text('task loss'), mo('+'), mi('λ'), mo('·'), mi('L')),
      math(mo('='), mn(plain(loss, digits)), mo('+'), mn(String(coef)), mo('·'), mn(plain(balance, digits)), mo('='), mn(wanted)),
    ]];
  },
};

function crossEntropy(token) {
  const { y, target, loss, outputs } = token;
  const class_ = target[0];
  const most = Math.max(...y);
  const exps = y.map((value) => Math.exp(value - most));
  const prob = exps[class_] / exps.reduce((total, each) => total + each, 0);
  const digits = digitsFor(small(loss), (round) => -Math.log(round(prob)), small);
  const powers = y.map((value) => exp(mn(plain(value))));
  const listed = outputs > FEW ? [powers[0], powers[1], mo('⋯'), powers.at(-1)] : powers;
  return [
    [math(text('task loss'), mo('='), mo('−'), mi('ln'), frac(exp(sub(mi('y'), text('target'))), row(sum(mi('o')), exp(sub(mi('y'), mi('o'))))))],
    [
      math(mo('='), mo('−'), mi('ln'), frac(exp(mn(plain(y[class_]))), row(...joined(listed, '+')))),
      math(mo('='), mo('−'), mi('ln'), mn(plain(prob, digits)), mo('='), mn(small(loss))),
    ],
  ];
}

function squaredError(token) {
  const { y, target, loss, outputs } = token;
  const meaning = squared(fenced(sub(mi('y'), mi('o')), mo('−'), sub(mi('t'), mi('o'))));
  const mean = outputs > 1 ? [frac(mn('1'), mn(String(outputs))), sum(mi('o'))] : [];
  const line = [math(text('task loss'), mo('='), ...mean, outputs > 1 ? meaning : squared(fenced(mi('y'), mo('−'), mi('t'))))];
  const wanted = small(loss);
  const digits = digitsFor(wanted, (round) => y.reduce((all, value, o) => all + (round(value) - round(target[o])) ** 2, 0) / outputs, small);
  const term = (o) => {
    const printed = plain(target[o], digits);
    return squared(fenced(mn(plain(y[o], digits)), mo('−'), printed.startsWith('−') ? fenced(mn(printed)) : mn(printed)));
  };
  const terms = y.slice(0, FEW).map((_, o) => term(o));
  if (outputs > FEW) terms.push(mo('⋯'));
  const filled = joined(terms, '+').map((part) => math(part));
  return [line, [
    math(mo('='), ...(outputs > 1 ? [frac(mn('1'), mn(String(outputs)))] : [])), ...filled, math(mo('='), mn(wanted)),
  ]];
}

function squaredBalance({ meanProb, balance, count }) {
  const even = 1 / count;
  const wanted = small(balance);
  const digits = digitsFor(wanted, (round) => meanProb.reduce((all, prob) => all + (round(even) - round(prob)) ** 2, 0), small);
  const terms = meanProb.slice(0, FEW).map((prob) => squared(fenced(mn(plain(even, digits)), mo('−'), mn(plain(prob, digits)))));
  if (count > FEW) terms.push(mo('⋯'));
  const difference = fenced(frac(mn('1'), mi('N')), mo('−'), sub(mi('P'), mi('i')));
  return [
    [math(mi('L'), mo('='), row(sum(mi('i')), squared(difference)))],
    [math(mo('=')), ...joined(terms, '+').map((part) => math(part)), math(mo('='), mn(wanted))],
  ];
}
