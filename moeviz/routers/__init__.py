"""From scores to a decision: which expert computes which token, and with what weight.

Each is a pure function of router logits, numbers and explicit noise, written for one run `[T, E]`; leading axes ride
along. All are called alike, `ROUTERS[key](logits_TE, k=…, capacity=None, **its own options)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moeviz.routers.deepseek import bias_step, biased, deepseek_v3, in_best_groups
from moeviz.routers.expert_side import expert_choice, last_taken
from moeviz.routers.fixed import balanced_table, hash, sequence_ids, token_ids
from moeviz.routers.largest_k import mixtral, noisy_top_k, top_k
from moeviz.routers.routing import Routing
from moeviz.routers.scores import rank, softmax, sortable
from moeviz.routers.seats import capacity, queue
from moeviz.routers.soft_moe import SoftRouting, mix_back, slot_inputs, soft
from moeviz.routers.switch_gshard import gshard, switch

ROUTERS: dict[str, Callable[..., Any]] = {  # each returns a Routing; soft, which chooses nothing, a SoftRouting
    "top_k": top_k,
    "noisy_top_k": noisy_top_k,
    "switch": switch,
    "gshard": gshard,
    "mixtral": mixtral,
    "deepseek_v3": deepseek_v3,
    "expert_choice": expert_choice,
    "hash": hash,
    "soft": soft,
}

__all__ = [
    "ROUTERS", "Routing", "SoftRouting", "balanced_table", "bias_step", "biased", "capacity", "deepseek_v3",
    "expert_choice", "gshard", "hash", "in_best_groups", "last_taken", "mix_back", "mixtral", "noisy_top_k", "queue",
    "rank", "sequence_ids", "slot_inputs", "soft", "softmax", "sortable", "switch", "token_ids", "top_k",
]  # fmt: skip
