"""Nothing learned: a fixed table sends each kind of token to its expert."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.routers.checks import check_k, refuse_capacity
from moeviz.routers.routing import Routing
from moeviz.tensors.axes import PerRun, over
from moeviz.tensors.precision import at_least_float32
from moeviz.tensors.rng import stream

CELL = 0.25  # side of the cells, in units of the input, whose numbers are the ids of tokens that have none
MIXER = 0x9E3779B1  # an odd number (2³² / golden ratio) that spreads neighboring cells over all ids
TABLE_IDS = 4096  # at least so many different ids; larger ones start again from the top of the table


def hash(
    logits_TE: Float[Tensor, "*R T E"],
    *,
    k: PerRun = 1,
    token_T: Int[Tensor, "*#R T"],
    table_V: Int[Tensor, " V"] | None = None,
    capacity: PerRun | None = None,
) -> Routing:
    """A fixed table of the token's own id decides: each expert has equally many ids, and there is no router to train.

    Equal inputs always meet the same expert, in every layer, whatever the weights around it have become: equal tokens;
    where the router sees the context so far, the same tokens up to there in the same order; or equal whole inputs.

    expert = table[id]; weight 1. (With k > 1: that expert and the next k − 1 in a circle, weight 1/k each.)
    The gate probabilities are the weights. The logits are passed on unused.

    Args:   token_T: the id of each token, from 0.  table_V: the expert of each id; None = `balanced_table`.
    Source: Hash Layers (arXiv 2106.04426), whose balanced table is balanced by how often each id occurs.
    """
    refuse_capacity("hash", capacity)
    check_k(k, logits_TE.shape[-1])
    logits_TE = at_least_float32(logits_TE)
    num_experts = logits_TE.shape[-1]
    table_V = balanced_table(num_experts, logits_TE.device) if table_V is None else table_V
    expert_T1 = table_V[token_T % len(table_V)].unsqueeze(-1)
    rank_TE = (torch.arange(num_experts, device=logits_TE.device) - expert_T1) % num_experts
    rank_TE = rank_TE.expand(logits_TE.shape)
    scores_TE = -rank_TE.to(logits_TE.dtype)
    chosen_TE = rank_TE < over(k, 2)
    weights_TE = chosen_TE.to(logits_TE.dtype) / over(k, 2)
    return Routing(logits_TE, weights_TE, scores_TE, chosen_TE, chosen_TE, weights_TE)


@cache
def balanced_table(num_experts: int, device: torch.device | None = None) -> Int[Tensor, " V"]:
    """Each id's expert: of ids 0 … N−1 each expert gets one, in random order, of the next N another one, and so on."""
    num_rounds = -(-TABLE_IDS // num_experts)
    draws = torch.rand(num_rounds, num_experts, generator=stream(0, "hash table", num_experts))
    with torch.inference_mode(False):  # kept for training too, even if an evaluation asks first
        return draws.argsort(dim=-1, stable=True).flatten().to(device)


def token_ids(x_TD: Float[Tensor, "*R T D"]) -> Int[Tensor, "*R T"]:
    """An id for each token that depends on nothing but the token: the number of the cell that it lies in, well mixed.

    Of the token as the model was given it, never of what a layer has made of it, for that changes as training goes on.
    Characters have ids of their own; points, rows, patches and words get those of a grid with cells of side `CELL`.
    """
    cell_TD = (x_TD.detach().nan_to_num(0) / CELL).floor().clamp(-(2**20), 2**20).long()
    return _mixed((cell_TD * _weights(x_TD.shape[-1], x_TD.device)).sum(-1))


def sequence_ids(token_MW: Int[Tensor, "*R M W"]) -> Int[Tensor, "*R M W"]:
    """An id for each token with all those before it in its input: equal where the same tokens came in the same order.

    The last one of an input is that of the whole input.
    """
    return _mixed(((token_MW + 1) * _weights(token_MW.shape[-1], token_MW.device)).cumsum(-1))


def _mixed(sum_T: Int[Tensor, "*R T"]) -> Int[Tensor, "*R T"]:
    id_T = sum_T % 2**31
    return ((id_T ^ (id_T >> 15)) * MIXER % 2**31) >> 8


@cache
def _weights(width: int, device: torch.device) -> Int[Tensor, " D"]:
    with torch.inference_mode(False):
        return torch.tensor([pow(MIXER, axis, 2**31) | 1 for axis in range(1, width + 1)], device=device)
