"""What a training remembers: one record every few steps, and what follows from many of them."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from moeviz.config.names import CHARTED, HISTORY

if TYPE_CHECKING:
    import pandas

CALM = 30  # records: so long must nothing have changed, against as many before, for a run to have settled
CALM_LOSS, LEAST_LOSS, CALM_CV = 0.05, 0.005, 0.05  # of the loss; of losses near 0; of the unevenness of load
SHOWN = 240  # at most this many points in a time chart
WINDOW = 3  # an expert is dead when no test token chose it in this many records on end
MOST_DEATHS = 8  # of one expert that are remembered, the newest
MOST = 1024  # records that are kept of a run, however long it trains: 3 MB, or 20 MB of six twins with 32 experts
NEWEST = 128  # of them, the last ones, which say who is idle, what is good and what has settled: all are kept
# (run, expert id), or (run, layer, expert id) -> steps at which it fell idle and died of it
Deaths = Mapping[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Record:
    """Every run at one step: losses and train metric on train tokens, everything else on test tokens.

    Of a model with several layers, all that is measured of its routing, from `cv_load` on, has an axis L behind R.
    """

    step: int
    task_loss: np.ndarray  # [R], as are the next nine
    balance_loss: np.ndarray  # raw, not weighted; the mean over layers, as it is trained on
    train_metric: np.ndarray
    test_loss: np.ndarray
    test_metric: np.ndarray
    cv_load: np.ndarray
    specialization: np.ndarray
    dropped_share: np.ndarray  # of choices
    random_drop: np.ndarray  # [R], what a gate that chooses at random would drop on average; NaN without a limit
    unserved_share: np.ndarray  # of tokens, that no expert computes
    load_RE: np.ndarray
    mean_prob_RE: np.ndarray
    importance_RE: np.ndarray  # share of all weights
    ids_RE: np.ndarray  # whose column is whose
    idle_since_RE: np.ndarray  # step since which no token chose the expert; -1 where it works
    balance_coef: np.ndarray  # λ `[R]` at this step
    trains: np.ndarray  # 1 for each run `[R]` that trains, 0 once it has diverged
    dispatch: str  # which one ran
    dead_RE: np.ndarray  # idle for three records on end (from the start: for all records so far)
    deaths: Deaths  # all so far, also of experts that came back

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """A number of each run `[R]` by name, for tables and charts; of several layers `cv_load_1`, `cv_load_2`, …"""
        return {name: value for each in CHARTED for name, value in by_layer(each, getattr(self, each)).items()}

    @cached_property
    def charted(self) -> np.ndarray:
        """All `columns`, `[R, Q]` float32: made once, drawn many times."""
        return np.stack(list(self.columns.values()), -1).astype("f4")

    @property
    def dead_experts(self) -> np.ndarray:
        """How many experts are dead."""
        return self.dead_RE.sum(-1)

    @property
    def mean_load_RE(self) -> np.ndarray:
        """Each expert's load, the mean over layers: experts come and go in all of them at once."""
        return self.load_RE.reshape(len(self.ids_RE), -1, self.ids_RE.shape[1]).mean(1)


