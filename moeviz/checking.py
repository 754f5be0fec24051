"""Trials of the article's claims in a process of their own, watched by a page while they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence

from moeviz.claims import CLAIMS, SEEDS, Numbers, Verdict
from moeviz.engine.process import KEEP_MEMORY, ONE_THREAD, ROOT

MOST = 2  # checks at once on one server
_places = threading.BoundedSemaphore(MOST)


class ChecksBusy(RuntimeError):
    """The server runs as many checks as it can; the message says what to do."""


class Check:
    """Trials that run from the moment this is made, one after the other, with so many seeds each.

    It may be used from any thread. When nobody holds it any more, its process is stopped.

    Raises: ChecksBusy where too many run already.
    """

    def __init__(self, trials: Sequence[str], seeds: int = SEEDS) -> None:
        self.trials, self.seeds = tuple(dict.fromkeys(trials)), seeds
        self.found: dict[str, list[Numbers]] = {name: [] for name in self.trials}
        self.error: str | None = None
        if not _places.acquire(blocking=False):
            raise ChecksBusy(f"this server runs {MOST} checks at once, and they are under way; try again in a minute")
        try:
            self._process = _started([*self.trials, f"--seeds={seeds}"])
        except OSError:
            _places.release()
            raise ChecksBusy("a check must have a process: the system refused to start one; free some memory") from None
        self._stop = weakref.finalize(self, self._process.kill)
        self._reader = threading.Thread(
            target=_read, args=[self._process, self.found, weakref.ref(self)], name="moeviz-check", daemon=True
        )
        self._reader.start()

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return not self._reader.is_alive()

    @property
    def progress(self) -> float:
        """Share of the trials that are done, 0 to 1."""
        return sum(len(each) for each in self.found.values()) / (len(self.trials) * self.seeds)

    def cancel(self) -> None:
        """Run no more; what is finished stays."""
        self._stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most so many seconds; whether it is."""
        self._reader.join(timeout)
        return self.over


def _started(arguments: Sequence[str]) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "moeviz.trials", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path, **ONE_THREAD, **KEEP_MEMORY},
    )  # fmt: skip


def verdict(key: str, found: Sequence[Numbers]) -> Verdict | None:
    """What these numbers of its trial say of a claim; None while there are none, or where it is not tested."""
    judge = CLAIMS[key].judge
    return judge(found) if judge is not None and found else None


def _read(process: subprocess.Popen[str], found: dict[str, list[Numbers]], check: weakref.ref[Check]) -> None:
    """Take over each line that the process prints; say what went wrong if it fails by itself."""
    try:
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                done = json.loads(line)
                found[done["trial"]].append(done["numbers"])
            said = process.stderr.read().strip()
    finally:
        _places.release()
    owner = check()
    if owner is not None and process.returncode > 0:
        last = said.splitlines()[-1] if said else "it said nothing"
        owner.error = f"the trials stopped with exit status {process.returncode}: {last}"
