"""What a router decided: the one type that dispatch, losses, metrics and pictures read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from moeviz.routers.scores import largest, rank, softmax
from moeviz.routers.seats import queue
from moeviz.tensors.axes import PerRun, over
from moeviz.tensors.precision import finest


@dataclass(frozen=True)
class Routing:
    """What a router decided for each token (row) and expert (column)."""

    logits_TE: Float[Tensor, "*R T E"]
    probs_TE: Float[Tensor, "*R T E"]  # gate probabilities: each row sums to 1; a softmax unless the router says else
    scores_TE: Float[Tensor, "*R T E"]  # what each token ranks the experts by: the larger, the better
    chosen_TE: Bool[Tensor, "*R T E"]  # wanted, before any drop: rank < k, or what the experts took
    kept_TE: Bool[Tensor, "*R T E"]  # chosen and inside the expert's capacity
    gates_TE: Float[Tensor, "*R T E"]  # the weights that multiply the experts' outputs; 0 where not kept
    queue_TE: Int[Tensor, "*R T E"] | None = None  # the queue, if the router had to form one
    noisy_logits_TE: Float[Tensor, "*R T E"] | None = None  # the scores, where noise was added to the logits
    noise_std_TE: Float[Tensor, "*R T E"] | None = None  # the size of that noise
    full_gates_TE: Float[Tensor, "*R T E"] | None = None  # the weights before drops, where something can be dropped
    slots_ED: Float[Tensor, "*R E D"] | None = None  # what each expert computes instead of tokens (Soft MoE)

    @cached_property
    def rank_TE(self) -> Int[Tensor, "*R T E"]:
        """0 = the token's first choice. Worked out when asked for, since sorting takes longer than choosing."""
        return rank(self.scores_TE)

    @property
    def first_TE(self) -> Bool[Tensor, "*R T E"]:
        """Whether an expert is the token's first choice: rank = 0."""
        return largest(self.scores_TE, 1)

    @cached_property
    def position_TE(self) -> Int[Tensor, "*R T E"]:
        """Place in the expert's queue, from 0; -1 where not queued. Worked out when asked for: few steps need it."""
        if self.queue_TE is not None:
            return self.queue_TE
        if not self.rank_TE.numel():
            return self.rank_TE  # of no tokens
        last_rank = int(self.rank_TE.where(self.kept_TE, 0).max())  # experts may take a token that ranks them low
        return queue(self.rank_TE, self.kept_TE, last_rank + 1)

    def tokens(self, rows: slice) -> Routing:
        """The same decisions for some of the tokens only."""
        return self.each(lambda table_TE: table_TE[..., rows, :])

    @staticmethod
    def stacked(layers: Sequence[Routing]) -> Routing:
        """Several layers' decisions, with an axis L of layers in front of the tokens; all have the same tables."""
        stacked: dict[str, Any] = {
            name: torch.stack([getattr(layer, name) for layer in layers], dim=-3) for name in layers[0].tables()
        }
        return replace(layers[0], **stacked)

    @property
    def layered(self) -> Routing:
        """The decisions of all runs, `[R, L, T, E]`: those of a single layer get an axis of layers too."""
        if self.logits_TE.dim() == 4:
            return self
        held: dict[str, Any] = self.tables() | ({} if self.slots_ED is None else {"slots_ED": self.slots_ED})
        return replace(self, **{name: value.unsqueeze(1) for name, value in held.items()})

    def each(self, change: Callable[[Tensor], Tensor]) -> Routing:
        """The same decisions with every table `…TE` cut, or put together, alike."""
        return replace(self, **{name: change(table) for name, table in self.tables().items()})

    def tables(self) -> dict[str, Tensor]:
        """All tables `…TE` that it holds, by name; what is worked out when asked for is not among them."""
        held = {each.name: getattr(self, each.name) for each in fields(self) if each.name.endswith("_TE")}
        return {name: table for name, table in held.items() if table is not None}


def with_seats(
    routing: Routing,
    *,
    k: PerRun,
    capacity: PerRun | None,
    batch_prioritized: bool = False,
    joins_TE: Bool[Tensor, "*R T E"] | None = None,
) -> Routing:
    """The same routing where each expert has only `capacity` places: who queues too late is dropped and weighs 0.

    Args:   capacity: places C per expert; None = no limit.  batch_prioritized: the surest tokens queue first (V-MoE).
            joins_TE: who queues; None = what is kept so far.
    """
    max_k = routing.rank_TE.shape[-1] if isinstance(k, Tensor) else int(k)  # a tensor's maximum would stall a GPU
    priority_T = softmax(finest(routing.logits_TE)).amax(-1) if batch_prioritized else None
    queue_TE = queue(routing.rank_TE, routing.kept_TE if joins_TE is None else joins_TE, max_k, priority_T)
    kept_TE = routing.kept_TE if capacity is None else routing.kept_TE & (queue_TE < over(capacity, 2))
    full_TE = routing.gates_TE if routing.full_gates_TE is None else routing.full_gates_TE
    return replace(routing, kept_TE=kept_TE, gates_TE=full_TE * kept_TE, queue_TE=queue_TE, full_gates_TE=full_TE)
