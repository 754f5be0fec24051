"""Routers: from scores to a decision, who computes which token and with what weight.

Each is a pure function of router logits and numbers, written for one run `[T, E]`; leading axes ride along.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from moeviz.axes import PerRun, over

NEVER = -1e9  # a router logit whose softmax is exactly 0


@dataclass(frozen=True)
class Routing:
    """What a router decided for each token (row) and expert (column)."""

    logits_TE: Float[Tensor, "*R T E"]
    probs_TE: Float[Tensor, "*R T E"]  # gate probabilities: softmax of the logits, each row sums to 1
    rank_TE: Int[Tensor, "*R T E"]  # 0 = the token's first choice
    chosen_TE: Bool[Tensor, "*R T E"]  # wanted: rank < k
    kept_TE: Bool[Tensor, "*R T E"]  # chosen and inside the expert's capacity
    gates_TE: Float[Tensor, "*R T E"]  # the weights that multiply the experts' outputs; 0 where not kept
    queue_TE: Int[Tensor, "*R T E"] | None = None  # the queue, if the router had to form one
    noisy_logits_TE: Float[Tensor, "*R T E"] | None = None
    noise_std_TE: Float[Tensor, "*R T E"] | None = None

    @cached_property
    def position_TE(self) -> Int[Tensor, "*R T E"]:
        """Place in the expert's queue, from 0; -1 where not queued. Worked out when asked for: few steps need it."""
        if self.queue_TE is not None:
            return self.queue_TE
        return queue(self.rank_TE, self.chosen_TE, int(self.chosen_TE.sum(-1).max()))

    def tokens(self, rows: slice) -> Routing:
        """The same decisions for some of the tokens only."""
        parts = {name: value[..., rows, :] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Routing(**{name: value for name, value in parts.items() if name != "position_TE"})


def softmax(
    logits_TE: Float[Tensor, "*R T E"], among_TE: Bool[Tensor, "*R T E"] | None = None
) -> Float[Tensor, "*R T E"]:
    """Gate probabilities: exp(z_i) / Σ_j exp(z_j), so that every row sums to 1; 0 for experts that are not `among`.

    Computed over the columns of the transposed table: torch is several times faster there when experts are few.
    """
    logits_ET = logits_TE.mT if among_TE is None else logits_TE.mT.masked_fill(~among_TE.mT, NEVER)
    return logits_ET.softmax(-2).mT


def rank(scores_TE: Float[Tensor, "*R T E"]) -> Int[Tensor, "*R T E"]:
    """Each expert's rank in its token's preference: 0 = largest score; ties go to the lower expert number."""
    order_TE = scores_TE.detach().argsort(dim=-1, descending=True, stable=True)
    ranks_TE = torch.arange(order_TE.shape[-1], device=order_TE.device).expand_as(order_TE)
    return torch.empty_like(order_TE).scatter_(-1, order_TE, ranks_TE)


def capacity(num_tokens: int, num_experts: int, k: int, factor: float) -> int:
    """Places in each expert's buffer: C = ⌈factor · k · T / E⌉, at most T."""
    return min(num_tokens, math.ceil(factor * k * num_tokens / num_experts - 1e-9))


def queue(rank_TE: Int[Tensor, "*R T E"], chosen_TE: Bool[Tensor, "*R T E"], max_k: int) -> Int[Tensor, "*R T E"]:
    """Each chosen token's place in its expert's queue, from 0; -1 where not chosen.

    The first choices of all tokens queue, in token order, before any second choice.
    """
    choice_K11 = torch.arange(max_k, device=rank_TE.device).reshape(-1, 1, 1)
    joins_KTE = (rank_TE.unsqueeze(-3) == choice_K11) & chosen_TE.unsqueeze(-3)
    count_KTE = joins_KTE.flatten(-3, -2).cumsum(-2).unflatten(-2, joins_KTE.shape[-3:-1])  # who has queued so far
    count_TE = count_KTE.gather(-3, rank_TE.clamp(max=max_k - 1).unsqueeze(-3)).squeeze(-3)
    return torch.where(chosen_TE, count_TE - 1, -1)


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
    logits_TE = logits_TE.float() if logits_TE.dtype in (torch.float16, torch.bfloat16) else logits_TE
    probs_TE = softmax(logits_TE)
    rank_TE = rank(logits_TE)
    chosen_TE = rank_TE < over(k, 2)
    renormalize = k > 1 if renormalize is None else renormalize
    if isinstance(renormalize, Tensor):
        weights_TE = torch.where(over(renormalize, 2), softmax(logits_TE, chosen_TE), probs_TE * chosen_TE)
    else:
        weights_TE = softmax(logits_TE, chosen_TE) if renormalize else probs_TE * chosen_TE
    if capacity is None and not batch_prioritized:
        return Routing(logits_TE, probs_TE, rank_TE, chosen_TE, chosen_TE, weights_TE)
    max_k = logits_TE.shape[-1] if isinstance(k, Tensor) else int(k)  # reading a tensor's maximum would stall a GPU
    form_queue = partial(_queue_by_priority, probs_TE) if batch_prioritized else queue
    queue_TE = form_queue(rank_TE, chosen_TE, max_k)
    kept_TE = chosen_TE if capacity is None else chosen_TE & (queue_TE < over(capacity, 2))
    return Routing(logits_TE, probs_TE, rank_TE, chosen_TE, kept_TE, weights_TE * kept_TE, queue_TE)


def _queue_by_priority(
    probs_TE: Float[Tensor, "*R T E"], rank_TE: Int[Tensor, "*R T E"], chosen_TE: Bool[Tensor, "*R T E"], max_k: int
) -> Int[Tensor, "*R T E"]:
    """The queue when tokens line up by their largest gate probability instead of by their place in the batch."""
    order_T = probs_TE.detach().amax(-1).argsort(dim=-1, descending=True, stable=True)
    order_TE = order_T.unsqueeze(-1).expand_as(rank_TE)
    position_TE = queue(rank_TE.gather(-2, order_TE), chosen_TE.gather(-2, order_TE), max_k)
    return torch.empty_like(position_TE).scatter_(-2, order_TE, position_TE)


ROUTERS: dict[str, Callable[..., Routing]] = {"top_k": top_k}
