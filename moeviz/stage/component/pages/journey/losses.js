// The formulas of the two losses, filled in.

import { balanceLines } from './balances.js';
import { factor, fenced, frac, joined, math, mi, mn, mo, row, sub, sum, text } from '../../kit/mathml.js';
import { elided, power, square } from './outputs.js';
import { partDigits, plain, recomputed, settled, small, total } from '../../kit/sums.js';

const FEW = 4; // outputs that are written out

export const lossFormulas = {
  task_loss: (token) => (token.classes ? crossEntropy(token) : squaredError(token)),
  balance_loss: (token) => {
    const { balance, coef, loss } = token;
    const { shown, digits } = settled(loss + coef * balance, [(round) => round(loss) + coef * round(balance)], small);
    return [
      ...balanceLines(token),
      [
        math(text('task loss'), mo('+'), mi('λ'), mo('·'), mi('L')),
        math(mo('='), mn(plain(loss, digits)), mo('+'), mn(String(coef)), mo('·'), mn(plain(balance, digits))),
        math(mo('='), mn(shown)),
      ],
    ];
  },
};

function crossEntropy({ y, target, loss }) {
  const class_ = target[0];
  const sized = (values) =>
    values[class_] -
    Math.log(total(values.map((value) => Math.exp(value - Math.max(...values))))) -
    Math.max(...values);
  const prob = (round) => Math.exp(sized(y.map(round)));
  const exact = prob((part) => part);
  const { shown, digits } = settled(loss, [(round) => -Math.log(round(exact)), (round) => -sized(y.map(round))], small);
  const fine = partDigits([[exact, prob]], digits);
  const powers = y.map((value) => power(mn(plain(value, fine))));
  return [
    [
      math(
        text('task loss'),
        mo('='),
        mo('−'),
        mi('ln'),
        frac(power(sub(mi('y'), text('target'))), row(sum(mi('o')), power(sub(mi('y'), mi('o'))))),
      ),
    ],
    [
      math(mo('='), mo('−'), mi('ln'), frac(powers[class_], row(...joined(elided(powers), '+')))),
      math(mo('='), mo('−'), mi('ln'), mn(recomputed(prob, digits, fine))),
      math(mo('='), mn(shown)),
    ],
  ];
}

function squaredError({ y, target, loss, outputs }) {
  const several = outputs > 1;
  const mean = several ? [frac(mn('1'), mn(String(outputs)))] : [];
  const difference = several
    ? fenced(sub(mi('y'), mi('o')), mo('−'), sub(mi('t'), mi('o')))
    : fenced(mi('y'), mo('−'), mi('t'));
  const squares = y.map((value, o) => (value - target[o]) ** 2);
  const { shown, digits } = settled(
    loss,
    [
      (round) => total(y.map((value, o) => (round(value) - round(target[o])) ** 2)) / outputs,
      (round) => round(total(squares)) / outputs,
    ],
    small,
  );
  const term = (value, o) => square(fenced(mn(plain(value, digits)), mo('−'), factor(plain(target[o], digits))));
  const terms = y.slice(0, FEW).map(term);
  if (outputs > FEW) terms.push(mo('⋯'));
  const filled = several ? fenced(...joined(terms, '+')) : terms[0];
  return [
    [math(text('task loss'), mo('='), ...mean, ...(several ? [sum(mi('o'))] : []), square(difference))],
    [
      math(mo('='), ...mean, filled),
      ...(outputs > FEW ? [math(mo('='), ...mean, mo('·'), mn(plain(total(squares), digits)))] : []),
      math(mo('='), mn(shown)),
    ],
  ];
}
