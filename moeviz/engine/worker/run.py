"""One run as its worker sees it: a Training, who watches it, and when each of its next events is due."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from moeviz.engine.messages import Look, Open, State, Status, Watch
from moeviz.engine.protocol import DEFAULT_GHOST, MAX_CREDIT, MAX_STEPS, PERIODS
from moeviz.engine.worker.op_budget import Budget
from moeviz.engine.worker.rate import Rate
from moeviz.engine.worker.watcher import Watcher
from moeviz.frames import pack

if TYPE_CHECKING:
    from moeviz.engine.worker.hosted import Hosted, HostedGhost, Part

FRAME_PERIOD = 1 / 30
STATUS_PERIOD = 0.25
MEASURE_PERIOD = 0.3  # metrics and loads of a run that trains are drawn about 4 times a second; maps with every frame
MEASURED_FRAMES = 4  # ... and where frames are rare, with at most every fourth
CHECK_PERIOD = 0.1  # seconds between looks at whether a run has stopped itself
LAG = 0.1  # a worker that is too slow forgets missed steps beyond this many seconds instead of catching up in a burst
NOTICE_SECONDS = 5.0
MAX_PENDING = 10 * MAX_STEPS
STEP_MEMORY = 0.2  # weight of the newest step in the mean of what steps take
SLOW_STEP = 0.02  # what took longer was not the step alone
UNHURRIED = {"history", "groups", "trails", "skill"}  # pictures that pages ask for again and again
MAX_DEBT = 2  # answers to knobs that may be on their way beyond what a viewer asked for


class HostedRun:
    """A Training with a play state and viewers; every method takes the time, so that a test can pretend it."""

    def __init__(self, token: str, training: Hosted, message: Open, now: float, patience: float) -> None:
        self.token = token
        self.training = training
        self.playing: bool = message["play"]
        self.speed: str = message["speed"]
        self.probe = _probe(message["probe"])
        self.revision: int = message.get("revision", 0)
        self.scene: int = message.get("scene", 0)
        self.notice: str | None = message.get("notice")
        self.notice_until = now + NOTICE_SECONDS
        self.ghost_kind: str = message.get("ghost", DEFAULT_GHOST)
        self.ghost: HostedGhost | None = None  # see moeviz.training.ghost
        self.settled = False  # it paused by itself, since nothing changed any more
        self.calm_since = 0  # step of the last op
        self.reason: str | None = None  # why it stopped for good; a Reset or Recover clears it
        self.version = 0  # grows with whatever an op may have changed
        self.pending = 0  # steps still to do while paused
        self.until: int | None = message.get("until")  # a step at which it will wait
        self.used = 0.0  # seconds of training and of ops, for fairness
        self.budget = Budget(now)  # of its ops
        self.step_seconds = 0.0  # of late, for one step
        self.due_at = self.checked_at = self.left_at = self.empty_since = now
        self.watchers: dict[str, Watcher] = {}
        self._patience = patience
        self._data = [config.data() for config in training.configs]
        self._rate = Rate(self.step, now)
        self.turned: tuple[frozenset[str], float, int] = frozenset(), now, self.step  # what was turned last, and when
        self._told: tuple[Any, ...] | None = None
        self._told_at = self._measured_at = -math.inf
        self._measured_step = -1

    @property
    def step(self) -> int:
        return int(self.training.current_step)

    # --- who watches ---------------------------------------------------------------------------------------------

    def join(self, viewer: str, message: Watch, now: float) -> None:
        watcher = Watcher(now, self.probe)
        self.watchers[viewer] = watcher
        self.look(viewer, message, now)
        watcher.hidden = message.get("hidden", False)

    def leave(self, viewer: str, now: float) -> None:
        self.left_at = self.watched_at(now)
        self.watchers.pop(viewer, None)
        if not self.watchers:
            self.empty_since = now

    def hide(self, viewer: str, hidden: bool, now: float) -> None:
        watcher = self.watchers.get(viewer)
        if watcher is not None:
            self.left_at = self.watched_at(now)
            watcher.hidden, watcher.heard_at = hidden, now

    def look(self, viewer: str, message: Look, now: float) -> None:
        """A viewer's credit, want list and probe; what it leaves out stays as it was."""
        watcher = self.watchers.get(viewer)
        if watcher is None:
            return  # it left a moment ago
        watcher.heard_at = now
        watcher.credit = min(watcher.credit + message["credit"], MAX_CREDIT)
        if message["want"] is not None:
            watcher.ask(tuple(message["want"]))
        if message["probe"] is not None:
            watcher.probe = self.probe = _probe(message["probe"])

    def watched_at(self, now: float) -> float:
        """When somebody was last known to watch; a viewer that has taken no frame for a while does not count."""
        latest = self.left_at
        for watcher in self.watchers.values():
            if not watcher.hidden:
                latest = max(latest, now if watcher.credit > 0 else watcher.heard_at)
        return latest

    def awake(self, now: float) -> bool:
        return now - self.watched_at(now) < self._patience

    # --- what it does --------------------------------------------------------------------------------------------

    def state(self, now: float) -> State:
        if self.reason is not None:
            return "diverged"
        return "running" if self.playing and self.awake(now) else "paused"

    def step_at(self, now: float) -> float:
        """When the next training step is due; infinity while there is none to do."""
        if self.reason is not None:
            return math.inf
        if self.pending:
            return now
        return max(self.due_at, now) if self.playing and self.awake(now) else math.inf

    def train(self, budget: float, clock: Callable[[], float]) -> None:
        """Step until the budget is spent or nothing is due; at least one step."""
        now = clock()
        until = now + budget
        while self.step_at(now) <= now:
            began = now
            for each in self.trainings:
                each.step(1)
            now = clock()
            self.counted(now - began, now)
            if now >= until:
                break

    @property
    def trainings(self) -> list[Part]:
        """What takes a step at each of its turns: each shape of the run, and its ghost while that still trains."""
        ghosts = [self.ghost.training] if self.ghost and self.ghost.trains and self.ghost.training else []
        return [*self.training.parts, *ghosts]

    @property
    def num_training(self) -> int:
        """How many runs, with their ghosts, take that step."""
        return sum(len(each.configs) for each in self.trainings)

    def counted(self, seconds: float, now: float) -> None:
        """After a step, which took so long: when the next is due, and whether the Training has stopped itself."""
        self.step_seconds += STEP_MEMORY * (min(seconds, SLOW_STEP) - self.step_seconds)
        asked = self.pending > 0
        if asked:
            self.pending -= 1
        else:
            self.due_at = max(_next_beat(self.due_at, PERIODS[self.speed]), now - LAG)
        if self.step == self.until:
            self.playing, self.pending, self.until = False, 0, None
            self.version += 1
        if now - self.checked_at >= CHECK_PERIOD or (asked and not self.pending):
            self.check(now)

    def check(self, now: float) -> None:
        """Notice that the Training has stopped itself, or that there is nothing new to see in it.

        Of several runs some may have diverged: the others train on.
        """
        self.checked_at = now
        if self.reason is None and self.training.stuck:
            self.stop(self.training.reason or "every run has diverged")
        elif self.playing and self.training.settled(self.calm_since):
            self.playing, self.settled = False, True
            self.version += 1

    def stop(self, reason: str) -> None:
        self.reason, self.pending = reason, 0
        self.version += 1

    def revive(self) -> None:
        """After a Reset or Recover: nothing is wrong any more."""
        self.reason, self.pending = None, 0

    def hurry(self, speed: str, now: float) -> None:
        """Go on at another speed; what a run has settled into is the same at any."""
        self.speed, self.due_at = speed, now
        self.version += 1

    def changed(self, now: float, knobs: bool = False) -> None:
        """After an op: show it, and let the next step come at once; with `knobs`, count a knob revision."""
        self.calm_since, self.settled = self.step, False
        self.version += 1
        self.revision += knobs
        self.due_at = now
        for watcher in self.watchers.values():
            watcher.blind = False
        data = [config.data() for config in self.training.configs]
        self.scene += data != self._data
        self._data = data

    # --- what it shows -------------------------------------------------------------------------------------------

    def frame_at(self, watcher: Watcher, now: float, crowd_period: float = FRAME_PERIOD) -> float:
        """When the viewer's next frame is due; infinity while it cannot take one or has seen everything.

        In a crowd frames of nothing but later steps keep a longer distance; answers within the run's budget do not.
        """
        if watcher.hidden or watcher.credit <= 0 or watcher.blind or watcher.saw == self._sight(watcher, now):
            return math.inf
        at_once = self.budget.has_left and self.awaited(watcher, now)
        return watcher.sent_at + (FRAME_PERIOD if at_once else crowd_period)

    def may_answer(self, watcher: Watcher) -> bool:
        """Whether a knob's frame may go out at once and on credit, so as not to wait for the pictures before it."""
        return not watcher.blind and not watcher.hidden and watcher.saw is not None and watcher.credit > -MAX_DEBT

    def awaited(self, watcher: Watcher, now: float) -> bool:
        """Whether the viewer waits for an answer (a knob, the probe, another picture), not just for later steps."""
        if watcher.saw is None:
            return True
        _, *saw, saw_want, saw_probe = watcher.saw
        _, *sight, want, probe = self._sight(watcher, now)
        return saw != sight or saw_probe != probe or bool(set(want) - set(saw_want) - UNHURRIED)

    def frame(self, watcher: Watcher, now: float, crowd_period: float = FRAME_PERIOD) -> bytes:
        """The newest picture for one viewer, which pays a credit for it."""
        self.check(now)
        fresh = self._measures(now, max(MEASURE_PERIOD, MEASURED_FRAMES * crowd_period))
        snapshot = self.training.snapshot(want=watcher.want, probe=watcher.probe, given=watcher.given, fresh=fresh)
        own = {
            "revision": self.revision, "scene": self.scene, "state": self.state(now), "speed": self.speed,
            "reason": self._reason(now), "steps_per_second": self._rate.measured(self.step, now),
            "settled": self.settled, "ghost": self.ghost.words(self.training) if self.ghost else None,
        }  # fmt: skip
        ghost = self.ghost.arrays(self.training, "history" in watcher.want) if self.ghost else {}
        frame = pack({**snapshot.header, **own}, {**snapshot.arrays, **ghost})
        watcher.credit -= 1
        watcher.saw, watcher.sent_at, watcher.heard_at = self._sight(watcher, now), now, now
        return frame

    def _measures(self, now: float, period: float) -> bool:
        """Whether the next frame needs a measurement of its own: not if the history's are frequent enough."""
        if self.training.measured_step != self._measured_step:
            self._measured_step, self._measured_at = self.training.measured_step, now
        fresh = self.speed == "slow" or self.state(now) != "running" or now - self._measured_at >= period
        if fresh:
            self._measured_step, self._measured_at = self.step, now
        return fresh

    def _sight(self, watcher: Watcher, now: float) -> tuple[Any, ...]:
        return self.step, self.version, self.state(now), self._reason(now), watcher.given, watcher.want, watcher.probe

    def _reason(self, now: float) -> str | None:
        return self.reason or (self.notice if now < self.notice_until else None)

    # --- what the server should know -----------------------------------------------------------------------------

    def status_at(self, now: float) -> float:
        status = self._status(now)
        if status == self._told:
            return math.inf
        only_steps = self._told is not None and status[1:] == self._told[1:]
        return self._told_at + STATUS_PERIOD if only_steps else now

    def status(self, now: float) -> Status:
        """Where the run is; the server answers `info` from it and reopens the run from it."""
        self._told, self._told_at = self._status(now), now
        step, state, revision, speed, scene = self._told
        return {
            "op": "status", "run": self.token, "step": step, "state": state, "revision": revision, "speed": speed,
            "scene": scene, "reason": self.reason, "configs": [dict(vars(config)) for config in self.training.configs],
        }  # fmt: skip

    def _status(self, now: float) -> tuple[Any, ...]:
        return self.step, self.state(now), self.revision, self.speed, self.scene

    def turns_at(self, now: float) -> Iterator[float]:
        """When the run falls asleep, and when its notice ends: moments at which its state changes by itself."""
        if self.playing and self.reason is None and self.awake(now):
            yield self.watched_at(now) + self._patience
        if self._reason(now) is not None and self.reason is None:
            yield self.notice_until


def _next_beat(due_at: float, period: float) -> float:
    """The next whole multiple of the period: runs keep common beats, so that they can step together."""
    return (math.floor(due_at / period + 1e-6) + 1) * period if period else due_at


def _probe(probe: Sequence[float] | None) -> tuple[float, float] | None:
    return None if probe is None else (probe[0], probe[1])
