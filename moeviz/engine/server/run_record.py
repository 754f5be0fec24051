"""What the server knows of a run and of those who watch it: enough to go on when its worker dies."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TypedDict

from moeviz.config import RunConfig
from moeviz.engine.errors import EngineBusy
from moeviz.engine.messages import Frame, Op, Open, State, Status, Tell, ToWorker
from moeviz.engine.protocol import DEFAULT_GHOST
from moeviz.engine.server.viewer import MessageRate, Viewer
from moeviz.engine.server.worker_slot import Slot

ALONE, ASIDE = 10.0, 60.0
"""Seconds without any tab (a page that opens takes some), and with hidden tabs only, until a run's place may go."""


class Info(TypedDict):
    """What pages ask of a run."""

    step: int
    state: State
    revision: int
    speed: str
    configs: list[RunConfig]


class RunRecord:
    """A group of runs in lockstep: where it is, who watches, and what its worker last said."""

    def __init__(
        self, token: str, slot: Slot, configs: Sequence[RunConfig], play: bool, speed: str, probe: list[float] | None
    ) -> None:
        self.token = token
        self.slot = slot
        self.configs = list(configs)
        self.viewers: dict[str, Viewer] = {}
        self.rate = MessageRate()
        self._play, self._speed, self._probe = play, speed, probe
        self._until: int | None = None
        self._ghost = DEFAULT_GHOST
        self._step = 0
        self._state: State = "running" if play else "paused"
        self._revision, self._data_version = 0, 0
        self._seen_at = time.monotonic()

    def seen(self) -> None:
        """A tab has come, gone, or been hidden or shown: from now on, or until now, somebody watches."""
        self._seen_at = time.monotonic()

    def spare(self) -> float:
        """For how many seconds its place could have been given away; below 0 while it may not be."""
        if any(not viewer.hidden for viewer in self.viewers.values()):
            return -math.inf
        return time.monotonic() - self._seen_at - (ASIDE if self.viewers else ALONE)

    def send(self, message: ToWorker, viewer: Viewer | None = None) -> bool:
        """Send its worker a message about it, or about one of its viewers; False while that is too far behind."""
        addressed = message.copy()
        addressed["run"] = self.token
        if viewer is not None:
            addressed["viewer"] = viewer.key
        return self.slot.send(addressed)

    def post(self, message: ToWorker) -> None:
        """The same for a message that must arrive; EngineBusy where it cannot."""
        if not self.send(message):
            raise EngineBusy("a worker must keep up with its messages: this one is far behind; try again in a moment")

    def opening(self, notice: str | None = None) -> Open:
        """The message that opens this run in a worker; `notice`: what its viewers are told for a while."""
        return {
            "op": "open", "configs": [dict(vars(each)) for each in self.configs], "play": self._play,
            "speed": self._speed, "probe": self._probe, "ghost": self._ghost,
            "revision": self._revision, "data_version": self._data_version, "until": self._until,
            "notice": notice,
        }  # fmt: skip

    def note(self, message: Op) -> None:
        """Remember the play state that a message asks for."""
        match message["op"]:
            case "play":
                self._play, self._until = True, message.get("until", self._until)
            case "pause" | "step" | "rewind":
                self._play = False
            case "speed":
                self._speed = message["value"]
            case "ghost":
                self._ghost = message["value"]
            case "view" if message["probe"] is not None:
                self._probe = message["probe"]

    def learn(self, status: Status) -> None:
        """Take over what the worker says."""
        self._step, self._state = status["step"], status["state"]
        self._revision, self._data_version, self._speed = status["revision"], status["data_version"], status["speed"]
        self.configs = [RunConfig(**each) for each in status["configs"]]

    def restarted(self) -> None:
        """The worker died: step 0, and a version of the data that makes viewers load the points again."""
        self._step, self._data_version = 0, self._data_version + 1

    def info(self) -> Info:
        return {
            "step": self._step, "state": self._state, "revision": self._revision, "speed": self._speed,
            "configs": list(self.configs),
        }  # fmt: skip

    def addressed(self, message: Frame | Tell) -> list[Viewer]:
        """The viewer that a worker's message names, or all of them."""
        key = message["viewer"]
        return [viewer for viewer in self.viewers.values() if key in (None, viewer.key)]
