// Three experts: the mean gate probabilities are one point of a triangle, over the surface of the article's balance loss.

import { fixed, setText } from '../../kit/numbers.js';
import { letter } from '../../kit/palette.js';
import { expertPoint, lineSample, path } from '../../kit/plot.js';

const SIDE = 250; // pixels: side of the triangle, whose length is √2 in probabilities
const [LEFT, TOP] = [45, 40];
const WIDTH = SIDE + 2 * LEFT;
const HEIGHT = TOP + (SIDE * Math.sqrt(3)) / 2 + 34;
/** @type {Point[]} */
const CORNERS = [
  [LEFT, HEIGHT - 34],
  [LEFT + SIDE, HEIGHT - 34],
  [LEFT + SIDE / 2, TOP],
];
const CENTER = middle([1 / 3, 1 / 3, 1 / 3]);
const LEVELS = [0.02, 0.08, 0.2, 0.4]; // of Σ (1/N − P)², which is 2/3 in a corner

// Where probabilities lie in the triangle.
/** @type {(probs: number[]) => Point} */
export function middle(probs) {
  const along = (axis) => CORNERS.reduce((sum, corner, at) => sum + corner[axis] * probs[at], 0);
  return [along(0), along(1)];
}

// Pixels from the center at which the loss has this value.
/** @type {(level: number) => number} */
export const radius = (level) => Math.sqrt(level) * (SIDE / Math.SQRT2);

export class Simplex {
  /** @param {Lab} lab */
  constructor(lab) {
    this.lab = lab;
    lab.find('three').onclick = () => lab.tell('asked', 'three');
  }

  draw({ header, arrays }) {
    const runs = this.lab.titles
      .slice(0, header.num_runs)
      .map((twin, run) => ({ twin, run }))
      .filter(({ run }) => header.ids[run].length === 3);
    this.lab.find('three').hidden = runs.length > 0;
    setText(
      this.lab.find('three-said'),
      runs.length
        ? ''
        : `Here N = ${header.num_experts}, and its simplex has ${header.num_experts - 1} dimensions. Three experts can be drawn:`,
    );
    this.lab.find('simplex').innerHTML = runs.map(({ twin, run }) => this.triangle(twin, run, header, arrays)).join('');
  }

  triangle(twin, run, { ids, balance_coef: coefs, balance_loss: losses }, arrays) {
    const steps = arrays.history_step.data.length;
    const [a, b, c] = ids[run].map((id) => arrays.history_mean_prob.of(run).subarray(id * steps, (id + 1) * steps));
    const index = Array.from({ length: steps }, (_, at) => at);
    const trail = path(index, index, (at) => middle([a[at], b[at], c[at]]));
    const probs = [a.at(-1), b.at(-1), c.at(-1)];
    const [left, top] = middle(probs);
    const coef = coefs[run];
    const loss = probs.reduce((sum, prob) => sum + (1 / 3 - prob) ** 2, 0);
    const corners = CORNERS.map((at, corner) => expertPoint(ids[run][corner], at, [probs[corner], corner])).join('');
    const other = losses[run] === 'squared' ? '' : ' This twin trains with another balance loss.';
    return `<figure><figcaption class="mv-title"><span>${twin}</span>${lineSample(run)}</figcaption>
      <svg class="mv-plot" role="img" style="max-width: ${WIDTH}px" viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-label="${twin}: mean gate probabilities ${probs.map((prob, at) => `${letter(ids[run][at])} ${fixed(prob, 2)}`).join(', ')} at step ${arrays.history_step.data.at(-1)}">
        <clipPath id="mv-simplex-${run}"><path d="M${CORNERS.join('L')}Z"/></clipPath>
        <g clip-path="url(#mv-simplex-${run})">${LEVELS.map((level) => contour(level, coef)).join('')}</g>
        <path class="mv-edge" d="M${CORNERS.join('L')}Z"/><path class="mv-edge" d="M${CENTER[0] - 7} ${CENTER[1]}h14m-7 -7v14"/>
        ${LEVELS.map((level) => contourName(level, coef)).join('')}
        <path class="mv-trail" d="${trail}"/><circle class="mv-here" cx="${left}" cy="${top}" r="8" data-probs="${probs.map((prob) => prob.toFixed(5))}"/>${corners}
      </svg><p>λ · Σ (1/N − P)² = ${coef} · ${fixed(loss, 4)} = <b>${fixed(coef * loss, 3)}</b>${coef ? '' : ': flat, nothing pulls to the middle'}.${other}</p></figure>`;
  }
}

const contour = (level, coef) =>
  coef ? `<circle class="mv-contour" cx="${CENTER[0]}" cy="${CENTER[1]}" r="${radius(level)}"/>` : '';

// Its value, below the center: where a circle crosses the line down to the edge, or else beside the edge's foot.
function contourName(level, coef) {
  const down = radius(level);
  if (!coef || CENTER[1] + down > CORNERS[0][1]) return '';
  return `<text class="mv-contour-name" x="${CENTER[0]}" y="${CENTER[1] + down + 5}" text-anchor="middle">${Number((coef * level).toPrecision(2))}</text>`;
}
