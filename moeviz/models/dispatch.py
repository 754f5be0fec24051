"""Two ways to compute the same layer: every expert on every token, or only the tokens that chose it.

Both return y_t = Σ_e gates_te · E_e(x_t), equal to rounding; `mixed` is for routers that choose nothing (Soft MoE).
Leading axis R: runs never share a row or a weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.models.affine_chain import LAYERS, Chain
from moeviz.models.experts import ExpertKind, Shapes, unpack
from moeviz.routers import Routing

BLOCK = 32  # rows of one block of the sparse form: small enough to waste little, large enough for a matrix product
WORTHWHILE = 1_000_000  # FLOPs a step: to save fewer costs more than it brings, since tokens must be sorted by expert
LARGE = 500_000  # numbers of a row × items of an expert, on average, from which copies of rows cost more than calls

Experts = Callable[[Tensor, Tensor], Tensor]  # (one row of parameters per group `[G, P]`, x_GCD) -> y_GCO


@dataclass(frozen=True)
class OneKind:
    """Experts of one kind and size, called as all `Experts` are: row g computes the units x_GCD[g]."""

    kind: ExpertKind
    shapes: Shapes
    tokens_per_unit: int | None = None  # of whole inputs; None = each unit is a token

    def __call__(self, rows_GP: Float[Tensor, "G P"], x_GCD: Float[Tensor, "G C D"]) -> Float[Tensor, "G C O"]:
        parameters = unpack(rows_GP, self.shapes)
        if self.tokens_per_unit is None:
            return self.kind.apply(parameters, x_GCD)
        x_GCWD = x_GCD.unflatten(2, (self.tokens_per_unit, -1))
        if self.kind.whole:
            return self.kind.apply(parameters, x_GCWD).flatten(2)
        y_GTO = self.kind.apply(parameters, x_GCWD.flatten(1, 2))
        return y_GTO.unflatten(1, x_GCWD.shape[1:3]).flatten(2)

    @property
    def layers(self) -> tuple[str, ...] | None:
        """The names of their layers, if they are nothing but affine layers with relu between them."""
        return LAYERS.get(self.kind.apply) if self.tokens_per_unit is None else None


def every_output(
    experts: Experts, rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"]
) -> Float[Tensor, "R E T O"]:
    """Every expert's own output for every token."""
    x_RETD = x_RTD.unsqueeze(1).expand(-1, rows_REP.shape[1], -1, -1)
    return experts(rows_REP.flatten(0, 1), x_RETD.flatten(0, 1)).unflatten(0, rows_REP.shape[:2])


def dense(
    experts: Experts, rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"], routing: Routing
) -> Float[Tensor, "R T O"]:
    """All experts compute all tokens; weights of 0 remove what was not chosen.

    Cost grows with N; it never waits for the device.
    """
    gates_RET1 = routing.gates_TE.mT.unsqueeze(-1).to(x_RTD.dtype)
    return (gates_RET1 * every_output(experts, rows_REP, x_RTD)).sum(1)


def sparse(
    experts: Experts, rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"], routing: Routing
) -> Float[Tensor, "R T O"]:
    """Each expert computes only the tokens that chose it. Cost grows with k, however uneven the load.

    Every kept (expert, token) item is sorted by expert, computed there, and added to its token with its weight.
    """
    (num_runs, num_tokens, _), num_experts = x_RTD.shape, rows_REP.shape[1]
    item_I = routing.kept_TE.mT.flatten().nonzero().squeeze(-1)
    token_I = item_I // (num_experts * num_tokens) * num_tokens + item_I % num_tokens
    count_G = routing.kept_TE.sum(-2).flatten()

    compute = one_by_one if rows_REP.shape[-1] * len(item_I) >= LARGE * len(count_G) else in_blocks
    y_IO = compute(experts, rows_REP.flatten(0, 1), x_RTD.flatten(0, 1).index_select(0, token_I), count_G)
    gates_I1 = routing.gates_TE.mT.flatten().index_select(0, item_I).unsqueeze(-1).to(x_RTD.dtype)
    y_TO = y_IO.new_zeros(num_runs * num_tokens, y_IO.shape[-1]).index_add_(0, token_I, gates_I1 * y_IO)
    return y_TO.view(num_runs, num_tokens, -1)


