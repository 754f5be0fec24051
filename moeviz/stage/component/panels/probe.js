// What happens to the token at the probe: its gate probabilities, the top-k cut, the weights, and the sum that they make.

import { Bars, roomy } from '../kit/bars.js';
import { background, classFill, letter, outline } from '../kit/palette.js';
import { cutName, probeTitle, solidKey, wordsOf } from '../kit/labels.js';
import { Calm, count, setText, share } from '../kit/numbers.js';
import { plain } from '../kit/sums.js';

const SPOKEN = 3000; // ms between announcements
const MAX_TERMS = 3;
const MIXTURE = 'x\u0303'; // x with a tilde
const ONE_LINE = 2; // so many terms of the sum fit on one line; for more, two lines are kept free

export class ProbePanel {
  /** @param {Find} find */
  constructor(find) {
    this.find = find;
    this.bars = new Bars(find('probe-bars'), 'Gate probabilities of the input at the probe');
    this.spoken = new Calm(SPOKEN);
  }

  draw(frame) {
    const { header, arrays } = frame;
    const ids = header.ids[0];
    this.bars.draw(ids, probeBars(frame), cutLine(header, arrays.probe_prob.of(0), arrays.probe_chosen.of(0)));
    for (const [part, text] of [
      ['probe-title', probeTitle(header)],
      ['solid-key', solidKey(header)],
      ['first-key', wordsOf(header).first],
    ])
      setText(this.find(part), text);
    this.find('line').classList.toggle('mv-two-lines', header.choice[0] === 'experts' || header.top_k[0] > ONE_LINE);
    this.line(header, probeTerms(frame), arrays.probe_output.of(0));
    return ids[arrays.probe_first.of(0)[0]];
  }

  // y = 0.62·E_C(x) + 0.38·E_F(x)
  line(header, { terms, rest }, output) {
    const meaning = formula(header);
    if (meaning !== this.meaning) {
      this.meaning = meaning;
      this.find('formula').innerHTML = meaning;
    }
    const key = JSON.stringify([terms, rest, header.task, prediction(header, output)]);
    if (key === this.key) return;
    this.key = key;
    const parts = terms.flatMap((each, index) => [index ? ' + ' : '', term(each, header.choice[0] === 'nobody')]);
    this.find('line').replaceChildren(
      'y = ',
      ...(parts.length ? parts : ['0']),
      rest ? ' + …' : '',
      header.num_shared ? ' + shared' : '',
      ...result(header, output),
    );
    this.spoken.run(() => setText(this.find('spoken'), probeWords(header, { terms, rest })));
  }

  close() {
    this.spoken.stop();
  }
}

// The bars: each gate probability, and below it the weight of the chosen.
/** @param {Frame} frame */
export function probeBars({ header, arrays }) {
  const ids = header.ids[0];
  const [probs, weights, chosen] = ['prob', 'weight', 'chosen'].map((name) => arrays[`probe_${name}`].of(0));
  const [first] = arrays.probe_first.of(0);
  const full = roomy(ids.length);
  const words = wordsOf(header);
  return ids.map((id, expert) => {
    const weight = chosen[expert] ? share(weights[expert], true) : '';
    return {
      height: probs[expert],
      solid: Boolean(chosen[expert]),
      first: expert === first,
      below: weight && full ? `×${weight}` : weight,
      value: share(probs[expert], !full),
      text: describe(
        letter(id),
        probs[expert],
        chosen[expert] ? words.chosen : words.left,
        chosen[expert] && weights[expert],
        expert === first && words.first,
      ),
    };
  });
}

// The terms of the sum, largest weight first: of many the first three, and how many more there are.
/** @type {(frame: Frame) => { terms: { id: number, weight: string }[], rest: number }} */
export function probeTerms({ header, arrays }) {
  const ids = header.ids[0];
  const [weights, chosen] = [arrays.probe_weight.of(0), arrays.probe_chosen.of(0)];
  const asked = [...ids.keys()].filter((expert) => chosen[expert]).sort((a, b) => weights[b] - weights[a]);
  const terms = asked.slice(0, MAX_TERMS).map((expert) => ({ id: ids[expert], weight: share(weights[expert]) }));
  return { terms, rest: asked.length - terms.length };
}

/** @type {(header: Header, said: { terms: { id: number, weight: string }[], rest: number }) => string} */
export function probeWords({ step }, { terms, rest }) {
  const words =
    terms.map(({ id, weight }) => `${weight} times expert ${letter(id)}`).join(' plus ') || 'no expert’s answer';
  return `Step ${count(step)}: output = ${words}${rest ? ` plus ${rest} more` : ''}`;
}

