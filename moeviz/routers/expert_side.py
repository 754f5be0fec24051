"""Turned around: experts choose tokens, so that every expert has the same amount of work."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.routers.checks import check_k
from moeviz.routers.routing import Routing
from moeviz.routers.scores import rank, softmax
from moeviz.tensors.axes import PerRun, over
from moeviz.tensors.precision import at_least_float32, finest


def expert_choice(
    logits_TE: Float[Tensor, "*R T E"],
    *,
    k: PerRun,
    capacity: PerRun | None = None,
    threshold_E: Float[Tensor, "*R E"] | None = None,
) -> Routing:
    """Each expert takes the tokens that want it most: the load is even by construction, but a token may get no expert.

    Each expert takes the C = ⌈T · k / E⌉ tokens with the largest p in its column (ties: the earlier token);
    weight = p, not renormalized. A token gets from 0 to E experts. The choice looks at the whole batch, later tokens
    too, so it cannot be used to generate text.

    Args:   k: experts per token on average.  capacity: C itself, instead.
            threshold_E: for tokens each by itself: an expert takes those with at least this p, see `last_taken`.
    Fields: chosen = kept = taken; position = the token's place in the expert's order; rank = the token's own wishes.
    Source: Expert Choice, section 3.2 (arXiv 2202.09368).
    """
    check_k(k, logits_TE.shape[-1])
    logits_TE = at_least_float32(logits_TE)
    probs_TE = softmax(logits_TE)
    if threshold_E is not None:
        taken_TE = probs_TE >= threshold_E.unsqueeze(-2)
        return Routing(logits_TE, probs_TE, logits_TE, taken_TE, taken_TE, probs_TE * taken_TE)
    num_tokens, num_experts = logits_TE.shape[-2:]
    places = -(-num_tokens * k // num_experts) if capacity is None else capacity  # rounded up
    place_TE = rank(softmax(finest(logits_TE)).mT).mT  # in float32 much of a column may be 0, or 1
    taken_TE = place_TE < over(places, 2)
    position_TE = torch.where(taken_TE, place_TE, -1)
    return Routing(logits_TE, probs_TE, logits_TE, taken_TE, taken_TE, probs_TE * taken_TE, position_TE)


def last_taken(routing: Routing) -> Float[Tensor, "*R E"]:
    """The p of the last token that each expert takes: what a token must have to be taken in this company."""
    return routing.probs_TE.detach().masked_fill(~routing.chosen_TE, torch.inf).amin(-2)
