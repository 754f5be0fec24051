// What else could have been: this token sent to each expert alone; and who learns from it, under each way to weigh.

import { background, hue } from '../../kit/palette.js';
import { setText, share } from '../../kit/numbers.js';
import { plain, read, small } from '../../kit/sums.js';
import { FORMS } from './token.js';
import { firstChoice, marker } from '../../panels/probe.js';

const NOTHING = 1e-9; // a slope that is none
const FEW = 3; // outputs that are all shown
const FINE = 4; // digits of two losses that look the same with fewer
const OWN = -1; // the router's own way, where it is none of the article's

const UNTOUCHED = { softmax: null, weights: null, k: null };

export class WhatIf {
  /** @param {Find} find */
  constructor(find) {
    this.find = find;
    this.form = UNTOUCHED;
    for (const button of find('forms').querySelectorAll('button')) button.onclick = () => this.choose(button.dataset);
  }

  choose({ choice, value }) {
    this.form = choice === 'own' ? UNTOUCHED : { ...this.form, [choice]: value };
    if (this.token) this.drawForm(this.token);
  }

  draw(token) {
    this.token = token;
    this.drawElsewhere(token);
    this.drawForm(token);
  }

  drawElsewhere(token) {
    const { alone, chosen, names, loss, asked, weights, choosing, shared } = token;
    const losses = alone.map((each) => each.loss);
    const best = losses.indexOf(Math.min(...losses));
    const tiles = alone.map((each, expert) =>
      tile(token, expert, {
        shown: answer(token, each.output),
        number: `loss ${small(each.loss)}`,
        detail: numbers(token, each.output),
        note: expert === best ? '★ best' : '',
        text: `Sent to expert ${names[expert]} alone: ${numbers(token, each.output)} loss ${small(each.loss)}${expert === best ? ', the best' : ''}`,
      }),
    );
    this.find('elsewhere').replaceChildren(...tiles);
    setText(this.find('sent'), sent(token));
    setText(
      this.find('regret'),
      regret({
        loss,
        best: losses[best],
        name: names[best],
        asked: asked.map((each) => names[each]),
        chosen: chosen[best],
        weight: weights[best],
        choosing,
        shared: Boolean(shared),
      }),
    );
  }

  drawForm(token) {
    const at = this.place(token);
    this.find('slopes').replaceChildren(...slopeTiles(token, at).map((each, expert) => tile(token, expert, each)));
    setText(this.find('verdict'), at === OWN ? ownVerdict(token) : verdict(token, at));
    setText(this.find('form-loss'), `Loss with these weights: ${small(formOf(token, at).loss)}`);
  }

  // Which of the six ways is asked for, or the router's own; the buttons follow.
  place(token) {
    const own = !token.article && this.form === UNTOUCHED;
    const softmax = this.form.softmax ?? (token.weighing === 'after' ? 'after' : 'before');
    const settled = token.header.renormalized[0] ? 'renormalized' : 'plain';
    const weights = softmax === 'after' ? 'renormalized' : (this.form.weights ?? settled);
    const one = this.form.k === 'one' || token.header.top_k[0] === 1;
    const pressed = own ? { own: 'own' } : { softmax, weights, k: one ? 'one' : 'own' };
    for (const button of this.find('forms').querySelectorAll('button')) {
      const { choice, value } = button.dataset;
      button.setAttribute('aria-pressed', String(pressed[choice] === value));
      if (choice === 'own') button.closest('.mv-choice').hidden = token.article;
      if (choice === 'k' && value === 'own') {
        setText(button, `k = ${token.header.top_k[0]}`);
        button.hidden = token.header.top_k[0] === 1;
      }
      if (choice === 'weights') button.disabled = softmax === 'after' && value === 'plain';
    }
    if (own) return OWN;
    return FORMS.indexOf(softmax === 'after' ? 'after' : weights) + (one ? FORMS.length : 0);
  }
}

const formOf = (token, at) => token.forms[at] ?? { weight: token.weights, gradient: token.gradient, loss: token.loss };

