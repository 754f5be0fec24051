"""What a run plays: its training and the ghost beside it, whether it goes on, at which pace, and until when."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from moeviz.engine.messages import Open
from moeviz.engine.protocol import DEFAULT_GHOST, MAX_STEPS, PERIODS
from moeviz.engine.worker.shown_ghost import ShownGhost

if TYPE_CHECKING:
    from moeviz.engine.worker.hosted import Hosted, Part

CHECK_PERIOD = 0.1  # seconds between looks at whether a run has stopped itself
LAG = 0.1  # a worker that is too slow forgets missed steps beyond this many seconds instead of catching up in a burst
MAX_PENDING = 10 * MAX_STEPS
STEP_MEMORY = 0.2  # weight of the newest step in the mean of what steps take
SLOW_STEP = 0.02  # what took longer was not the step alone


class Playing:
    """A training that goes on, waits, or has stopped; who watches it makes no difference here."""

    def __init__(self, training: Hosted, opening: Open, now: float) -> None:
        self.training = training
        self.ghost = ShownGhost(opening.get("ghost", DEFAULT_GHOST), now)
        self.on: bool = opening["play"]
        self.speed: str = opening["speed"]
        self.pending = 0  # steps still to do while paused
        self.reason: str | None = None  # why it stopped for good; a Reset or Recover clears it
        self.settled = False  # it paused by itself, since nothing changed any more
        self.version = 0  # grows with whatever an op may have changed
        self.revision: int = opening.get("revision", 0)  # ... with what changes knobs
        self.data_version: int = opening.get("data_version", 0)  # ... with what changes the data
        self.step_seconds = 0.0  # of late, for one step
        self._until: int | None = opening.get("until")  # a step at which it will wait
        self._calm_since = 0  # step of the last op
        self._due_at = self._checked_at = now
        self._data = [config.data() for config in training.configs]

    @property
    def step(self) -> int:
        return int(self.training.current_step)

    # --- what it is told -----------------------------------------------------------------------------------------

    def play(self) -> None:
        self.on, self.pending = True, 0

    def wait_at(self, step: int | None) -> None:
        """Pause at a later step."""
        self._until = step

    def pause(self) -> None:
        self.on, self.pending = False, 0

    def take(self, count: int) -> None:
        """Pause, and take so many steps more."""
        self.on = False
        self.pending = min(self.pending + count, MAX_PENDING) if self.reason is None else 0

    def hurry(self, speed: str, now: float) -> None:
        """Go on at another speed; what a run has settled into is the same at any."""
        self.speed, self._due_at = speed, now
        self.version += 1

    def turn(
        self, knobs: Iterable[str], act: Callable[[], list[str] | None], now: float, crowded: bool
    ) -> list[str] | None:
        """Change what is set by hand, beside a ghost that goes on without the change."""
        stood_still, ghost = self.training.diverged, self.ghost.without(self.training, knobs, now, crowded)
        notices = act()
        revived = stood_still and not self.training.diverged
        if not self.training.rewound:  # else nothing was changed
            self.ghost.current = None if revived else ghost  # it would begin where the run stood still
        self.on |= self.settled
        if revived:
            self._revive()
        return notices

    def reset(self, other: Hosted | None) -> None:
        """Begin again, or with another training."""
        ghost = self.ghost.before(self.training)
        if other is None:
            self.training.reset()
        else:
            self.training = other
        self.ghost.current = ghost if ghost is not None and ghost.fits(self.training) else None
        self.on |= self.settled
        self._revive()

    def recover(self) -> list[str] | None:
        """Go back to before a divergence."""
        if self.reason is None and not self.training.diverged:
            raise ValueError(
                f"recover must follow a divergence: got step={self.step}, which is fine; use reset instead"
            )
        notices = self.training.recover()
        self.ghost.current = None
        self._revive()
        return notices

    def rewind(self, step: int) -> None:
        self.training.rewind(step)
        self.on, self.ghost.current = False, None
        self._revive()

    def branch(self) -> None:
        """Go on anew from where it was wound back to."""
        if not self.training.rewound:
            raise ValueError(f"branch must follow a rewind: got step={self.step}, the last one; rewind first")
        self.ghost.current = self.ghost.recorded(self.training)
        self.training.branch()

    def show_ghost(self, kind: str) -> None:
        """Another kind of ghost from the next change on."""
        if kind != self.ghost.kind:
            self.ghost.kind, self.ghost.current = kind, None
            self.version += 1

    def changed(self, now: float, knobs: bool) -> None:
        """After an op: it is as if new, and its next step comes at once."""
        self._calm_since, self.settled = self.step, False
        self.version += 1
        self.revision += knobs
        self._due_at = now
        data = [config.data() for config in self.training.configs]
        self.data_version += data != self._data
        self._data = data

    # --- steps ---------------------------------------------------------------------------------------------------

    def step_at(self, now: float, awake: bool) -> float:
        """When the next step is due; infinity while there is none to do."""
        if self.reason is not None:
            return math.inf
        if self.pending:
            return now
        return max(self._due_at, now) if self.on and awake else math.inf

    @property
    def trainings(self) -> list[Part]:
        """What takes a step at each of its turns: each shape of the run, and its ghost while that still trains."""
        return [*self.training.parts, *([self.ghost.training] if self.ghost.training else [])]

    @property
    def num_training(self) -> int:
        """How many runs, with their ghosts, take that step."""
        return sum(len(each.configs) for each in self.trainings)

    def stepped(self, seconds: float, now: float) -> None:
        """After a step, which took so long: when the next is due, and whether the training has stopped itself."""
        self.step_seconds += STEP_MEMORY * (min(seconds, SLOW_STEP) - self.step_seconds)
        asked = self.pending > 0
        if asked:
            self.pending -= 1
        else:
            self._due_at = max(_next_beat(self._due_at, PERIODS[self.speed]), now - LAG)
        if self.step == self._until:
            self.on, self.pending, self._until = False, 0, None
            self.version += 1
        if now - self._checked_at >= CHECK_PERIOD or (asked and not self.pending):
            self.check(now)

    def check(self, now: float) -> None:
        """Notice that the training has stopped itself, or that there is nothing new to see in it.

        Of several runs some may have diverged: the others train on.
        """
        self._checked_at = now
        if self.reason is None and self.training.stuck:
            self.stop(self.training.reason or "every run has diverged")
        elif self.on and self.training.settled(self._calm_since):
            self.on, self.settled = False, True
            self.version += 1

    def stop(self, reason: str) -> None:
        """For good, until it is reset."""
        self.reason, self.pending = reason, 0
        self.version += 1

    def _revive(self) -> None:
        """Nothing is wrong any more."""
        self.reason, self.pending = None, 0


def _next_beat(due_at: float, period: float) -> float:
    """The next whole multiple of the period: runs keep common beats, so that they can step together."""
    return (math.floor(due_at / period + 1e-6) + 1) * period if period else due_at
