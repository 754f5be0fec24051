"""One run as its worker sees it: what it plays and who watches decide together when its next event is due."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from moeviz.engine.messages import Open, State, Status
from moeviz.engine.worker.audience import Audience
from moeviz.engine.worker.op_budget import Budget
from moeviz.engine.worker.playing import Playing
from moeviz.engine.worker.rate import Rate
from moeviz.engine.worker.watcher import Shown, Watcher
from moeviz.frames import pack

if TYPE_CHECKING:
    from moeviz.engine.worker.hosted import Hosted

FRAME_PERIOD = 1 / 30
STATUS_PERIOD = 0.25
MEASURE_PERIOD = 0.3  # metrics and loads of a run that trains are drawn about 4 times a second; maps with every frame
MEASURED_FRAMES = 4  # ... and where frames are rare, with at most every fourth
NOTICE_SECONDS = 5.0


class HostedRun:
    """A run that is played and watched; every method takes the time, so that a test can pretend it.

    `…_at` says when something is due: infinity while it is not, and at most `now` when it is.
    """

    def __init__(self, token: str, training: Hosted, opening: Open, now: float, patience: float) -> None:
        self.token = token
        self.playing = Playing(training, opening, now)
        self.audience = Audience(opening["probe"], now, patience)
        self.budget = Budget(now)  # of its ops
        self.used = 0.0  # seconds of training and of ops, for fairness
        self._notice: str | None = opening.get("notice")
        self._notice_until = now + NOTICE_SECONDS
        self._rate = Rate(self.step, now)
        self._last_status: tuple[Any, ...] | None = None
        self._last_status_at = self._measured_at = -math.inf
        self._measured_step = -1

    @property
    def step(self) -> int:
        return self.playing.step

    def state(self, now: float) -> State:
        if self.playing.reason is not None:
            return "diverged"
        return "running" if self.playing.on and self.audience.awake(now) else "paused"

    def changed(self, now: float, knobs: bool = False) -> None:
        """After an op: show it, and let the next step come at once; with `knobs`, count a knob revision."""
        self.playing.changed(now, knobs)
        self.audience.see_again()

    def spend(self, seconds: float) -> None:
        """An op has taken so long."""
        self.budget.spend(seconds)
        self.used += seconds

    # --- its next step -------------------------------------------------------------------------------------------

    def step_at(self, now: float) -> float:
        """When the next training step is due: of a run that nobody watches only where it was asked for."""
        return self.playing.step_at(now, self.audience.awake(now))

    def train(self, budget: float, clock: Callable[[], float]) -> None:
        """Step until the budget is spent or nothing is due; at least one step."""
        now = clock()
        until = now + budget
        while self.step_at(now) <= now:
            began = now
            for each in self.playing.trainings:
                each.step(1)
            now = clock()
            self.playing.stepped(now - began, now)
            if now >= until:
                break

    # --- its next frame ------------------------------------------------------------------------------------------

    def shown(self, now: float) -> Shown:
        """What there is to see."""
        return Shown(self.step, self.playing.version, self.state(now), self._reason(now))

    def frame_at(self, watcher: Watcher, now: float, crowd_period: float = FRAME_PERIOD) -> float:
        """When the viewer's next frame is due.

        In a crowd frames of nothing but later steps keep a longer distance; answers within the run's budget do not.
        """
        shown = self.shown(now)
        if not watcher.takes(shown):
            return math.inf
        at_once = self.budget.has_left and watcher.awaits(shown)
        return watcher.sent_at + (FRAME_PERIOD if at_once else crowd_period)

    def frame(self, watcher: Watcher, now: float, crowd_period: float = FRAME_PERIOD) -> bytes:
        """The newest picture for one viewer, which pays a credit for it."""
        playing, training = self.playing, self.playing.training
        playing.check(now)
        fresh = self._measures(now, max(MEASURE_PERIOD, MEASURED_FRAMES * crowd_period))
        snapshot = training.snapshot(want=watcher.want, probe=watcher.probe, given=watcher.given, fresh=fresh)
        own = {
            "revision": playing.revision,
            "data_version": playing.data_version, "state": self.state(now), "speed": playing.speed,
            "reason": self._reason(now), "steps_per_second": self._rate.measured(self.step, now),
            "settled": playing.settled, "ghost": playing.ghost.words(training),
        }  # fmt: skip
        ghost = playing.ghost.arrays(training, "history" in watcher.want)
        frame = pack({**snapshot.header, **own}, {**snapshot.arrays, **ghost})
        watcher.pay()  # first: whether the run is awake may hang on the credits that are left
        watcher.see(self.shown(now), now)
        return frame

    def _measures(self, now: float, period: float) -> bool:
        """Whether the next frame needs a measurement of its own: not if the history's are frequent enough."""
        measured_step = self.playing.training.measured_step
        if measured_step != self._measured_step:
            self._measured_step, self._measured_at = measured_step, now
        unhurried = self.playing.speed == "slow" or self.state(now) != "running"
        fresh = unhurried or now - self._measured_at >= period
        if fresh:
            self._measured_step, self._measured_at = self.step, now
        return fresh

    def _reason(self, now: float) -> str | None:
        return self.playing.reason or (self._notice if now < self._notice_until else None)

    # --- what the server should know next ------------------------------------------------------------------------

    def status_at(self, now: float) -> float:
        """When the server is to be told where the run is: of mere steps now and then, of all else at once."""
        status = self._status(now)
        if status == self._last_status:
            return math.inf
        only_steps = self._last_status is not None and status[1:] == self._last_status[1:]
        return self._last_status_at + STATUS_PERIOD if only_steps else now

    def status(self, now: float) -> Status:
        """Where the run is; the server answers `info` from it and reopens the run from it."""
        self._last_status, self._last_status_at = self._status(now), now
        step, state, revision, speed, data_version = self._last_status
        configs = [dict(vars(config)) for config in self.playing.training.configs]
        return {
            "op": "status", "run": self.token, "step": step, "state": state, "revision": revision, "speed": speed,
            "data_version": data_version, "reason": self.playing.reason, "configs": configs,
        }  # fmt: skip

    def _status(self, now: float) -> tuple[Any, ...]:
        playing = self.playing
        return self.step, self.state(now), playing.revision, playing.speed, playing.data_version

    def turns_at(self, now: float) -> Iterator[float]:
        """When the run falls asleep, and when its notice ends: moments at which its state changes by itself."""
        if self.state(now) == "running":
            yield self.audience.sleeps_at(now)
        if self._reason(now) is not None and self.playing.reason is None:
            yield self._notice_until