// What each expert's weight is in this way, and the slope along its score.
/** @type {(token: Token, at: number) => Tile[]} */
export function slopeTiles(token, at) {
  const { weight, gradient } = formOf(token, at);
  const most = Math.max(...gradient.map(Math.abs), NOTHING);
  return gradient.map((slope, expert) => ({
    taken: weight[expert] > 0,
    shown: `×${share(weight[expert])}`,
    number: Math.abs(slope) < NOTHING ? '0' : plain(slope, 3),
    rod: Math.abs(slope) < NOTHING ? 0 : slope / most,
    text: `Expert ${token.names[expert]}: weight ${share(weight[expert])}, slope of the loss along its score ${plain(slope, 3)}`,
  }));
}

// One expert's outcome.
/** @type {(token: Token, expert: number, outcome: Tile) => HTMLElement} */
function tile(token, expert, { shown, number, detail = '', note = '', rod, taken = token.chosen[expert], text }) {
  const box = document.createElement('div');
  box.className = `mv-tile${taken ? ' mv-taken' : ''}${note ? ' mv-best' : ''}`;
  box.style.setProperty('--mv-paint', background(token.ids[expert]));
  box.style.setProperty('--mv-hue', hue(token.ids[expert]));
  box.innerHTML = '<b></b><span></span><span></span>';
  const [name, value, size] = box.children;
  name.textContent = token.names[expert];
  value.append(shown);
  size.textContent = number;
  if (rod !== undefined) {
    const slot = Object.assign(document.createElement('i'), { className: 'mv-signed' });
    const bar = document.createElement('i');
    slot.append(bar);
    bar.hidden = rod === 0;
    bar.style.width = `${(50 * Math.abs(rod)).toFixed(2)}%`;
    bar.style.left = `${(rod < 0 ? 50 - 50 * Math.abs(rod) : 50).toFixed(2)}%`;
    box.append(slot);
  }
  if (detail)
    box.append(Object.assign(document.createElement('span'), { className: 'mv-detail', textContent: detail }));
  if (note) box.append(Object.assign(document.createElement('em'), { textContent: note }));
  box.setAttribute('role', 'listitem');
  box.setAttribute('aria-label', text);
  return box;
}

// What an expert answers: its class, or its (first) number.
function answer(token, output) {
  if (!token.classes) return plain(output[0]);
  const holder = document.createElement('span');
  const said = firstChoice(output);
  holder.append('says ', token.outputs > 2 ? `${said} ` : '', marker(said));
  return holder;
}

// The numbers that the answer consists of; of many classes the one that should be large.
function numbers({ outputs, classes, target }, output) {
  if (outputs === 1) return '';
  if (outputs <= FEW) return `y = (${output.map((each) => plain(each)).join(', ')})`;
  return classes
    ? `y of class ${target[0]}: ${plain(output[target[0]])}`
    : `y = (${output
        .slice(0, 2)
        .map((each) => plain(each))
        .join(', ')}, …)`;
}

// What "sent to one expert alone" means for this router.
/** @type {(token: Pick<Token, 'choosing' | 'shared'>) => string} */
export function sent({ choosing, shared }) {
  const others = shared ? ' The shared experts answer beside it, as always.' : '';
  if (choosing !== 'nobody') return `This token sent to one expert alone, with weight 1.${others}`;
  return `One expert alone computes this token itself, with weight 1. (In truth each expert computes a mixture of all tokens.)${others}`;
}

// Two losses and their difference, all with the same digits, so that it has none that they do not have.
/** @type {(loss: number, best: number) => string[]} */
export function difference(loss, best) {
  const decimals = (value) => small(value).split('.')[1]?.length ?? 0;
  const most = Math.max(decimals(loss), decimals(best));
  const digits = plain(loss, most) === plain(best, most) ? FINE : most;
  const [shown, least] = [plain(loss, digits), plain(best, digits)];
  return [shown, least, plain(read(shown) - read(least), digits)];
}

/** @type {(outcome: Outcome) => string} */
export function regret({ loss, best, name, asked, chosen, weight, choosing, shared }) {
  const [shown, least, gap] = difference(loss, best);
  const who = `${happened(choosing, asked, shared)}: loss ${shown}.`;
  if (shown === least) return `${who} Nobody alone would have done better, as far as these digits show: no regret.`;
  if (loss < best)
    return `${who} The best alone, ${name}, would have had ${least}: ${BEATS[Math.min(asked.length, 2)]}, no regret.`;
  return `${who} ${name} alone would have had ${least}: the router’s regret is ${gap}. ${missed()}`;

  function missed() {
    if (choosing === 'nobody') return 'In truth it answered to a mixture, and all answers were mixed.';
    if (!chosen) return choosing === 'experts' ? 'It did not take this token.' : 'It was not asked.';
    return asked.length === 1
      ? `It was the one asked, but with weight ${plain(weight)} instead of 1.`
      : 'It was asked, but others were mixed in.';
  }
}

