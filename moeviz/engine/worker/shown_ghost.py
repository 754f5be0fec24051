"""Which ghost is shown beside a run that goes on differently: itself without the change, before it, or as recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moeviz.engine.worker.hosted import Hosted, HostedGhost, Part

HELD = 2.0  # seconds between two turns of one knob that are one change


class ShownGhost:
    """Which kind of ghost is wanted (one of GHOSTS), and the one that is shown now, if any."""

    def __init__(self, kind: str, now: float) -> None:
        self.kind = kind
        self.current: HostedGhost | None = None  # see moeviz.training.ghost
        self._turned: tuple[frozenset[str], float, int] = frozenset(), now, 0  # which knobs last, when, at which step

    def without(self, training: Hosted, knobs: Iterable[str], now: float, crowded: bool) -> HostedGhost | None:
        """The ghost to show once these knobs are turned: the run without that, or still without the turns before.

        In a crowded worker there is none, since it would train at the cost of the others. A key that is held down makes
        one change of many turns, and so does what is turned at one step: the ghost is that from where it began.
        """
        names, step = frozenset(knobs), int(training.current_step)
        same = names <= self._turned[0] and (now - self._turned[1] <= HELD or step == self._turned[2])
        self._turned = names, now, step
        if training.rewound:
            return self.recorded(training)
        if self.kind != "twin":
            return self.current
        if crowded:
            return None
        goes_on = self.current and self.current.trains and self.current.differs_in(training) >= names
        return self.current if goes_on or (same and self.current) else training.ghost("twin")

    def recorded(self, training: Hosted) -> HostedGhost | None:
        """The ghost to show once a run that was wound back goes on differently."""
        return None if self.kind == "none" else training.ghost("recorded")

    def before(self, training: Hosted) -> HostedGhost | None:
        """The ghost to show once the run starts again."""
        return training.ghost("previous") if self.kind == "previous" and training.current_step else None

    @property
    def training(self) -> Part | None:
        """What trains on beside the run."""
        return self.current.training if self.current and self.current.trains else None

    def words(self, training: Hosted) -> str | None:
        return self.current.words(training) if self.current else None

    def arrays(self, training: Hosted, charted: bool) -> Mapping[str, Any]:
        """What is drawn of it, with its curves where they are asked for."""
        return self.current.arrays(training, charted) if self.current else {}
