"""A worker's Host with a pretended clock and training, for tests of turns and times that must not take any."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np

from moeviz.config import RunConfig
from moeviz.engine.worker import Host
from moeviz.frames import unpack

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

    def __init__(self, configs) -> None:
        self.configs = tuple(configs)
        self.broken: str | None = None
        self.reason: str | None
        self.reset()

    def reset(self) -> None:
        self.current_step, self.diverged, self.reason = 0, False, None

    def step(self, n: int = 1) -> None:
        if self.diverged:  # it stands still, as the real one does
            return
        if self.broken == "step":
            raise RuntimeError("shapes do not match")
        self.clock.now += n * self.configs[0].batch_size / 8000
        self.current_step += n
        if self.configs[0].learning_rate == 10:
            self.diverged, self.reason = True, "lower the learning rate"

    def set(self, **knobs) -> list[str]:
        if "broken" in knobs:
            self.broken = knobs["broken"]
            return []
        self.configs = tuple(config.with_(**knobs) for config in self.configs)
        return [f"{name} is new" for name in knobs]

    def recover(self) -> list[str]:
        self.reset()
        return self.set(learning_rate=1.0)

    def snapshot(self, want=(), probe=None, *, fresh=True):
        if self.broken == "snapshot":
            raise KeyError("load")
        self.clock.now += SNAPSHOT_SECONDS
        header = {"step": self.current_step, "reason": self.reason, "probe": probe, "want": list(want)}
        return SimpleNamespace(header=header, arrays={"load": np.ones((1, 8), "f4")})


class World:
    """A Host and everything that it has sent."""

    def __init__(self, idle_pause: float = 10.0, idle_free: float = 120.0) -> None:
        self.clock = Clock()
        training = type("Timed", (FakeTraining,), {"clock": self.clock})
        self.sent: list[tuple[float, dict, bytes]] = []
        self.seen = 0  # so many of them by a greedy viewer
        self.host = Host(self.emit, training, idle_pause=idle_pause, idle_free=idle_free, clock=self.clock)

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

    def tell(self, **message) -> None:
        self.host.handle(message)

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

    def frames(self, run: str) -> list[tuple[float, dict]]:
        return [
            (at, unpack(payload)[0]) for at, message, payload in self.sent if message["op"] == "frame" == message["op"]
            and message["run"] == run
        ]  # fmt: skip
