"""A place for one worker, which is started when it is needed, and again when it died."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from moeviz.engine.messages import FromWorker, ToWorker
from moeviz.engine.server.worker_process import StartWorker, Worker

RESTARTS = 3  # within RESTART_WINDOW seconds; a worker that dies more often is not started again by itself
RESTART_WINDOW = 60.0
logger = logging.getLogger(__name__)


class Slot:
    """A place for one worker: empty until first needed, refilled when the worker dies, but not forever."""

    def __init__(self, start: StartWorker, receive: Receive, worker_died: WorkerDied) -> None:
        self._start, self._receive, self._worker_died = start, receive, worker_died
        self._deaths: deque[float] = deque(maxlen=RESTARTS)
        self.worker: Worker | None = None
        self.ready = False

    def start(self) -> bool:
        """Start the worker unless it is there; False if the system refuses."""
        if self.worker is None:
            self.ready = False
            try:
                self.worker = self._start(self._on_message, self._on_exit)
            except OSError as error:
                logger.error("a worker process could not be started: %s", error)  # a limit, no fault
        return self.worker is not None

    def send(self, message: ToWorker) -> bool:
        return self.worker is not None and self.worker.send(message)

    def died(self) -> bool:
        """Take note of a death; whether the worker may be started again."""
        now = time.monotonic()
        often = len(self._deaths) == RESTARTS and now - self._deaths[0] < RESTART_WINDOW
        self._deaths.append(now)
        self.empty()
        return not often

    def empty(self) -> None:
        """The worker has ended."""
        self.worker, self.ready = None, False

    def _on_message(self, message: FromWorker, payload: bytes) -> None:
        self._receive(self, message, payload)

    def _on_exit(self, ended: str) -> None:
        self._worker_died(self, ended)


Receive = Callable[[Slot, FromWorker, bytes], None]
WorkerDied = Callable[[Slot, str], None]
