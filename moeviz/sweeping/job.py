"""A sweep that trains in the background: start it, look at it, cancel it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from moeviz.config import RunConfig
from moeviz.sweeping.plan import check_work
from moeviz.sweeping.pool import Pool, Work, shared_pool
from moeviz.sweeping.result import Result
from moeviz.sweeping.store import Store


@dataclass(frozen=True)
class Progress:
    """How far a job is: runs that are finished, and the share of all training that is done."""

    done: int
    total: int
    share: float
    seconds_left: float


class Job:
    """Runs that train on the workers of a pool from the moment this is made; results come piece by piece.

    It may be used from any thread. When nobody holds it any more, it is cancelled.

    Args:   configs: of any shapes; equal ones are trained once.  steps: of every run.
            store: what it holds is not trained again, and what is finished is put there.
            pool: by default that of this process.
    Raises: ValueError where this is more than one sweep may train, SweepBusy where the pool has too many jobs.
    """

    def __init__(
        self, configs: Sequence[RunConfig], steps: int = 500, *, store: Store | None = None, pool: Pool | None = None
    ) -> None:
        self.configs, self.steps = tuple(configs), steps
        check_work(self.configs, steps)
        self._pool = pool or shared_pool()
        self._work = Work(steps, store)
        wanted = dict.fromkeys(self.configs)
        if store is not None:
            self._work.found |= {each: kept for each in wanted if (kept := store.get(each, steps)) is not None}
        self._pool.add(self._work, [each for each in wanted if each not in self._work.found])
        weakref.finalize(self, _forget, self._pool, self._work).atexit = False

    @property
    def results(self) -> list[Result | None]:
        """One for each config, in their order; None for runs that are not finished."""
        found = dict(self._work.found)
        return [found.get(config) for config in self.configs]

    @property
    def progress(self) -> Progress:
        """How far it is."""
        results, left = self.results, 0.0 if self.over else self._pool.seconds_left(self._work)
        return Progress(sum(each is not None for each in results), len(results), self._work.share, left)

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
        """Why runs are missing, in words; empty while all is well."""
        return list(self._work.errors)

    def cancel(self) -> None:
        """Train no more; what is finished stays in `results` and in the store."""
        self._pool.cancel(self._work)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most so many seconds; whether it is."""
        return self._work.over.wait(timeout)


def _forget(pool: Pool, work: Work) -> None:
    """Nobody will look at it any more. (It may be called anywhere, also where the pool's lock is held.)"""
    work.cancelled = True
