"""Capacity: how many places an expert has, and who queues for them in which order."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def capacity(num_tokens: int, num_experts: int, k: int, factor: float) -> int:
    """Places in each expert's buffer: C = ⌈factor · k · T / E⌉, at most T."""
    return min(num_tokens, math.ceil(factor * k * num_tokens / num_experts - 1e-9))


def queue(
    rank_TE: Int[Tensor, "*R T E"],
    joins_TE: Bool[Tensor, "*R T E"],
    max_k: int,
    priority_T: Float[Tensor, "*R T"] | None = None,
) -> Int[Tensor, "*R T E"]:
    """The place in the expert's queue of each token that joins it, from 0; -1 where it does not.

    The first choices of all tokens queue before any second choice; among equal choices the token with the largest
    priority (else the first in the batch) is first.
    """
    if priority_T is not None:
        order_TE = priority_T.argsort(dim=-1, descending=True, stable=True).unsqueeze(-1).expand_as(rank_TE)
        place_TE = queue(rank_TE.gather(-2, order_TE), joins_TE.gather(-2, order_TE), max_k)
        return torch.empty_like(place_TE).scatter_(-2, order_TE, place_TE)
    choice_K11 = torch.arange(max_k, device=rank_TE.device).reshape(-1, 1, 1)
    joins_KTE = (rank_TE.unsqueeze(-3) == choice_K11) & joins_TE.unsqueeze(-3)
    count_KTE = joins_KTE.flatten(-3, -2).cumsum(-2).unflatten(-2, joins_KTE.shape[-3:-1])  # who has queued so far
    count_TE = count_KTE.gather(-3, rank_TE.clamp(max=max_k - 1).unsqueeze(-3)).squeeze(-3)
    return torch.where(joins_TE, count_TE - 1, -1)
