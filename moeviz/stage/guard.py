"""Who may come in, and how fast: a layer around the whole server, around Streamlit's own routes as around ours."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moeviz.engine.server import open_files
from moeviz.engine.server.open_files import PER_SERVER

STREAM = "/_stcore/stream"  # Streamlit's socket: each message on it is a rerun of the page's script
BURST, RATE = 40.0, 5.0  # messages of one page at once, and a second; a slider that is dragged sends no more
PATIENCE = 30.0  # seconds of more than that, after which a page is sent away
SILENT = 20.0  # seconds that a connection may take for a request
LOST = 60_000  # ms until a peer that takes nothing any more counts as gone, whatever is still to be sent to it
NO_TEXT, POLICY = 1003, 1008
logger = logging.getLogger(__name__)


class Guard:
    """Refuses foreign names and pages, comers for whom there are no descriptors, and floods of reruns.

    Args:   names: by which this server may be called, besides its addresses; `*.` stands for any subdomain.
            make_room: called when descriptors run out, to close what can be spared.
            origins: of other sites whose pages may open sockets.
    """

    def __init__(
        self, app: ASGIApp, names: Collection[str], make_room: Callable[[], object] = lambda: None,
        origins: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._app, self._names, self._make_room, self._origins = app, names, make_room, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not host_allowed(host := headers.get(b"host"), self._names):
            await refuse(scope, receive, send, 421, foreign(host))
        elif scope["type"] == "websocket" and not origin_allowed(headers.get(b"origin"), host, self._origins):
            await send({"type": "websocket.close", "code": POLICY})
        elif _comes(scope, headers) and not self._has_room():
            await refuse(scope, receive, send, 503, full(), {"Retry-After": "10"})
        else:
            if scope["type"] == "websocket":
                _end_when_lost(receive)
            if scope["type"] == "websocket" and scope["path"].endswith(STREAM):
                stream = Stream(receive, send)
                receive, send = stream.receive, stream.send
            await self._app(scope, receive, send)

    def _has_room(self) -> bool:
        """Whether there are descriptors for one more visitor; a few stay for workers and for files."""
        for _ in range(2):
            left = open_files.left()
            if left is None or left > PER_SERVER:
                return True
            self._make_room()
        return False


# --- names ---------------------------------------------------------------------------------------------------------


def host_allowed(host: str | None, names: Collection[str]) -> bool:
    """Whether a request was meant for this server: for one of its names, or for an address.

    A page of another site can have its own name lead here for a while (DNS rebinding), and would then count as ours;
    but no name is an address. Without a Host it is no browser.
    """
    if host is None:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        wanted = [each.strip().lower().rstrip(".") for each in names if each]
        return any(each in ("*", name) or (each.startswith("*.") and name.endswith(each[1:])) for each in wanted)
    return True


def origin_allowed(origin: str | None, host: str | None, origins: Collection[str] = ()) -> bool:
    """Whether a socket is opened by a page of this server or by one of a listed origin; without an Origin, no browser.

    Streamlit has this rule too, but asks a server outside for this computer's address before it refuses a page, and
    everybody waits for the answer.
    """
    return origin is None or origin.partition("://")[2] == host or origin in [each.strip() for each in origins]


def foreign(host: str | None) -> str:
    """What is said to a request that calls this server by a name that is not its own."""
    name = (host or "")[:80]
    return (
        f"A request must name this server or its address: got {name!r}. Use the address that the server prints at its "
        "start; for a name of its own, start it with --server.allowedHosts and that name.\n"
    )


def full() -> str:
    """What is said to a visitor for whom there are no descriptors."""
    return (
        f"This server may have {open_files.limit()} files and sockets open, and they are in use. "
        "Try again in a minute; who runs it can raise the limit (ulimit -n).\n"
    )


def say_when_full(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's handler of faults: nobody can come in while descriptors are out, which is no traceback."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        logger.error("Nobody can come in. %s", full().strip())
    else:
        loop.default_exception_handler(context)


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, words: str, headers: dict[str, str] | None = None
) -> None:
    """Answer with a sentence; a socket is refused before it is opened (status 403), where no browser shows one."""
    if scope["type"] == "websocket":  # an answer in words would be a fault in uvicorn's log
        await send({"type": "websocket.close", "code": POLICY})
    else:
        await PlainTextResponse(words, status, headers)(scope, receive, send)


def _comes(scope: Scope, headers: dict[bytes, str]) -> bool:
    """Whether this opens a page or a socket; what belongs to a page that is open already gets through."""
    return scope["type"] == "websocket" or "text/html" in headers.get(b"accept", "")


# --- sockets -------------------------------------------------------------------------------------------------------


class Pace:
    """How fast one page may send: a few messages at once, and then so many a second."""

    def __init__(self, burst: float = BURST, rate: float = RATE) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._at = burst, time.monotonic()
        self._late_since: float | None = None

    def wait(self) -> float:
        """Seconds that this message comes too early."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + self._rate * (now - self._at)) - 1
        self._at = now
        if self._left >= 0:
            self._late_since = None
            return 0.0
        self._late_since = self._late_since or now
        return -self._left / self._rate

    @property
    def late_for(self) -> float:
        """For how many seconds all messages have come too early."""
        return 0.0 if self._late_since is None else time.monotonic() - self._late_since


class Stream:
    """A page's socket to Streamlit: messages wait for their turn (so that the sender must), and a flood ends it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._pace = Pace()
        self._ended = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._ended = True
        if message["type"] != "websocket.receive":
            return message
        if message.get("bytes") is None:
            return await self._end(NO_TEXT, "a message must be bytes: got text; reload the page")
        wait = self._pace.wait()
        if self._pace.late_for > PATIENCE:
            return await self._end(POLICY, f"a page may send {RATE:g} messages a second: it sent more; reload it")
        if wait:
            await asyncio.sleep(wait)
        return message

    async def send(self, message: Message) -> None:
        """Send it, unless the socket has ended: Streamlit, which hears of it from `receive`, would log a fault."""
        if self._ended:
            return
        try:
            await self._send(message)
        except (OSError, RuntimeError):  # the page has left, or was sent away by the server, a moment ago
            self._ended = True

    async def _end(self, code: int, reason: str) -> Message:
        self._ended = True
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        return {"type": "websocket.disconnect", "code": code, "reason": reason}


def impatient(protocol: type[Any]) -> None:
    """Let uvicorn's HTTP protocol close connections on which no request comes: it waits without end, or half of one."""
    made = protocol.connection_made

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        made(self, transport)
        _look_later(self, None)

    protocol.connection_made = connection_made


def _look_later(protocol: Any, served: object) -> None:
    """Close a connection that is still without a request when this much time has passed, or look at it again."""

    def look() -> None:
        transport, cycle = protocol.transport, protocol.cycle
        if transport.is_closing() or transport.get_protocol() is not protocol:  # it has become a WebSocket
            return
        waits = cycle is None or cycle.response_complete
        if waits and cycle is served:
            transport.close()
        else:
            _look_later(protocol, cycle if waits else protocol)

    asyncio.get_running_loop().call_later(SILENT, look)


def _end_when_lost(receive: Receive) -> None:
    """Let the system end a socket whose peer takes nothing any more.

    The server pings, and closes after a minute without an answer; but what is still to be sent would keep the socket
    open without end where a computer has gone or a browser stands still. ASGI has no word for this: it is set on
    uvicorn's own transport, where there is one.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    opened = transport.get_extra_info("socket") if transport is not None else None
    if opened is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST)
