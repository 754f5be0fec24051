"""A process of its own that prints a JSON object a line, read while it runs: trials of claims, measurements of time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from moeviz.engine.process import KEEP_MEMORY, ONE_THREAD, ROOT

Line = dict[str, Any]


class Lines:
    """What `python -m module …` prints, from the moment this is made; `found` grows as lines come.

    It may be used from any thread. When nobody holds it any more, its process is stopped.

    Args:   place: a semaphore that was acquired for it; it is released when the process has ended.
    Raises: OSError where no process can be started.
    """

    def __init__(self, module: str, arguments: Sequence[str], place: threading.Semaphore) -> None:
        self.found: list[Line] = []
        self.error: str | None = None
        try:
            self._process = _started(module, arguments)
        except OSError:
            place.release()
            raise
        self.cancel = weakref.finalize(self, self._process.kill)
        """Print no more; what has come stays."""
        self._reader = threading.Thread(
            target=_read, args=[self._process, self.found, place, weakref.ref(self)], name="moeviz-lines", daemon=True
        )
        self._reader.start()

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
    process: subprocess.Popen[str], found: list[Line], place: threading.Semaphore, lines: weakref.ref[Lines]
) -> None:
    """Take over each line that the process prints; say what went wrong if it fails by itself."""
    try:
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                found.append(json.loads(line))
            said = process.stderr.read().strip()
    finally:
        place.release()
    owner = lines()
    if owner is not None and process.returncode > 0:
        last = said.splitlines()[-1] if said else "it said nothing"
        owner.error = f"exit status {process.returncode}: {last}"
