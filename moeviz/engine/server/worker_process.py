"""One worker and the threads around its pipes; or, for tests and notebooks, the same worker as a thread."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from moeviz.engine.protocol import Message, read_message, write_message

QUEUE = 4096
PIPE_SIZE = 1 << 20  # bytes: the frames that a class has on their way at once, so that no step waits for the reader
GRACE = 3.0  # seconds a worker may take to finish its slice and leave
ROOT = Path(__file__).resolve().parents[3]
# read by torch when it is imported: changing the count in a live process can cost a factor of 100
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# glibc returns freed memory at once and pays page faults for it in the next step: keep up to 64 MB in the process,
# and map only blocks above 32 MB (the largest limit that glibc takes) one by one
KEEP_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(2**26), "MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TOP_PAD_": str(2**24),
}  # fmt: skip
logger = logging.getLogger(__name__)

OnMessage = Callable[[Any, bytes], None]  # gets what the worker's module says: see `moeviz.engine.messages`
OnExit = Callable[[str], None]  # gets how it ended, in words


@runtime_checkable
class Worker(Protocol):
    """What the engine needs of a worker; messages arrive on a thread of the worker's own."""

    def send(self, message: Message) -> bool: ...
    def close(self) -> None: ...
    def join(self) -> None: ...


StartWorker = Callable[[OnMessage, OnExit], Worker]


class ProcessWorker:
    """A child process with a thread that writes to it and a thread that reads from it; both end with the process."""

    def __init__(
        self, arguments: list[str], on_message: OnMessage, on_exit: OnExit, module: str = "moeviz.engine.worker"
    ) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, **ONE_THREAD, **KEEP_MEMORY}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, pipesize=PIPE_SIZE, env=environment,
        )  # fmt: skip
        self._on_message, self._on_exit = on_message, on_exit
        self._outbox: queue.Queue[Message | None] = queue.Queue(QUEUE)
        self._threads = [_start(self._write, "moeviz-write"), _start(self._read, "moeviz-read")]

    def send(self, message: Message) -> bool:
        """Queue a message without ever blocking; False while the worker is too far behind to take more."""
        return _offer(self._outbox, message)

    def close(self) -> None:
        """Ask the worker to leave, by closing its stdin."""
        if not _offer(self._outbox, None):
            self.process.kill()

    def join(self) -> None:
        """Wait until it has left, and see to it that it does."""
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(GRACE)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(GRACE)

    def _write(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError), self.process.stdin as stdin:  # OSError: it died, which _read sees too
            while (message := self._outbox.get()) is not None:
                write_message(stdin, message)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            try:
                while (received := read_message(stdout)) is not None:
                    self._on_message(*received)
            except Exception:  # a stream that cannot be followed any more: report it and start afresh
                logger.exception("a worker's messages could not be read; it is started again")
                self.process.kill()
        try:
            status = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:  # it closed its stdout and lives on: nobody could hear it
            self.process.kill()
            status = self.process.wait()
        _offer(self._outbox, None)
        self._on_exit(f"signal {-status}" if status < 0 else f"exit status {status}")


class ThreadWorker:
    """The same worker in a thread of this process, where torch is imported too."""

    def __init__(self, idle_pause: float, idle_free: float, on_message: OnMessage, on_exit: OnExit) -> None:
        self._idle_pause, self._idle_free = idle_pause, idle_free
        self._on_message, self._on_exit = on_message, on_exit
        self._inbox: queue.Queue[Message | None] = queue.Queue(QUEUE)
        self._thread = _start(self._serve, "moeviz-worker")

    def send(self, message: Message) -> bool:
        return _offer(self._inbox, message)

    def close(self) -> None:
        while not _offer(self._inbox, None):
            with contextlib.suppress(queue.Empty):
                self._inbox.get_nowait()  # nobody will need the message it gives way to

    def join(self) -> None:
        if self._thread is not threading.current_thread():
            self._thread.join(GRACE)

    def _serve(self) -> None:
        ended = "it was closed"
        try:
            from moeviz.engine.worker.host import Host
            from moeviz.engine.worker.serve import serve
            from moeviz.training import opened, step_together

            self._on_message({"op": "ready"}, b"")
            pauses = (self._idle_pause, self._idle_free)
            host = Host(self._on_message, opened, step_together, idle_pause=pauses[0], idle_free=pauses[1])
            serve(host, self._inbox)
        except Exception as error:  # reported like a process that died
            logger.exception("the worker thread failed")
            ended = f"{type(error).__name__}: {error}"
        self._on_exit(ended)


def _start(target: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _offer(box: queue.Queue[Message | None], message: Message | None) -> bool:
    try:
        box.put_nowait(message)
    except queue.Full:
        return False
    return True