def in_blocks(
    experts: Experts, rows_GP: Float[Tensor, "G P"], x_ID: Float[Tensor, "I D"], count_G: Int[Tensor, " G"]
) -> Float[Tensor, "I O"]:
    """Small experts, all in one batched matrix product: items lie in blocks of equal height, each of one expert.

    An expert's last block is filled up with zeros; every block has a copy of its expert's row.
    """
    height, block_group, shift_G = blocks(count_G, len(x_ID))
    place_I = torch.arange(len(x_ID), device=x_ID.device) + shift_G.repeat_interleave(count_G)
    x_CD = x_ID.new_zeros(len(block_group) * height, x_ID.shape[-1]).index_copy_(0, place_I, x_ID)
    y_CO = experts(rows_GP.index_select(0, block_group), x_CD.view(-1, height, x_ID.shape[-1])).flatten(0, 1)
    return y_CO.index_select(0, place_I)


def one_by_one(
    experts: Experts, rows_GP: Float[Tensor, "G P"], x_ID: Float[Tensor, "I D"], count_G: Int[Tensor, " G"]
) -> Float[Tensor, "I O"]:
    """Large experts, one after the other: each computes its own stretch of the items, and no weight is copied."""
    counts = count_G.tolist()
    if isinstance(experts, OneKind) and experts.layers:
        return Chain.apply(experts.layers, experts.shapes, counts, rows_GP, x_ID)
    stretches = zip(rows_GP.split(1), x_ID.split(counts), strict=True)
    return torch.cat([experts(row_1P, x_CD.unsqueeze(0)).squeeze(0) for row_1P, x_CD in stretches if len(x_CD)])


def mixed(
    experts: Experts, rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"], routing: Routing
) -> Float[Tensor, "R T O"]:
    """Soft MoE: each expert computes one mixture of tokens, and every token is answered by a mixture of these answers.

    Cost: one token for each expert, however large the batch.
    """
    if routing.slots_ED is None:
        raise ValueError("mixtures need what the slots hold: got slots_ED=None; use dense or sparse for choices")
    slots_G1D = routing.slots_ED.flatten(0, 1).unsqueeze(-2).to(x_RTD.dtype)
    y_REO = experts(rows_REP.flatten(0, 1), slots_G1D).view(*rows_REP.shape[:2], -1)
    return routing.gates_TE.to(x_RTD.dtype) @ y_REO


def blocks(count_G: Int[Tensor, " G"], total: int) -> tuple[int, Int[Tensor, " B"], Int[Tensor, " G"]]:
    """Where items that are sorted by group go when every group starts a new block.

    Returns the height of all blocks (one block for each group if that wastes little, else many low ones), the group of
    each block, and for each group how far its items move: place = number of the item + shift.
    """
    busiest = max(int(count_G.max()), 1)
    height = busiest if busiest * len(count_G) < total + len(count_G) * BLOCK / 2 else BLOCK
    blocks_G = (count_G + (height - 1)) // height
    shift_G = (blocks_G.cumsum(0) - blocks_G) * height - (count_G.cumsum(0) - count_G)
    return height, torch.repeat_interleave(blocks_G), shift_G


DISPATCH: dict[str, Callable[..., Tensor]] = {"dense": dense, "sparse": sparse}


def resolve(name: str, device: torch.device, num_tokens: int, num_experts: int, largest_k: int, flops: int) -> str:
    """`auto`, decided by the configs and the device alone: sparse where that saves most of the work, and a lot of it.

    Args:   num_tokens: of all runs in one step.  flops: of one expert for one token.
    """
    if name != "auto":
        return name
    saved = num_tokens * (num_experts - largest_k) * flops
    worthwhile = 2 * largest_k <= num_experts and saved >= WORTHWHILE
    return "sparse" if worthwhile and device.type == "cpu" else "dense"  # a GPU would have to wait for the counts
