"""A viewer for tests of the engine, and looking at the processes and threads that it leaves."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from moeviz.engine import Engine
from moeviz.engine.server.worker_process import ProcessWorker
from moeviz.frames import unpack

PATIENCE = 30.0  # a cold worker imports torch, and the machine may be busy


class Page:
    """A greedy viewer: asks for the next frame whenever it gets one, and keeps what it got."""

    def __init__(self, engine: Engine, token: str, **view: Any) -> None:
        self.got: queue.Queue[bytes | str] = queue.Queue()
        self.viewer = engine.watch(token, self.got.put)
        self.ask(credit=1, **view)

    def ask(self, **view: Any) -> None:
        self.viewer.send({"op": "view", "credit": 0, **view})

    def header(self, fits: Callable[[dict[str, Any]], bool] = lambda header: True) -> dict[str, Any]:
        """The header of the next frame that fits."""
        for received in self.received():
            if isinstance(received, bytes):
                self.ask(credit=1)
                header, _ = unpack(received)
                if fits(header):
                    return header
        raise AssertionError("no fitting frame came")

    def text(self, op: str) -> dict[str, Any]:
        """The next text of this kind."""
        for received in self.received():
            if isinstance(received, bytes):
                self.ask(credit=1)
            elif json.loads(received)["op"] == op:
                return json.loads(received)
        raise AssertionError(f"no text {op} came")

    def received(self) -> Iterator[bytes | str]:
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            try:
                yield self.got.get(timeout=left)
            except queue.Empty:
                return


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def missing_device() -> str:
    """A device that this computer has not."""
    from moeviz.tensors.device import available

    return next(name for name in ("mps", "cuda") if name not in available())


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def moeviz_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("moeviz"))


def process_of(engine: Engine) -> psutil.Process:
    """The first worker's process."""
    worker = engine._slots[0].worker
    assert isinstance(worker, ProcessWorker)
    return psutil.Process(worker.process.pid)


def apart(main: Coroutine[Any, Any, Any]) -> Any:
    """Run it on a thread of its own: after browser tests the main thread has playwright's event loop."""
    with ThreadPoolExecutor(1) as own:
        return own.submit(asyncio.run, main).result()
