"""What the server knows of a run, of those who watch it and of open questions: enough to go on when a worker dies."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from moeviz.config import RunConfig
from moeviz.engine.process import Slot
from moeviz.engine.wire import MAX_CREDIT, Message, check_client

MAX_RATE = 300  # messages a second; a page that drags the probe and takes 30 frames sends about 100
logger = logging.getLogger(__name__)


class RunGone(LookupError):
    """The token belongs to no live run: it was closed or freed, or never existed."""


class Viewer:
    """One open page of a run: gets frames and texts through a callback, sends what the browser said."""

    def __init__(
        self,
        key: str,
        on_message: Callable[[bytes | str], None],
        forward: Callable[[Viewer, Message], None],
        leave: Callable[[Viewer], None],
    ) -> None:
        self.key = key
        self._on_message, self._forward, self._leave = on_message, forward, leave
        self._credit = 0
        self._want: list[str] | None = None
        self._probe: list[float] | None = None
        self._hidden = False
        self._second, self._count = 0, 0

    def send(self, message: object) -> None:
        """Pass on what a browser sent; what it may not say is answered with an error text."""
        crowded = self._too_many()
        try:
            clean = check_client(message)
        except ValueError as error:
            if not crowded:
                self.tell({"op": "error", "message": str(error)})
            return
        # a request for a frame always passes, or the page would wait for ever; credit bounds how many there are
        if not crowded or (clean.get("credit") and self._credit < MAX_CREDIT):
            self._forward(self, clean)

    def close(self) -> None:
        """Stop watching; safe to call twice."""
        self._leave(self)

    def tell(self, body: Message) -> None:
        """Give the callback a JSON text."""
        self._deliver(json.dumps(body))

    def show(self, frame: bytes) -> None:
        """Give the callback a frame."""
        self._deliver(frame)

    def pay(self) -> None:
        """A frame has come, which uses up a credit (or was sent on one, as an answer to a knob)."""
        self._credit -= 1

    def note(self, message: Message) -> None:
        """Remember what a new worker would have to know."""
        if message["op"] == "view":
            self._credit = min(self._credit + message["credit"], MAX_CREDIT)
            self._want = self._want if message["want"] is None else message["want"]
            self._probe = self._probe if message["probe"] is None else message["probe"]
        elif message["op"] == "hidden":
            self._hidden = message["value"]

    def joining(self) -> Message:
        """The message that seats this viewer in a worker."""
        look = {"credit": self._credit, "want": self._want, "probe": self._probe}
        return {"op": "watch", "viewer": self.key, "hidden": self._hidden, **look}

    def _deliver(self, data: bytes | str) -> None:
        try:
            self._on_message(data)
        except Exception:  # the callback is foreign code, and other viewers share this thread
            logger.exception("a viewer's callback failed; it is detached")
            self.close()

    def _too_many(self) -> bool:
        """Whether this second's share of messages is used up; what comes beyond it is dropped, with one error."""
        second = int(time.monotonic())
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        if self._count == MAX_RATE + 1:
            self.tell({"op": "error", "message": f"at most {MAX_RATE} messages a second are read: slow down"})
        return self._count > MAX_RATE


class LiveRun:
    """A group of runs in lockstep: where it is, who watches, and what its worker last said."""

    def __init__(
        self, token: str, slot: Slot, configs: Sequence[RunConfig], play: bool, speed: str, probe: list[float] | None
    ) -> None:
        self.token = token
        self.slot = slot
        self.configs = list(configs)
        self.viewers: dict[str, Viewer] = {}
        self._play, self._speed, self._probe = play, speed, probe
        self._step, self._state = 0, "running" if play else "paused"
        self._revision, self._scene = 0, 0

    def opening(self) -> Message:
        """The message that opens this run in a worker."""
        return {
            "op": "open", "configs": [dict(vars(each)) for each in self.configs], "play": self._play,
            "speed": self._speed, "probe": self._probe, "revision": self._revision, "scene": self._scene,
        }  # fmt: skip

    def note(self, message: Message) -> None:
        """Remember the play state that a message asks for."""
        op = message["op"]
        if op in ("play", "pause", "step"):
            self._play = op == "play"
        elif op == "speed":
            self._speed = message["value"]
        elif op == "view" and message["probe"] is not None:
            self._probe = message["probe"]

    def learn(self, status: Message) -> None:
        """Take over what the worker says."""
        self._step, self._state = status["step"], status["state"]
        self._revision, self._scene, self._speed = status["revision"], status["scene"], status["speed"]
        self.configs = [RunConfig(**each) for each in status["configs"]]

    def restarted(self) -> None:
        """The worker died: step 0, and a scene number that makes viewers load the points again."""
        self._step, self._scene = 0, self._scene + 1

    def info(self) -> dict[str, Any]:
        return {
            "step": self._step, "state": self._state, "revision": self._revision, "speed": self._speed,
            "configs": list(self.configs),
        }  # fmt: skip

    def addressed(self, message: Message) -> list[Viewer]:
        """The viewer that a worker's message names, or all of them."""
        key = message.get("viewer")
        return [viewer for viewer in self.viewers.values() if key in (None, viewer.key)]


class Calls:
    """Questions to workers that somebody waits for; not locked, since the engine's lock is held around each use."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[LiveRun, Message, Future[Message]]] = {}

    def numbered(self, message: Message) -> Message:
        """The message with a number that its reply will bear."""
        return {**message, "call": next(self._numbers)}

    def expect(self, run: LiveRun, question: Message) -> Future[Message]:
        """Where the reply to a numbered message will be."""
        future: Future[Message] = Future()
        self._open[question["call"]] = (run, question, future)
        return future

    def answer(self, reply: Message) -> None:
        if reply["call"] in self._open:  # else nobody waits any more
            self._open.pop(reply["call"])[2].set_result(reply)

    def forget(self, question: Message) -> None:
        self._open.pop(question["call"], None)

    def about(self, run: LiveRun) -> list[Message]:
        """The questions to ask again when the run has got a new worker."""
        return [message for each, message, _ in self._open.values() if each is run]

    def fail(self, run: LiveRun, error: Exception) -> None:
        """Tell everybody who waits for this run that no reply will come."""
        for message in self.about(run):
            _, _, future = self._open.pop(message["call"])
            future.set_exception(error)
