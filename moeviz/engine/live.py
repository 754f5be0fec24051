"""What the server knows of a run, of those who watch it and of open questions: enough to go on when a worker dies."""

from __future__ import annotations

import itertools
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from moeviz.config import RunConfig
from moeviz.engine.process import Slot
from moeviz.engine.wire import DEFAULT_GHOST, MAX_CREDIT, Message, check_client

MAX_RATE = 600  # messages a second about one run; a probe dragged on a 240 Hz screen sends 240, its requests 60
ALONE, ASIDE = 10.0, 60.0
"""Seconds without any tab (a page that opens takes some), and with hidden tabs only, until a run's place may go."""
MOST_REFUSALS = 200
ANSWER_SECONDS = 30.0  # a cold worker imports torch first
logger = logging.getLogger(__name__)


class RunGone(LookupError):
    """The token belongs to no live run: it was closed or freed, or never existed."""


class EngineBusy(RuntimeError):
    """The server cannot take more; the message says what its limit is and what to do."""


class EngineFull(EngineBusy):
    """As many runs are open as this server trains at once; one that ends makes room."""


def gone(reason: str, refused: bool = False) -> Message:
    """What viewers of a run hear last; `refused`: whether it was never opened, as opening it again would not be."""
    return {"op": "gone", "reason": reason, "refused": refused}


class Refusals:
    """Why workers could not open runs, the newest of them: for whoever knows such a run's token, as its page does."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def note(self, token: str, reason: str) -> None:
        self._reasons[token] = reason
        while len(self._reasons) > MOST_REFUSALS:
            del self._reasons[next(iter(self._reasons))]

    def viewer(self, token: str, on_message: Callable[[bytes | str], None]) -> Viewer | None:
        """Somebody who comes to such a run is told why; None for every other token."""
        if token not in self._reasons:
            return None
        viewer = Viewer("", on_message, lambda viewer, message: None, lambda viewer: None)
        viewer.tell(gone(self._reasons[token], refused=True))
        return viewer


class Rate:
    """How many messages have come this second, from all viewers of a run."""

    def __init__(self) -> None:
        self._second, self._count = 0, 0

    def too_many(self) -> bool:
        """Count one more; whether this second's share is used up."""
        second = int(time.monotonic())
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        return self._count > MAX_RATE


class Viewer:
    """One open page of a run: gets frames and texts through a callback, sends what the browser said."""

    def __init__(
        self,
        key: str,
        on_message: Callable[[bytes | str], None],
        forward: Callable[[Viewer, Message], None],
        leave: Callable[[Viewer], None],
        rate: Rate | None = None,
    ) -> None:
        self.key = key
        self._rate = rate or Rate()
        self._on_message, self._forward, self._leave = on_message, forward, leave
        self._credit = 0
        self._want: list[str] | None = None
        self._probe: list[float] | None = None
        self._hidden = False

    def send(self, message: object) -> None:
        """Pass on what a browser sent; ValueError (rule, value, remedy) for what it may not say, or sends too often."""
        crowded = self._rate.too_many()
        clean = check_client(message)
        # a request for a frame always passes, or the page would wait for ever; credit bounds how many there are
        if crowded and not (clean.get("credit") and self._credit < MAX_CREDIT):
            raise ValueError(f"a run takes at most {MAX_RATE} messages a second: this one came sooner; send fewer")
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

    @property
    def hidden(self) -> bool:
        """Whether its tab is in the background."""
        return self._hidden

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


class LiveRun:
    """A group of runs in lockstep: where it is, who watches, and what its worker last said."""

    def __init__(
        self, token: str, slot: Slot, configs: Sequence[RunConfig], play: bool, speed: str, probe: list[float] | None
    ) -> None:
        self.token = token
        self.slot = slot
        self.configs = list(configs)
        self.viewers: dict[str, Viewer] = {}
        self.rate = Rate()
        self._play, self._speed, self._probe = play, speed, probe
        self._until: int | None = None
        self._ghost = DEFAULT_GHOST
        self._step, self._state = 0, "running" if play else "paused"
        self._revision, self._scene = 0, 0
        self._seen_at = time.monotonic()

    def seen(self) -> None:
        """A tab has come, gone, or been hidden or shown: from now on, or until now, somebody watches."""
        self._seen_at = time.monotonic()

    def spare(self) -> float:
        """For how many seconds its place could have been given away; below 0 while it may not be."""
        if any(not viewer.hidden for viewer in self.viewers.values()):
            return -math.inf
        return time.monotonic() - self._seen_at - (ASIDE if self.viewers else ALONE)

    def opening(self) -> Message:
        """The message that opens this run in a worker."""
        return {
            "op": "open", "configs": [dict(vars(each)) for each in self.configs], "play": self._play,
            "speed": self._speed, "probe": self._probe, "ghost": self._ghost,
            "revision": self._revision, "scene": self._scene, "until": self._until,
        }  # fmt: skip

    def note(self, message: Message) -> None:
        """Remember the play state that a message asks for."""
        op = message["op"]
        if op in ("play", "pause", "step", "rewind"):
            self._play = op == "play"
            self._until = message.get("until", self._until)
        elif op == "speed":
            self._speed = message["value"]
        elif op == "ghost":
            self._ghost = message["value"]
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


def answered(future: Future[Message], question: Message) -> list[str]:
    """Wait for the answer to a question and return its notices, or raise what the worker says was wrong."""
    try:
        answer = future.result(ANSWER_SECONDS)
    except TimeoutError:
        limit = f"a worker must answer within {ANSWER_SECONDS:g} s"
        raise TimeoutError(f"{limit}: {question['op']} got no answer; it may be overloaded, so try again") from None
    if "fault" in answer:
        raise RuntimeError(answer["fault"])
    if "error" in answer:
        raise ValueError(answer["error"])
    return list(answer["notices"])
