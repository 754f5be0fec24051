"""What strangers may send: floods, broken and oversized messages, guessed tokens, widgets that were never drawn so."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from moeviz.engine.server.viewer import MAX_RATE
from moeviz.frames import unpack
from moeviz.stage import VERSION
from moeviz.stage.addresses import own_names
from moeviz.stage.live_socket import MAX_SOCKETS
from tests.browser.opened_page import Server, eventually
from tests.browser.visitors import RawVisitor

pytestmark = pytest.mark.browser
LIMIT = 4_000_000  # server.maxMessageSize in .streamlit/config.toml
BROKEN = (
    "", "{", "null", "[]", '"play"', "[" * 4000, '{"a":' * 800, "9" * 4096, "x" * 5000, '"\\ud800"', b"bytes",
    '{"op":"explode"}', '{"op":["play"]}', '{"op":"step","n":1e999}', '{"op":"step","n":-1}', '{"op":"hidden"}',
    '{"op":"speed","value":{}}', '{"op":"view","credit":true}', '{"op":"view","probe":[NaN,1]}', '{"op":"close"}',
    '{"op":"view","probe":[1e7,1]}', '{"op":"view","want":["__proto__"]}', '{"op":"set","knobs":{"num_experts":64}}',
)  # fmt: skip
UPGRADE = (
    "GET /live/{token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
OUT_OF_ORDER = ("recover", "reset", "pause", "recover", "play", "step", "pause", "reset", "play")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, whose log and workers are looked at when all is over."""
    with Server(tmp_path_factory.mktemp("hardening") / "log.txt") as running:
        yield running
        assert "Traceback" not in running.said(), running.said()


def live(server: Server, token: str) -> ClientConnection:
    address = f"{server.address.replace('http', 'ws', 1)}/live/{token}"
    return connect(address, max_size=2**24, compression=None, close_timeout=1)


def closed_with(connection: ClientConnection) -> int | None:
    """The code that the server closes with; what it says before is skipped."""
    try:
        while True:
            connection.recv(20)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def check_alive(server: Server, visitor: RawVisitor) -> None:
    """An old and a new visitor still get frames, from the same workers."""
    for each in (visitor, RawVisitor(server, "playground", "seed=8")):
        each.ask(want=["first_choice"])
        assert "winner" in unpack(each.frame())[1]
        if each is not visitor:
            each.close()


def test_nothing_sent_to_the_socket_ends_a_page_or_a_worker(server):
    visitor = RawVisitor(server, "playground", "seed=1")
    visitor.ask()
    visitor.frame()
    workers, main = server.workers(), psutil.Process(server.process.pid)
    memory = main.memory_info().rss
    with live(server, visitor.token) as other:
        for message in BROKEN:
            other.send(message)
            assert json.loads(other.recv(20))["op"] == "error", message
        for op in OUT_OF_ORDER:
            other.send(json.dumps({"op": op}))
        other.send('{"op":"view","credit":4}')
        while not isinstance(other.recv(20), bytes):
            pass
    with live(server, visitor.token) as other:  # a flood
        with contextlib.suppress(ConnectionClosed):
            for _ in range(20 * MAX_RATE):
                other.send('{"op":"reset"}')
        assert closed_with(other) == 1008
    stream = f"{server.address.replace('http', 'ws', 1)}/_stcore/stream"
    for _ in range(3):  # far beyond what may be in one message, at once or in pieces without end
        sessions = connect(stream, subprotocols=[Subprotocol("streamlit")], compression=None, close_timeout=1)
        for opened in (live(server, visitor.token), sessions, live(server, visitor.token)):
            with opened as other:
                with contextlib.suppress(ConnectionClosed):
                    other.send(itertools.repeat("x" * 100_000, 400) if other is sessions else "x" * (10 * LIMIT))
                assert closed_with(other) in (1009, None)
    assert main.memory_info().rss - memory < 60e6
    check_alive(server, visitor)
    visitor.close()
    assert server.workers()[: len(workers)] == workers
    assert visitor.token not in server.said()


def test_guesses_and_crowds_of_sockets_keep_nobody_out(server):
    visitor = RawVisitor(server, "playground", "seed=2")
    visitor.ask()
    visitor.frame()
    workers, codes = server.workers(), []
    for guess in range(400):
        with live(server, f"{guess:022}") as other:
            codes.append(closed_with(other))
    assert codes[0] == 4404 and set(codes) <= {4404, 1013}
    for odd in ("", "a/b", "%00", "..%2f..%2fetc", "%ff", "x" * 4000):
        with contextlib.suppress(InvalidStatus), live(server, odd) as other:
            assert closed_with(other) in (4404, 1013, 1000)
    for _ in range(100):  # gone before they are answered
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.sendall(UPGRADE.format(token=visitor.token, port=server.port).encode())
    with contextlib.ExitStack() as opened:
        crowd = [opened.enter_context(live(server, visitor.token)) for _ in range(2 * MAX_SOCKETS)]
        assert closed_with(crowd[-1]) == 1013
        check_alive(server, visitor)
    visitor.close()
    assert server.workers()[: len(workers)] == workers


def asked(server: Server, path: str, **headers: str) -> int:
    """The status of a request with these headers; for sockets, of their opening."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


UPGRADING = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Sec_WebSocket_Protocol": "streamlit",
}  # fmt: skip


class PlainServer(Server):
    """The app as README's "Without make" starts it."""

    def command(self) -> list[str]:
        return ["streamlit", "run", "app.py", f"--server.port={self.port}"]


