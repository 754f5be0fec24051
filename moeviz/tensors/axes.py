"""The letters of every tensor name, and numbers that may differ between runs.

R runs · S snapshots · L mixture-of-experts layers · T tokens · E experts (A all rows of parameters: behind the E
experts that are chosen, the shared ones, then what a Transformer has beside its layers) · M inputs of W tokens each
(T = M·W, W = 1 without a Transformer) · U units, what a router decides about: tokens, or whole inputs ·
D model width · H hidden width · O outputs · C capacity places · G groups or grid points · P parameters of one expert ·
I items (one token at one expert) · B blocks of items · Q places in all blocks.
`gates_TE` has one row per token and one column per expert; leading axes (such as R) ride along unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

PerRun = int | float | bool | Tensor  # one number for all runs, or a tensor with one number per run


@overload
def over(value: Tensor, num_axes: int) -> Tensor: ...
@overload
def over(value: PerRun, num_axes: int) -> PerRun: ...
def over(value: PerRun, num_axes: int) -> PerRun:
    """`value` shaped so that it broadcasts over `num_axes` trailing axes: a number stays, `k_R` becomes `k_R11`."""
    return value.reshape(*value.shape, *[1] * num_axes) if isinstance(value, Tensor) else value


def side_by_side(values: Sequence[PerRun], num_runs: Sequence[int], like: Tensor) -> PerRun:
    """Numbers of several groups of runs as those of one group; one number where all agree, which is cheaper.

    Args:   num_runs: of each group.  like: has the device, and the dtype for numbers that are not whole.
    """
    if not any(isinstance(value, Tensor) for value in values) and len(set(values)) == 1:
        return values[0]
    flat: list[float] = []
    for value, count in zip(values, num_runs, strict=True):
        flat += value.tolist() if isinstance(value, Tensor) else [value] * count
    return torch.tensor(flat, device=like.device, dtype=like.dtype if isinstance(flat[0], float) else None)
