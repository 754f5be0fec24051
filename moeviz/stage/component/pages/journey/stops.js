// The nine stops of a token's way: what each column shows for every expert, and what stands below it.

import { plain, small, sumWords } from '../../kit/sums.js';
import { share } from '../../kit/numbers.js';

const largest = (values) => Math.max(...values.map(Math.abs), 1e-9);
const rods = (values, cell) => {
  const most = largest(values);
  return values.map((value, expert) => ({ rod: value / most, signed: true, text: plain(value), ...cell?.(expert) }));
};

// Where gate probabilities are not a softmax over all experts.
const OTHERWISE = {
  sigmoid:
    'Every score is squeezed between 0 and 1 by itself, to s. Divided by their sum, the s are gate probabilities.',
  table: 'This router uses no scores: a fixed table decides.',
};

// Who decides, where the scores do not do so alone.
const DECIDES = {
  bias: 'The largest s plus a bias wins; the bias helps experts with little work and is in no weight.',
  experts: 'Here each expert picks its tokens: a token may get many experts, or none.',
  table: 'A fixed table decides by the place of the token, not the scores.',
  nobody: 'Nothing is chosen: every expert works on a mixture of all tokens.',
};
const NOISE = 'In training noise is added before the largest are chosen; at rest, as here, there is none.';

function choiceSays({ choosing, header, k, count }) {
  if (DECIDES[choosing]) return DECIDES[choosing];
  if (header.router[0] === 'noisy_top_k') return NOISE;
  return k === count ? 'Every expert is chosen.' : 'Only the chosen experts will compute; all others are left out.';
}

// What the balance loss looks at, expert by expert: the numbers, and what each would be if all were even.
const LOOKS_AT = {
  importance: ({ weightSum }) => weightSum,
  load: ({ likelyCount }) => likelyCount,
  importance_load: ({ weightSum }) => weightSum,
};

const BALANCE_SAYS = {
  z: 'In training only: how large the scores of the batch are. It is about all tokens, not about this one.',
  entropy:
    'In training only: how unsure the router is of each token, and whether all tokens together use many experts.',
};

// Each: a title, a line about it, cells for each expert (or none: `body` is of the token as a whole), and a foot.
/** @type {Stop[]} */
export const STOPS = [
  {
    name: 'x',
    title: 'x',
    says: 'The token: what the model is given.',
    body: ({ x }) =>
      x.length > 4 ? null : x.map((value, index) => [x.length > 1 ? `x${'₁₂₃₄'[index]}` : 'x', plain(value)]),
    foot: ({ x }) => (x.length > 1 ? `${x.length} numbers` : '1 number'),
  },
  {
    name: 'logits',
    title: 'Scores',
    says: ({ choosing }) =>
      `The router scores every expert: the token times the expert’s gate column.${choosing === 'table' ? ' Here nothing reads the scores.' : ''}`,
    cells: ({ logits }) => rods(logits),
    foot: () => 'any number',
  },
  {
    name: 'softmax',
    title: 'Softmax',
    says: ({ weighing }) =>
      OTHERWISE[weighing] ?? 'Softmax makes the scores positive and lets them add up to 1: gate probabilities.',
    cells: ({ probs }) => probs.map((value) => ({ rod: value, text: share(value) })),
    foot: ({ probs }) => sumWords(probs),
  },
  {
    name: 'top_k',
    title: 'Top‑k',
    says: choiceSays,
    cells: ({ chosen }) => chosen.map((kept) => ({ text: kept ? '✓' : '·', mark: true })),
    foot: ({ k, count }) => (k === count ? `all ${count}` : `${k} of ${count}`),
  },
  {
    name: 'weights',
    title: 'Weights',
    says: ({ choosing }) => `What multiplies each ${choosing === 'nobody' ? '' : 'chosen '}expert’s output.`,
    cells: ({ weights, chosen }) =>
      weights.map((value, expert) => (chosen[expert] ? { rod: value, text: share(value) } : { text: '0' })),
    foot: ({ weights }) => sumWords(weights),
  },
  {
    name: 'experts',
    title: 'Experts',
    says: ({ choosing }) =>
      choosing === 'nobody'
        ? 'Each expert answers to its mixture: the same for every token. Tokens differ in how they weigh these answers.'
        : 'Each chosen expert computes its own answer. The others do no work: that is what makes it cheap.',
    cells: ({ experts, chosen, shown }) =>
      rods(
        experts.map((each) => each[shown]),
        (expert) => (chosen[expert] ? {} : { rod: null, text: '–' }),
      ),
    foot: ({ k, count }) => `${count - k} skipped`,
  },
  {
    name: 'sum',
    title: 'Sum',
    says: ({ choosing }) =>
      `The layer’s output: every ${choosing === 'nobody' ? '' : 'chosen '}answer times its weight, added up.`,
    cells: ({ experts, weights, chosen, shown }) =>
      rods(
        experts.map((each, expert) => each[shown] * weights[expert]),
        (expert) => (chosen[expert] ? {} : { rod: null, text: '–' }),
      ),
    foot: ({ experts, weights, y, shown, shared }) =>
      shared
        ? `y = ${plain(y[shown])}` // … which the shared experts have a part in
        : sumWords(
            experts.map((each, expert) => each[shown] * weights[expert]),
            'y = ',
            y[shown],
          ),
  },
  {
    name: 'task_loss',
    title: 'Task loss',
    says: 'In training only: how wrong this output is.',
    body: (token) =>
      token.classes
        ? [
            ['says', { marker: token.predicted }],
            ['target', { marker: token.target[0] }],
          ]
        : [
            ['y', plain(token.y[0])],
            ['target', plain(token.target[0])],
          ],
    foot: ({ loss }) => small(loss),
  },
  {
    name: 'balance_loss',
    title: 'Balance loss',
    says: ({ header }) =>
      BALANCE_SAYS[header.balance_loss[0]] ??
      'In training only: how unevenly the batch uses the experts. It is about all tokens, not about this one.',
    cells: ({ batch, count, header }) => {
      const amounts = LOOKS_AT[header.balance_loss[0]]?.(batch);
      const values = amounts ?? batch.meanProb;
      const texts = values.map((each) => (amounts ? plain(each, 0) : share(each)));
      const even = values.reduce((sum, each) => sum + each, 0) / count;
      const full = Math.max(...values, 1.5 * even, 1e-9);
      return values.map((value, expert) => ({ rod: value / full, text: texts[expert], even: even / full }));
    },
    foot: ({ balance }) => small(balance),
  },
];
