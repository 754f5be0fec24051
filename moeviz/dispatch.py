"""Two ways to compute the same layer: every expert on every token, or only the tokens that chose it.

Both return y_t = Σ_e gates_te · E_e(x_t), equal to rounding. Leading axis R: runs never share a row or a weight.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.experts import ExpertKind, Parameters

BLOCK = 32  # rows of one block of the sparse form: small enough to waste little, large enough for a matrix product


def every_output(experts: ExpertKind, parameters: Parameters, x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R E T O"]:
    """Every expert's own output for every token."""
    num_runs, num_experts = next(iter(parameters.values())).shape[:2]
    x_GTD = x_RTD.unsqueeze(1).expand(-1, num_experts, -1, -1).flatten(0, 1)
    y_GTO = experts.apply(_grouped(parameters), x_GTD)
    return y_GTO.unflatten(0, (num_runs, num_experts))


def dense(
    experts: ExpertKind, parameters: Parameters, x_RTD: Float[Tensor, "R T D"],
    gates_RTE: Float[Tensor, "R T E"], kept_RTE: Bool[Tensor, "R T E"],
) -> Float[Tensor, "R T O"]:  # fmt: skip
    """All experts compute all tokens; weights of 0 remove what was not chosen. Cost grows with N; never waits for the device."""
    return (gates_RTE.mT.unsqueeze(-1) * every_output(experts, parameters, x_RTD)).sum(1)


def sparse(
    experts: ExpertKind, parameters: Parameters, x_RTD: Float[Tensor, "R T D"],
    gates_RTE: Float[Tensor, "R T E"], kept_RTE: Bool[Tensor, "R T E"],
) -> Float[Tensor, "R T O"]:  # fmt: skip
    """Each expert computes only the tokens that chose it. Cost grows with k, however uneven the load.

    The kept (expert, token) pairs are sorted by expert and laid into blocks of equal height, so that one batched
    matrix product computes them all; an expert's last block is filled up with zero rows.
    """
    num_runs, num_tokens, _ = x_RTD.shape
    run_I, expert_I, token_I = kept_RTE.mT.nonzero().unbind(-1)
    row_I = run_I * num_tokens + token_I
    block_expert, place_I = blocks(kept_RTE.sum(-2).flatten(), BLOCK)

    x_ID = x_RTD.flatten(0, 1).index_select(0, row_I)
    x_PD = x_ID.new_zeros(len(block_expert) * BLOCK, x_ID.shape[-1]).index_copy(0, place_I, x_ID)
    block_parameters = {name: value.index_select(0, block_expert) for name, value in _grouped(parameters).items()}
    y_PO = experts.apply(block_parameters, x_PD.unflatten(0, (-1, BLOCK))).flatten(0, 1)

    gates_I1 = gates_RTE[run_I, token_I, expert_I].unsqueeze(-1)
    y_IO = y_PO.index_select(0, place_I) * gates_I1
    return y_IO.new_zeros(num_runs * num_tokens, y_IO.shape[-1]).index_add(0, row_I, y_IO).unflatten(0, (num_runs, num_tokens))


def blocks(count_G: Tensor, height: int) -> tuple[Tensor, Tensor]:
    """Where rows that are sorted by group go when every group starts a new block of `height` rows.

    Returns the group of each block, and each row's place: block number · height + row in the block.
    """
    blocks_G = (count_G + height - 1) // height
    groups = torch.arange(len(count_G), device=count_G.device)
    shift_G = (blocks_G.cumsum(0) - blocks_G) * height - (count_G.cumsum(0) - count_G)
    place_I = shift_G.repeat_interleave(count_G)
    place_I += torch.arange(len(place_I), device=place_I.device)
    return groups.repeat_interleave(blocks_G), place_I


def _grouped(parameters: Parameters) -> Parameters:
    return {name: value.flatten(0, 1) for name, value in parameters.items()}


DISPATCH: dict[str, Callable[..., Tensor]] = {"dense": dense, "sparse": sparse}


def resolve(name: str, device: torch.device, num_experts: int, largest_k: int) -> str:
    """`auto` decided by config and device alone: sparse where it computes less and waiting for the device is cheap."""
    if name != "auto":
        return name
    return "sparse" if device.type == "cpu" and largest_k < num_experts else "dense"
