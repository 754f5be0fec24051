"""Which visitors are here, and what ends when one has gone: jobs, and what is kept in case he comes back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol, TypeVar, runtime_checkable

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

LOOK = 1.0  # seconds between two looks
GRACE = 6.0  # ... until a job ends whose visitor has gone: a page that is loaded anew takes some


@runtime_checkable
class Job(Protocol):
    """Something that runs for a visitor, and can be ended."""

    @property
    def over(self) -> bool: ...
    @property
    def cancel(self) -> Callable[[], object]: ...


J = TypeVar("J")


@dataclass(eq=False)
class Held:
    """A job, who holds it, and since when nobody of them is here any more."""

    job: Job
    sessions: set[str] = field(default_factory=set)
    left_at: float | None = None


class Presence:
    """The sessions that have come, and the jobs that they hold. Every method but `make_room` may be called anywhere."""

    def __init__(self, is_here: Callable[[str], bool], close: Callable[[str], object]) -> None:
        self._is_here, self._close = is_here, close
        self._lock = threading.Lock()
        self._sessions: set[str] = set()
        self._held: list[Held] = []

    def comes(self, session: str) -> None:
        """A page of this session is drawn."""
        with self._lock:
            self._sessions.add(session)

    def hold(self, session: str, job: Job) -> None:
        """A job goes on while one of the sessions is here that hold it, and ends soon after the last."""
        with self._lock:
            held = next((each for each in self._held if each.job is job), None)
            if held is None:
                held = Held(job)
                self._held.append(held)
            held.sessions.add(session)

    def adopt(self, session: str, kind: type[J], fits: Callable[[J], bool]) -> J | None:
        """A job that its visitor has just left, as when a page is loaded anew; from now on it is this session's."""
        with self._lock:
            for held in self._held:
                job = held.job
                if not job.over and isinstance(job, kind) and not self._attended(held) and fits(job):
                    held.sessions, held.left_at = {session}, None
                    return job
        return None

    def look(self) -> None:
        """End the jobs that nobody has been here for, for a while."""
        now, ended = time.monotonic(), []
        with self._lock:
            self._held = [each for each in self._held if not each.job.over]
            for held in self._held:
                if self._attended(held):
                    held.left_at = None
                    continue
                held.left_at = held.left_at or now
                if now - held.left_at >= GRACE:
                    ended.append(held)
            self._held = [each for each in self._held if each not in ended]
        for held in ended:
            held.job.cancel()

    def make_room(self) -> None:
        """Close what Streamlit keeps for sessions that have gone (call it on the server's event loop)."""
        with self._lock:
            gone = [each for each in self._sessions if not self._is_here(each)]
            self._sessions.difference_update(gone)
        for session in gone:
            self._close(session)

    def _attended(self, held: Held) -> bool:
        return any(self._is_here(each) for each in held.sessions)


@cache
def presence() -> Presence:
    """Of this server process; where there is no server, as in a test of one page, everybody is here."""
    return Presence(
        lambda session: not runtime.exists() or runtime.get_instance().is_active_session(session),
        lambda session: runtime.get_instance().close_session(session),
    )


def hold(job: Job) -> None:
    """A job that this script's visitor wants."""
    presence().hold(session(), job)


def adopt(kind: type[J], fits: Callable[[J], bool]) -> J | None:
    """A job that somebody has just left, now of this script's visitor: he is the one, with the page loaded anew."""
    return presence().adopt(session(), kind, fits)


def session() -> str:
    """The session whose script asks."""
    context = get_script_run_ctx()
    return context.session_id if context is not None else ""


@asynccontextmanager
async def looking() -> AsyncIterator[None]:
    """Look who is here once a second, for as long as the server runs."""

    async def look() -> None:
        while True:
            await asyncio.sleep(LOOK)
            presence().look()

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
