"""Who may come in, and how fast, with pretended servers: names, descriptors, floods, and sockets that end."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import warnings
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from moeviz.engine.server import open_files
from moeviz.stage import guard
from moeviz.stage.addresses import own_names
from moeviz.stage.guard import BURST, PATIENCE, RATE, STREAM, Guard, Pace, Stream, host_allowed
from tests.viewers import apart, wait_until

with warnings.catch_warnings():  # starlette's test client prefers a successor of httpx that this project does not need
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

PAGE = {"accept": "text/html,*/*"}


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.send_bytes(await websocket.receive_bytes())


def client(names=("class.local",), **options) -> TestClient:
    routes = [Route("/", lambda request: PlainTextResponse("the page")), WebSocketRoute(STREAM, echo)]
    return TestClient(Guard(Starlette(routes=[*routes, WebSocketRoute("/live/token", echo)]), names, **options))


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("class.local", True), ("class.local:8501", True), ("CLASS.local.:80", True), ("a.school.org", True),
        ("192.168.3.7:8501", True), ("127.0.0.1", True), ("[::1]:8501", True), ("[fe80::1]", True), (None, True),
        ("evil.example", False), ("class.local.evil.example", False), ("school.org", False), ("", False),
        ("a@class.local", True), ("class.local:x", True), ("[::1", False), ("127.0.0.1.evil.example", False),
        ("0x7f.1", False), ("localhost", False),
    ],
)  # fmt: skip
def test_this_server_is_called_by_its_names_and_by_any_address(host, welcome):
    assert host_allowed(host, ["class.local", "*.school.org"]) is welcome
    assert host_allowed("evil.example", ["*"])


def test_a_name_that_leads_here_without_being_ours_gets_nothing_but_a_sentence():
    with client() as browser:
        assert browser.get("/", headers={"host": "class.local:8501"}).text == "the page"
        refused = browser.get("/", headers={"host": "evil.example"})
        assert (
            refused.status_code == 421
            and "got 'evil.example'" in refused.text
            and "--server.allowedHosts" in refused.text
        )
        for path in (STREAM, "/live/token"):
            headers = {"host": "evil.example", "origin": "http://evil.example"}
            with pytest.raises(WebSocketDisconnect), browser.websocket_connect(path, headers=headers):
                pass


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (None, True), ("http://class.local:8501", True), ("https://class.local:8501", True),
        ("https://listed.example", True), ("http://evil.example", False), ("null", False), ("", False),
        ("http://class.local:8502", False), ("http://class.local", False), ("http://class.local:8501.evil", False),
        ("http://[::1", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [STREAM, "/live/token"])
def test_only_our_own_page_or_a_listed_origin_may_open_a_socket(path, origin, welcome):
    headers = {"host": "class.local:8501"} | ({} if origin is None else {"origin": origin})
    with client(origins=[" https://listed.example"]) as browser:
        opening = browser.websocket_connect(path, headers=headers)
        if welcome:
            with opening as opened:
                opened.send_bytes(b"hello")
                assert opened.receive_bytes() == b"hello"
        else:
            with pytest.raises(WebSocketDisconnect), opening:
                pass


def test_this_computer_knows_its_names(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Laptop.School.org")
    assert own_names() == ["localhost", "laptop.school.org", "laptop", "laptop.local"]


def test_who_comes_when_descriptors_run_out_is_told_and_who_is_here_stays(monkeypatch):
    left, made = [open_files.PER_SERVER], []
    monkeypatch.setattr(open_files, "left", lambda: left[0])
    with client(["*"], make_room=lambda: made.append(1)) as browser:
        told = browser.get("/", headers=PAGE)
        assert told.status_code == 503 and told.headers["retry-after"] and f"{open_files.limit()} files" in told.text
        with pytest.raises(WebSocketDisconnect), browser.websocket_connect(STREAM):
            pass
        assert browser.get("/").status_code == 200  # a script of a page that is open already
        assert made
    with client(["*"], make_room=lambda: left.insert(0, open_files.PER_SERVER + 1)) as browser:
        assert browser.get("/", headers=PAGE).status_code == 200  # what could be spared was closed


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still unless a test moves it."""
    now = SimpleNamespace(now=100.0)
    monkeypatch.setattr(guard.time, "monotonic", lambda: now.now)
    return now


def test_a_page_sends_a_few_messages_at_once_and_then_a_few_a_second(clock):
    pace = Pace()
    assert [pace.wait() for _ in range(int(BURST))] == [0.0] * int(BURST)
    assert pace.wait() == pytest.approx(1 / RATE) and pace.wait() == pytest.approx(2 / RATE)
    clock.now += 2 / RATE  # it has waited, and sends at just the pace from now on
    for _ in range(5):
        clock.now += 1 / RATE
        assert pace.wait() == pytest.approx(0.0, abs=1e-9)
    clock.now += 1000.0
    assert sum(pace.wait() == 0.0 for _ in range(1000)) == BURST and pace.late_for == 0.0


class Sent:
    """A socket with messages that wait to be received; what is sent to it is kept."""

    def __init__(self, clock: Any, count: int, **content: Any) -> None:
        self.clock, self.left, self.content = clock, count, content
        self.sent: list[Any] = []
        self.broken: Exception | None = None

    async def receive(self) -> Any:
        self.left -= 1
        return {"type": "websocket.receive", **self.content} if self.left >= 0 else {"type": "websocket.disconnect"}

    async def send(self, message: Any) -> None:
        if self.broken:
            raise self.broken
        self.sent.append(message)

    def heard(self, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Any]:
        """How many messages come through, and the last event; nothing really waits."""

        async def sleep(seconds: float) -> None:
            self.clock.now += seconds

        async def hear() -> tuple[int, Any]:
            stream, count = Stream(self.receive, self.send), 0
            while (event := await stream.receive())["type"] == "websocket.receive":
                count += 1
            await stream.send({"type": "websocket.send", "bytes": b"too late"})
            return count, event

        monkeypatch.setattr(guard.asyncio, "sleep", sleep)
        return apart(hear())


