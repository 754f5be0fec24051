"""The letters of every tensor name, and numbers that may differ between runs.

R runs · S snapshots · T tokens · E experts · D model width · H hidden width · O outputs ·
C capacity places · G groups or grid points · P parameters of one expert ·
I items (one token at one expert) · B blocks of items · L places in all blocks.
`gates_TE` has one row per token and one column per expert; leading axes (such as R) ride along unseen.
"""

from __future__ import annotations

from typing import overload

from torch import Tensor

PerRun = int | float | bool | Tensor  # one number for all runs, or a tensor with one number per run


@overload
def over(value: Tensor, num_axes: int) -> Tensor: ...
@overload
def over(value: PerRun, num_axes: int) -> PerRun: ...
def over(value: PerRun, num_axes: int) -> PerRun:
    """`value` shaped so that it broadcasts over `num_axes` trailing axes: a number stays, `k_R` becomes `k_R11`."""
    return value.reshape(*value.shape, *[1] * num_axes) if isinstance(value, Tensor) else value
