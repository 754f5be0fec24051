"""Trials of the article's claims in a process of their own, watched by a page while they run."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from moeviz.engine.server.printed_lines import Lines
from moeviz.experiments.claims import CLAIMS, SEEDS, Measured, Verdict

MOST = 2  # checks at once on one server
_places = threading.BoundedSemaphore(MOST)


class Check(Lines):
    """Trials that run from the moment this is made, one after the other, with so many seeds each."""

    def __init__(self, trials: Sequence[str], seeds: int = SEEDS) -> None:
        self.trials, self.seeds = tuple(dict.fromkeys(trials)), seeds
        full = f"this server runs {MOST} checks at once, and they are under way; try again in a minute"
        arguments = [*self.trials, f"--seeds={seeds}"]
        super().__init__("moeviz", ["trials", *arguments], what="the trials", place=_places, full=full)

    @property
    def measured(self) -> dict[str, list[Measured]]:
        """The numbers of each trial so far, one for each seed."""
        measured: dict[str, list[Measured]] = {name: [] for name in self.trials}
        for line in list(self.lines):
            measured[line["trial"]].append(line["numbers"])
        return measured

    @property
    def progress(self) -> float:
        """Share of the trials that are done, 0 to 1."""
        return sum(len(each) for each in self.measured.values()) / (len(self.trials) * self.seeds)


def verdict(key: str, measured: Sequence[Measured]) -> Verdict | None:
    """What these numbers of its trial say of a claim; None while there are none, or where it is not tested."""
    judge = CLAIMS[key].judge
    return judge(measured) if judge is not None and measured else None