def by_layer(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """A number of each run `[R]` under its name; of each layer `[R, L]` under as many names, numbered from 1."""
    if value.ndim == 1:
        return {name: value}
    return {f"{name}_{layer}": value_R for layer, value_R in enumerate(value.T, start=1)}


def idle(
    records: Sequence[Record], step: int, load_RE: np.ndarray, ids_RE: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`idle_since_RE` and `dead_RE` of a new record that follows `records`."""
    since_RE = np.where(load_RE == 0, step, -1)
    if not records:
        return since_RE, load_RE == 0
    last = records[-1]
    window_start = records[max(0, len(records) - WINDOW + 1)].step
    for run, *layer, place in zip(*np.nonzero(load_RE == 0), strict=True):
        before = np.flatnonzero(last.ids_RE[run] == ids_RE[run, place])
        if len(before) and (since := last.idle_since_RE[(run, *layer, before[0])]) >= 0:
            since_RE[(run, *layer, place)] = since
    return since_RE, (since_RE >= 0) & (since_RE <= window_start)


def deaths(records: Sequence[Record], idle_since_RE: np.ndarray, dead_RE: np.ndarray, ids_RE: np.ndarray) -> Deaths:
    """`deaths` of a new record that follows `records`: those before it, and those of the experts that are dead now.

    Of the first records, when three on end have not been seen yet, only who is idle still.
    """
    steps = dict(records[-1].deaths) if len(records) >= WINDOW else {}
    for run, *layer, place in zip(*(axis.tolist() for axis in np.nonzero(dead_RE)), strict=True):
        expert, step = (run, *layer, int(ids_RE[run, place])), int(idle_since_RE[(run, *layer, place)])
        before = steps.get(expert, ())
        if step not in before:
            steps[expert] = (*before, step)[-MOST_DEATHS:]
    return steps


def settled(records: Sequence[Record], since: int) -> bool:
    """Whether loss, load and idle experts of all runs and layers have stood still for a while, from step `since` on.

    (Runs that have diverged stand still by themselves.)
    """
    recent = [record for record in records[-2 * CALM :] if record.step >= since]
    if len(recent) < 2 * CALM:
        return False
    before, now = recent[:CALM], recent[CALM:]
    loss_then, loss_now = (np.mean([record.task_loss for record in part], axis=0) for part in (before, now))
    cv_then, cv_now = (np.mean([record.cv_load for record in part], axis=0) for part in (before, now))
    idle = np.stack([record.dead_experts for record in now])
    calm_loss = abs(loss_now - loss_then) <= np.maximum(CALM_LOSS * loss_then, LEAST_LOSS)
    calm_layers = (abs(cv_now - cv_then) <= CALM_CV) & (idle == idle[0]).all(0)
    calm = calm_loss & calm_layers.reshape(len(calm_loss), -1).all(-1)
    return bool((calm | (now[0].trains == 0)).all())


def up_to(records: Sequence[Record], step: int) -> int:
    """How many of the records, which stand in the order of their steps, are of this step or an earlier one."""
    return bisect_right(records, step, key=lambda record: record.step)


def by_id(records: Sequence[Record], name: str = "load_RE") -> np.ndarray:
    """A number of each expert over time `[R, Z, S]` by expert id, NaN while that expert does not exist.

    Of several layers `[R, L, Z, S]`.
    """
    until_changed = itertools.groupby(records, key=lambda record: id(record.ids_RE))  # until experts come or go
    groups = [list(group) for _, group in until_changed]
    num_ids = 1 + max(int(alike[0].ids_RE.max()) for alike in groups)
    values = np.full((len(records), *getattr(records[-1], name).shape[:-1], num_ids), np.nan)
    start = 0
    for alike in groups:
        values_SRE = np.stack([getattr(record, name) for record in alike])
        ids_RE = alike[0].ids_RE
        ids_SRE = np.broadcast_to(ids_RE if values_SRE.ndim == 3 else ids_RE[:, None], values_SRE.shape)
        np.put_along_axis(values[start : start + len(alike)], ids_SRE, values_SRE, axis=-1)
        start += len(alike)
    return np.moveaxis(values, 0, -1)


def steps(records: Sequence[Record]) -> np.ndarray:
    """The steps of these records `[S]`."""
    return np.array([record.step for record in records], dtype="f4")


def charts(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """What time charts draw of them, by name `[R, S]` float32."""
    charted_SRQ = np.stack([each.charted for each in records])
    return {name: charted_SRQ[..., column].T for column, name in enumerate(records[-1].columns)}


def deaths_by_id(record: Record, num_ids: int) -> np.ndarray:
    """Steps of all deaths so far `[R, Z, 8]` by expert id, oldest first; NaN where an expert died less often.

    Of several layers `[R, L, Z, 8]`.
    """
    steps = np.full((*record.dead_RE.shape[:-1], num_ids, MOST_DEATHS), np.nan)
    for expert, own in record.deaths.items():
        if expert[-1] < num_ids:  # or it came and left between the records that are drawn
            steps[expert][: len(own)] = own
    return steps


def table(records: Sequence[Record]) -> pandas.DataFrame:
    """One row per run and record, raw losses; of several layers a column for each: `cv_load_1`, `cv_load_2`, …"""
    import pandas

    names = [name for each in HISTORY for name in by_layer(each, getattr(records[-1], each))]
    rows = [
        {"run": run, "step": record.step, **{name: record.columns[name][run].item() for name in names}}
        for record in records
        for run in range(len(record.task_loss))
    ]
    return pandas.DataFrame(rows, columns=["run", "step", *names])


def bounded(records: list[Record], every: int) -> list[Record]:
    """The records; once they are more than `MOST`, only every second (then fourth, …) of all but the newest.

    They still span the whole run, and all at which a run was seen to have diverged are among them.

    Args:   every: steps between two records.
    """
    if len(records) <= MOST:
        return records
    old, newest = records[:-NEWEST], records[-NEWEST:]
    while old[-1].step > every * (MOST // 2):
        every *= 2
    stopped = [each.step for before, each in itertools.pairwise(old) if (each.trains != before.trains).any()]
    return [each for each in old if each.step % every == 0 or each.step in stopped] + newest


def charted(records: Sequence[Record], newest: Record) -> list[Record]:
    """The records that time charts show, the newest measurement included."""
    return thin(records if records[-1] is newest else [*records, newest])


def thin(records: Sequence[Record], most: int = SHOWN) -> list[Record]:
    """At most `most` records, as a time chart shows them: evenly spread in steps, the first and the last included."""
    if len(records) <= most:
        return list(records)
    steps = [record.step for record in records]
    wanted = np.interp(np.linspace(steps[0], steps[-1], most), steps, np.arange(len(records)))
    return [records[index] for index in np.unique(wanted.round().astype(int))]
