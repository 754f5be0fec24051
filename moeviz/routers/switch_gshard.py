"""Routers for many machines: each expert has a fixed number of places, and what does not fit is dropped."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from moeviz.routers.checks import demand_k
from moeviz.routers.largest_k import top_k
from moeviz.routers.routing import Routing, with_seats
from moeviz.tensors.axes import PerRun

SECOND_POLICIES = ("random", "all")


def switch(
    logits_TE: Float[Tensor, "*R T E"],
    *,
    k: PerRun = 1,
    capacity: PerRun | None = None,
    batch_prioritized: bool = False,
) -> Routing:
    """One expert for each token, weighted by its own probability, so that even a single choice can be learned.

    Choice: arg-max p. weight = p of the chosen expert, never renormalized (p/p = 1 would have no gradient).

    Args:   k: must be 1.  capacity: places C = ⌈factor · T / E⌉ per expert, first come first served; None = no limit.
            batch_prioritized: the surest tokens queue first.
    Source: Switch Transformer, eq. 1-3 (arXiv 2101.03961). Its noise is on the router's input, so it is already in z.
    """
    demand_k("switch", k, 1, logits_TE.shape[-1])
    return top_k(logits_TE, k=1, capacity=capacity, renormalize=False, batch_prioritized=batch_prioritized)


def gshard(
    logits_TE: Float[Tensor, "*R T E"],
    *,
    k: PerRun = 2,
    capacity: PerRun | None = None,
    second_policy: str = "random",
    uniform_T: Float[Tensor, "*#R T"] | None = None,
    count_skipped: bool = False,
    batch_prioritized: bool = False,
) -> Routing:
    """The two best experts for each token; the second is skipped at random where it would weigh little.

    weights g₁ = p₁/(p₁+p₂), g₂ = p₂/(p₁+p₂), before anything is dropped; the second choice is sent where u < 2·g₂.
    A skipped choice is chosen, not kept, and takes no place in the queue.

    Args:   k: must be 2.  capacity: places C = ⌈factor · 2 · T / E⌉ per expert; None = no limit.
            second_policy: "random", or "all" to send every second choice.
            uniform_T: u, one draw from 0…1 for each token; None = every second choice is sent: evaluation.
            count_skipped: skipped choices hold a place all the same, as in the paper's listing.
            batch_prioritized: the surest tokens queue first.
    Source: GShard, algorithm 1 (arXiv 2006.16668); the order of steps is that of the released code.
    """
    demand_k("gshard", k, 2, logits_TE.shape[-1])
    if second_policy not in SECOND_POLICIES:
        raise ValueError(f"second_policy must be random or all: got {second_policy}; pass one of the two")
    routing = top_k(logits_TE, k=2, renormalize=True)
    joins_TE = routing.chosen_TE
    if second_policy == "random" and uniform_T is not None:
        sent_TE = joins_TE & (routing.first_TE | (uniform_T.unsqueeze(-1) < 2 * routing.gates_TE))
        full_TE, joins_TE = routing.gates_TE, joins_TE if count_skipped else sent_TE
        routing = replace(routing, kept_TE=sent_TE, gates_TE=full_TE * sent_TE, full_gates_TE=full_TE)
    if capacity is None and not batch_prioritized and not count_skipped:
        return routing
    return with_seats(routing, k=2, capacity=capacity, batch_prioritized=batch_prioritized, joins_TE=joins_TE)
