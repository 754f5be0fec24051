"""Loss scaling for float16, whose smallest number, 6e-8, is above many gradients of a mean over tokens.

The loss is multiplied before the backward pass and the gradient, in float32, divided after it, run by run. bfloat16 has
the range of float32 and needs none.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LARGEST = 4096.0  # gradients of 1.5e-11 to 16 then fit: steps clip them at 10
GROWTH = 2 ** (1 / 2000)  # twice as much after 2,000 steps in which all went well


def wanted(half: torch.dtype | None) -> bool:
    """Whether the gradients of this type need it."""
    return half is torch.float16


def fresh(num_runs: int, half: torch.dtype | None, like: Tensor) -> Float[Tensor, " R"]:
    """What each run's loss is multiplied by at first; 1 where nothing is scaled."""
    return like.new_full((num_runs,), LARGEST if wanted(half) else 1.0)


def bearable(norm_R: Float[Tensor, " R"], scale_R: Float[Tensor, " R"]) -> Bool[Tensor, " R"]:
    """Whether a gradient is finite, or may be so with a smaller scale."""
    return (norm_R < torch.inf) | (scale_R > 1)


def next_scale(norm_R: Float[Tensor, " R"], scale_R: Float[Tensor, " R"]) -> Float[Tensor, " R"]:
    """Half as much where the gradient overflowed, else a little more.

    Source: Micikevicius et al. 2018, section 3.2 (arXiv 1710.03740); the growth is spread over its interval.
    """
    return torch.where(norm_R < torch.inf, (scale_R * GROWTH).clamp(max=LARGEST), scale_R / 2)
