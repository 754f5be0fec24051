"""Losses that keep experts busy, added to the task loss, each a pure function of a Routing.

They read `chosen` (what the router wanted), never `kept` (what fitted): drops must not hide the imbalance behind them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.metrics import cv_squared
from moeviz.metrics import entropy as entropy_of
from moeviz.metrics import load as share_of_choices
from moeviz.routers import Routing
from moeviz.tensors.axes import PerRun, over

SURE = 40  # standard deviations: so far from its threshold a score's chance is 0 or 1 in every type


def squared(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """The article's balance loss: how far the mean gate probabilities are from an even share.

    loss = Σ_i (1/N − P_i)², P_i = mean over tokens of the full softmax (not only its top-k part).

    Units:  none; 0 balanced, 1 − 1/N when one expert gets all probability.
    Source: the article's section 3. Rows sum to 1, so it equals CV²(importance of the softmax) / N.
    """
    missing_E = 1 / routing.probs_TE.shape[-1] - routing.probs_TE.mean(-2)
    return (missing_E * missing_E).sum(-1)


def switch(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """How uneven the routing is: 1.0 when every expert gets an equal share of tokens and probability.

    loss = N · Σ_i f_i P_i; only P carries a gradient, the load f is a count.

    Units:  none; 1.0 balanced, N/k collapsed; may dip below 1 where counts and probabilities disagree.
    Source: Switch Transformer, eq. 4-6 (arXiv 2101.03961), f divided by k so that 1.0 means balanced for every k.
            On the probabilities of `deepseek_v3`, p = s / Σ s, it is DeepSeek-V3's sequence-wise loss, with a batch as
            the sequence and α = λ (1e-4 in the paper; eq. 17-20, arXiv 2412.19437), except that f counts what was
            chosen, with the bias; the paper counts the k largest s, without it.
    """
    mean_prob_E = routing.probs_TE.mean(-2)
    return mean_prob_E.shape[-1] * (share_of_choices(routing, k=k) * mean_prob_E).sum(-1)


def gshard(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """Switch's balance loss as GShard has it: only first choices are counted.

    loss = N · Σ_i f_i P_i, f = share of tokens whose first choice is i; only P carries a gradient.

    Units:  none; 1.0 balanced, N collapsed. One number per group of tokens; a run's loss is the mean over its groups.
    Source: GShard, section 2.2 (arXiv 2006.16668), times N² so that 1.0 means balanced for every N.
    """
    mean_prob_E = routing.probs_TE.mean(-2)
    return mean_prob_E.shape[-1] * (first_share(routing) * mean_prob_E).sum(-1)


def first_share(routing: Routing) -> Float[Tensor, "*R E"]:
    """Share of tokens whose first choice each expert is."""
    return routing.first_TE.to(routing.probs_TE.dtype).mean(-2)


def importance(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """How unevenly the weights are spread: 0 when every expert gets the same sum of weights.

    loss = CV²(Σ_t weights) = variance / mean², of the weights before drops; the gradient goes through the weights.

    Units:  none; 0 balanced, N/k − 1 when all tokens take the same k experts with equal weights.
    Source: Shazeer et al. 2017, eq. 6-7 (arXiv 1701.06538). Weights of 1 (renormalized, k = 1) give no gradient.
    """
    return cv_squared(weight_sums(routing))


def weight_sums(routing: Routing) -> Float[Tensor, "*R E"]:
    """Σ_t weights: what each expert got of all tokens, before drops."""
    gates_TE = routing.gates_TE if routing.full_gates_TE is None else routing.full_gates_TE
    return gates_TE.sum(-2)


def load(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """How unevenly tokens are spread, made smooth by the noise: the chance that another draw would choose the expert.

    loss = CV²(Σ_t P(x, i)), P(x, i) = Φ((z_i − threshold_i) / std_i); threshold_i: the noisy score that i has to beat,
    the (k+1)-th largest if i is chosen, else the k-th. Without noise, at k = N, or where it is far smaller than what
    parts the scores, a plain count without a gradient.

    Units:  none; 0 balanced, N/k − 1 when all tokens are sure of the same k experts.
    Source: Shazeer et al. 2017, appendix A (arXiv 1701.06538); only `noisy_top_k` has noise.
    """
    return cv_squared(likely_counts(routing, k=k))


def likely_counts(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R E"]:
    """Σ_t P(x, i): how many tokens another draw of the noise would send to each expert, on average; see `load`."""
    share_TE = routing.chosen_TE.to(routing.probs_TE.dtype)
    noisy_TE, std_TE = routing.noisy_logits_TE, routing.noise_std_TE
    if noisy_TE is not None and std_TE is not None:
        kth_T1, next_T1 = (
            noisy_TE.where(routing.rank_TE == place, 0).sum(-1, keepdim=True) for place in (over(k, 2) - 1, over(k, 2))
        )
        gap_TE = routing.logits_TE - torch.where(routing.chosen_TE, next_T1, kth_T1)
        open_TE = (gap_TE.detach().abs() < SURE * std_TE.detach()) & ~routing.chosen_TE.all(-1, keepdim=True)
        chance_TE = torch.special.ndtr(gap_TE.where(open_TE, 0) / std_TE.where(open_TE, 1))
        share_TE = torch.where(open_TE, chance_TE, share_TE)
    return share_TE.sum(-2)


def importance_load(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """Importance and load together, as Shazeer's models are trained: even weights and even counts.

    loss = CV²(Σ_t weights) + CV²(Σ_t P(x, i)), the sum of `importance` and `load`, both with the same weight.

    Units:  none; 0 balanced.
    Source: Shazeer et al. 2017, section 4 and appendix A, with w_importance = w_load = λ (arXiv 1701.06538).
    """
    return importance(routing, k=k) + load(routing, k=k)


def z(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """The router z-loss: keeps the router logits small, so that the softmax stays in its comfortable range.

    loss = mean over tokens of logsumexp(z)²; its minimum is at logsumexp = 0, not at z = 0.

    Source: ST-MoE, eq. 5 (arXiv 2202.08906).
    """
    return routing.logits_TE.logsumexp(-1).square().mean(-1)


def entropy(
    routing: Routing,
    *,
    k: PerRun,
    modality_T: Int[Tensor, "*#R T"] | None = None,
    threshold: PerRun | None = None,
) -> Float[Tensor, "*R"]:
    """Each token should be sure of its expert, but the tokens of one kind together should use many experts.

    loss = Σ_m mean_t H(p_t) + max(0, τ − H(mean_t p_t)), over the tokens t of each modality m; H(p) = −Σ p log p.

    Args:   modality_T: which kind each token is of (image 0, text 1, …); None = all of one kind.
            threshold: τ in nats; e^τ experts is the least that a modality should spread over. None = log(N / number of
            modalities): every modality its share of the experts, and all of them where there is only one.
    Units:  nats; 0 when every token is sure and each modality is spread over at least e^τ experts.
    Source: LIMoE, its local loss and its global loss with a threshold (arXiv 2206.02770).
    """
    probs_TE = routing.probs_TE
    if modality_T is None:
        member_TG = probs_TE.new_ones(probs_TE.shape[-2], 1)
    else:
        member_TG = torch.nn.functional.one_hot(modality_T).to(probs_TE.dtype)
    share_TG = member_TG / member_TG.sum(-2, keepdim=True).clamp(min=1)  # of a token in its modality's mean
    tau = math.log(probs_TE.shape[-1] / member_TG.shape[-1]) if threshold is None else threshold
    unsure_G = (share_TG * entropy_of(probs_TE).unsqueeze(-1)).sum(-2)
    narrow_G = (over(tau, 1) - entropy_of(share_TG.mT @ probs_TE)).clamp(min=0) * member_TG.any(-2)
    return (unsure_G + narrow_G).sum(-1)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared": squared,
    "switch": switch,
    "gshard": gshard,
    "importance": importance,
    "load": load,
    "importance_load": importance_load,
    "z": z,
    "entropy": entropy,
}
