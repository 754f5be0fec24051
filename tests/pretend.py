"""A worker's Host with a pretended clock and training, for tests of turns and times that must not take any."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np

from moeviz.config import RunConfig
from moeviz.engine.worker.host import Host
from moeviz.frames import unpack
from moeviz.training import opened
from moeviz.training import step_together as training_together

SNAPSHOT_SECONDS = 0.002


class Clock:
    """Time that passes when work is pretended (and by a microsecond at each look, so that no loop stands still)."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


class FakeTraining:
    """A Training whose step costs batch_size / 8 milliseconds, and that diverges at a learning rate of 10."""

    clock: Clock
    op_seconds = 0.0  # that an op takes
    rewound = False

    def __init__(self, configs) -> None:
        self.configs = tuple(configs)
        self.broken: str | None = None
        self.reason: str | None
        self.reset()

    def reset(self) -> None:
        self.clock.now += self.op_seconds
        self.current_step, self.diverged, self.reason = 0, False, None

    @property
    def is_heavy(self) -> bool:
        """Whether looking at it, and turning its knobs, takes long."""
        return self.configs[0].hidden_width >= 256

    @property
    def stuck(self) -> bool:
        return self.diverged

    @property
    def parts(self) -> tuple[FakeTraining]:
        return (self,)

    def step(self, n: int = 1) -> None:
        if self.diverged:  # it stands still, as the real one does
            return
        if self.broken == "step":
            raise RuntimeError("shapes do not match")
        self.clock.now += n * self.configs[0].batch_size / 8000
        self.current_step += n
        if self.configs[0].learning_rate == 10:
            self.diverged, self.reason = True, "lower the learning rate"

    @property
    def lockstep(self) -> tuple[int, int]:
        return self.configs[0].batch_size, self.configs[0].num_experts

    @property
    def measured_step(self) -> int:
        return self.current_step

    def set(self, **knobs) -> list[str]:
        self.clock.now += self.op_seconds
        if "broken" in knobs:
            self.broken = knobs["broken"]
            return []
        self.clock.now += 0.05 if self.is_heavy else 0.0
        self.configs = tuple(config.with_(**knobs) for config in self.configs)
        return [f"{name} is new" for name in knobs]

    def would_set(self, **knobs) -> tuple[RunConfig, ...]:
        return self.configs if "broken" in knobs else tuple(config.with_(**knobs) for config in self.configs)

    def treat(self, expert: int, how: str, run: int | None) -> None:
        self.clock.now += self.op_seconds
        if run is not None and run >= len(self.configs):
            raise ValueError(f"run must be 0, or none for all: got {run}; choose it")

    def rewind(self, step: int) -> None:
        self.clock.now += self.op_seconds
        self.current_step = min(step, self.current_step)

    def settled(self, since: int) -> bool:
        return False

    def ghost(self, kind: str) -> None:
        return None

    def recover(self) -> list[str]:
        self.reset()
        return self.set(learning_rate=1.0)

    def snapshot(self, want=(), probe=None, given=None, *, fresh=True):
        if self.broken in want:
            raise KeyError(self.broken)
        self.clock.now += 0.1 if self.is_heavy else SNAPSHOT_SECONDS
        header = {"step": self.current_step, "reason": self.reason, "probe": probe, "left_out": list(want)}
        return SimpleNamespace(header=header, arrays={"load": np.ones((1, 8), "f4")})


def step_together(trainings: list[FakeTraining]) -> None:
    """A common step: the first costs what it costs alone, each further one a quarter."""
    if any(training.broken == "step" for training in trainings):
        raise RuntimeError("shapes do not match")
    clock = trainings[0].clock
    began = clock.now
    for training in trainings:
        training.step()
    clock.now = began + (clock.now - began) * (3 + len(trainings)) / (4 * len(trainings))


class World:
    """A Host and everything that it has sent; with `together`, runs of one shape step together.

    With `real`, they really train, in no time by this clock.
    """

    def __init__(
        self, idle_pause: float = 10.0, idle_free: float = 120.0, together: bool = False, real: bool = False,
        op_seconds: float = 0.0,
    ) -> None:  # fmt: skip
        self.clock = Clock()
        pretended = type("Timed", (FakeTraining,), {"clock": self.clock, "op_seconds": op_seconds})
        self.sent: list[tuple[float, dict, bytes]] = []
        self.seen = 0  # so many of them by a greedy viewer
        common = (training_together if real else step_together) if together else None
        training = opened if real else pretended
        self.host = Host(self.emit, training, common, idle_pause=idle_pause, idle_free=idle_free, clock=self.clock)

    def emit(self, message, payload) -> None:
        self.sent.append((self.clock.now, json.loads(json.dumps(message)), payload))

    def open(self, run: str, speed: str = "fast", play: bool = True, viewer: bool = True, **knobs) -> None:
        config = RunConfig(**{"batch_size": 64, **knobs})
        self.tell(op="open", run=run, configs=[vars(config)], play=play, speed=speed, probe=None)
        if viewer:
            self.tell(op="watch", run=run, viewer=run, credit=0, want=None, probe=None, hidden=False)
            self.view(run)

    def view(self, run: str, credit: int = 1, **message) -> None:
        self.tell(op="view", run=run, viewer=run, credit=credit, **{"want": None, "probe": None, **message})

    def tell(self, **message: Any) -> None:
        said: Any = message
        self.host.handle(said)

    def run(self, seconds: float, greedy: bool = False) -> None:
        """Let time pass as `serve` would; a greedy viewer asks for the next frame whenever it gets one."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            wait = self.host.wait()
            if wait is None or self.clock.now + wait > end:
                self.clock.now = end
                return
            self.clock.now += wait
            self.host.advance()
            unseen, self.seen = self.sent[self.seen :], len(self.sent)
            for _, message, _ in unseen if greedy else []:
                if message["op"] == "frame":
                    self.view(message["run"])

    def step(self, run: str) -> int:
        return self.host._runs[run].step

    def of(self, run: str, op: str) -> list[dict]:
        return [message for _, message, _ in self.sent if message["op"] == op and message.get("run") == run]

    def last_frame(self, run: str) -> bytes:
        return next(frame for _, message, frame in reversed(self.sent) if frame and message["run"] == run)

    def frames(self, run: str) -> list[tuple[float, dict]]:
        return [
            (at, unpack(payload)[0]) for at, message, payload in self.sent if message["op"] == "frame"
            and message["run"] == run
        ]  # fmt: skip
