"""The socket between a browser and its run: who may open it with which token, and what passes through.

The server only forwards: a browser's requests to the engine, the worker's frames back as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from moeviz.engine import EngineBusy
from moeviz.engine.messages import ToBrowser

MAX_MESSAGE = 4096  # characters; the longest honest message is a tenth of it
MAX_ERRORS = 50  # a client that keeps sending what it is told not to is sent away
OUTBOX_SIZE = 16  # messages; frames are asked for two at a time, so only a broken client ever fills it
MAX_SOCKETS = 8  # of one run: its tab, and those that a broken network has left behind for a while
GONE_BURST, GONE_RATE = 200.0, 50.0  # answers to unknown tokens: at once, and a second: a class that reloads is below
CLOSE_GONE, CLOSE_POLICY, CLOSE_LATER = 4404, 1008, 1013
GONE_REASON = "This run is no longer on the server. Reload the page to start it again from its address."

log = logging.getLogger(__name__)


@runtime_checkable
class Inbox(Protocol):
    """Where the engine takes one browser's messages; `send` raises ValueError for what a browser may not say."""

    def send(self, message: object) -> None: ...
    def close(self) -> None: ...


@runtime_checkable
class RunSource(Protocol):
    """The part of the engine that the socket needs: where runs are watched.

    `watch` raises LookupError for an unknown token, and EngineBusy while it can take nobody.
    """

    def watch(self, token: str, on_message: Callable[[bytes | str], None]) -> Inbox: ...


class Door:
    """How many sockets each run has, and how many unknown tokens may still be told so."""

    def __init__(self) -> None:
        self._sockets: Counter[str] = Counter()  # of known tokens only, so that guesses take no memory
        self._answers, self._at = GONE_BURST, time.monotonic()

    def enter(self, token: str) -> bool:
        """Count a socket of a run, unless it has enough."""
        if self._sockets[token] >= MAX_SOCKETS:
            return False
        self._sockets[token] += 1
        return True

    def leave(self, token: str) -> None:
        self._sockets[token] -= 1
        if not self._sockets[token]:
            del self._sockets[token]

    def may_answer(self) -> bool:
        """Whether one more unknown token may be told so; who guesses beyond that is only sent away."""
        now = time.monotonic()
        self._answers = min(GONE_BURST, self._answers + GONE_RATE * (now - self._at))
        self._at = now
        if self._answers < 1:
            return False
        self._answers -= 1
        return True


class _Outbox:
    """Messages on their way from an engine thread to the socket: bounded, and when full the oldest makes room."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | str] = asyncio.Queue(OUTBOX_SIZE)

    def put(self, message: bytes | str) -> None:
        """Called on any thread."""
        try:
            self._loop.call_soon_threadsafe(self._put, message)
        except RuntimeError:  # the server's loop has closed between two frames: nobody is there to read this one
            log.debug("a message arrived after the server stopped")

    def _put(self, message: bytes | str) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(message)

    async def get(self) -> bytes | str:
        return await self._queue.get()


class LiveSocket:
    """One open socket, from its acceptance to the viewer's leave."""

    def __init__(self, engine: RunSource, websocket: WebSocket, door: Door) -> None:
        self.engine, self.websocket, self.door = engine, websocket, door
        self.errors = 0

    async def run(self) -> None:
        # the browser left, maybe before it was answered, or while it was sent away
        with contextlib.suppress(WebSocketDisconnect, WebSocketDisconnected):
            await self._serve()

    async def _serve(self) -> None:
        await self.websocket.accept()
        outbox, token = _Outbox(), self.websocket.path_params["token"]
        try:
            inbox = await run_in_threadpool(self.engine.watch, token, outbox.put)
        except LookupError:
            await self._refuse()
            return
        except EngineBusy as busy:
            await self._turn_away(str(busy))
            return
        if not self.door.enter(token):
            inbox.close()
            await self._turn_away(f"a run has at most {MAX_SOCKETS} pages: this one has them; close one")
            return
        sender = asyncio.create_task(self._send_all(outbox))
        try:
            await self._receive_all(inbox, outbox)
        finally:
            sender.cancel()
            inbox.close()
            self.door.leave(token)

    async def _turn_away(self, why: str) -> None:
        """Not now: the page says so, and tries again after a while."""
        await self._tell({"op": "busy", "message": why})
        await self.websocket.close(CLOSE_LATER)

    async def _refuse(self) -> None:
        """The same answer for every token that leads nowhere: guessed, closed, or no token at all."""
        if not self.door.may_answer():
            await self.websocket.close(CLOSE_LATER)
            return
        await self._tell({"op": "gone", "reason": GONE_REASON})
        await self.websocket.close(CLOSE_GONE)

    async def _tell(self, message: ToBrowser) -> None:
        await self.websocket.send_text(json.dumps(message))

    async def _send_all(self, outbox: _Outbox) -> None:
        try:
            while True:
                message = await outbox.get()
                if isinstance(message, str):
                    await self.websocket.send_text(message)
                else:
                    await self.websocket.send_bytes(message)
                await asyncio.sleep(0)  # so that a browser that has left is noticed before the next one
        except (WebSocketDisconnect, RuntimeError):  # the browser left while a frame was on its way to it
            log.debug("a frame found its viewer gone")

    async def _receive_all(self, inbox: Inbox, outbox: _Outbox) -> None:
        """Forward what the browser asks; answer what breaks a rule; send away who keeps breaking them."""
        while self.errors < MAX_ERRORS:
            event = await self.websocket.receive()
            if event["type"] == "websocket.disconnect":
                return
            try:
                inbox.send(read_message(event.get("text")))
            except ValueError as error:
                self.errors += 1
                refusal: ToBrowser = {"op": "error", "message": str(error)}
                outbox.put(json.dumps(refusal))
        await self.websocket.close(CLOSE_POLICY)


def read_message(text: str | None) -> object:
    """What a browser sent, if it is short JSON (else ValueError: rule, value, remedy); the engine checks the rest."""
    if text is None:
        raise ValueError("a message must be text: got bytes; send JSON text")
    if len(text) > MAX_MESSAGE:
        raise ValueError(f"a message must have at most {MAX_MESSAGE} characters: got {len(text)}; send less")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(f"a message must be JSON: got {text[:40]!r}; check its quotes and brackets") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"a number must be finite: got {name}; leave it out")
