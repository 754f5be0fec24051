// Formulas of shares: the gate probabilities of all experts, and the weights of the chosen, as each router makes them.

import { frac, joined, math, mi, mn, mo, row, sub, sum, words } from '../../kit/mathml.js';
import { all, any, elided, isLong, named, power } from './outputs.js';
import { partDigits, plain, recomputed, settled, total } from '../../kit/sums.js';

const FAR = 6; // a largest score beyond it is taken off all scores: e to it would need more digits than there are
const minusZ = (index) => row(mo('−'), sub(mi('z'), index));
const scored = (token, expert) => ({ symbol: named('s', token, expert), value: token.sigmoids[expert] });
const probable = (token, expert) => ({ symbol: named('p', token, expert), value: token.probs[expert] });

// The gate probability of the expert that is followed: what it is in general, then in numbers.
/** @type {(token: Token) => Lines} */
export function probabilityLines(token) {
  return (PROBABILITIES[token.weighing] ?? softmaxed)(token);
}

const PROBABILITIES = {
  sigmoid: (token) => {
    const { focus, logits, sigmoids, probs } = token;
    const { shown, digits } = settled(sigmoids[focus], [(round) => 1 / (1 + Math.exp(-round(logits[focus])))]);
    return [
      [
        math(any('s'), mo('='), frac(mn('1'), row(mn('1'), mo('+'), power(minusZ(mi('i')))))),
        math(mo(','), any('p'), mo('='), frac(any('s'), row(sum(mi('j')), sub(mi('s'), mi('j'))))),
      ],
      [
        math(
          named('s', token, focus),
          mo('='),
          frac(mn('1'), row(mn('1'), mo('+'), power(mn(plain(-logits[focus], digits))))),
        ),
        math(mo('='), mn(shown)),
      ],
      ratio(
        named('p', token, focus),
        probs[focus],
        scored(token, focus),
        all(token).map((expert) => scored(token, expert)),
      ),
    ];
  },
  table: (token) => [
    [words('A table chose, and no score: what it says stands in place of probabilities.')],
    evenly('p', token),
  ],
};

function softmaxed(token) {
  const meaning = math(any('p'), mo('='), frac(power(any('z')), row(sum(mi('j')), power(sub(mi('z'), mi('j'))))));
  return [[meaning], ...softmaxLines('p', token, token.probs[token.focus], all(token))];
}

// The weight of the expert that is followed, by the formula that its router declares.
/** @type {(token: Token) => Lines} */
export function weightLines(token) {
  if (!token.asked.length) return [[words('No expert took this token, so there is no weight.')]];
  return [...WEIGHTS[token.weighing](token), ...otherForm(token)];
}

const WEIGHTS = {
  plain: asItIs,
  mixture: asItIs,
  renormalized: (token) => [divided(token, token.weights[token.focus])],
  after: (token) => [
    [
      math(
        any('g'),
        mo('='),
        frac(power(any('z')), row(sum(row(mi('j'), mo('∈'), mi('Top-k'))), power(sub(mi('z'), mi('j'))))),
      ),
    ],
    ...softmaxLines('g', token, token.weights[token.focus], token.asked),
  ],
  sigmoid: (token) => {
    const { focus, asked, weights, routeScale, header } = token;
    const name = named('g', token, focus);
    if (header.top_k[0] > 1)
      return [
        ratio(
          name,
          weights[focus],
          scored(token, focus),
          asked.map((expert) => scored(token, expert)),
          routeScale,
        ),
      ];
    const { symbol, value } = scored(token, focus); // s/s would be 1 whatever the score is
    if (routeScale === 1) return [[math(name, mo('='), symbol), math(mo('='), mn(plain(value)))]];
    const { shown, digits } = settled(weights[focus], [(round) => routeScale * round(value)]);
    const times = [mn(String(routeScale)), mo('·')];
    return [
      [
        math(name, mo('='), ...times, symbol),
        math(mo('='), ...times, mn(plain(value, digits))),
        math(mo('='), mn(shown)),
      ],
    ];
  },
  table: (token) => [evenly('g', token)],
};

function asItIs(token) {
  const { focus, weights } = token;
  return [[math(named('g', token, focus), mo('='), named('p', token, focus), mo('='), mn(plain(weights[focus])))]];
}

function divided(token, value) {
  const { asked, focus } = token;
  return ratio(
    named('g', token, focus),
    value,
    probable(token, focus),
    asked.map((expert) => probable(token, expert)),
  );
}

const evenly = (letter, token) => {
  const { focus, asked, weights } = token;
  return [
    math(named(letter, token, focus), mo('='), frac(mn('1'), mn(String(asked.length)))),
    math(mo('='), mn(plain(weights[focus]))),
  ];
};

// g = p_C/(p_C + p_F) = 0.40/(0.40 + 0.20) = 0.67; parts are { symbol, value }, and `times` multiplies it all.
function ratio(name, value, above, below, times = 1) {
  const whole = total(below.map((each) => each.value));
  const { shown, digits } = settled(value, [
    (round) => (times * round(above.value)) / total(below.map((each) => round(each.value))),
    (round) => (times * round(above.value)) / round(whole),
  ]);
  const number = (each) => mn(plain(each, digits));
  const before = times === 1 ? [] : [mn(String(times)), mo('·')];
  const over = (write) => row(...before, frac(write(above), row(...joined(elided(below.map(write)), '+'))));
  return [
    math(
      name,
      mo('='),
      over(({ symbol }) => symbol),
    ),
    math(
      mo('='),
      over((each) => number(each.value)),
    ),
    ...(isLong(below) ? [math(mo('='), ...before, frac(number(above.value), number(whole)))] : []),
    math(mo('='), mn(shown)),
  ];
}

// Of the scores of some experts: p_C = e^1.20/(e^1.20 + e^0.30) = 3.32/4.67 = 0.71
function softmaxLines(letter, token, value, among) {
  const { focus } = token;
  const biggest = Math.max(...among.map((expert) => token.logits[expert]));
  const off = Math.abs(biggest) > FAR ? biggest : 0;
  const exponent = (expert) => token.logits[expert] - off;
  const above = (round) => Math.exp(round(exponent(focus)));
  const below = (round) => total(among.map((expert) => Math.exp(round(exponent(expert)))));
  const exact = (part) => part;
  const { shown, digits } = settled(value, [
    (round) => above(round) / below(round),
    (round) => round(above(exact)) / round(below(exact)),
  ]);
  const fine = partDigits(
    [
      [above(exact), above],
      [below(exact), below],
    ],
    digits,
  );
  const raised = (expert) => power(mn(plain(exponent(expert), fine)));
  const line = [
    math(named(letter, token, focus), mo('='), frac(raised(focus), row(...joined(elided(among.map(raised)), '+')))),
    math(mo('='), frac(mn(recomputed(above, digits, fine)), mn(recomputed(below, digits, fine)))),
    math(mo('='), mn(shown)),
  ];
  if (!off) return [line];
  return [[words(`The largest score, ${plain(biggest)}, is taken off all of them here: that changes no share.`)], line];
}

// The other of the article's two forms, so that both are seen.
function otherForm(token) {
  const { article, weighing, probs, focus, forms, count } = token;
  if (!article || count === 1) return [];
  if (weighing === 'plain')
    return [[words('If made to add up to 1 (renormalized):'), ...divided(token, forms[1].weight[focus])]];
  const name = math(named('g', token, focus), mo('='), named('p', token, focus), mo('='), mn(plain(probs[focus])));
  return [[words('If left as they are (plain):'), name]];
}
