"""The letters of every tensor name, and numbers that may differ between runs.

`gates_TE` has one row per token and one column per expert; leading axes (such as R) ride along unseen. A digit is a
size that is always the same (`x_R1D`); in annotations a letter with a digit is another number of the same (`M2`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor

AXES = {
    "R": "runs",
    "S": "snapshots: steps that are noted, one after the other",
    "L": "mixture-of-experts layers",
    "M": "inputs; each is W tokens, one without a Transformer",
    "W": "tokens of one input",
    "T": "tokens of all inputs: T = M·W; the cells of a map and the points of a curve are tokens too",
    "U": "units, what a router decides about: tokens, or whole inputs",
    "N": "parts of an input: its picture, and its name in each language",
    "E": "experts",
    "A": "all rows of parameters: of the E experts, of the shared ones, and of what stands beside the layers",
    "Z": "experts that there have ever been, by id",
    "P": "parameters in one row: of one expert with its gate column",
    "D": "model width",
    "H": "hidden width",
    "O": "outputs",
    "V": "vocabulary: ids that a token can have",
    "C": "capacity places",
    "K": "choices of one token, from the first on",
    "I": "items: one token at one expert",
    "G": "groups of what belongs together: items of one expert of one run, tokens of one queue, letters of a word",
    "B": "blocks of items",
    "J": "segments, the true groups",
    "F": "forms of the gate that the journey compares",
    "Q": "quantities that a history charts",
    "X": "columns of a picture, a map or a table",
    "Y": "rows of a picture, a map or a table",
}
"""The one legend of letters; tests/project/test_letters.py reads every name of the tree against it."""

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
