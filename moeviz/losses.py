"""Losses that keep experts busy, added to the task loss. Each returns one unweighted number per run.

They read `chosen` (what the router wanted), never `kept` (what fitted): drops must not hide the imbalance behind them.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from moeviz.axes import PerRun, over
from moeviz.routers import Routing


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
    """
    mean_prob_E = routing.probs_TE.mean(-2)
    load_E = routing.chosen_TE.to(mean_prob_E.dtype).mean(-2) / over(k, 1)
    return mean_prob_E.shape[-1] * (load_E * mean_prob_E).sum(-1)


def z(routing: Routing, *, k: PerRun) -> Float[Tensor, "*R"]:
    """The router z-loss: keeps the router logits small, so that the softmax stays in its comfortable range.

    loss = mean over tokens of logsumexp(z)²; its minimum is at logsumexp = 0, not at z = 0.

    Source: ST-MoE, eq. 5 (arXiv 2202.08906).
    """
    return routing.logits_TE.logsumexp(-1).square().mean(-1)


LOSSES: dict[str, Callable[..., Tensor]] = {"squared": squared, "switch": switch, "z": z}
