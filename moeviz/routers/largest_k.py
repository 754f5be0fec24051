"""Each token takes its k largest scores: the article's router, its noisy ancestor, and Mixtral's."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.routers.checks import check_k, refuse_capacity
from moeviz.routers.routing import Routing, with_seats
from moeviz.routers.scores import largest, softmax
from moeviz.tensors.axes import PerRun, over
from moeviz.tensors.precision import at_least_float32


def top_k(
    logits_TE: Float[Tensor, "*R T E"],
    *,
    k: PerRun,
    capacity: PerRun | None = None,
    renormalize: PerRun | None = None,
    batch_prioritized: bool = False,
) -> Routing:
    """The article's router: softmax, then only the k most probable experts compute the token.

    weight_i = p_i (plain), or p_i / Σ_chosen p (renormalized, before drops): a softmax among the chosen alone.

    Args:   logits_TE: router logits; half types are computed in float32.  k: experts per token.
            capacity: places C per expert; choices beyond it are dropped and weigh 0.
            renormalize: None = only where k > 1 (at k = 1 every weight would be 1 and the router would learn nothing).
            batch_prioritized: the surest tokens queue first.
    Source: the article, sections 2b-2c; capacity as in GShard and Switch; priority as in V-MoE (arXiv 2106.05974).
    """
    check_k(k, logits_TE.shape[-1])
    logits_TE = at_least_float32(logits_TE)
    probs_TE = softmax(logits_TE)
    chosen_TE = largest(logits_TE, k)
    renormalize = k > 1 if renormalize is None else renormalize
    if isinstance(renormalize, Tensor):
        weights_TE = torch.where(over(renormalize, 2), softmax(logits_TE, chosen_TE), probs_TE * chosen_TE)
    else:
        weights_TE = softmax(logits_TE, chosen_TE) if renormalize else probs_TE * chosen_TE
    routing = Routing(logits_TE, probs_TE, logits_TE, chosen_TE, chosen_TE, weights_TE)
    if capacity is None and not batch_prioritized:
        return routing
    return with_seats(routing, k=k, capacity=capacity, batch_prioritized=batch_prioritized)


def noisy_top_k(
    logits_TE: Float[Tensor, "*R T E"],
    *,
    k: PerRun,
    noise_std_TE: Float[Tensor, "*#R T E"] | None = None,
    noise_TE: Float[Tensor, "*#R T E"] | None = None,
    capacity: PerRun | None = None,
) -> Routing:
    """Noise on the scores lets experts that are just behind win now and then; how much noise is learned too.

    H_i = z_i + ε_i · std_i; the k largest H are chosen; weight_i = softmax of H among them. The gate probabilities are
    the softmax of the clean logits z. The gradient reaches z and std through the weights.

    Args:   k: experts per token.  noise_std_TE: the size of the noise, softplus(W_noiseᵀ x) + 0.01 in the paper.
            noise_TE: ε, one draw of N(0, 1) for each score; None = no noise: evaluation.
    Source: Shazeer et al. 2017, eq. 3-5 (arXiv 1701.06538).
    """
    refuse_capacity("noisy_top_k", capacity)
    check_k(k, logits_TE.shape[-1])
    logits_TE = noisy_TE = at_least_float32(logits_TE)
    if noise_TE is None:
        noise_std_TE = None
    elif noise_std_TE is None:
        raise ValueError("noise_TE needs its size: got noise_std_TE=None; pass noise_std_TE, or leave noise_TE out")
    else:
        noise_std_TE = at_least_float32(noise_std_TE).expand_as(logits_TE)
        noisy_TE = logits_TE + at_least_float32(noise_TE) * noise_std_TE
    chosen_TE = largest(noisy_TE, k)
    return Routing(
        logits_TE, softmax(logits_TE), noisy_TE, chosen_TE, chosen_TE, softmax(noisy_TE, chosen_TE),
        noisy_logits_TE=None if noise_TE is None else noisy_TE, noise_std_TE=noise_std_TE,
    )  # fmt: skip


def mixtral(logits_TE: Float[Tensor, "*R T E"], *, k: PerRun, capacity: PerRun | None = None) -> Routing:
    """The k largest logits, then a softmax among these alone: the weights always add up to 1, and nothing is dropped.

    weight_i = exp(z_i) / Σ_chosen exp(z_j): the renormalized form of `top_k`. At k = 1 every weight is 1, and the task
    gives the router no gradient.

    Args:   k: experts per token.
    Source: Mixtral of experts, section 2.1 (arXiv 2401.04088).
    """
    refuse_capacity("mixtral", capacity)
    check_k(k, logits_TE.shape[-1])
    logits_TE = at_least_float32(logits_TE)
    chosen_TE = largest(logits_TE, k)
    return Routing(logits_TE, softmax(logits_TE), logits_TE, chosen_TE, chosen_TE, softmax(logits_TE, chosen_TE))
