// What else could have been: this token sent to each expert alone; and who learns from it, under each way to weigh.

import { background, hue } from './palette.js';
import { percent, setText } from './numbers.js';
import { plain, read, small } from './sums.js';
import { FORMS } from './token.js';
import { firstChoice, marker } from './probe.js';

const NOTHING = 1e-9; // a slope that is none

export class WhatIf {
  constructor(find) {
    this.find = find;
    this.form = { softmax: 'before', weights: null, k: 'own' };
    for (const button of find('forms').querySelectorAll('button')) button.onclick = () => this.choose(button.dataset);
  }

  choose({ choice, value }) {
    this.form[choice] = value;
    if (this.token) this.drawForm(this.token);
  }

  draw(token) {
    this.token = token;
    this.drawElsewhere(token);
    this.drawForm(token);
  }

  drawElsewhere(token) {
    const { alone, experts, chosen, names, loss } = token;
    const best = alone.indexOf(Math.min(...alone));
    const tiles = alone.map((each, expert) => tile(token, expert, {
      shown: answer(token, experts[expert]), number: `loss ${small(each)}`, note: expert === best ? '★ best' : '',
      text: `Sent to expert ${names[expert]} alone: loss ${small(each)}${expert === best ? ', the best' : ''}`,
    }));
    this.find('elsewhere').replaceChildren(...tiles);
    setText(this.find('regret'), regret({ loss, best: alone[best], name: names[best], asked: token.asked.map((each) => names[each]), chosen: chosen[best], k: token.k }));
  }

  drawForm(token) {
    const at = this.place(token);
    const { weight, gradient, loss } = token.forms[at];
    const most = Math.max(...gradient.map(Math.abs), NOTHING);
    const tiles = gradient.map((slope, expert) => tile(token, expert, {
      taken: weight[expert] > 0, shown: `×${plain(weight[expert])}`, number: Math.abs(slope) < NOTHING ? '0' : plain(slope, 3),
      rod: Math.abs(slope) < NOTHING ? 0 : slope / most,
      text: `Expert ${token.names[expert]}: weight ${plain(weight[expert])}, slope of the loss along its score ${plain(slope, 3)}`,
    }));
    this.find('slopes').replaceChildren(...tiles);
    setText(this.find('verdict'), `${ownWay(token)}${verdict(token, at)}`);
    setText(this.find('form-loss'), `Loss with these weights: ${small(loss)}`);
  }

  // Which of the six ways is asked for; the buttons follow.
  place(token) {
    const own = token.form === 'plain' ? 'plain' : 'renormalized';
    const weights = this.form.softmax === 'after' ? 'renormalized' : this.form.weights ?? own;
    const one = this.form.k === 'one' || token.header.top_k[0] === 1;
    const pressed = { softmax: this.form.softmax, weights, k: one ? 'one' : 'own' };
    for (const button of this.find('forms').querySelectorAll('button')) {
      const { choice, value } = button.dataset;
      button.setAttribute('aria-pressed', String(pressed[choice] === value));
      if (choice === 'k' && value === 'own') {
        setText(button, `k = ${token.header.top_k[0]}`);
        button.hidden = token.header.top_k[0] === 1;
      }
      if (choice === 'weights') button.disabled = this.form.softmax === 'after' && value === 'plain';
    }
    const form = this.form.softmax === 'after' ? 'after' : weights;
    return FORMS.indexOf(form) + (one ? FORMS.length : 0);
  }
}

// One expert's outcome.
function tile(token, expert, { shown, number, note = '', rod, taken = token.chosen[expert], text }) {
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
    const slot = Object.assign(document.createElement('i'), { className: 'mv-signed', innerHTML: '<i></i>' });
    slot.firstChild.hidden = rod === 0;
    slot.firstChild.style.width = `${(50 * Math.abs(rod)).toFixed(2)}%`;
    slot.firstChild.style.left = `${(rod < 0 ? 50 - 50 * Math.abs(rod) : 50).toFixed(2)}%`;
    box.append(slot);
  }
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

export function regret({ loss, best, name, asked, chosen, k }) {
  const who = `The router asked ${asked.length > 4 ? `${asked.length} experts` : asked.join(' and ')}: loss ${small(loss)}.`;
  const gap = read(small(loss)) - (read(small(best)) || 0); // of the numbers as printed
  if (small(loss) === small(best)) return `${who} Nobody alone would have done better, as far as these digits show: no regret.`;
  if (loss < best) return `${who} The best alone, ${name}, would have had ${small(best)}: the mixture beats every single expert, no regret.`;
  const why = !chosen ? 'It was not asked.' : k === 1 ? 'It was the one asked, only with a weight below 1.' : 'It was asked, but others were mixed in.';
  return `${who} ${name} alone would have had ${small(best)}: the router’s regret is ${small(gap)}. ${why}`;
}

// A router that weighs in another way: what its own slopes are.
export function ownWay({ form, gradient, header, count }) {
  if (form) return '';
  const moved = gradient.filter((slope) => Math.abs(slope) >= NOTHING).length;
  return `The router ${header.router[0]} weighs in its own way; by it ${moved} of ${count} scores have a slope. Shown are the article’s ways with the same scores. `;
}

// One sentence about the slopes, from the slopes themselves.
export function verdict(token, at) {
  const form = FORMS[at % FORMS.length];
  const { gradient, weight } = token.forms[at];
  const one = at >= FORMS.length || token.header.top_k[0] === 1;
  const moved = gradient.filter((slope) => Math.abs(slope) >= NOTHING).length;
  if (moved === 0 && one && form !== 'plain') {
    return `The router’s gradient is exactly 0 here: the only weight is ${form === 'after' ? 'a softmax over one score' : 'p/p'} = 1, `
      + 'whatever the router says. So the task cannot teach it.';
  }
  if (moved === 0) return 'No slope at all: this token teaches the router nothing.';
  const least = gradient.indexOf(Math.min(...gradient));
  const up = gradient[least] < 0 ? ` Training raises the score of ${token.names[least]} the most.` : '';
  if (form === 'after') {
    const twin = token.forms[at - 1];
    const apart = Math.max(...weight.map((each, expert) => Math.abs(each - twin.weight[expert])));
    return `Softmax after top-k is the same as softmax first, then renormalizing: these weights differ by ${apart.toFixed(4)} at most.${up}`;
  }
  const sum = weight.reduce((all, each) => all + each, 0);
  if (form === 'plain') {
    const top = one ? 'At k = 1 the plain weight is p itself, so the router does learn: ' : '';
    return `${top}${moved} of ${token.count} scores have a slope, because every score is in the softmax’s sum. The weights add up to ${percent(sum)} %.${up}`;
  }
  if (moved === token.count) return `All ${moved} scores have a slope, since every expert answers; together the slopes are 0: one gains what others lose.${up}`;
  return `${moved} of ${token.count} scores have a slope: only the chosen compete with each other; what was not chosen learns nothing here.${up}`;
}
