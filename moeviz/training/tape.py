"""What a training records of itself, to be wound back: whole states at even steps, bounded in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from moeviz.training import history
from moeviz.training.history import Record
from moeviz.training.settings import Change, Setting

LIMIT = 16 * 2**20  # bytes of all states that a training records; buckets that are watched together share them
MOST = 128  # states: as many as a slider can tell apart


@dataclass(frozen=True)
class Moment:
    """One recorded moment. Tensors are never written in place, so this holds them; it copies none."""

    step: int
    state: dict[str, Any]  # what `checkpoints.checkpoint` returned
    newest: tuple[Record, ...]  # of the history, so far: as many as say who is dead
    changes: tuple[Change, ...]
    measured: tuple[Record | None, dict[str, Any]]
    is_good: bool

    @property
    def nbytes(self) -> int:
        """What its tensors take."""
        values = [*self.state.values(), *vars(self.state["adam"]).values()]
        return sum(value.nbytes for value in values if isinstance(value, torch.Tensor))


@dataclass(frozen=True)
class Chosen:
    """A setting that was chosen by hand, and the mark that it left."""

    step: int
    setting: Setting
    changes: list[Change]


class Tape:
    """The recorded states of one training, and the settings that were chosen by hand on the way.

    A full tape drops every second state and records half as often. Wound back, a training that goes on as it was
    follows the settings again, and so comes to the same states; one that is turned elsewhere cuts the tape there.

    Args:   limit: bytes; a tape that cannot hold two states holds none.
            record_every: steps between two rows of the history.
    """

    def __init__(self, limit: int = LIMIT, record_every: int = 10) -> None:
        self.limit, self.record_every = limit, record_every
        self.moments: list[Moment] = []
        self.settings: list[Chosen] = []
        self.end: Moment | None = None  # where the training was before it was wound back; None = it is there
        self.records: list[Record] = []  # the history up to there
        self._every = 1  # of the steps that the history has a record of
        self._nbytes = 0

    @property
    def steps(self) -> list[int]:
        """Steps that can be gone back to, ascending."""
        steps = [each.step for each in self.moments]
        return steps if self.end is None or self.end.step in steps else [*steps, self.end.step]

    @property
    def nbytes(self) -> int:
        """What the recorded states take."""
        return self._nbytes + (self.end.nbytes if self.end is not None else 0)

    def summary(self, now: int) -> dict[str, Any]:
        """What a page must know of it: the steps to go back to, the last one reached, and how full it is.

        Args:   now: the training's step.
        """
        return summary(self.steps, now if self.end is None else self.end.step, self.nbytes, self.limit)

    # ---- recording ------------------------------------------------------------------------------------------------

    def record(self, step: int, size: int, take: Callable[[], Moment]) -> None:
        """Record the present moment, if its step is due.

        Args:   size: bytes of the parameters.  take: makes the moment.
        """
        if step % (self._every * self.record_every) or (self.moments and self.moments[-1].step >= step):
            return
        if 2 * 4 * size > self.limit:  # parameters, two means of Adam's, and a gradient
            return
        self._append(take())
        while self._nbytes > self.limit or len(self.moments) > MOST:
            self._every *= 2
            self._keep([each for each in self.moments if each.step % (self._every * self.record_every) == 0])

    def note(self, step: int, setting: Setting, changes: Sequence[Change], take: Callable[[], Moment]) -> None:
        """Remember the setting that was just chosen; what was recorded at this step is as it is now.

        Args:   changes: all so far.  take: makes the present moment.
        """
        if self.settings and self.settings[-1].step == step and alike(self.settings[-1].setting, setting):
            self.settings.pop()  # a slider on its way
        self.settings.append(Chosen(step, setting, [change for change in changes[-1:] if change.step == step]))
        if self.moments and self.moments[-1].step == step:
            self._keep(self.moments[:-1])
            self._append(take())

    def _append(self, new: Moment) -> None:
        self.moments.append(new)
        self._nbytes += new.nbytes

    def _keep(self, moments: list[Moment]) -> None:
        self.moments, self._nbytes = moments, sum(each.nbytes for each in moments)

    # ---- going back -----------------------------------------------------------------------------------------------

    def wind(self, now: Moment, records: list[Record], step: int) -> tuple[Moment, list[Record]]:
        """The newest moment up to this step (or else the first), and the history; the tape stays as it is.

        Args:   now: where the training is, with its history so far.
        """
        if not self.moments:
            size = now.nbytes / 2**20
            raise ValueError(
                f"a run can go back only where its states are recorded: got states of {size:.1f} MB, more than half of "
                f"{self.limit / 2**20:g} MB; use fewer or smaller experts"
            )
        if self.end is None:
            self.end, self.records = now, records
        moments = [*self.moments, self.end]
        moment = moments[max(bisect_right([each.step for each in moments], step) - 1, 0)]
        if moment is self.end:
            self.end = None
        return moment, self.records

    def good_before(self, step: int) -> dict[str, Any] | None:
        """The newest state up to this step that a run which diverges later can go back to."""
        return next((each.state for each in reversed(self.moments) if each.step <= step and each.is_good), None)

    def due(self, step: int) -> list[Chosen]:
        """The settings that were chosen at this step, for a training that was wound back and has come to it again."""
        if self.end is None:
            return []
        if step >= self.end.step:
            self.end = None
        return [each for each in self.settings if each.step == step]

    def cut(self, step: int) -> None:
        """Drop all that comes after this step."""
        self._keep([each for each in self.moments if each.step <= step])
        self.settings = [each for each in self.settings if each.step <= step]
        self.end = None


def summary(steps: list[int], end: int, nbytes: int, limit: int) -> dict[str, Any]:
    """A tape as frames tell of it."""
    sizes = {"megabytes": round(nbytes / 2**20, 2), "limit": round(limit / 2**20, 2), "rows": history.MOST}
    return {"steps": steps, "end": end, **sizes}


def alike(before: Setting, after: Setting) -> bool:
    """Whether no expert comes or goes between them, so that nothing of the first remains."""
    return before.configs[0].num_experts == after.configs[0].num_experts
