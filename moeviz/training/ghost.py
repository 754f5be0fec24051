"""What is drawn gray beside a run: the same run without its last change, or as it was before it started again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from moeviz.config.changes import in_words
from moeviz.config.names import GHOST_CURVES
from moeviz.training import history, settings
from moeviz.training.history import Record, by_layer
from moeviz.training.state import State
from moeviz.training.views.joined import arrays_together

LASTS = 500  # steps that a twin trains on: long enough to see what the change did

Runs = TypeVar("Runs", bound=State)


@dataclass(frozen=True)
class Ghost(Generic[Runs]):
    """Another training of the same task, and the part of it that is drawn."""

    training: Runs
    kind: str  # a key of GHOSTS
    since: int  # step from which it is drawn
    until: int  # step to which it trains

    @property
    def trains(self) -> bool:
        """Whether it still takes a step whenever the run does."""
        return self.training.current_step < self.until and not self.training.stuck

    def fits(self, other: State) -> bool:
        """Whether it can be drawn beside it: as many runs, of the same task."""
        tasks, others = ([config.task for config in each.configs] for each in (self.training, other))
        return tasks == others

    def differs_in(self, other: State) -> set[str]:
        """The knobs, or treated experts, in which the run is not as its ghost."""
        return set(settings.differences(self.training.setting, other.setting))

    def words(self, other: State) -> str:
        """What it is, for a reader of the run's charts: "without λ 0→10"."""
        differences = itertools.chain(*settings.differences(self.training.setting, other.setting).values())
        changes = ", ".join(dict.fromkeys(in_words(each) for each in differences))
        if self.kind == "recorded":
            return "as it was recorded"
        if self.kind == "twin":
            return f"without {changes}" if changes else "as before the last change"
        return f"the run before ({changes})" if changes else "the run before"

    def arrays(self, other: State, curves: bool) -> dict[str, np.ndarray]:
        """Its load when the run's was measured, in the places of its experts; with `curves` its history, too."""
        arrays: dict[str, np.ndarray] = {}
        record = self._record_at(other.measured_step if other.measured else other.current_step)
        if record is not None:
            arrays["ghost_load"] = _in_places(record, other.ids_RE)
            arrays["ghost_load_step"] = np.full((len(other.configs), 1), record.step, dtype="f4")
        if curves:
            records = self.training.records
            shown = history.thin(records[history.up_to(records, self.since - 1) :])
            arrays["ghost_step"] = history.steps(shown)
            charted = history.charts(shown) if shown else {}
            for name in (name for each in GHOST_CURVES for name in by_layer(each, getattr(records[-1], each))):
                arrays[f"ghost_{name}"] = charted.get(name, np.zeros((len(other.configs), 0), dtype="f4"))
        return arrays

    def _record_at(self, step: int) -> Record | None:
        """Its last record up to this step, unless it had ended by then."""
        records = self.training.records
        if step >= records[-1].step + self.training.record_every:
            return None
        return records[max(history.up_to(records, step), 1) - 1]  # the first is of step 0


@dataclass(frozen=True)
class Ghosts:
    """What is drawn gray beside runs of several shapes: a ghost of each bucket that no longer trains."""

    parts: tuple[Ghost[Any], ...]
    run_R: np.ndarray  # the place that each run has, in the order of the parts
    trains, training = False, None

    def fits(self, other: Any) -> bool:
        """Whether it can be drawn beside them: buckets of as many runs, of the same task."""
        pairs = zip(self.parts, other.parts, strict=False)
        return len(self.parts) == len(other.parts) and all(own.fits(part) for own, part in pairs)

    def differs_in(self, other: Any) -> set[str]:
        """The knobs, or treated experts, in which any run is not as its ghost."""
        pairs = zip(self.parts, other.parts, strict=True)
        return {name for own, part in pairs for name in own.differs_in(part)}

    def words(self, other: Any) -> str:
        """What it is, for a reader of the runs' charts."""
        return self.parts[0].words(other.parts[0])

    def arrays(self, other: Any, curves: bool) -> dict[str, np.ndarray]:
        """Their loads now, and with `curves` their histories, in the order of the runs."""
        pairs = zip(self.parts, other.parts, strict=True)
        return arrays_together([own.arrays(part, curves) for own, part in pairs], np.argsort(self.run_R), "ghost_step")


GHOSTS: dict[str, Callable[[int], tuple[int, int]]] = {
    "twin": lambda step: (step, step + LASTS),  # the run itself, to go on without what will be changed in it
    "previous": lambda step: (0, 0),  # the run as it is, before it starts again
    "recorded": lambda step: (step, 0),  # as it was recorded, before it goes on differently from where it was wound to
}
"""Each kind of ghost of a run at a step: since which step it is drawn, and until which it trains."""


def _in_places(record: Record, ids_RE: np.ndarray) -> np.ndarray:
    """The load of each of these experts; 0 for those that the ghost does not have."""
    load_RE = np.zeros((*record.load_RE.shape[:-1], ids_RE.shape[1]), dtype="f4")
    for run, (now_E, before_E) in enumerate(zip(ids_RE, record.ids_RE, strict=True)):
        _, place_E, before_E = np.intersect1d(now_E, before_E, return_indices=True)
        load_RE[run][..., place_E] = record.load_RE[run][..., before_E]
    return load_RE
