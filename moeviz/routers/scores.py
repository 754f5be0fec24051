"""From scores to gate probabilities and to an order of preference, for scores of any size, −∞ included."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from moeviz.tensors.axes import PerRun, over

FEW = 4  # from so many experts for each choice it is faster not to sort


def softmax(
    logits_TE: Float[Tensor, "*R T E"], among_TE: Bool[Tensor, "*R T E"] | None = None
) -> Float[Tensor, "*R T E"]:
    """Gate probabilities: exp(z_i) / Σ_j exp(z_j), so that every row sums to 1; 0 for experts that are not `among`.

    A score of −∞ (an expert that nobody can choose) has probability 0; NaN or ∞ in a row makes all of it NaN.
    Computed over the columns of the transposed table: torch is several times faster there when experts are few.
    """
    logits_ET = logits_TE.mT if among_TE is None else logits_TE.mT.masked_fill(~among_TE.mT, -math.inf)
    return logits_ET.softmax(-2).mT


def rank(scores_TE: Float[Tensor, "*R T E"]) -> Int[Tensor, "*R T E"]:
    """Each expert's rank in its token's preference: 0 = largest score; ties go to the lower expert number."""
    order_TE = sortable(scores_TE).argsort(dim=-1, descending=True, stable=True)
    ranks_TE = torch.arange(order_TE.shape[-1], device=order_TE.device).expand_as(order_TE)
    return torch.empty_like(order_TE).scatter_(-1, order_TE, ranks_TE)


def largest(scores_TE: Float[Tensor, "*R T E"], k: PerRun) -> Bool[Tensor, "*R T E"]:
    """Whether an expert has one of its token's k largest scores: rank < k.

    Taking the largest k times is faster than sorting when k is small.
    """
    if isinstance(k, Tensor) or FEW * k > scores_TE.shape[-1]:
        return rank(scores_TE) < over(k, 2)
    left_TE = sortable(scores_TE)
    chosen_TE = torch.zeros_like(left_TE, dtype=torch.bool)
    for _ in range(int(k)):
        best_T1 = left_TE.argmax(-1, keepdim=True)  # of equal scores the first
        chosen_TE.scatter_(-1, best_T1, True)
        left_TE.scatter_(-1, best_T1, -math.inf)  # below every score: it is not taken again
    return chosen_TE


def sortable(scores_TE: Float[Tensor, "*R T E"]) -> Float[Tensor, "*R T E"]:
    """A copy in which −∞ is the smallest finite number, so that there is something below it. NaN ranks first."""
    return scores_TE.detach().clamp(min=torch.finfo(scores_TE.dtype).min)
