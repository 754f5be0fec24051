"""Balance without a loss: a bias, moved by counting, decides who is chosen, but never what a choice weighs."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.routers.checks import check_k, refuse_capacity
from moeviz.routers.routing import Routing
from moeviz.routers.scores import largest, softmax
from moeviz.tensors.axes import PerRun, over
from moeviz.tensors.device import widest
from moeviz.tensors.precision import at_least_float32, finest

DECIMALS = {torch.float64: 12, torch.float32: 6}  # of b: so many steps of a decimal γ are exactly so many times γ


def deepseek_v3(
    logits_TE: Float[Tensor, "*R T E"],
    *,
    k: PerRun,
    bias_E: Float[Tensor, "*#R E"] | None = None,
    num_groups: int = 1,
    num_kept_groups: int = 1,
    route_scale: float = 1.0,
    capacity: PerRun | None = None,
) -> Routing:
    """Each expert is scored by itself; a bias that no gradient touches helps those with too little work.

    s_i = sigmoid(z_i); the k largest s + b are chosen; weight_i = route_scale · s_i / Σ_chosen s (at k = 1: · s_i).
    The gate probabilities are s_i / Σ_j s_j. Both are softmaxes of log s, which is a number where s rounds to 0.

    Args:   k: experts per token.  bias_E: b, see `bias_step`; None = 0.
            num_groups: experts in equal groups, of which each token may use only the `num_kept_groups` best.
    Source: DeepSeek-V3, eq. 12-16 (arXiv 2412.19437); the bias is from arXiv 2408.15664.
    """
    refuse_capacity("deepseek_v3", capacity)
    check_k(k, logits_TE.shape[-1])
    logits_TE = at_least_float32(logits_TE)
    biased_TE = biased(logits_TE, bias_E)
    if (num_groups, num_kept_groups) != (1, 1):
        _check_groups(logits_TE.shape[-1], k, num_groups, num_kept_groups)
        biased_TE = biased_TE.where(in_best_groups(biased_TE, num_groups, num_kept_groups), -math.inf)
    chosen_TE = largest(biased_TE, k)
    log_scores_TE = torch.nn.functional.logsigmoid(logits_TE)
    single = over(k, 2) == 1  # s/s would be 1 whatever s is, and the router would learn nothing
    if isinstance(single, Tensor):
        weights_TE = torch.where(single, logits_TE.sigmoid() * chosen_TE, softmax(log_scores_TE, chosen_TE))
    else:
        weights_TE = logits_TE.sigmoid() * chosen_TE if single else softmax(log_scores_TE, chosen_TE)
    return Routing(logits_TE, softmax(log_scores_TE), biased_TE, chosen_TE, chosen_TE, route_scale * weights_TE)


def biased(logits_TE: Float[Tensor, "*R T E"], bias_E: Float[Tensor, "*#R E"] | None) -> Float[Tensor, "*R T E"]:
    """What decides who is chosen: s + b, without a gradient; in float32 all s above logits of 17 would be equal.

    A bias does not help an expert whose logit is −∞: nobody can choose it.
    """
    scores_TE = finest(logits_TE).sigmoid().masked_fill(logits_TE == -math.inf, -math.inf)
    return scores_TE if bias_E is None else scores_TE + finest(bias_E).unsqueeze(-2)


def in_best_groups(biased_TE: Float[Tensor, "*R T E"], num_groups: int, num_kept_groups: int) -> Bool[Tensor, "*R T E"]:
    """Whether an expert is in one of its token's best groups; a group is as good as the sum of its two best experts.

    (A group of one expert: as good as that one.) A second that nobody can choose, −∞, adds nothing; a group of these
    alone is the last. Ties go to the lower group number.
    """
    by_group_TGE = biased_TE.unflatten(-1, (num_groups, -1))
    size = by_group_TGE.shape[-1]
    best_TGK = by_group_TGE.topk(min(2, size), dim=-1).values
    second_TGK = best_TGK[..., 1:].masked_fill(best_TGK[..., 1:] == -math.inf, 0)
    group_score_TG = best_TGK[..., 0] + second_TGK.sum(-1)
    return largest(group_score_TG, num_kept_groups).repeat_interleave(size, dim=-1)


def bias_step(
    bias_E: Float[Tensor, "*R E"], routing: Routing, *, rate: PerRun, killed_E: Bool[Tensor, "*#R E"] | None = None
) -> Float[Tensor, "*R E"]:
    """The bias after a step: up for experts that got fewer choices than the mean, down for those that got more.

    b_i ← b_i + γ · sign(mean count − count_i), counted before drops; once per training step, outside of autograd.
    Each layer has its own. b is held in the widest floats of its device, whatever the weights are held in, and to so
    many decimals that steps up and down are counted exactly: 3,000 steps of .001 come to 3.

    Args:   rate: γ, how far each bias moves: too small is slow, too large swings to and fro.
            killed_E: experts that nobody can choose: they are not counted, and their bias stays.
    Source: loss-free balancing, algorithm 1 (arXiv 2408.15664).
    """
    bias_E = bias_E.detach().to(widest(bias_E.device))
    count_E = routing.chosen_TE.sum(-2).to(bias_E.dtype)
    mean_1 = count_E.mean(-1, keepdim=True)
    if killed_E is not None:
        mean_1 = count_E.sum(-1, keepdim=True) / (~killed_E).sum(-1, keepdim=True)
        count_E = torch.where(killed_E, mean_1, count_E)
    step_E = over(rate, 1) * (mean_1 - count_E).sign()
    return (bias_E + step_E).round(decimals=DECIMALS[bias_E.dtype]).where(step_E != 0, bias_E)


def _check_groups(num_experts: int, k: PerRun, num_groups: int, num_kept_groups: int) -> None:
    if num_groups < 1 or num_experts % num_groups != 0:
        raise ValueError(
            f"experts must fall into groups of one size: got num_groups={num_groups} for {num_experts} experts; "
            f"use a divisor of {num_experts}"
        )
    if not 1 <= num_kept_groups <= num_groups:
        raise ValueError(
            f"num_kept_groups must be from 1 to num_groups: got num_kept_groups={num_kept_groups}, "
            f"num_groups={num_groups}; keep fewer groups"
        )
    largest_k = int(k.max()) if isinstance(k, Tensor) else int(k)
    if largest_k > num_kept_groups * (num_experts // num_groups):
        raise ValueError(
            f"the kept groups must hold at least k experts: got k={largest_k} for "
            f"{num_kept_groups * (num_experts // num_groups)} experts in them; lower k or keep more groups"
        )
