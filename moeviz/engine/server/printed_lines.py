"""A process of its own that prints a JSON object a line, read while it runs: trials of claims, measurements of time."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from moeviz.engine.server.worker_process import KEEP_MEMORY, ONE_THREAD, ROOT

Line = dict[str, Any]
logger = logging.getLogger(__name__)


class Busy(RuntimeError):
    """No process can be started now; the message says why, and what to do."""


class Lines:
    """What `python -m module …` prints, from the moment this is made; `lines` grows as they come.

    It may be used from any thread. When nobody holds it any more, its process is stopped.

    Args:   what: the name of what runs, in words.
            place: it takes one of its places until the process has ended.  full: what to say while there is none.
    Raises: Busy where there is no place, or no process can be started.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], *, what: str, place: threading.Semaphore, full: str
    ) -> None:
        self.lines: list[Line] = []
        self.error: str | None = None
        if not place.acquire(blocking=False):
            raise Busy(full)
        try:
            self._process = _started(module, arguments)
        except OSError:
            place.release()
            raise Busy(f"{what} must have a process: the system refused to start one; free some memory") from None
        self.cancel = weakref.finalize(self, self._process.kill)
        """Print no more; what has come stays."""
        self._reader = threading.Thread(
            target=_read, args=[self._process, self.lines, what, place, weakref.ref(self)], daemon=True,
            name="moeviz-lines",
        )  # fmt: skip
        self._reader.start()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled it."""
        return not self.cancel.alive

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self._reader.is_alive()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most so many seconds; whether it is."""
        self._reader.join(timeout)
        return self.over


def _started(module: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path, **ONE_THREAD, **KEEP_MEMORY},
    )  # fmt: skip


def _read(
    process: subprocess.Popen[str], lines: list[Line], what: str, place: threading.Semaphore, owner: weakref.ref[Lines]
) -> None:
    """Take over each line that the process prints; say what went wrong if it fails by itself."""
    try:
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                if line.endswith("\n"):  # else it was killed while it wrote
                    lines.append(json.loads(line))
            said = process.stderr.read().strip()
    finally:
        place.release()
    held = owner()
    if held is not None and process.returncode and not held.cancelled:
        held.error = f"{what} {_ended(process.returncode, said)}"
        logger.error("%s", held.error)


def _ended(status: int, said: str) -> str:
    """How a process ended that was not asked to, in words."""
    if status < 0:
        return f"ended early: stopped from outside (signal {-status}), as happens when memory runs out"
    return f"stopped with exit status {status}: {said.splitlines()[-1] if said else 'it said nothing'}"