/** @type {(probs: number[] | NumberArray) => number} */
export function firstChoice(probs) {
  let best = 0;
  probs.forEach((prob, expert) => {
    if (prob > probs[best]) best = expert;
  });
  return best;
}

function describe(name, prob, chosen, weight, first) {
  const said = [
    `gate probability ${share(prob)}`,
    first,
    !(first && chosen === 'chosen') && chosen,
    Number.isFinite(weight) && `weight ${share(weight)}`,
  ];
  return `Expert ${name}: ${said.filter(Boolean).join(', ')}`;
}

// Between the last chosen and the first left out; none when everybody is chosen.
function cutLine(header, probs, chosen) {
  let lowest = 1;
  let highest = 0;
  let taken = 0;
  probs.forEach((prob, expert) => {
    if (chosen[expert]) {
      lowest = Math.min(lowest, prob);
      taken += 1;
    } else highest = Math.max(highest, prob);
  });
  const name = cutName(header, taken);
  if (!name) return [];
  const height = (lowest + highest) / 2;
  const place = labelPlace(probs, height);
  return [{ height, label: place ? name : '', kind: `cut mv-at-${place}` }];
}

// Where the cut's label covers no bar that crosses the line: at one end or in the middle, else nowhere.
/** @type {(probs: number[] | NumberArray, height: number) => 'left' | 'middle' | 'right' | ''} */
export function labelPlace(probs, height) {
  const free = (from, to) =>
    probs.slice(Math.floor(from * probs.length), Math.ceil(to * probs.length)).every((prob) => prob < height);
  if (free(0.65, 1)) return 'right';
  if (free(0, 0.35)) return 'left';
  return free(0.32, 0.68) ? 'middle' : '';
}

const AMONG = { scores: '∈Top‑k', bias: '∈Top‑k', experts: '∈chosen', table: '∈chosen' };

// The layer's sum as this router chooses and weighs: G is the gate probability, s the sigmoid of a score.
/** @type {(header: Header) => string} */
export function formula({ renormalized, weights, choice, top_k: topK }) {
  if (choice[0] === 'nobody') return `y = Σ<sub>i</sub> G(x)<sub>i</sub> E<sub>i</sub>(${MIXTURE}<sub>i</sub>)`;
  const sigmoid = weights[0] === 'sigmoid';
  const [scale, weight] = sigmoid ? ['scale · ', 's'] : ['', 'G(x)'];
  const among = `<sub>${AMONG[choice[0]]}</sub>`;
  const sum = `Σ<sub>i</sub>${among} ${weight}<sub>i</sub> E<sub>i</sub>(x)`;
  const divided = sigmoid ? topK[0] > 1 : renormalized[0]; // s/s would be 1 whatever the score is
  return `y = ${scale}${sum}${divided ? ` / Σ<sub>j</sub>${among} ${weight}<sub>j</sub>` : ''}`;
}

// 0.62·E_C(x); where each expert computes a mixture of all tokens, of that.
function term({ id, weight }, mixed) {
  const element = document.createElement('span');
  element.className = 'mv-term';
  element.style.setProperty('--mv-paint', background(id));
  element.innerHTML = `<b></b>·E<sub></sub>(${mixed ? `${MIXTURE}<sub></sub>` : 'x'})`;
  element.querySelector('b').textContent = weight;
  for (const index of element.querySelectorAll('sub')) index.textContent = letter(id);
  return element;
}

// What the model makes of y: a class (drawn as its marker) or the number itself.
/** @type {(header: Header, output: number[] | NumberArray) => string} */
export function prediction(header, output) {
  if (header.view === 'rows') return ''; // the layer's output is a part of the way, not yet an answer
  if (header.kind === 'regression') return output.length === 1 ? plain(output[0]) : '';
  return String(firstChoice(output));
}

function result(header, output) {
  if (header.view === 'rows') return [' → added to the row'];
  const answer = prediction(header, output);
  if (!answer) return [];
  if (header.kind === 'regression') return [` = ${answer}`];
  const element = document.createElement('span');
  element.className = 'mv-result';
  element.append('→ class ', header.num_outputs > 2 ? `${answer} ` : '', marker(Number(answer)));
  return [element];
}

// A class's marker as a small picture, for lines and legends; `fill` solid or none where color does not name the class.
/** @type {(classIndex: number, fill?: 'solid' | 'none') => HTMLElement} */
export function marker(classIndex, fill) {
  const paint = { solid: 'currentColor', none: 'none' }[fill] ?? classFill(classIndex);
  const holder = document.createElement('span');
  holder.className = 'mv-marker';
  holder.innerHTML =
    `<svg viewBox="-1.25 -1.25 2.5 2.5" role="img" aria-label="marker of class ${Number(classIndex)}"><path d="${outline(classIndex)}"` +
    ` fill="${paint}"/></svg>`;
  return holder;
}
