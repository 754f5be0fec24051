"""What one step trains on: tokens, and the random draws that its router asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.config import RunConfig
from moeviz.models.moe_layer import RoutingKnobs
from moeviz.tensors.rng import stream

Draw = Callable[[torch.Generator, int, int, int, torch.dtype], Tensor]  # (…, tokens, experts, width, dtype)
DRAWS: dict[str, Draw] = {
    "noise_RTE": lambda source, t, e, d, dtype: torch.randn(t, e, generator=source, dtype=dtype),
    "uniform_RT": lambda source, t, e, d, dtype: torch.rand(t, generator=source, dtype=dtype),
    "jitter_RTD": lambda source, t, e, d, dtype: 2 * torch.rand(t, d, generator=source, dtype=dtype) - 1,
}


def wanted(configs: Sequence[RunConfig]) -> tuple[str, ...]:
    """The draws, by their names in `RoutingKnobs`, that a training step of these runs asks for; mostly none."""
    first = configs[0]
    asked = {
        "noise_RTE": first.router == "noisy_top_k" and any(config.router_noise > 0 for config in configs),
        "uniform_RT": first.router == "gshard" and first.second_policy == "random",
        "jitter_RTD": any(config.gate_jitter > 0 for config in configs),
    }
    return tuple(name for name, is_asked in asked.items() if is_asked)


def draws(configs: Sequence[RunConfig], step: int, size: tuple[int, int], like: Tensor) -> dict[str, Tensor]:
    """Each run's draws for one step: a pure function of its seed and the step, whoever trains beside it.

    Args:   size: tokens that the router sees, and their width.  like: has the device and the dtype.
    """
    num_tokens, width = size
    noise = {}
    for name in wanted(configs):
        each = [
            (1.0 if name == "noise_RTE" else config.router_noise)  # whose learned size is multiplied, see deciding.py
            * DRAWS[name](stream(config.seed, "router noise", step), num_tokens, config.num_experts, width, like.dtype)
            for config in configs
        ]
        noise[name] = torch.stack(each).to(like.device)
    return noise


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of one step, and what is drawn for it."""

    x_RTD: Float[Tensor, "R T D"]
    target: Tensor
    draws: dict[str, Tensor]

    @staticmethod
    def joined(parts: Sequence[Batch]) -> Batch:
        """Those of several groups of runs as one; all groups have the same draws."""
        drawn = {name: torch.cat([part.draws[name] for part in parts]) for name in parts[0].draws}
        x_RTD, target = torch.cat([part.x_RTD for part in parts]), torch.cat([part.target for part in parts])
        return Batch(x_RTD, target, drawn)

    def knobs(self, knobs: RoutingKnobs, bias_REL: Float[Tensor, "R E L"]) -> RoutingKnobs:
        """All that the router needs for this step."""
        drawn: dict[str, Any] = self.draws
        return replace(knobs, bias_REL=bias_REL, **drawn)
