// Who learns and who starves: each expert's gradient and share of steps with an update, and the loop that makes the busy busier.

import { Bars } from '../../kit/bars.js';
import { offer } from './collapse.js';
import { lineSample } from '../../kit/plot.js';
import { fixed, percent, percents, precise, setText, UNKNOWN } from '../../kit/numbers.js';
import { hue, letter } from '../../kit/palette.js';

const WIDEST = 16; // pixels: the thickest arrow of the loop
const BOXES = [
  [70, 46],
  [250, 46],
  [250, 214],
  [70, 214],
]; // centers, in the order of the loop
const [WIDE, HIGH] = [132, 62];

export class Learners {
  /** @param {Lab} lab */
  constructor(lab) {
    this.lab = lab;
    const rows = lab.titles.map(
      (_title, run) => `<section><p class="mv-title"><span data-learner="${run}"></span>${lineSample(run)}</p>
      <p>Gradient norm</p><div class="mv-bars" data-bars="gradient"></div><p>Steps with an input, %</p><div class="mv-bars" data-bars="updates"></div></section>`,
    );
    lab.find('learners').innerHTML = rows.join('');
    this.names = [...lab.find('learners').querySelectorAll('[data-learner]')];
    this.bars = this.names.map((name, run) =>
      ['gradient', 'updates'].map(
        (kind) =>
          new Bars(
            name.closest('section').querySelector(`[data-bars="${kind}"]`),
            `${kind === 'gradient' ? 'Gradient norm' : 'Share of steps with an input'} of each expert, ${lab.titles[run]}`,
          ),
      ),
    );
    lab.find('loop-twin').innerHTML = '<label>Twin <select></select></label>';
    this.twin = lab.find('loop-twin').querySelector('select');
    this.twin.onchange = () => lab.redraw();
  }

  draw({ header, arrays }) {
    const { titles } = this.lab;
    const largest = Math.max(1e-12, ...arrays.gradient_norm.data.filter(Number.isFinite));
    titles.slice(0, header.num_runs).forEach((title, run) => {
      setText(this.names[run], title);
      const ids = header.ids[run];
      const [gradient, updates] = ['gradient_norm', 'update_share'].map((name) => arrays[name].of(run));
      const bar = (height, value, text) => ({ height, value, text, solid: true });
      this.bars[run][0].draw(
        ids,
        ids.map((id, at) =>
          bar(
            gradient[at] / largest,
            short(gradient[at]),
            `Expert ${letter(id)}: gradient norm ${precise(gradient[at], 3)}`,
          ),
        ),
        [],
      );
      this.bars[run][1].draw(
        ids,
        ids.map((id, at) =>
          bar(
            updates[at],
            percent(updates[at]),
            `Expert ${letter(id)}: an input in ${percent(updates[at])} % of steps`,
          ),
        ),
        [],
      );
    });
    offer(
      this.twin,
      titles.map((title, run) => [run, title]),
    );
    this.loop(header, arrays, Math.min(Number(this.twin.value), header.num_runs - 1));
  }

  loop(header, arrays, run) {
    const ids = header.ids[run];
    const load = arrays.load.of(run).subarray(0, ids.length);
    const [busiest, idlest] = [Math.max(...load), Math.min(...load)].map((value) => load.indexOf(value));
    const shown = percents(load);
    const both = [busiest, idlest].map((at) => ({ ...measured(arrays, run, at), shown: shown[at] }));
    const strength = (name, at) =>
      name === 'loss'
        ? Math.min(both[0].loss, both[1].loss) / both[at].loss
        : both[at][name] / Math.max(both[0][name], both[1][name], 1e-12);
    this.lab.find('loop').innerHTML = [
      [busiest, 'busiest'],
      [idlest, 'most idle'],
    ]
      .map(([place, said], at) => {
        const widths = ['load', 'gradient', 'loss', 'prob'].map(
          (name) => WIDEST * Math.min(strength(name, at) || 0, 1),
        );
        return `<figure><figcaption class="mv-title"><span>${letter(ids[place])}, the ${said}</span></figcaption>${picture(both[at], widths, ids[place], `${titleOf(this.lab, run)}: ${letter(ids[place])}, the ${said}`)}</figure>`;
      })
      .join('');
  }
}

const titleOf = (lab, run) => lab.titles[run];
function short(value) {
  if (!Number.isFinite(value)) return UNKNOWN;
  return value === 0 ? '0' : value >= 0.1 ? value.toFixed(1) : value.toPrecision(1).replace(/^0/, '');
}

// What the loop is drawn from, of one expert.
function measured(arrays, run, expert) {
  const of = (name) => arrays[name].of(run)[expert];
  return {
    load: of('load'),
    gradient: of('gradient_norm'),
    loss: arrays.skill_loss ? of('skill_loss') : NaN,
    prob: of('mean_prob'),
  };
}

// Four boxes in a circle; each arrow is as wide as the number of the box that it leaves.
function picture({ shown, gradient, loss, prob }, widths, id, said) {
  const texts = [
    ['inputs (load)', `${shown} %`],
    ['gradient norm', precise(gradient, 3)],
    ['loss where wanted', fixed(loss, 3)],
    ['mean probability', `${percent(prob)} %`],
  ];
  const boxes = texts.map(
    ([name, value], at) =>
      `<g transform="translate(${BOXES[at]})"><rect x="${-WIDE / 2}" y="${-HIGH / 2}" width="${WIDE}" height="${HIGH}" rx="6"/>` +
      `<text text-anchor="middle" y="-8">${name}</text><text text-anchor="middle" y="18" class="mv-strong">${value}</text></g>`,
  );
  const arrows = widths.map((width, at) => arrow(at, width, id));
  const numbers = texts.map(([name, value]) => `${name} ${value}`).join(', ');
  return `<svg class="mv-plot mv-loop" role="img" viewBox="0 0 320 262" style="max-width: 320px" aria-label="${said}: ${numbers}">${arrows.join('')}${boxes.join('')}</svg>`;
}

// From one box to the next, with a head; thin ones keep a head that can be seen.
function arrow(at, width, id) {
  const [from, to] = [BOXES[at], BOXES[(at + 1) % BOXES.length]];
  const along = [Math.sign(to[0] - from[0]), Math.sign(to[1] - from[1])];
  const reach = along[0] ? WIDE / 2 : HIGH / 2;
  const start = from.map((value, axis) => value + along[axis] * reach);
  const end = to.map((value, axis) => value - along[axis] * reach);
  const head = 7 + width / 2;
  const back = end.map((value, axis) => value - along[axis] * 12);
  const side = [along[1], along[0]];
  const corner = (sign) => back.map((value, axis) => value + sign * side[axis] * head).join(' ');
  const half = Math.max(width, 1) / 2;
  const edge = (point, sign) => point.map((value, axis) => value + sign * side[axis] * half).join(' ');
  return `<path class="mv-arrow" data-width="${width.toFixed(2)}" style="fill: ${hue(id)}" d="M${edge(start, -1)}L${edge(back, -1)}L${corner(-1)}L${end.join(' ')}L${corner(1)}L${edge(back, 1)}L${edge(start, 1)}Z"/>`;
}