def test_plain_streamlit_is_as_safe_as_make(tmp_path):
    plain = PlainServer(tmp_path / "log.txt")
    with socket.create_server(("127.0.0.1", 0)) as outside:  # whatever it would ask there goes through this proxy
        proxy = f"http://127.0.0.1:{outside.getsockname()[1]}"
        plain.environment = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
        with plain:
            eventually(lambda: f"http://localhost:{plain.port}" in plain.said(), "it prints its address")
            process = psutil.Process(plain.process.pid)
            listening = {each.laddr.ip for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
            assert listening and listening <= {"127.0.0.1", "::1"}
            headers = {"Host": f"localhost:{plain.port}", "Origin": "http://evil.example", **UPGRADING}
            assert asked(plain, "/_stcore/stream", **headers) == 403
            assert "Traceback" not in plain.said()
        outside.settimeout(0)
        with pytest.raises(BlockingIOError):
            outside.accept()


def test_a_class_gets_in_by_every_name_of_this_computer_and_a_rebound_name_does_not(server):
    """What `make app HOST=0.0.0.0` prints, and what a browser sends whose page has had its own name lead here."""
    visitor = RawVisitor(server, "playground", "seed=6")
    paths = {
        "/": {},
        f"/stage/{VERSION}/stage.js": {},
        "/_stcore/stream": UPGRADING,
        f"/live/{visitor.token}": UPGRADING,
    }
    names = [*own_names(), "127.0.0.1", "192.168.1.23", "[::1]"]
    for path, kind in paths.items():
        for host in (f"{name}:{server.port}" for name in names):
            assert asked(server, path, Host=host, Origin=f"http://{host}", **kind) == (101 if kind else 200), (
                path,
                host,
            )
        for host in ("evil.example", f"evil.example:{server.port}", f"localhost.evil.example:{server.port}"):
            assert asked(server, path, Host=host, Origin=f"http://{host}", **kind) == (403 if kind else 421), (
                path,
                host,
            )
        if kind:  # a page of another site that calls us by our name
            host = f"localhost:{server.port}"
            assert asked(server, path, Host=host, Origin="http://evil.example", **kind) == 403, path
    assert "handshake" not in server.said()  # each would be a line that says a fault of ours
    visitor.close()


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="only Linux can limit another process")
def test_few_descriptors_are_enough_for_a_class_that_reloads_twice(tmp_path):
    """Each session that has gone keeps three for two minutes, in case it comes back: they are given up in time.

    A visitor takes 5: 14 take 70, and with the server's own about 80; what two reloads leave behind is 2 * 14 * 3 = 84.
    """
    with Server(tmp_path / "log.txt") as small:
        psutil.Process(small.process.pid).rlimit(psutil.RLIMIT_NOFILE, (150, 150))
        visitors: list[RawVisitor] = []
        for _ in range(3):
            for visitor in visitors:
                visitor.close()
            visitors = [RawVisitor(small, "playground", f"seed={seed}&play=0") for seed in range(14)]
        for visitor in visitors:
            visitor.ask()
            visitor.frame()
            visitor.close()
        assert small.said() == ""


STRANGE: dict[str, list[dict[str, Any]]] = {
    "knob_num_experts": [{"double_array_value": [each]} for each in (1e300, float("nan"), 64.0, -1.0)],
    "knob_top_k": [{"double_array_value": [each]} for each in (32.0, float("inf"), 0.0)],
    "knob_balance_coef": [{"string_array_value": [each]} for each in ("1e9", "<b>", "")],
    "stage_playground": [{"json_value": each} for each in ('{"probe":"x"}', '{"probe":[1e300,{}]}', '{"probe":{}}')],
}


@pytest.mark.parametrize("knob", STRANGE)
def test_widgets_that_say_what_no_widget_can_do_not_end_the_page(server, knob):
    """A browser may send any value for a slider, a list or the stage; it must be of the widget's kind for Streamlit."""
    visitor = RawVisitor(server, "playground")
    widget = next(each for each in visitor.widgets if each.endswith(f"-{knob}"))
    for value in STRANGE[knob]:
        assert not visitor.turn({widget: value}), value
    check_alive(server, visitor)
    visitor.close()


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("knob_num_experts", {"string_value": "x"}), ("knob_num_experts", {"json_value": "{"}),
    ("knob_balance_coef", {"int_value": 3}), ("knob_top_k", {"trigger_value": True}),
    ("stage_playground", {"json_value": "{"}), ("stage_playground", {"double_value": float("nan")}),
]  # fmt: skip


def test_a_value_of_the_wrong_kind_costs_a_sentence_and_the_page_comes_back(tmp_path):
    """Streamlit keeps such a value, and each further run of the page failed at it."""
    with Server(tmp_path / "log.txt") as own:
        visitor = RawVisitor(own, "playground")
        for knob, value in FORGED:
            widget = next(each for each in visitor.widgets if each.endswith(f"-{knob}"))
            assert not visitor.turn({widget: value}), (knob, value)
            (told,) = [each for each in visitor.alerts if "met an error" in each]
            assert "was put back to its start. Reload it to go on" in told
            assert not visitor.turn({}) and not visitor.alerts, (knob, value)
        check_alive(own, visitor)
        visitor.close()
        assert own.said().count("Uncaught app execution") == len(FORGED)
