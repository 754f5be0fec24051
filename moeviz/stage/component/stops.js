// The nine stops of a token's way: what each column shows for every expert, and what stands below it.

import { small, plain } from './sums.js';
import { roundedShares, share } from './numbers.js';

const largest = (values) => Math.max(...values.map(Math.abs), 1e-9);
const rods = (values, cell) => {
  const most = largest(values);
  return values.map((value, expert) => ({ rod: value / most, signed: true, text: plain(value), ...cell?.(expert) }));
};

// What else decides about the choice, beside the scores of this token.
const ALSO = {
  noisy_top_k: 'In training noise is added before the largest are chosen; at rest, as here, there is none.',
  deepseek_v3: 'The largest score plus a bias wins; the bias helps experts with little work and is in no weight.',
  expert_choice: 'Here each expert picks its tokens: a token may get many experts, or none.',
  hash: 'A fixed table decides by the place of the token, not the scores.',
  soft: 'Nothing is chosen: every expert works on a mixture of all tokens.',
};

// Each: a title, a line about it, cells for each expert (or none: `body` is of the token as a whole), and a foot.
export const STOPS = [
  {
    name: 'x', title: 'x', says: 'The token: what the model is given.',
    body: ({ x }) => (x.length > 4 ? null : x.map((value, index) => [x.length > 1 ? `x${'₁₂₃₄'[index]}` : 'x', plain(value)])),
    foot: ({ x }) => (x.length > 1 ? `${x.length} numbers` : '1 number'),
  },
  {
    name: 'logits', title: 'Scores', says: 'The router scores every expert: the token times the expert’s gate column.',
    cells: ({ logits }) => rods(logits),
    foot: () => 'any number',
  },
  {
    name: 'softmax', title: 'Softmax', says: ({ softmax }) => (softmax ? 'Softmax makes the scores positive and lets them add up to 1: gate probabilities.' : 'This router makes its gate probabilities in its own way, not by a softmax over the experts.'),
    cells: ({ probs, shownProbs }) => probs.map((value, expert) => ({ rod: value, text: share(shownProbs[expert]) })),
    foot: () => 'sum 1.00',
  },
  {
    name: 'top_k', title: 'Top‑k', says: ({ k, count, header }) => (ALSO[header.router[0]] ?? (k === count ? 'Every expert is chosen.' : 'Only the chosen experts will compute; all others are left out.')),
    cells: ({ chosen }) => chosen.map((kept) => ({ text: kept ? '✓' : '·', mark: true })),
    foot: ({ k, count }) => (k === count ? `all ${count}` : `${k} of ${count}`),
  },
  {
    name: 'weights', title: 'Weights', says: 'What multiplies each chosen expert’s output.',
    cells: (token) => {
      const shown = shownWeights(token);
      return token.weights.map((value, expert) => (token.chosen[expert] ? { rod: value, text: share(shown[expert]) } : { text: '0' }));
    },
    foot: (token) => `sum ${share(shownWeights(token).reduce((sum, each) => sum + each, 0))}`,
  },
  {
    name: 'experts', title: 'Experts', says: 'Each chosen expert computes its own answer. The others do no work: that is what makes it cheap.',
    cells: ({ experts, chosen, shown }) => rods(experts.map((each) => each[shown]), (expert) => (chosen[expert] ? {} : { rod: null, text: '–' })),
    foot: ({ k, count }) => `${count - k} skipped`,
  },
  {
    name: 'sum', title: 'Sum', says: 'The layer’s output: every chosen answer times its weight, added up.',
    cells: ({ experts, weights, chosen, shown }) => rods(
      experts.map((each, expert) => each[shown] * weights[expert]), (expert) => (chosen[expert] ? {} : { rod: null, text: '–' }),
    ),
    foot: ({ y, shown }) => `y = ${plain(y[shown])}`,
  },
  {
    name: 'task_loss', title: 'Task loss', says: 'In training only: how wrong this output is.',
    body: (token) => (token.classes
      ? [['says', { marker: token.predicted }], ['target', { marker: token.target[0] }]]
      : [['y', plain(token.y[0])], ['target', plain(token.target[0])]]),
    foot: ({ loss }) => small(loss),
  },
  {
    name: 'balance_loss', title: 'Balance loss', says: 'In training only: how unevenly the batch uses the experts. It is about all tokens, not about this one.',
    cells: ({ meanProb, count }) => {
      const shown = roundedShares(meanProb);
      const full = Math.max(...meanProb, 1.5 / count);
      return meanProb.map((value, expert) => ({ rod: value / full, text: share(shown[expert]), even: 1 / count / full }));
    },
    foot: ({ balance }) => small(balance),
  },
];

// As the Playground's probe writes them: those that add up to 1 do so as printed.
export function shownWeights({ form, weights, chosen, shownProbs }) {
  if (form === 'plain') return shownProbs.map((prob, expert) => (chosen[expert] ? prob : 0));
  return roundedShares(weights);
}
