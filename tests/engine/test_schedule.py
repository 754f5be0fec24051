"""A crowded worker: runs of one shape step together, long steps starve nobody, and frames leave time for training."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tests.pretend import World

# a step of batch size 8·n takes n ms in the pretended training


def crowd(world: World, count: int, **knobs) -> list[str]:
    names = [f"run{i}" for i in range(count)]
    for name in names:
        world.open(name, speed="watch", **knobs)
    return names


def steps_per_second(world: World, names: list[str], seconds: float) -> list[float]:
    before = [world.step(name) for name in names]
    world.run(seconds, greedy=True)
    return [(world.step(name) - start) / seconds for name, start in zip(names, before, strict=True)]


def test_runs_of_one_shape_keep_up_because_they_step_together():
    # alone 8 steps of 4 ms and 25 ms between two beats: 25 / 32 of the speed; together 4 · (1 + 7/4) = 11 ms
    rates = {}
    for together in (False, True):
        world = World(together=together)
        rates[together] = steps_per_second(world, crowd(world, 8, batch_size=32), 4)
    assert min(rates[True]) == pytest.approx(40, abs=1)
    assert max(rates[False]) < 31


def test_runs_opened_at_different_moments_share_their_beats():
    world = World(together=True)
    for name in ("a", "b", "c"):
        world.open(name, speed="watch", viewer=False)
        world.tell(op="watch", run=name, viewer=name, hidden=True, credit=0, want=None, probe=None)
        world.run(0.011)
    began, step = world.clock.now, world.step("a")
    world.run(2)
    # 80 beats of 25 ms; each common step takes 8 · (1 + 2/4) = 12 ms, and nothing else happens
    assert world.step("a") - step == pytest.approx(80, abs=2)
    assert world.clock.now == pytest.approx(began + 2)
    due = {round(world.host._runs[name].playing._due_at % 0.025, 6) % 0.025 for name in ("a", "b", "c")}
    assert due == {0.0}


def test_a_run_with_long_steps_leaves_the_others_half_of_what_they_had_and_more():
    alone, beside = World(together=True), World(together=True)
    without = steps_per_second(alone, crowd(alone, 14, batch_size=8), 3)
    names = crowd(beside, 14, batch_size=8)
    beside.open("heavy", speed="watch", num_experts=32, batch_size=200)  # 25 ms
    with_heavy = steps_per_second(beside, [*names, "heavy"], 3)
    assert statistics.median(with_heavy[:-1]) > statistics.median(without) / 2
    assert min(with_heavy[:-1]) > min(without) / 2
    assert with_heavy[-1] > 1


def test_a_rare_shape_makes_as_many_steps_as_the_others():
    world = World(together=True)
    names = crowd(world, 6, batch_size=64)
    world.open("odd", speed="watch", batch_size=64, num_experts=12)
    rates = steps_per_second(world, [*names, "odd"], 3)
    # six of 8 ms take 8 · (1 + 5/4) = 18 ms, 3 for each; alone the odd one takes 8 ms, which is less than 4 times 3
    assert rates[-1] == pytest.approx(statistics.median(rates), rel=0.15)
    assert max(rates) < 30  # there is not time enough for all


def test_but_not_if_its_steps_are_much_longer():
    world = World(together=True)
    names = crowd(world, 6, batch_size=64)
    world.open("odd", speed="watch", batch_size=160)  # 20 ms, more than 4 times 3
    rates = steps_per_second(world, [*names, "odd"], 3)
    assert rates[-1] < min(rates[:-1]) / 2
    used = [world.host._runs[name].used for name in (*names, "odd")]
    assert np.ptp(used) < 0.15 * np.mean(used)


def test_a_fault_in_a_common_step_stops_that_run_alone(caplog):
    world = World(together=True)
    names = crowd(world, 3, batch_size=8)
    world.tell(op="set", run="run1", call=1, knobs={"broken": "step"})
    world.run(1, greedy=True)
    assert world.of("run1", "status")[-1]["state"] == "diverged" and "a common step failed" in caplog.text
    assert [world.step(name) > 30 for name in names] == [True, False, True]


def test_in_a_crowd_frames_take_at_most_half_of_the_time():
    world = World(together=True)
    names = crowd(world, 10, batch_size=32)
    world.run(1, greedy=True)
    counts = [len(world.frames(name)) for name in names]
    rates = steps_per_second(world, names, 2)
    frames = [(len(world.frames(name)) - count) / 2 for name, count in zip(names, counts, strict=True)]
    # 10 viewers at 30 frames of 2 ms would take 0.6 s of each; half of the time is 25 for each
    assert 16 < min(frames) <= max(frames) <= 26
    # a common step of 10 takes 4 · (1 + 9/4) = 13 ms: in the other half 38 a second
    assert min(rates) > 30


def test_in_a_crowd_answers_do_not_wait_for_the_crowd():
    world = World(together=True)
    names = crowd(world, 40, batch_size=16)
    world.run(2, greedy=True)
    crowded = float(np.median(np.diff([at for at, _ in world.frames(names[0])][-20:])))
    assert crowded > 0.1
    waits = []
    for name in names[:5]:
        world.run(0.2, greedy=True)
        asked = world.clock.now
        world.view(name, credit=1, probe=[asked, 0.0])
        world.run(0.2, greedy=True)
        answers = [at for at, header in world.frames(name) if header["probe"] == [asked, 0.0]]
        waits.append(answers[0] - asked)
    assert statistics.median(waits) < crowded / 2


def test_the_time_charts_do_not_make_a_viewer_jump_the_queue():
    """A page asks for the history with every few frames; the frame after it asks for less, which is nothing new."""
    world = World()
    world.open("run", play=False)
    world.run(1, greedy=True)
    run = world.host._runs["run"]
    (watcher,) = run.audience.watchers.values()
    assert not watcher.awaits(run.shown(world.clock.now))
    for want, awaited in ((["history"], False), (["gate"], True)):
        watcher.want = tuple(want)
        assert watcher.awaits(run.shown(world.clock.now)) is awaited
        assert run.frame_at(watcher, world.clock.now, 60.0) == watcher.sent_at + (1 / 30 if awaited else 60)


# --- one heavy run ---------------------------------------------------------------------------------------------------

HEAVY: dict[str, Any] = {"hidden_width": 256, "batch_size": 400}  # a step of 50 ms, a frame of 100


def frames_per_second(world: World, names: list[str], seconds: float, act=lambda world: None) -> list[float]:
    """Of each viewer, while something is done ten times a second."""
    before = len(world.sent)
    for _ in range(round(10 * seconds)):
        act(world)
        world.run(0.1, greedy=True)
    seen = Counter(message["run"] for _, message, _ in world.sent[before:] if message["op"] == "frame")
    return [seen[name] / seconds for name in names]


def beside(count: int, seconds: float, act=lambda world: None, **heavy) -> tuple[float, float, float]:
    """Frames a second of so many ordinary viewers, in the median, without and with a heavy one; and of that one."""
    world = World(together=True)
    names = crowd(world, count, batch_size=8)
    world.run(2, greedy=True)
    without = statistics.median(frames_per_second(world, names, seconds))
    world.open("heavy", speed="fast", **{**HEAVY, **heavy})
    world.run(3, greedy=True)  # until it is known how long its frames take
    *with_heavy, own = frames_per_second(world, [*names, "heavy"], seconds, act)
    return without, statistics.median(with_heavy), own


@pytest.mark.parametrize(("count", "least"), [(14, 0.8), (29, 0.9)])
def test_a_heavy_run_leaves_its_neighbors_their_frames(count, least):
    """Its frames of 100 ms may take three parts of 17 or of 32; when all got as many frames, they took most of it."""
    without, with_heavy, own = beside(count, 4)
    assert with_heavy >= least * without and with_heavy >= 10 * (count == 14)
    assert own > 0.1


def test_after_a_long_step_frames_have_as_long_as_it_took():
    """30 viewers with frames of 2 ms and runs at rest, beside steps of 100 ms without end: half of the time is 8 frames
    a second for each. Of 30 ms after each step, as long as one waits for a knob, it would be 30 / 130 of it: 4."""
    world = World(together=True)
    names = crowd(world, 30, batch_size=8, play=False)
    world.open("heavy", speed="fast", viewer=False, batch_size=800)
    world.tell(op="watch", run="heavy", viewer="heavy", hidden=False, credit=1, want=None, probe=None)

    def drag(world: World) -> None:
        for name in names:
            world.view(name, credit=1, probe=[world.clock.now, 0.0])

    assert statistics.median(frames_per_second(world, names, 4, drag)) > 6


def test_a_page_with_longer_pictures_than_the_others_still_moves():
    """Frames of 100 ms beside 5 of 2: 8 parts, of which each of its frames costs 100 / 3 ms: .6 s; its own part
    alone would be 1.3 s."""
    _, with_heavy, own = beside(5, 4)
    assert own >= 1.25 and with_heavy >= 10


def test_a_probe_that_is_dragged_over_a_heavy_run_leaves_its_neighbors_their_frames():
    """An answer of 100 ms every time would leave nothing; a tenth of the time is one a second."""

    def drag(world: World) -> None:
        for _ in range(3):
            world.view("heavy", credit=1, probe=[world.clock.now, 0.0])

    without, with_heavy, own = beside(14, 4, drag)
    assert with_heavy >= 0.75 * without and own > 0.7


@pytest.mark.parametrize("op", ["set", "reset"])
def test_knobs_that_are_turned_without_end_on_a_heavy_run_leave_its_neighbors_their_frames(op):
    def turn(world: World) -> None:
        for number in range(3):
            what = {"knobs": {"balance_coef": world.clock.now}} if op == "set" else {}
            world.tell(op=op, run="heavy", call=number, **what)

    without, with_heavy, _ = beside(14, 4, turn)
    assert with_heavy >= 0.75 * without


def test_changes_wait_in_their_order_while_a_heavy_run_rests_and_each_is_answered():
    world = World(together=True)
    crowd(world, 3, batch_size=8)
    world.open("heavy", speed="watch", **HEAVY)
    world.run(2, greedy=True)
    for number in range(8):
        world.tell(op="set", run="heavy", call=number, knobs={"balance_coef": float(number)})

    def answered() -> list[int]:
        return [message["call"] for _, message, _ in world.sent if message["op"] == "reply"]

    assert answered() == list(range(len(answered()))) and len(answered()) < 8
    world.run(8, greedy=True)
    assert answered() == list(range(8))
    assert world.host._runs["heavy"].playing.training.configs[0].balance_coef == 7.0


def test_nobody_waits_for_the_changes_of_a_light_run():
    world = World(together=True)
    crowd(world, 14, batch_size=8)
    world.open("own", speed="watch", batch_size=8)
    world.run(2, greedy=True)
    for number in range(5):
        world.tell(op="set", run="own", call=number, knobs={"balance_coef": float(number)})
    assert sum(message["op"] == "reply" for _, message, _ in world.sent) == 5
