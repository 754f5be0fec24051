// The formulas of the choice: who is asked, and by which comparison, as each router decides it.

import { frac, joined, math, mi, mn, mo, row, sub, sum, text, words } from '../../kit/mathml.js';
import { all, any, elided, mixture, named, power, vector } from './outputs.js';
import { plain, settled, small } from '../../kit/sums.js';

const FEW = 4; // experts that are compared one by one
const FAR = 12; // e to such a number is too long to read
const FINEST = 7; // digits behind the point; the frames carry no more

/** @type {(token: Token) => Lines} */
export function choiceLines(token) {
  return [...chosenSet(token), ...CHOICES[token.choosing](token)];
}

/** @type {Record<Choice, (token: Token) => Lines>} */
const CHOICES = {
  scores: (token) => cut(token, token.probs, (expert) => named('p', token, expert)),
  bias: (token) => {
    const { focus, sigmoids, choiceBias, allowed, names } = token;
    const biased = sigmoids.map((each, expert) => each + choiceBias[expert]);
    const { shown, digits } = settled(biased[focus], [(round) => round(sigmoids[focus]) + round(choiceBias[focus])]);
    const name = (expert) => row(named('s', token, expert), mo('+'), named('b', token, expert));
    const bias = plain(choiceBias[focus], digits);
    const added = bias.startsWith('−') ? [mo('−'), mn(bias.slice(1))] : [mo('+'), mn(bias)];
    const best = allowed.every(Boolean)
      ? []
      : [
          [
            words(
              `Only experts of the groups that suit it best may be asked: ${names.filter((_, expert) => allowed[expert]).join(', ')}.`,
            ),
          ],
        ];
    return [
      ...best,
      [math(name(focus), mo('='), mn(plain(sigmoids[focus], digits)), ...added), math(mo('='), mn(shown))],
      ...cut(token, biased, name),
    ];
  },
  experts: (token) => {
    const { asked, probs, threshold } = token;
    const nearest = (left) => left.sort((a, b) => probs[b] / threshold[b] - probs[a] / threshold[a])[0];
    const left = all(token).filter((expert) => !token.chosen[expert]);
    const compared = [...asked.slice(0, FEW), ...(left.length ? [nearest(left)] : [])];
    return [
      [
        words(
          'Each expert takes the tokens with the largest p for it. This one is taken if its p is not below that of the last one taken (of the test tokens).',
        ),
      ],
      ...compared.map((expert) => {
        const digits = apart(probs[expert], threshold[expert]);
        const [sign, verdict] = token.chosen[expert] ? ['≥', 'taken'] : ['&lt;', 'not taken'];
        return [
          math(
            named('p', token, expert),
            mo('='),
            mn(plain(probs[expert], digits)),
            mo(sign),
            mn(plain(threshold[expert], digits)),
          ),
          words(verdict),
        ];
      }),
    ];
  },
  table: ({ names, asked, table: [id, size, place, expert] }) => {
    const others =
      asked.length > 1
        ? ` With it come the next ${asked.length - 1} in the row, which begins again behind its end.`
        : '';
    return [
      [
        words('The inputs are cut into small cells, and every cell has a number. That of this token:'),
        math(mi('n'), mo('='), mn(String(id))),
      ],
      [words('Its entry in the table:'), math(mn(String(id)), mo('mod'), mn(String(size)), mo('='), mn(String(place)))],
      [words(`There stands ${names[expert]}.${others}`)],
    ];
  },
  nobody: (token) => {
    const { focus, logits, mixedSize, mixtures } = token;
    const most = Math.max(logits[focus], mixedSize[focus]);
    const off = most > FAR ? most : 0;
    const [own, whole] = [Math.exp(logits[focus] - off), Math.exp(mixedSize[focus] - off)];
    const { shown, digits } = settled(own / whole, [(round) => round(own) / round(whole)], small);
    const mean = row(sum(mi('t')), sub(mi('d'), mi('t')), mi('x'));
    return [
      [words('A token’s share in an expert’s mixture is a softmax too, over the tokens (here the test tokens):')],
      [
        math(any('d'), mo('='), frac(power(any('z')), row(sum(text('tokens')), power(any('z'))))),
        math(
          mo(','),
          named('d', token, focus),
          mo('='),
          frac(mn(plain(own, digits)), mn(plain(whole, digits))),
          mo('='),
          mn(shown),
        ),
      ],
      ...(off ? [[words(`(Above and below both divided by e to the ${plain(off)}, which changes no share.)`)]] : []),
      [
        words('The mixture that the expert gets:'),
        math(mixture(mi(token.names[focus])), mo('='), mean, mo('='), vector(mixtures[focus], plain)),
      ],
    ];
  },
};

function chosenSet({ choosing, asked, names }) {
  if (choosing === 'nobody') return [];
  const members = asked.length
    ? row(
        mo('{'),
        ...joined(
          asked.map((expert) => mi(names[expert])),
          ',',
        ),
        mo('}'),
      )
    : mi('∅');
  return [[math(choosing === 'scores' || choosing === 'bias' ? mi('Top-k') : text('chosen'), mo('='), members)]];
}

// The chosen ones by size, the cut, and the largest that is left out.
function cut(token, values, name) {
  const { asked, chosen, count, allowed } = token;
  if (asked.length === count) return [[math(text('k = N: nobody is left out'))]];
  const bySize = (experts) => experts.sort((a, b) => values[b] - values[a] || a - b);
  const order = bySize([...asked]);
  const next = bySize(all(token).filter((expert) => !chosen[expert] && (!allowed || allowed[expert])))[0];
  if (next === undefined) return [];
  const last = order.at(-1);
  const digits = apart(values[last], values[next]);
  const tied = plain(values[last], digits) === plain(values[next], digits);
  const shown = (expert) => row(name(expert), mo('='), mn(plain(values[expert], digits)));
  return [
    [
      ...joined(elided(order.map(shown)), '≥').map((part) => math(part)),
      math(mo(tied ? '≥' : '>'), text('cut'), mo(tied ? '≥' : '>')),
      math(shown(next)),
      ...(tied ? [words('Equals go by the alphabet.')] : []),
    ],
  ];
}

// So many digits that two numbers, if they differ, are seen to.
function apart(left, right) {
  for (let digits = 2; digits < FINEST; digits += 1) if (plain(left, digits) !== plain(right, digits)) return digits;
  return FINEST;
}
