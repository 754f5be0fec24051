"""A sweep that trains in the background: start it, look at it, cancel it."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from moeviz.config import RunConfig, as_runs
from moeviz.experiments.sweep.plan import check_work
from moeviz.experiments.sweep.pool import Pool, Work, shared_pool
from moeviz.experiments.sweep.result import Result
from moeviz.experiments.sweep.store import Store


@dataclass(frozen=True)
class Progress:
    """How far a job is: runs that are finished and that have failed, and the share of all training that is done."""

    done: int
    failed: int
    total: int
    share: float
    seconds_left: float

    @property
    def counted(self) -> str:
        """The runs in words: "9 of 54 runs, 45 failed"."""
        return f"{self.done} of {self.total} runs{f', {self.failed} failed' if self.failed else ''}"


class Job:
    """Runs that train on the workers of a pool from the moment this is made; results come piece by piece.

    It may be used from any thread. When nobody holds it any more, it is cancelled.

    Args:   configs: of any shapes; equal ones are trained once.  steps: of every run.
            store: what it holds is not trained again, and what is finished is put there.
            pool: by default that of this process.
    Raises: ValueError where this is more than one sweep may train, SweepBusy where the pool has too many jobs.
    """

    def __init__(
        self, configs: RunConfig | Iterable[RunConfig], steps: int = 500, *, store: Store | None = None,
        pool: Pool | None = None,
    ) -> None:  # fmt: skip
        self.configs = as_runs(configs)
        self.steps = check_work(self.configs, steps)
        self._pool = pool or shared_pool()
        self._work = Work(self.steps, store)
        wanted = dict.fromkeys(self.configs)
        if store is not None:
            self._work.results |= {each: kept for each in wanted if (kept := store.get(each, self.steps)) is not None}
        self._pool.add(self._work, [each for each in wanted if each not in self._work.results])
        weakref.finalize(self, _forget, self._pool, self._work).atexit = False

    @property
    def results(self) -> list[Result | None]:
        """One for each config, in their order; None for runs that are not finished."""
        known = dict(self._work.results)
        return [known.get(config) for config in self.configs]

    @property
    def progress(self) -> Progress:
        """How far it is."""
        results, left = self.results, 0.0 if self.over else self._pool.seconds_left(self._work)
        failed = dict(self._work.failed)
        done, lost = sum(each is not None for each in results), sum(config in failed for config in self.configs)
        return Progress(done, lost, len(results), self._work.share, left)

    @property
    def over(self) -> bool:
        """Whether nothing of it is trained any more: it is complete, was cancelled, or failed."""
        return self._work.over.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled it."""
        return self._work.cancelled

    @property
    def errors(self) -> list[str]:
        """Why runs are missing, or not in the store, in words; empty while all is well."""
        failed = Counter(dict(self._work.failed).values())
        said = [f"{count} run{'' if count == 1 else 's'} failed: {why}" for why, count in failed.items()]
        return [*said, self._work.unkept] if self._work.unkept else said

    def cancel(self) -> None:
        """Train no more; what is finished stays in `results` and in the store."""
        self._pool.cancel(self._work)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most so many seconds; whether it is."""
        return self._work.over.wait(timeout)


def _forget(pool: Pool, work: Work) -> None:
    """Nobody will look at it any more. (It may be called anywhere, also where the pool's lock is held.)"""
    work.cancelled = True
