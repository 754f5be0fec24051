"""Two ways to compute the same layer: every expert on every token, or only the tokens that chose it.

Both return y_t = Σ_e gates_te · E_e(x_t), equal to rounding. Leading axis R: runs never share a row or a weight.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.routers import Routing

BLOCK = 32  # rows of one block of the sparse form: small enough to waste little, large enough for a matrix product


Experts = Callable[[Tensor, Tensor], Tensor]  # (one row of parameters per group `[G, P]`, x_GCD) -> y_GCO


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

    Every kept (expert, token) item, sorted by expert, gets a place in blocks of equal height, each of which belongs to
    one expert, so that one batched matrix product computes them all. An expert's last block is filled up with zeros.
    """
    (num_runs, num_tokens, width), num_experts = x_RTD.shape, rows_REP.shape[1]
    item_I = routing.kept_TE.mT.flatten().nonzero().squeeze(-1)
    group_I = item_I // num_tokens
    run_I, expert_I = group_I // num_experts, group_I % num_experts
    row_I = run_I * num_tokens + item_I % num_tokens
    height, block_group, shift_G = blocks(routing.kept_TE.sum(-2).flatten(), len(item_I))
    place_I = torch.arange(len(group_I), device=group_I.device) + shift_G.index_select(0, group_I)

    x_ID = x_RTD.flatten(0, 1).index_select(0, row_I)
    x_PD = x_ID.new_zeros(len(block_group) * height, width).index_copy_(0, place_I, x_ID)
    block_rows = rows_REP.flatten(0, 1).index_select(0, block_group)
    y_PO = experts(block_rows, x_PD.view(-1, height, width)).flatten(0, 1)

    gates_I1 = routing.gates_TE.flatten().index_select(0, row_I * num_experts + expert_I).unsqueeze(-1).to(x_RTD.dtype)
    y_IO = gates_I1 * y_PO.index_select(0, place_I)
    y_TO = y_IO.new_zeros(num_runs * num_tokens, y_IO.shape[-1]).index_add_(0, row_I, y_IO)
    return y_TO.view(num_runs, num_tokens, -1)


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


def resolve(name: str, device: torch.device, num_experts: int, largest_k: int) -> str:
    """`auto` decided by config and device alone: sparse where it computes less and waiting for the device is cheap."""
    if name != "auto":
        return name
    return "sparse" if device.type == "cpu" and largest_k < num_experts else "dense"
