// The formula of each balance loss with the numbers of the batch, and what a token like this one has to do with it.

import {
  close,
  factor,
  fenced,
  frac,
  math,
  mi,
  mn,
  mo,
  open,
  pieces,
  row,
  sub,
  sum,
  sup,
  text,
  words,
} from '../../kit/mathml.js';
import { any, elided, named, power, square } from './outputs.js';
import { plain, settled, small, total } from '../../kit/sums.js';

const MOST = 8; // terms that are all written out

/** @type {(token: Token) => Lines} */
export function balanceLines(token) {
  return BALANCES[token.header.balance_loss[0]](token);
}

const BALANCES = {
  squared: (token) => {
    const {
      batch: { meanProb },
      balance,
      count,
    } = token;
    const even = 1 / count;
    const { shown, digits } = settled(
      balance,
      [(round) => total(meanProb.map((prob) => (round(even) - round(prob)) ** 2))],
      small,
    );
    const terms = meanProb.map((prob) => square(fenced(mn(plain(even, digits)), mo('−'), mn(plain(prob, digits)))));
    return [
      [math(mi('L'), mo('='), row(sum(mi('i')), square(fenced(frac(mn('1'), mi('N')), mo('−'), any('P')))))],
      [math(mi('L'), mo('=')), ...summed(terms), math(mo('='), mn(shown))],
      meanLine(token),
    ];
  },
  switch: (token) => [
    ...products(token, token.batch.load),
    [words('f: share of all choices, a count without a slope.')],
    meanLine(token),
  ],
  gshard: (token) => [
    ...products(token, token.batch.firstShare),
    [words('f: share of first choices, a count without a slope.')],
    meanLine(token),
  ],
  importance: (token) => [...variation(token, IMPORTANCE(token), token.balance).lines, addsWeight(token)],
  load: (token) => [...variation(token, COUNT(token), token.balance).lines, addsCount(token)],
  importance_load: (token) => {
    const [weights, counts] = [IMPORTANCE(token), COUNT(token)].map((each) => variation(token, each));
    const { shown, digits } = settled(token.balance, [(round) => round(weights.value) + round(counts.value)], small);
    return [
      ...weights.lines,
      addsWeight(token),
      ...counts.lines,
      addsCount(token),
      [
        math(mi('L'), mo('='), mn(plain(weights.value, digits)), mo('+'), mn(plain(counts.value, digits))),
        math(mo('='), mn(shown)),
      ],
    ];
  },
  z: (token) => {
    const {
      batch: { tokens },
      balance,
      logits,
    } = token;
    const biggest = Math.max(...logits);
    const size = biggest + Math.log(total(logits.map((each) => Math.exp(each - biggest))));
    const inner = settled(size, [
      (round) => {
        const most = Math.max(...logits.map(round));
        return most + Math.log(total(logits.map((each) => Math.exp(round(each) - most))));
      },
    ]);
    const outer = settled(size ** 2, [(round) => round(size) ** 2]);
    const powers = logits.map((each) => power(mn(plain(each, inner.digits))));
    return [
      [
        math(
          mi('L'),
          mo('='),
          frac(mn('1'), mi('T')),
          row(sum(mi('t')), square(fenced(mi('ln'), row(sum(mi('i')), power(sub(mi('z'), mi('i'))))))),
        ),
        math(mo('='), mn(small(balance))),
        words(`, the mean over the batch’s T = ${tokens} tokens.`),
      ],
      [
        words('The term of a token like this one:'),
        math(mi('ln'), open),
        ...summed(powers),
        math(close, mo('='), mn(inner.shown)),
        words('; squared:'),
        math(square(factor(plain(size, outer.digits))), mo('='), mn(outer.shown)),
      ],
    ];
  },
  entropy: (token) => {
    const {
      batch: { meanEntropy, meanProb },
      balance,
      count,
      probs,
    } = token;
    const [narrow, most] = [entropyOf(meanProb), Math.log(count)];
    const { shown, digits } = settled(
      balance,
      [(round) => round(meanEntropy) + Math.max(0, round(most) - round(narrow))],
      small,
    );
    return [
      [
        math(
          mi('L'),
          mo('='),
          text('mean'),
          mi('H'),
          fenced(sub(mi('p'), mi('t'))),
          mo('+'),
          mi('max'),
          fenced(mn('0'), mo(','), row(mi('ln'), mi('N'), mo('−'), mi('H'), fenced(mi('P')))),
        ),
        math(mo(','), mi('H'), fenced(mi('p')), mo('='), mo('−'), row(sum(mi('i')), any('p'), mi('ln'), any('p'))),
      ],
      entropyLine(mi('P'), meanProb),
      [
        math(
          mi('L'),
          mo('='),
          mn(plain(meanEntropy, digits)),
          mo('+'),
          mi('max'),
          fenced(mn('0'), mo(','), row(mn(plain(most, digits)), mo('−'), mn(plain(narrow, digits)))),
        ),
        math(mo('='), mn(shown)),
      ],
      [words('A token like this one is one of the mean’s terms:')],
      entropyLine(mi('p'), probs),
    ];
  },
};

