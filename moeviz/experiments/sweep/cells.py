"""What a map shows of a sweep: for each pair of values, mean and spread over seeds, or why there is no number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moeviz.config import RunConfig, Value
from moeviz.experiments.sweep.plan import Plan
from moeviz.experiments.sweep.result import Result

NO_RUN, DIVERGED = "–", "✕"


@dataclass(frozen=True)
class Cells:
    """Numbers by row (the values of y) and column (the values of x)."""

    mean_YX: np.ndarray  # over the seeds that are finished and have not diverged; NaN without any
    spread_YX: np.ndarray  # their standard deviation (n − 1); NaN for fewer than two
    note_YX: list[list[str]]  # "–" where no run can be, "✕" where runs have diverged


def cells(
    plan: Plan, results: Sequence[Result | None], measure: str, x: str, y: str, fixed: dict[str, Value] | None = None
) -> Cells:
    """The cells of one map.

    Args:   results: one for each of `plan.configs`.  x, y: varied knobs.  fixed: a value for each of the others.
    """
    shape = len(plan.vary[y]), len(plan.vary[x])
    mean_YX, spread_YX = np.full(shape, np.nan), np.full(shape, np.nan)
    note_YX = [["" for _ in plan.vary[x]] for _ in plan.vary[y]]
    for row, y_value in enumerate(plan.vary[y]):
        for column, x_value in enumerate(plan.vary[x]):
            here = runs(plan, results, {**(fixed or {}), x: x_value, y: y_value})
            finished = [result for _, result in here if result is not None]
            numbers = [value for each in finished if (value := getattr(each, measure)) is not None]
            if numbers:
                mean_YX[row, column] = np.mean(numbers)
            if len(numbers) > 1:
                spread_YX[row, column] = np.std(numbers, ddof=1)
            if not here:
                note_YX[row][column] = NO_RUN
            elif any(each.diverged for each in finished):
                note_YX[row][column] = DIVERGED
    return Cells(mean_YX, spread_YX, note_YX)


def runs(
    plan: Plan, results: Sequence[Result | None], values: dict[str, Value]
) -> list[tuple[RunConfig, Result | None]]:
    """The runs with these values of the varied knobs, one for each seed; none where no run can have them."""
    pairs = zip(plan.configs, results, strict=True)
    return [pair for pair in pairs if all(getattr(pair[0], name) == value for name, value in values.items())]


def ends(results: Sequence[Result | None], measure: str) -> tuple[float, float]:
    """The lowest and the highest number of a measure among finished runs; 0 and 1 without any."""
    return _ends([value for each in results if each is not None and (value := getattr(each, measure)) is not None])


def ends_of_means(maps: Sequence[Cells]) -> tuple[float, float]:
    """The lowest and the highest mean of all cells that are drawn together; 0 and 1 without any."""
    means = np.concatenate([each.mean_YX.ravel() for each in maps])
    return _ends(means[np.isfinite(means)].tolist())


def _ends(numbers: Sequence[float]) -> tuple[float, float]:
    return (float(min(numbers)), float(max(numbers))) if numbers else (0.0, 1.0)
