"""A visitor without a browser: speaks Streamlit's protocol to get a page, then the live picture's to watch its run."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.browser.opened_page import PATIENCE, Server

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
        self._page, self._query = page, query
        self.widgets: list[str] = []  # their ids
        self.errors: list[str] = []  # exceptions on the page
        self.alerts: list[str] = []  # what it says in boxes
        token = self._rerun({})
        assert token is not None, "the page showed no live picture"
        self.token = token
        self.live: ClientConnection = self._sockets.enter_context(connect(f"{self._host}/live/{self.token}", **options))

    def turn(self, states: dict[str, dict[str, Any]]) -> list[str]:
        """Say what widgets (by id) are set to, as a browser would; returns the exceptions that the page then shows."""
        self.errors.clear()
        self.alerts.clear()
        self.token = self._rerun(states) or self.token
        return self.errors

    def _rerun(self, states: dict[str, dict[str, Any]]) -> str | None:
        """Ask for the page and follow its messages to the end; the live picture among them names the run."""
        self._session.send(rerun(self._page, self._query, states))
        token = None
        while True:
            received = self._session.recv(PATIENCE)
            assert isinstance(received, bytes)
            message = ForwardMsg.FromString(received)
            kind = message.WhichOneof("type")
            if kind == "delta":
                element = message.delta.new_element
                shown: Any = element.WhichOneof("type")
                if shown == "bidi_component":
                    token = json.loads(element.bidi_component.json)["token"]
                elif shown == "exception":
                    self.errors.append(f"{element.exception.type}: {element.exception.message}")
                elif shown == "alert":
                    self.alerts.append(element.alert.body)
                widget = str(getattr(getattr(element, shown), "id", "")) if shown else ""
                self.widgets += [widget] if widget else []
            if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return token

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


def rerun(page: str, query: str, states: dict[str, dict[str, Any]] | None = None) -> bytes:
    """What a browser sends when it opens a page, or when widgets (by id) have been turned on it."""
    message = BackMsg()
    for widget, state in (states or {}).items():
        ((kind, value),) = state.items()
        added = message.rerun_script.widget_states.widgets.add(id=widget)
        if isinstance(value, list):
            getattr(added, kind).data.extend(value)
            getattr(added, kind).SetInParent()
        else:
            setattr(added, kind, value)
    message.rerun_script.page_name = page
    message.rerun_script.query_string = query
    return message.SerializeToString()
