"""One open page of a run, and how often its pages may speak."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

from moeviz.engine.browser_messages import check_client
from moeviz.engine.messages import FromBrowser, ToBrowser, Watch
from moeviz.engine.protocol import MAX_CREDIT

MAX_RATE = 600  # messages a second about one run; a probe dragged on a 240 Hz screen sends 240, its requests 60
logger = logging.getLogger(__name__)


class MessageRate:
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
        forward: Callable[[Viewer, FromBrowser], None],
        leave: Callable[[Viewer], None],
        rate: MessageRate | None = None,
    ) -> None:
        self.key = key
        self._rate = rate or MessageRate()
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
        if crowded and not (clean["op"] == "view" and clean["credit"] and self._credit < MAX_CREDIT):
            raise ValueError(f"a run takes at most {MAX_RATE} messages a second: this one came sooner; send fewer")
        self._forward(self, clean)

    def close(self) -> None:
        """Stop watching; safe to call twice."""
        self._leave(self)

    def tell(self, body: ToBrowser) -> None:
        """Give the callback a JSON text."""
        self._deliver(json.dumps(body))

    def show(self, frame: bytes) -> None:
        """Give the callback a frame."""
        self._deliver(frame)

    def pay(self) -> None:
        """A frame has come, which uses up a credit (or was sent on one, as an answer to a knob)."""
        self._credit -= 1

    def note(self, message: FromBrowser) -> None:
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

    def joining(self) -> Watch:
        """The message that attaches this viewer in a worker."""
        return {
            "op": "watch", "viewer": self.key, "hidden": self._hidden,
            "credit": self._credit, "want": self._want, "probe": self._probe,
        }  # fmt: skip

    def _deliver(self, data: bytes | str) -> None:
        try:
            self._on_message(data)
        except Exception:  # the callback is foreign code, and other viewers share this thread
            logger.exception("a viewer's callback failed; it is detached")
            self.close()