const IMPORTANCE = ({ batch: { weightSum } }) => ({
  letter: 'I',
  amounts: weightSum,
  meaning: 'I: what each expert got of all weights in the batch.',
});
const COUNT = ({ batch: { likelyCount } }) => ({
  letter: 'C',
  amounts: likelyCount,
  meaning: 'C: how many tokens of the batch chose each expert; at rest, without noise, a plain count.',
});

// A sum whose terms may go on in the next line; of very many the first ones and the last.
const shortened = (terms) => (terms.length > MOST ? elided(terms) : terms);
const summed = (terms) => pieces(shortened(terms));

// P is a mean over the tokens: what one of them adds to it.
function meanLine(token) {
  const {
    batch: { tokens },
    probs,
    focus,
  } = token;
  const { shown, digits } = settled(probs[focus] / tokens, [(round) => round(probs[focus]) / tokens], small);
  return [
    words(`P: mean gate probability over the batch’s ${tokens} tokens. A token like this one adds`),
    math(
      frac(named('p', token, focus), mn(String(tokens))),
      mo('='),
      frac(mn(plain(probs[focus], digits)), mn(String(tokens))),
    ),
    math(mo('='), mn(shown)),
  ];
}

const addsWeight = (token) => [
  words('To I a token like this one adds its weight:'),
  math(named('g', token, token.focus), mo('='), mn(plain(token.weights[token.focus]))),
];
const addsCount = ({ asked, names }) => [
  words(
    asked.length
      ? `To C a token like this one adds 1 for each of ${asked.map((expert) => names[expert]).join(', ')}.`
      : 'To C a token like this one adds nothing: no expert took it.',
  ),
];

// L = N·(f_A P_A + …)
function products(token, shares) {
  const {
    batch: { meanProb },
    balance,
    count,
  } = token;
  const { shown, digits } = settled(
    balance,
    [(round) => count * total(shares.map((each, expert) => round(each) * round(meanProb[expert])))],
    small,
  );
  const terms = shares.map((each, expert) =>
    row(mn(plain(each, digits)), mo('·'), mn(plain(meanProb[expert], digits))),
  );
  return [
    [math(mi('L'), mo('='), mi('N'), mo('·'), row(sum(mi('i')), any('f'), any('P')))],
    [math(mi('L'), mo('='), mn(String(count)), mo('·'), open), ...summed(terms), math(close, mo('='), mn(shown))],
  ];
}

// CV² = variance / mean², in three steps.
function variation({ count }, { letter, amounts, meaning }, known) {
  const mean = total(amounts) / count;
  const spread = total(amounts.map((each) => (each - mean) ** 2)) / count;
  const value = known ?? spread / mean ** 2;
  const middle = settled(mean, [(round) => total(amounts.map(round)) / count]);
  const around = settled(
    spread,
    [(round) => total(amounts.map((each) => (round(each) - round(mean)) ** 2)) / count],
    small,
  );
  const last = settled(value, [(round) => round(spread) / round(mean) ** 2], small);
  const n = mn(String(count));
  const sums = amounts.map((each) => mn(plain(each, middle.digits)));
  const squares = amounts.map((each) =>
    square(fenced(mn(plain(each, around.digits)), mo('−'), mn(plain(mean, around.digits)))),
  );
  const result = sup(text('CV'), mn('2'));
  return {
    value,
    lines: [
      [
        math(
          ...(known === undefined ? [] : [mi('L'), mo('=')]),
          result,
          fenced(mi(letter)),
          mo('='),
          frac(text('variance'), square(text('mean'))),
        ),
        words(meaning),
      ],
      [
        math(text('mean'), mo('='), frac(mn('1'), n), mo('·'), open),
        ...summed(sums),
        math(close, mo('='), mn(middle.shown)),
      ],
      [
        math(text('variance'), mo('='), frac(mn('1'), n), mo('·'), open),
        ...summed(squares),
        math(close, mo('='), mn(around.shown)),
      ],
      [
        math(result, mo('='), frac(mn(plain(spread, last.digits)), square(mn(plain(mean, last.digits))))),
        math(mo('='), mn(last.shown)),
      ],
    ],
  };
}

const entropyOf = (shares) => -total(shares.map((each) => (each > 0 ? each * Math.log(each) : 0)));

// H(p) = −(0.70·ln 0.70 + …) = 0.61
function entropyLine(name, shares) {
  const { shown, digits } = settled(entropyOf(shares), [(round) => entropyOf(shares.map(round))]);
  const terms = shares.map((each) => row(mn(plain(each, digits)), mo('·'), mi('ln'), mn(plain(each, digits))));
  return [math(mi('H'), fenced(name), mo('='), mo('−'), open), ...summed(terms), math(close, mo('='), mn(shown))];
}