def test_a_flood_waits_for_its_turn_and_is_sent_away_when_it_does_not_end(clock, monkeypatch):
    flood, began = Sent(clock, 100_000, bytes=b"rerun"), clock.now
    count, event = flood.heard(monkeypatch)
    assert count == pytest.approx(BURST + RATE * PATIENCE, abs=2) and clock.now - began == pytest.approx(
        PATIENCE, abs=1
    )
    assert event["type"] == "websocket.disconnect"
    (told,) = flood.sent  # nothing after the end
    assert told["code"] == 1008 and f"{RATE:g} messages a second" in told["reason"]


def test_text_on_the_socket_of_bytes_ends_it_without_a_fault(clock, monkeypatch):
    text = Sent(clock, 3, text="text", bytes=None)
    assert text.heard(monkeypatch)[0] == 0 and [each["code"] for each in text.sent] == [1003]


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("after sending 'websocket.close'")])
def test_a_page_that_leaves_while_something_is_sent_to_it_is_heard_of_once(clock, error):
    peer = Sent(clock, 0)
    peer.broken = error
    stream = Stream(peer.receive, peer.send)

    async def leave() -> Any:
        await stream.send({"type": "websocket.send", "bytes": b"frame"})
        peer.broken = None
        await stream.send({"type": "websocket.send", "bytes": b"frame"})
        return await stream.receive()

    assert apart(leave())["type"] == "websocket.disconnect" and not peer.sent


async def pour(websocket: WebSocket) -> None:
    """More than a peer that reads nothing can take."""
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.send_bytes(bytes(1_000_000))


@pytest.fixture
def served(monkeypatch):
    """The port of a real server with a guard, which waits a second at most for whoever is silent."""
    monkeypatch.setattr(guard, "SILENT", 0.5)
    monkeypatch.setattr(guard, "LOST", 1000)
    protocol = type("Impatient", (AutoHTTPProtocol,), {})
    guard.impatient(protocol)
    routes = [Route("/", lambda request: PlainTextResponse("the page")), WebSocketRoute("/pour", pour)]
    config = uvicorn.Config(
        Guard(Starlette(routes=routes), ["*"]), http=protocol, ws="websockets-sansio", ws_ping_interval=0.5,
        ws_ping_timeout=0.5, log_level="error", timeout_keep_alive=60,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()  # the server can be stopped, whatever its peers do


UPGRADE = (
    b"GET /pour HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("said", [b"", REQUEST[:9], UPGRADE[:-2], REQUEST + REQUEST[:9]])
def test_a_connection_without_a_whole_request_is_closed(served, said):
    with socket.create_connection(("127.0.0.1", served), timeout=20) as peer:
        peer.sendall(said)
        heard = b""
        while received := peer.recv(4096):  # without end, if nobody closed it
            heard += received
    assert heard.count(b"the page") == said.count(REQUEST)


def test_one_that_asks_again_and_again_or_is_still_answered_is_not(monkeypatch):
    monkeypatch.setattr(guard, "SILENT", 0.0)  # it looks at every turn of the loop

    async def looked_at(cycles: list[Any]) -> bool:
        closed: list[bool] = []
        transport = SimpleNamespace(is_closing=lambda: bool(closed), close=lambda: closed.append(True))
        protocol = SimpleNamespace(transport=transport, cycle=None)
        transport.get_protocol = lambda: protocol
        guard._look_later(protocol, None)
        for protocol.cycle in cycles:
            for _ in range(3):  # of which one looks
                await asyncio.sleep(0.001)
        return bool(closed)

    answered, slow = (SimpleNamespace(response_complete=each) for each in (True, False))
    assert not apart(looked_at([slow] * 9))
    assert apart(looked_at([slow, answered, answered, answered]))
    assert apart(looked_at([None]))


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can be told so")
def test_a_socket_ends_when_its_peer_takes_nothing_any_more(served):
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", served))
        peer.sendall(UPGRADE)
        mine = peer.getsockname()

        def is_open() -> bool:
            return any(each.raddr == mine for each in psutil.Process().net_connections("tcp"))

        wait_until(is_open)
        wait_until(lambda: not is_open())


def test_every_socket_is_echoed_through():
    with client(["*"]) as browser:
        for path in (STREAM, "/live/token"):
            with browser.websocket_connect(path) as opened:
                opened.send_bytes(b"hello")
                assert opened.receive_bytes() == b"hello"
        with browser.websocket_connect(STREAM) as opened:
            opened.send_text("text")
            with pytest.raises(WebSocketDisconnect) as closed:
                opened.receive_bytes()
        assert closed.value.code == 1003


def test_running_out_of_descriptors_is_one_line_of_the_log_and_any_other_fault_is_told_as_ever(caplog):
    full = {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "Too many")}
    other = {"message": "something else", "exception": ValueError("odd")}

    async def faults() -> None:
        running = asyncio.get_running_loop()
        running.set_exception_handler(guard.say_when_full)
        running.call_exception_handler(full)
        running.call_exception_handler(other)

    apart(faults())
    first, second = caplog.records
    assert first.exc_info is None and first.getMessage().startswith("Nobody can come in. This server may have ")
    assert second.exc_info is not None and "something else" in second.getMessage()
