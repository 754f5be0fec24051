"""A visitor without a browser: speaks Streamlit's protocol to get a page, then the live picture's to watch its run."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.browser.driving import PATIENCE, Server

LARGEST = 1 << 24


class RawVisitor:
    """One open tab: a Streamlit session and a live socket."""

    def __init__(self, server: Server, page: str = "", query: str = "") -> None:
        self._host = server.address.replace("http", "ws", 1)
        options: dict[str, Any] = {"max_size": LARGEST, "open_timeout": PATIENCE, "compression": None}
        self._sockets = ExitStack()
        self._session: ClientConnection = self._sockets.enter_context(
            connect(f"{self._host}/_stcore/stream", subprotocols=[Subprotocol("streamlit")], **options)
        )
        self._session.send(_rerun(page, query))
        self.token = self._read_token()
        self.live: ClientConnection = self._sockets.enter_context(connect(f"{self._host}/live/{self.token}", **options))

    def _read_token(self) -> str:
        """Follow the script's messages to its end; the live picture among them names the run."""
        token = None
        while True:
            received = self._session.recv(PATIENCE)
            assert isinstance(received, bytes)
            message = ForwardMsg.FromString(received)
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "bidi_component":
                token = json.loads(message.delta.new_element.bidi_component.json)["token"]
            if kind == "script_finished":
                assert token is not None, "the page showed no live picture"
                return str(token)

    def say(self, **message: Any) -> None:
        self.live.send(json.dumps(message))

    def ask(self, credit: int = 1, want: list[str] | None = None, probe: list[float] | None = None) -> None:
        self.say(op="view", credit=credit, want=want, probe=probe)

    def frame(self) -> bytes:
        """The next frame; texts in between are skipped."""
        while not isinstance(received := self.live.recv(PATIENCE), bytes):
            assert json.loads(received)["op"] == "notice", received
        return received

    def close(self) -> None:
        self._sockets.close()


def _rerun(page: str, query: str) -> bytes:
    message = BackMsg()
    message.rerun_script.page_name = page
    message.rerun_script.query_string = query
    return message.SerializeToString()
