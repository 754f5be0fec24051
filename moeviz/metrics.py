"""What a routing looks like in numbers: pure functions of a Routing, or of a load that came from one."""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from moeviz.routers import Routing, sortable
from moeviz.tensors.axes import PerRun


def load(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R E"]:
    """Share of all choices that went to each expert, counted before drops; sums to 1.

    Args:   k: not needed: the choices are counted, k·T of them (where experts choose, as many as these take).
    """
    return _per_choice(routing, routing.chosen_TE)


def kept_load(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R E"]:
    """Share of all choices that each expert really computes, after drops; sums to 1 − dropped share."""
    return _per_choice(routing, routing.kept_TE)


def _per_choice(routing: Routing, counted_TE: Bool[Tensor, "*R T E"]) -> Float[Tensor, "*R E"]:
    """How often each expert is counted, divided by the number of choices."""
    num_choices_1 = routing.chosen_TE.sum((-2, -1)).unsqueeze(-1)
    return counted_TE.sum(-2).to(routing.probs_TE.dtype) / num_choices_1.clamp(min=1)


def dropped_share(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """Share of all choices that found no free place."""
    return (load(routing, k=k) - kept_load(routing, k=k)).sum(-1)


@cache
def random_drop(num_tokens: int, num_experts: int, k: int, places: int) -> float:
    """Share of choices that a gate which chooses at random drops on average: a line to compare with.

    An expert's queue is then binomial, T draws with chance k/E; what exceeds its places is dropped. About
    .399 · √((E − 1)/T) at k = 1 and a capacity factor of 1.
    """
    chance = k / num_experts
    if chance == 1:
        return max(num_tokens - places, 0) / num_tokens
    log_ways = [
        math.lgamma(num_tokens + 1) - math.lgamma(count + 1) - math.lgamma(num_tokens - count + 1)
        for count in range(places + 1, num_tokens + 1)
    ]
    overflow = sum(
        (count - places) * math.exp(ways + count * math.log(chance) + (num_tokens - count) * math.log1p(-chance))
        for count, ways in enumerate(log_ways, places + 1)
    )
    return overflow / (chance * num_tokens)


def unserved_share(routing: Routing) -> Float[Tensor, "*R"]:
    """Share of tokens that no expert computes: all their choices were dropped, or no expert chose them."""
    return 1 - routing.kept_TE.any(-1).to(routing.probs_TE.dtype).mean(-1)


def mean_probability(routing: Routing) -> Float[Tensor, "*R E"]:
    """Mean over tokens of the gate probabilities; sums to 1. It weighs where load counts."""
    return routing.probs_TE.mean(-2)


def importance(routing: Routing) -> Float[Tensor, "*R E"]:
    """Sum over tokens of the weights that each expert got (Shazeer 2017, eq. 6)."""
    return routing.gates_TE.sum(-2)


def cv_squared(amounts_E: Float[Tensor, "*R E"]) -> Float[Tensor, "*R"]:
    """Squared coefficient of variation: population variance / mean²; 0 = even. Unlike CV it is smooth at 0.

    As the variance of amount / mean, so that neither tiny nor huge amounts leave the range; of no amounts at all 0.
    """
    mean_1 = amounts_E.mean(-1, keepdim=True).clamp(min=torch.finfo(amounts_E.dtype).tiny)
    return (amounts_E / mean_1).var(-1, correction=0)


def cv(amounts_E: Float[Tensor, "*R E"]) -> Float[Tensor, "*R"]:
    """Unevenness: standard deviation / mean; 0 = even, √(N/k − 1) when every token takes the same k of N experts."""
    return cv_squared(amounts_E).sqrt()


def max_over_mean(load_E: Float[Tensor, "*R E"]) -> Float[Tensor, "*R"]:
    """The busiest expert's load in units of the fair share; 1 = even, N/k when collapsed."""
    return load_E.amax(-1) / load_E.mean(-1)


def max_violation(load_E: Float[Tensor, "*R E"]) -> Float[Tensor, "*R"]:
    """MaxVio: how far the busiest expert is above the fair share; 0 = even (arXiv 2408.15664)."""
    return max_over_mean(load_E) - 1


def entropy(shares_E: Float[Tensor, "*R E"]) -> Float[Tensor, "*R"]:
    """Entropy of shares that sum to 1, in nats; log N = even, 0 = one expert has it all."""
    tiny = torch.finfo(shares_E.dtype).tiny  # the logarithm of 0 would be -inf, and its gradient NaN
    return -(shares_E * shares_E.clamp(min=tiny).log()).sum(-1)


def logit_size(routing: Routing) -> Float[Tensor, "*R"]:
    """Mean over tokens of logsumexp of the router logits: what the z-loss keeps small."""
    return routing.logits_TE.logsumexp(-1).mean(-1)


def first_choice(routing: Routing) -> Int[Tensor, "*R T"]:
    """The expert that each token wants most."""
    return sortable(routing.scores_TE).argmax(-1)  # of equal scores the first, as in `rank`


def server(routing: Routing) -> Int[Tensor, "*R T"]:
    """The expert that serves each token: of the kept choices the one with the largest weight; none kept: the first."""
    weights_TE = routing.gates_TE.where(routing.kept_TE, -1)  # one that is kept may weigh 0
    return torch.where(routing.kept_TE.any(-1), weights_TE.argmax(-1), first_choice(routing))


def joint_share(routing: Routing, segment_T: Int[Tensor, "*R T"], num_segments: int) -> Float[Tensor, "*R E J"]:
    """Share of tokens for each pair (first-choice expert, true segment); sums to 1."""
    first_TE = routing.first_TE.to(routing.probs_TE.dtype)
    segment_TJ = torch.nn.functional.one_hot(segment_T, num_segments).to(first_TE.dtype)
    return first_TE.mT @ segment_TJ / segment_T.shape[-1]


def share_of_each(routing: Routing, segment_T: Int[Tensor, "*R T"], num_segments: int) -> Float[Tensor, "*R E J"]:
    """Of each true segment's tokens, the share that each expert is the first choice of: sums to 1 over the experts.

    NaN for a segment without tokens.
    """
    joint_EJ = joint_share(routing, segment_T, num_segments)
    return joint_EJ / joint_EJ.sum(-2, keepdim=True)


def specialization(routing: Routing, segment_T: Int[Tensor, "*R T"], num_segments: int) -> Float[Tensor, "*R"]:
    """How well the first choice tells the true segment: normalized mutual information, 0 = not at all, 1 = exactly.

    NMI = I(expert; segment) / mean of the two entropies; NaN where all tokens are of one segment, or there is but one
    expert: nothing can be told.
    """
    joint_EJ = joint_share(routing, segment_T, num_segments)
    expert_entropy = entropy(joint_EJ.sum(-1))
    segment_entropy = entropy(joint_EJ.sum(-2))
    shared = expert_entropy + segment_entropy - entropy(joint_EJ.flatten(-2))
    mean_entropy = (expert_entropy + segment_entropy) / 2
    several = ((joint_EJ.sum(-2) > 0).sum(-1) > 1) & (joint_EJ.shape[-2] > 1)
    return torch.where(several, shared / mean_entropy, torch.nan).clamp(0, 1)


def gradient_norm(gradient_EP: Float[Tensor, "*R E P"]) -> Float[Tensor, "*R E"]:
    """Norm of each expert's gradient, its gate column included: who learns."""
    return torch.linalg.vector_norm(gradient_EP, dim=-1)


def update_share(updated_steps_E: Float[Tensor, "*R E"], steps_E: Float[Tensor, "*#R E"]) -> Float[Tensor, "*R E"]:
    """Share of the steps since it arrived in which an expert got a token, and so a task gradient: who starves.

    NaN before its first step.
    """
    return updated_steps_E / steps_E
