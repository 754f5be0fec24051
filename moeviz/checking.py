"""Trials of the article's claims in a process of their own, watched by a page while they run."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from moeviz.claims import CLAIMS, SEEDS, Numbers, Verdict
from moeviz.engine.lines import Lines

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
        if not _places.acquire(blocking=False):
            raise ChecksBusy(f"this server runs {MOST} checks at once, and they are under way; try again in a minute")
        try:
            self._lines = Lines("moeviz.trials", [*self.trials, f"--seeds={seeds}"], _places)
        except OSError:
            raise ChecksBusy("a check must have a process: the system refused to start one; free some memory") from None

    @property
    def found(self) -> dict[str, list[Numbers]]:
        """The numbers of each trial so far, one for each seed."""
        found: dict[str, list[Numbers]] = {name: [] for name in self.trials}
        for line in list(self._lines.found):
            found[line["trial"]].append(line["numbers"])
        return found

    @property
    def error(self) -> str | None:
        """What went wrong, if it failed by itself."""
        return self._lines.error and f"the trials stopped with {self._lines.error}"

    @property
    def over(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._lines.over

    @property
    def progress(self) -> float:
        """Share of the trials that are done, 0 to 1."""
        return sum(len(each) for each in self.found.values()) / (len(self.trials) * self.seeds)

    def cancel(self) -> None:
        """Run no more; what is finished stays."""
        self._lines.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most so many seconds; whether it is."""
        return self._lines.wait(timeout)


def verdict(key: str, found: Sequence[Numbers]) -> Verdict | None:
    """What these numbers of its trial say of a claim; None while there are none, or where it is not tested."""
    judge = CLAIMS[key].judge
    return judge(found) if judge is not None and found else None
