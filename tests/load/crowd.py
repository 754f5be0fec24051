"""Many visitors in one thread, as cheap as can be: each has a Streamlit session, a live picture, and turns its slider.

They behave as the page's scripts do: two frames on their way, the next asked for in the screen's rhythm, the time
charts' numbers four times a second. Of a frame they read the header alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from moeviz.frames.packing import PREFIX
from tests.browser.opened_page import PATIENCE, Server
from tests.browser.visitors import LARGEST, rerun

AT_ONCE = 5  # so many arrive together
SETTLING = 6.0  # seconds after the last arrival: workers are warm, and all pictures have come once
CREDITS = 2
SCREEN = 1 / 60  # seconds between two pictures of a screen
CHARTS = 0.25
TURN = 4.0  # seconds between two turns of a slider
LAMBDAS = ("10", "0", "2")


@dataclass
class Seen:
    """What a visitor saw in one window of time."""

    began: float
    ended: float
    frames: int = 0
    bytes: int = 0  # of these frames
    first_step: int | None = None
    last_step: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def frames_per_second(self) -> float:
        return self.frames / (self.ended - self.began)

    @property
    def steps_per_second(self) -> float:
        return (self.last_step - (self.first_step or 0)) / (self.ended - self.began)


class Visitor:
    """One open tab of the Playground whose λ is turned every few seconds; or of another page, which is watched only.

    Args:   want: the pictures that it asks for, again and again.
    """

    def __init__(
        self, server: Server, query: str, number: int, page: str = "playground", want: Sequence[str] = ("first_choice",)
    ) -> None:
        self._host = server.address.replace("http", "ws", 1)
        self._query, self._page_name, self._want = query, page, want
        self._random = random.Random(number)
        self._sockets = AsyncExitStack()
        self._values: Iterator[str] = itertools.cycle(LAMBDAS)
        self._owed = CREDITS
        self._asking = False
        self._charted = 0.0
        self._revision = 0
        self._turned: tuple[int, float] | None = None  # the revision that is waited for, and since when
        self._answered = asyncio.Event()
        self._seen: Seen | None = None
        self.errors: list[str] = []

    async def arrive(self) -> None:
        """Open the page and its live picture."""
        options: dict[str, Any] = {"max_size": LARGEST, "open_timeout": PATIENCE, "compression": None}
        session = connect(f"{self._host}/_stcore/stream", subprotocols=[Subprotocol("streamlit")], **options)
        self._session: ClientConnection = await self._sockets.enter_async_context(session)
        await self._session.send(rerun(self._page_name, self._query))
        token = await asyncio.wait_for(self._open_page(), PATIENCE)
        live = connect(f"{self._host}/live/{token}", **options)
        self._live: ClientConnection = await self._sockets.enter_async_context(live)
        does = [self._watch(), self._listen()]
        if self._page_name == "playground":
            does.append(self._turn_sliders())
        else:  # some pages wait for Play
            await self._live.send(json.dumps({"op": "play"}))
        self._tasks = [asyncio.create_task(each) for each in does]
        await self._ask()

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sockets.aclose()

    def count_for(self, seconds: float) -> Seen:
        """Count from now on, for so many seconds."""
        now = time.perf_counter()
        self._seen = Seen(now, now + seconds)
        return self._seen

    async def _open_page(self) -> str:
        """Follow the script's messages to its end: the live picture names the run, the sliders their fragment."""
        token = None
        self._sliders: dict[str, WidgetState] = {}
        while True:
            message = ForwardMsg.FromString(cast(bytes, await self._session.recv()))
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._page = message.new_session.page_script_hash
            if kind == "delta":
                element = message.delta.new_element
                if element.WhichOneof("type") == "bidi_component":
                    token = json.loads(element.bidi_component.json)["token"]
                if element.WhichOneof("type") == "slider":
                    self._fragment = message.delta.fragment_id
                    self._sliders[element.slider.id.rpartition("knob_")[2]] = _state(element.slider)
                self._note_errors(message)
            if kind == "script_finished":
                if token is None:
                    raise AssertionError(f"the page showed no live picture: {self.errors}")
                return str(token)

    async def _listen(self) -> None:
        """What the script writes after a slider was turned; only its errors are of interest."""
        async for received in self._session:
            self._note_errors(ForwardMsg.FromString(cast(bytes, received)))

    def _note_errors(self, message: ForwardMsg) -> None:
        if message.WhichOneof("type") == "delta":
            element = message.delta.new_element
            if element.WhichOneof("type") in ("exception", "alert"):
                self.errors.append(str(element)[:300])

    async def _watch(self) -> None:
        """Take frames, and ask for the next in the rhythm of a screen."""
        try:
            async for received in self._live:
                if isinstance(received, str):
                    self.errors += [received] if json.loads(received)["op"] != "notice" else []
                    continue
                self._owed += 1
                self._look(received)
                if not self._asking:
                    self._asking = True
                    asyncio.get_running_loop().call_later(SCREEN, self._ask_soon)
        except ConnectionClosed as closed:
            self.errors.append(f"the live picture's socket was closed: {closed}")

    def _look(self, frame: bytes) -> None:
        now = time.perf_counter()
        _, room = PREFIX.unpack_from(frame)
        header = json.loads(frame[PREFIX.size : PREFIX.size + room])
        self._revision = header["revision"]
        seen = self._seen if self._seen is not None and self._seen.began <= now < self._seen.ended else None
        if seen is not None:
            seen.frames += 1
            seen.bytes += len(frame)
            seen.first_step = header["step"] if seen.first_step is None else seen.first_step
            seen.last_step = header["step"]
        if self._turned is not None and self._revision >= self._turned[0]:
            if seen is not None and seen.began <= self._turned[1]:
                seen.latencies.append(now - self._turned[1])
            self._turned = None
            self._answered.set()

    def _ask_soon(self) -> None:
        self._request = asyncio.ensure_future(self._ask())

    async def _ask(self) -> None:
        self._asking = False
        now = time.perf_counter()
        want = list(self._want)
        if now - self._charted >= CHARTS:
            self._charted = now
            want.append("history")
        credit, self._owed = self._owed, 0
        with suppress(ConnectionClosed):  # `_watch` notes it
            await self._live.send(json.dumps({"op": "view", "credit": credit, "want": want, "probe": None}))

    async def _turn_sliders(self) -> None:
        await asyncio.sleep(self._random.uniform(0, TURN))
        while True:
            self._sliders["balance_coef"].string_array_value.data[:] = [next(self._values)]
            message = BackMsg()
            message.rerun_script.page_script_hash = self._page
            message.rerun_script.query_string = self._query
            message.rerun_script.fragment_id = self._fragment
            message.rerun_script.widget_states.widgets.extend(self._sliders.values())
            self._answered.clear()
            self._turned = self._revision + 1, time.perf_counter()
            await self._session.send(message.SerializeToString())
            try:
                await asyncio.wait_for(self._answered.wait(), PATIENCE)
            except TimeoutError:
                self.errors.append(f"no answer to a slider within {PATIENCE:g} s")
            await asyncio.sleep(TURN * self._random.uniform(0.8, 1.2))


def _state(slider: Any) -> WidgetState:
    """A slider's value as a browser reports it."""
    state = WidgetState(id=slider.id)
    if slider.options:
        state.string_array_value.data[:] = list(slider.raw_value)
    else:
        state.double_array_value.data[:] = list(slider.value)
    return state


def address(number: int) -> str:
    """What a visitor's address says: each has a seed, and some have other knobs, two of which need other shapes."""
    others = {1: "&balance_coef=0.5", 2: "&top_k=1", 4: "&top_k=3&learning_rate=0.01", 5: "&num_experts=12"}
    return f"seed={number}{others.get(number % 6, '')}"


async def arrive(visitors: list[Visitor]) -> None:
    for start in range(0, len(visitors), AT_ONCE):
        await asyncio.gather(*(visitor.arrive() for visitor in visitors[start : start + AT_ONCE]))
    await asyncio.sleep(SETTLING)


async def watch(visitors: list[Visitor], seconds: float) -> list[Seen]:
    """What each sees from now on."""
    windows = [visitor.count_for(seconds) for visitor in visitors]
    await asyncio.sleep(seconds)
    return windows


async def leave(visitors: list[Visitor]) -> None:
    await asyncio.gather(*(visitor.leave() for visitor in visitors))
