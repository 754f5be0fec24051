"""Arrays of runs that have several shapes, as those of one training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from moeviz.frames.pictures import field_of

Arrays = Mapping[str, np.ndarray]


def arrays_together(parts: Sequence[Arrays], order_R: np.ndarray, steps_name: str) -> dict[str, np.ndarray]:
    """The arrays that all parts have, run by run.

    Args:   order_R: of the runs, which stand part by part.  steps_name: the array with the steps of what is over time.
    """
    (steps_axis,) = field_of(steps_name).axes
    steps_S = max((part.get(steps_name, np.zeros(0)) for part in parts), key=len)
    joined = {}
    for name in (each for each in parts[0] if all(each in part for part in parts)):
        axes = field_of(name).axes
        if axes[0] != "runs":
            joined[name] = steps_S if name == steps_name else parts[0][name]
            continue
        over_time = axes[-1] == steps_axis
        values = [_at(part[name], part[steps_name], steps_S) if over_time else part[name] for part in parts]
        joined[name] = np.concatenate(_padded(values))[order_R]
    return joined


def _at(values: np.ndarray, own_S: np.ndarray, steps_S: np.ndarray) -> np.ndarray:
    """A history at these steps; that of a training which has stopped stays as it was last."""
    if not len(own_S):
        return np.full((*values.shape[:-1], len(steps_S)), np.nan, dtype=values.dtype)
    return values[..., (np.searchsorted(own_S, steps_S, side="right") - 1).clip(min=0)]


def _padded(values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Arrays of one shape but for the runs; experts that only some have (ever had) are NaN, or 0, in the others."""
    shape = np.max([value.shape[1:] for value in values], axis=0).astype(int) if values[0].ndim > 1 else ()
    padded = []
    for value in values:
        room = np.full((len(value), *shape), np.nan if value.dtype.kind == "f" else 0, dtype=value.dtype)
        room[tuple(slice(size) for size in value.shape)] = value
        padded.append(room)
    return padded
