"""What a training remembers: one record every few steps, and what follows from many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas

COLUMNS = ("task_loss", "balance_loss", "train_metric", "test_metric", "cv_load", "dead_experts", "specialization")
WINDOW = 3  # an expert is dead when no test token chose it in this many records on end


@dataclass(frozen=True)
class Record:
    """Every run at one step: losses and train metric on train tokens, everything else on test tokens."""

    step: int
    task_loss: np.ndarray  # [R], as are the next six
    balance_loss: np.ndarray  # raw, not weighted
    train_metric: np.ndarray
    test_loss: np.ndarray
    test_metric: np.ndarray
    cv_load: np.ndarray
    specialization: np.ndarray
    load_RE: np.ndarray
    mean_prob_RE: np.ndarray
    ids_RE: np.ndarray  # whose column is whose
    idle_since_RE: np.ndarray  # step since which no token chose the expert; -1 where it works
    balance_coef: np.ndarray  # λ `[R]` at this step
    dispatch: str  # which one ran
    dead_RE: np.ndarray  # idle for three records on end (from the start: for all records so far)

    @property
    def dead_experts(self) -> np.ndarray:
        """How many experts are dead `[R]`."""
        return self.dead_RE.sum(-1)


def idle(
    records: Sequence[Record], step: int, load_RE: np.ndarray, ids_RE: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`idle_since_RE` and `dead_RE` of a new record that follows `records`."""
    since_RE = np.where(load_RE == 0, step, -1)
    if not records:
        return since_RE, load_RE == 0
    last = records[-1]
    window_start = records[max(0, len(records) - WINDOW + 1)].step
    for run, place in zip(*np.nonzero(load_RE == 0), strict=True):
        before = np.flatnonzero(last.ids_RE[run] == ids_RE[run, place])
        if len(before) and last.idle_since_RE[run, before[0]] >= 0:
            since_RE[run, place] = last.idle_since_RE[run, before[0]]
    return since_RE, (since_RE >= 0) & (since_RE <= window_start)


def loads_by_id(records: Sequence[Record]) -> np.ndarray:
    """Load over time `[R, M, S]` by expert id, NaN while that expert does not exist."""
    num_ids = 1 + max(int(record.ids_RE.max()) for record in records)
    loads = np.full((len(records), records[-1].load_RE.shape[0], num_ids), np.nan)
    for each, record in zip(loads, records, strict=True):
        np.put_along_axis(each, record.ids_RE, record.load_RE, axis=-1)
    return np.moveaxis(loads, 0, -1)


def table(records: Sequence[Record]) -> pandas.DataFrame:
    """One row per run and record, raw losses."""
    import pandas

    rows = [
        {"run": run, "step": record.step, **{name: getattr(record, name)[run].item() for name in COLUMNS}}
        for record in records
        for run in range(len(record.task_loss))
    ]
    return pandas.DataFrame(rows, columns=["run", "step", *COLUMNS])


def thin(records: Sequence[Record], most: int) -> list[Record]:
    """At most `most` records, evenly spread, the first and the last among them."""
    if len(records) <= most:
        return list(records)
    return [records[index] for index in np.linspace(0, len(records) - 1, most).round().astype(int)]
