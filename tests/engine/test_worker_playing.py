"""What a run plays, with a training that is pretended: when its next step is due, and what brings it to rest."""

from __future__ import annotations

import math
from typing import Any

import pytest

from moeviz.config import RunConfig
from moeviz.engine.worker.playing import LAG, MAX_PENDING, Playing
from tests.pretend import Clock, FakeTraining


def playing(speed: str = "watch", play: bool = True, **opening: Any) -> Any:
    """Opened at 100 s."""
    pretended = type("Timed", (FakeTraining,), {"clock": Clock()})
    message: Any = {"op": "open", "configs": [], "play": play, "speed": speed, "probe": None, **opening}
    return Playing(pretended([RunConfig()]), message, 100.0)


def step(run: Any, now: float, seconds: float = 0.001) -> float:
    """One step that ends now; when the next is due."""
    for each in run.trainings:
        each.step(1)
    run.stepped(seconds, now)
    return run.step_at(now, awake=True)


def test_steps_come_on_common_beats():
    run = playing("watch")
    assert run.step_at(99.0, awake=True) == 100.0 and run.step_at(100.01, awake=True) == 100.01
    assert step(run, 100.001) == pytest.approx(100.025)  # 40 a second, at whole multiples of 25 ms
    assert step(run, 100.030) == pytest.approx(100.050)
    run.hurry("slow", 100.031)
    assert step(run, 100.032) == pytest.approx(102.0)  # one in two seconds
    run.hurry("fast", 100.5)
    assert step(run, 100.501) == 100.501  # without a pause


def test_a_worker_that_was_too_slow_catches_up_a_tenth_of_a_second_and_no_more():
    run = playing("watch")
    step(run, 105.0)
    # 200 beats were missed; those of the last 0.1 s are made up for: due at 104.9, 104.925, …, 105
    due = [run._due_at]
    while due[-1] < 105.0:
        step(run, 105.0)
        due.append(run._due_at)
    assert due[0] == pytest.approx(105.0 - LAG) and len(due) == 5


def test_nobody_has_to_watch_for_steps_that_were_asked_for():
    run = playing()
    assert run.step_at(100.0, awake=False) == math.inf
    run.take(3)
    run.take(2)
    assert run.step_at(100.0, awake=False) == 100.0 and not run.on
    for _ in range(5):
        step(run, 100.0)
    assert run.pending == 0 and run.step == 5 and run.step_at(100.0, awake=True) == math.inf
    run.take(10 * MAX_PENDING)
    assert run.pending == MAX_PENDING
    run.play()
    assert run.pending == 0 and run.on


def test_a_run_waits_at_the_step_that_it_was_told():
    run = playing("fast", until=2)
    version = run.version
    assert step(run, 100.0) == 100.0
    assert step(run, 100.0) == math.inf and not run.on and run.version == version + 1
    run.play()  # on, and not to be stopped there again
    assert step(run, 100.0) == 100.0
    run.wait_at(4)
    assert step(run, 100.0) == math.inf


def test_what_has_diverged_stops_until_it_is_taken_back():
    run = playing("fast")
    with pytest.raises(ValueError, match="recover must follow a divergence: got step=0, which is fine"):
        run.recover()
    run.turn(["learning_rate"], lambda: run.training.set(learning_rate=10.0), 100.0, False)
    assert step(run, 100.05) == 100.05  # it is looked at ten times a second
    assert step(run, 100.11) == math.inf and run.reason == "lower the learning rate"
    run.take(5)
    assert run.pending == 0  # it can take none
    assert run.recover() == ["learning_rate is new"]
    run.play()
    assert run.reason is None and run.step == 0 and run.step_at(100.2, awake=True) == 100.2


def test_what_has_settled_goes_on_with_a_turn_and_what_was_paused_does_not():
    run = playing("fast")
    run.training.settled = lambda since: True
    step(run, 100.2)
    assert run.settled and not run.on
    run.turn(["top_k"], list, 100.3, False)
    run.changed(100.3, knobs=True)
    assert run.on and not run.settled and run.revision == 1
    run.pause()
    run.turn(["top_k"], list, 100.4, False)
    assert not run.on


def test_a_change_counts_as_one_and_other_data_as_another_version():
    run = playing(revision=4, data_version=2)
    version = run.version
    run.training.set(balance_coef=1.0)
    run.changed(101.0, knobs=True)
    assert (run.version - version, run.revision, run.data_version) == (1, 5, 2)
    run.training.set(seed=3)
    run.changed(102.0, knobs=False)
    assert (run.version - version, run.revision, run.data_version) == (2, 5, 3)


def test_how_long_a_step_takes_is_known_of_late_and_what_took_longer_was_not_the_step_alone():
    run = playing("fast")
    step(run, 100.0, seconds=0.01)
    assert run.step_seconds == pytest.approx(0.002)  # a fifth of the way from 0 to .01
    step(run, 100.0, seconds=5.0)
    assert run.step_seconds == pytest.approx(0.002 + (0.020 - 0.002) / 5)
