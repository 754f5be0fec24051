// Collapse and revival: who is idle since when, and what can be done to an expert while the twins train.

import { setText } from '../../kit/numbers.js';
import { letter } from '../../kit/palette.js';

const TREATMENTS = [
  ['kill', 'Kill it', 'The gate can no longer choose it'],
  ['freeze', 'Freeze it', 'It answers, but learns no more'],
  ['free', 'Free it', 'Back to normal'],
];

export class Collapse {
  // `lab` has find, send(message), tell(name, value) and titles.
  /** @param {Lab} lab */
  constructor(lab) {
    this.lab = lab;
    this.host = lab.find('treat');
    this.host.innerHTML =
      '<label>Twin <select data-choose="twin"></select></label><label>Expert <select data-choose="expert"></select></label>' +
      TREATMENTS.map(
        ([how, label, about]) => `<button type="button" data-how="${how}" title="${about}">${label}</button>`,
      ).join('') +
      '<button type="button" data-how="lambda" title="λ from 0 to 10 while the twins train">Turn λ on now</button>';
    const [twin, expert] = this.host.querySelectorAll('select');
    this.twin = twin;
    this.expert = expert;
    this.twin.onchange = () => this.lab.redraw();
    for (const button of this.host.querySelectorAll('button')) button.onclick = () => this.press(button.dataset.how);
  }

  press(how) {
    const run = Number(this.twin.value);
    if (how === 'lambda') this.lab.tell('asked', `lambda ${run}`);
    else this.lab.send({ op: 'treat', expert: Number(this.expert.value), how, twin: run });
  }

  draw({ header }) {
    const { titles } = this.lab;
    offer(
      this.twin,
      titles.map((title, run) => [run, title]),
    );
    const run = Math.min(Number(this.twin.value), header.num_runs - 1);
    offer(
      this.expert,
      header.ids[run].map((id) => [id, letter(id)]),
    );
    this.host.querySelector('[data-how="lambda"]').disabled = header.balance_coef[run] > 0;
    const list = this.lab.find('alarms');
    const lines = titles
      .slice(0, header.num_runs)
      .map((title, each) => `${title}: ${alarm(header, each) || 'every expert works.'}`);
    while (list.children.length < lines.length) list.append(document.createElement('li'));
    while (list.children.length > lines.length) list.lastChild.remove();
    lines.forEach((line, each) => setText(list.children[each], line));
  }
}

// Gives a list these choices; what was chosen stays chosen.
/** @type {(select: HTMLSelectElement, options: [value: number, label: string][]) => void} */
export function offer(select, options) {
  const key = options.join();
  if (select.dataset.key === key) return;
  const before = select.value;
  select.dataset.key = key;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, String(value))));
  if (options.some(([value]) => String(value) === before)) select.value = before;
}

const SIGNS = { killed: '✕ killed', frozen: '❄ frozen' };

// Who is idle and since when, and who is killed or frozen; empty where all is well.
/** @type {(header: Header, run: number, brief?: boolean) => string} */
export function alarm(header, run, brief = false) {
  const said = header.ids[run].flatMap((id, expert) => {
    const [treated, since] = [header.treated?.[run][expert], header.died_at[run][expert]];
    const idle = since === 0 ? 'never chosen' : brief ? `since ${since}` : `idle since step ${since}`;
    return [since !== null && `† ${letter(id)} ${idle}`, treated && `${letter(id)} ${SIGNS[treated]}`].filter(Boolean);
  });
  return said.join(' · ');
}
