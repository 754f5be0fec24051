"""Who is here, and what ends when nobody is: with pretended sessions, jobs and time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from moeviz.ui.run import presence
from moeviz.ui.run.presence import GRACE, Presence


class Pretended:
    def __init__(self, name: str) -> None:
        self.name, self.over = name, False

    def cancel(self) -> None:
        self.over = True


class World:
    """Sessions that are here, those that were closed, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here, self.now = {"ann", "bob"}, 100.0
        self.closed: list[str] = []
        monkeypatch.setattr(presence, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.presence = Presence(lambda session: session in self.here, self.closed.append)

    def passes(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1.0
            self.presence.look()


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_a_job_ends_soon_after_its_visitor_has_gone_and_not_before(world):
    job = Pretended("sweep")
    world.presence.hold("ann", job)
    world.passes(1000)
    assert not job.over
    world.here.discard("ann")
    world.passes(GRACE)
    assert not job.over
    world.passes(2)
    assert job.over


def test_a_visitor_who_comes_back_in_time_keeps_it(world):
    """As with a connection that is lost for a moment, again and again."""
    job = Pretended("sweep")
    world.presence.hold("ann", job)
    for _ in range(5):
        world.here.discard("ann")
        world.passes(GRACE - 1)
        world.here.add("ann")
        world.passes(2)
    assert not job.over


def test_a_page_that_is_loaded_anew_takes_its_job_over(world):
    job, other = Pretended("sweep"), Pretended("sweep")
    world.presence.hold("ann", job)
    world.presence.hold("bob", other)
    assert world.presence.adopt("new", Pretended, lambda each: True) is None  # both have somebody
    world.here.discard("ann")
    world.presence.look()
    world.here.add("new")
    assert world.presence.adopt("new", Pretended, lambda each: each.name == "check") is None
    assert world.presence.adopt("new", Pretended, lambda each: each.name == "sweep") is job
    world.passes(3 * GRACE)
    assert not job.over
    world.here.discard("new")
    world.passes(GRACE + 2)
    assert job.over and not other.over


def test_what_several_look_at_goes_on_for_the_last_of_them(world):
    job = Pretended("measurement")
    for session in ("ann", "bob", "ann"):
        world.presence.hold(session, job)
    world.here.discard("ann")
    world.passes(3 * GRACE)
    assert not job.over
    world.here.clear()
    world.passes(GRACE + 2)
    assert job.over


def test_a_job_that_is_over_is_nobodys_any_more(world):
    job = Pretended("check")
    world.presence.hold("ann", job)
    job.cancel()
    world.here.discard("ann")
    assert world.presence.adopt("bob", Pretended, lambda each: True) is None
    world.passes(1)
    assert not world.presence._held


def test_room_is_made_by_closing_the_sessions_that_have_gone(world):
    for session in ("ann", "bob", "gone"):
        world.presence.comes(session)
    world.presence.make_room()
    assert world.closed == ["gone"]
    world.presence.make_room()
    assert world.closed == ["gone"]
