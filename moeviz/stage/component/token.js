// What one frame says about the token at the probe, under short names, for one run.

import { firstChoice } from './probe.js';
import { roundedShares } from './numbers.js';
import { letter } from './palette.js';

const SAME = 1e-4; // numbers that agree so far come from the same formula
export const FORMS = ['plain', 'renormalized', 'after']; // as moeviz/training/journey.py; then all of them again with k = 1

const agree = (left, right) => left.every((value, index) => Math.abs(value - right[index]) < SAME);

export function tokenOf({ header, arrays }) {
  const of = (name) => Array.from(arrays[`journey_${name}`].of(0));
  const ids = header.ids[0];
  const count = ids.length;
  const outputs = header.num_outputs;
  const probs = Array.from(arrays.probe_prob.of(0));
  const weights = Array.from(arrays.probe_weight.of(0));
  const chosen = Array.from(arrays.probe_chosen.of(0), Boolean);
  const parts = (flat, size) => Array.from({ length: flat.length / size }, (_, index) => flat.slice(index * size, (index + 1) * size));
  const x = of('x');
  const token = {
    header, ids, count, outputs, probs, weights, chosen, x,
    names: ids.map(letter), classes: header.kind !== 'regression', k: chosen.filter(Boolean).length,
    columns: parts(of('gate_w'), x.length), bias: of('gate_b'), logits: of('logit'),
    y: Array.from(arrays.probe_output.of(0)), experts: parts(Array.from(arrays.probe_expert_output.of(0)), outputs),
    target: of('target'), distance: of('distance')[0], loss: of('loss')[0], gradient: of('gradient'), alone: of('alone_loss'),
    forms: parts(of('form_weight'), count).map((weight, form) => ({
      weight, gradient: parts(of('form_gradient'), count)[form], y: parts(of('form_output'), outputs)[form], loss: of('form_loss')[form],
    })),
    shared: header.num_shared ? of('shared') : null,
    meanProb: of('mean_prob'), batchLoad: of('batch_load'), balance: of('balance_loss')[0], coef: header.balance_coef[0],
  };
  return Object.assign(token, said(token));
}

// What follows from the numbers: who is asked, which formula they obey, and which output is spoken of.
function said(token) {
  const { probs, weights, chosen, logits, forms, classes, target, y, count } = token;
  const biggest = Math.max(...logits);
  const exps = logits.map((each) => Math.exp(each - biggest));
  const total = exps.reduce((sum, each) => sum + each, 0);
  const asked = [...Array(count).keys()].filter((expert) => chosen[expert]).sort((a, b) => weights[b] - weights[a] || a - b);
  const form = FORMS.find((_, index) => agree(weights, forms[index].weight));
  const settled = token.header.renormalized[0] ? 'renormalized' : form;
  return {
    first: firstChoice(probs), asked, exps, biggest,
    softmax: agree(probs, exps.map((each) => each / total)),
    form: form && agree(weights, forms[FORMS.indexOf(settled)].weight) ? settled : form,
    shownProbs: roundedShares(probs),
    shown: classes ? target[0] : 0, // the output that the formulas follow
    predicted: classes ? firstChoice(y) : null,
  };
}
