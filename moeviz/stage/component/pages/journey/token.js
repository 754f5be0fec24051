// What one frame says about the token at the probe, under short names, for one run.

import { firstChoice } from '../../panels/probe.js';
import { letter } from '../../kit/palette.js';

export const FORMS = ['plain', 'renormalized', 'after']; // as moeviz/training/views/journey.py; then all of them again with k = 1

const parts = (flat, size) =>
  Array.from({ length: flat.length / size }, (_, index) => flat.slice(index * size, (index + 1) * size));

/** @param {Frame} frame */
export function tokenOf({ header, arrays }) {
  const of = (name) => Array.from(arrays[`journey_${name}`]?.of(0) ?? []); // nothing: other routers' numbers
  const ids = header.ids[0];
  const count = ids.length;
  const outputs = header.num_outputs;
  const probs = Array.from(arrays.probe_prob.of(0));
  const weights = Array.from(arrays.probe_weight.of(0));
  const chosen = Array.from(arrays.probe_chosen.of(0), Boolean);
  const [x, logits, target, y] = [of('x'), of('logit'), of('target'), Array.from(arrays.probe_output.of(0))];
  const [weighing, choosing] = [header.weights[0], header.choice[0]];
  const classes = header.kind !== 'regression';
  const asked = [...ids.keys()].filter((expert) => chosen[expert]).sort((a, b) => weights[b] - weights[a] || a - b);
  const [first] = arrays.probe_first.of(0);
  const article = choosing === 'scores';
  const own = article
    ? [FORMS.indexOf(weighing), ...(header.top_k[0] === 1 ? [FORMS.indexOf(weighing) + FORMS.length] : [])]
    : [];
  return {
    header,
    ids,
    count,
    outputs,
    probs,
    weights,
    chosen,
    x,
    logits,
    target,
    y,
    classes,
    weighing,
    choosing,
    names: ids.map(letter),
    k: chosen.filter(Boolean).length,
    columns: parts(of('gate_w'), x.length),
    bias: of('gate_b'),
    sigmoids: logits.map((each) => 1 / (1 + Math.exp(-each))),
    experts: parts(Array.from(arrays.probe_expert_output.of(0)), outputs),
    shared: header.num_shared ? of('shared') : null,
    distance: of('distance')[0],
    loss: of('loss')[0],
    gradient: of('gradient'),
    alone: parts(of('alone_output'), outputs).map((output, expert) => ({ output, loss: of('alone_loss')[expert] })),
    forms: parts(of('form_weight'), count).map((weight, form) => ({
      weight,
      gradient: parts(of('form_gradient'), count)[form],
      loss: of('form_loss')[form],
      ...(FORMS[form % FORMS.length] === 'plain' && {
        weight: weight.map((each, expert) => (each > 0 ? probs[expert] : 0)),
      }),
      ...(own.includes(form) && { weight: weights, loss: of('loss')[0] }), // computed once more: not to the last bit
    })),
    article, // weighed in one of FORMS
    choiceBias: of('choice_bias'),
    allowed: choosing === 'bias' ? of('allowed').map(Boolean) : null,
    routeScale: choosing === 'bias' ? Number(of('route_scale')[0].toFixed(4)) : 1,
    threshold: of('threshold'),
    table: of('table'),
    mixtures: parts(of('mixture'), x.length),
    mixedSize: of('mixed_size'),
    batch: {
      tokens: of('batch_tokens')[0],
      meanProb: of('mean_prob'),
      load: of('batch_load'),
      firstShare: of('first_share'),
      weightSum: of('weight_sum'),
      likelyCount: of('likely_count'),
      meanEntropy: of('mean_entropy')[0],
    },
    balance: of('balance_loss')[0],
    coef: header.balance_coef[0],
    first,
    asked,
    focus: asked[0] ?? first, // whose numbers the formulas are filled with
    shown: classes ? target[0] : 0, // the output that the formulas follow
    predicted: classes ? firstChoice(y) : null,
  };
}