const BEATS = [
  'no answer at all beats every single expert',
  'the smaller or larger weight beats every single expert with weight 1',
  'the mixture beats every single expert',
];

function happened(choosing, asked, shared) {
  const experts = asked.length > 4 ? `${asked.length} experts` : asked.join(' and ');
  if (!asked.length)
    return shared ? 'No expert took this token, only the shared ones answer' : 'No expert took this token';
  return (
    { experts: `Taken by ${experts}`, table: `The table sent it to ${experts}`, nobody: 'All experts’ answers, mixed' }[
      choosing
    ] ?? `The router asked ${experts}`
  );
}

// A router that weighs in none of the article's ways: what its own slopes are, and why.
/** @type {(token: Pick<Token, 'choosing' | 'asked' | 'gradient' | 'count' | 'header' | 'names'>) => string} */
export function ownVerdict({ choosing, asked, gradient, count, header, names }) {
  if (choosing === 'table')
    return 'A table decides, not the scores: none of them has a slope, and the task cannot teach this router.';
  if (!asked.length)
    return 'No expert took this token, so no weight depends on its scores: it teaches the router nothing.';
  const moved = gradient.filter((slope) => Math.abs(slope) >= NOTHING).length;
  if (moved === 0) return 'No slope at all: this token teaches the router nothing.';
  const why = {
    experts: 'each weight is p, and every score is in the softmax’s sum',
    nobody: 'every expert has a part in the answer. (What this token changes in the mixtures is left out here.)',
    bias:
      header.top_k[0] === 1
        ? 'the weight is made of the chosen expert’s s, and of no other score'
        : 'only the chosen compete with each other; each s is made of its own score alone',
  }[choosing];
  return `${moved} of ${count} scores have a slope: ${why}${why.endsWith(')') ? '' : '.'}${raised(gradient, names)}`;
}

function raised(gradient, names) {
  const least = gradient.indexOf(Math.min(...gradient));
  return gradient[least] < 0 ? ` Training raises the score of ${names[least]} the most.` : '';
}

// One sentence about the slopes, from the slopes themselves.
/** @type {(token: Token, at: number) => string} */
export function verdict(token, at) {
  const form = FORMS[at % FORMS.length];
  const { gradient, weight } = token.forms[at];
  const one = at >= FORMS.length || token.header.top_k[0] === 1;
  const moved = gradient.filter((slope) => Math.abs(slope) >= NOTHING).length;
  if (moved === 0 && one && form !== 'plain') {
    return (
      `The router’s gradient is exactly 0 here: the only weight is ${form === 'after' ? 'a softmax over one score' : 'p/p'} = 1, ` +
      'whatever the router says. So the task cannot teach it.'
    );
  }
  if (moved === 0) return 'No slope at all: this token teaches the router nothing.';
  const up = raised(gradient, token.names);
  if (form === 'after') {
    const twin = token.forms[at - 1];
    const apart = Math.max(...weight.map((each, expert) => Math.abs(each - twin.weight[expert])));
    return `Softmax after top-k is the same as softmax first, then renormalizing: these weights differ by ${apart.toFixed(4)} at most.${up}`;
  }
  const sum = weight.reduce((all, each) => all + each, 0);
  if (form === 'plain') {
    const top = one ? 'At k = 1 the plain weight is p itself, so the router does learn: ' : '';
    return `${top}${moved} of ${token.count} scores have a slope, because every score is in the softmax’s sum. The weights add up to ${share(sum)}.${up}`;
  }
  if (moved === token.count)
    return `All ${moved} scores have a slope, since every expert answers; together the slopes are 0: one gains what others lose.${up}`;
  return `${moved} of ${token.count} scores have a slope: only the chosen compete with each other; what was not chosen learns nothing here.${up}`;
}
