"""Whose turn it is in a worker, and who gets a frame: the Host with a pretended clock."""

from __future__ import annotations

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.engine.protocol import MAX_CREDIT
from tests.pretend import World

# --- turns -----------------------------------------------------------------------------------------------------------


def test_a_run_with_long_steps_does_not_starve_others():
    world = World()
    world.open("short", batch_size=64)
    world.open("long", batch_size=1600)
    world.run(10)
    # half of 10 s each: 625 steps of 8 ms, 25 of 200 ms; one long step may be under way at the end
    assert world.step("short") == pytest.approx(625, abs=30)
    assert world.step("long") == pytest.approx(25, abs=2)


def test_a_new_run_gets_its_share_but_no_arrears():
    world = World()
    world.open("old")
    world.run(5)
    before = world.step("old")
    world.open("new")
    world.run(4)
    # from now on 2 s each = 250 steps; had the new run been owed the 5 s of the past, the old one would stand still
    assert world.step("new") == pytest.approx(250, abs=10)
    assert world.step("old") - before == pytest.approx(250, abs=10)


def test_slow_motion_saves_up_no_turns():
    world = World()
    world.open("a")
    world.open("b", speed="slow")
    world.run(8)
    assert world.step("b") == pytest.approx(4, abs=1)
    before = world.step("a")
    world.tell(op="speed", run="b", value="fast")
    world.run(2)
    assert world.step("a") - before == pytest.approx(125, abs=5)


@pytest.mark.parametrize(("speed", "steps"), [("slow", 4), ("watch", 300), ("fast", 937)])
def test_the_three_speeds(speed, steps):
    world = World()
    world.open("run", speed=speed)
    world.run(7.5)  # one in 2 s = 4, 40 a second = 300, 8 ms a step = 937
    assert world.step("run") == pytest.approx(steps, abs=1 + steps / 100)


def test_a_worker_that_is_too_slow_for_the_speed_does_not_run_after_it():
    world = World()
    world.open("run", speed="watch", batch_size=800)
    world.run(5)
    world.tell(op="set", run="run", call=1, knobs={"noise": 0.0})
    world.tell(op="pause", run="run")
    assert world.step("run") == pytest.approx(50, abs=1)
    world.tell(op="play", run="run")
    world.run(1)
    assert world.step("run") == pytest.approx(60, abs=1)


def test_frames_take_at_most_half_of_a_full_worker():
    world = World()
    names = [f"run{i}" for i in range(30)]
    for name in names:
        world.open(name, batch_size=8)
    world.run(1.5, greedy=True)
    # 30 viewers at 30 frames a second would need 30·30·2 ms = 1.8 s of every second; half of each is 250 frames
    assert 1.5 * 150 <= sum(len(world.frames(name)) for name in names) <= 1.5 * 250
    assert min(len(world.frames(name)) for name in names) >= 1.5 * 4
    assert sum(map(world.step, names)) * 0.001 >= 0.7  # a step takes 1 ms


def test_a_large_run_whose_probe_is_dragged_does_not_starve_the_frames_of_others():
    world = World()
    world.open("calm", batch_size=8)
    world.open("large", hidden_width=256, batch_size=8)  # 0.1 s for a frame, so that the next one is always due
    for move in range(100):
        world.view("large", probe=[move / 100, 0.0])
        world.run(0.05, greedy=True)
    large, calm = len(world.frames("large")), len(world.frames("calm"))
    assert large >= 20 and calm >= 0.4 * large  # every second round


def test_an_idle_worker_sleeps_until_the_next_message():
    world = World()
    world.open("run", play=False)
    world.run(1)
    assert world.host.wait() is None
    world.tell(op="close", run="run")
    assert world.host.wait() is None


# --- frames ----------------------------------------------------------------------------------------------------------


def test_a_frame_costs_a_credit_and_none_is_sent_without():
    world = World()
    world.open("run")
    world.view("run", credit=2)
    world.run(2)
    assert len(world.frames("run")) == 3
    world.view("run")
    world.run(1)
    assert len(world.frames("run")) == 4


def test_credits_are_bounded():
    world = World()
    world.open("run", play=False)
    for _ in range(50):
        world.view("run", credit=MAX_CREDIT)
    world.tell(op="play", run="run")
    world.run(3)
    assert len(world.frames("run")) == MAX_CREDIT


def test_thirty_frames_a_second_and_never_more():
    world = World()
    world.open("run", speed="fast", batch_size=8)
    world.run(2, greedy=True)
    times = [at for at, _ in world.frames("run")]
    gaps = np.diff(times)
    assert gaps.min() >= 1 / 30 - 1e-4 and 22 <= len(times) / 2 <= 30


def test_nothing_new_is_not_sent_again():
    world = World()
    world.open("run", play=False)
    world.run(1, greedy=True)
    assert len(world.frames("run")) == 1
    for change in ({"probe": [0.5, 1.0]}, {"want": ["gate"]}):
        world.view("run", credit=0, **change)
        world.run(1, greedy=True)
        world.view("run", credit=0, **change)
        world.run(1, greedy=True)
    headers = [header for _, header in world.frames("run")]
    assert [header["probe"] for header in headers] == [None, [0.5, 1.0], [0.5, 1.0]]
    assert [header["left_out"] for header in headers] == [[], [], ["gate"]]


def test_a_frame_tells_which_knob_revision_it_shows():
    world = World()
    world.open("run", play=False)
    world.run(1, greedy=True)
    world.tell(op="set", run="run", call=7, knobs={"balance_coef": 10.0})
    world.run(1, greedy=True)
    assert [header["revision"] for _, header in world.frames("run")] == [0, 1]
    assert [message["notices"] for _, message, _ in world.sent if message["op"] == "reply"] == [["balance_coef is new"]]


def test_a_second_viewer_has_credits_and_probe_of_its_own():
    world = World()
    world.open("run", play=False)
    world.run(1)
    look = {"credit": 1, "want": ["curve"], "probe": [3.0, 4.0], "hidden": False}
    world.tell(op="watch", run="run", viewer="other", **look)
    world.run(1)
    assert [header["probe"] for _, header in world.frames("run")] == [None, [3.0, 4.0]]
    assert [message["viewer"] for message in world.of("run", "frame")] == ["run", "other"]


def test_new_points_get_a_new_version_of_the_data():
    world = World()
    world.open("run", play=False)
    for knobs in ({"balance_coef": 1.0}, {"noise": 0.5}):
        world.tell(op="set", run="run", call=1, knobs=knobs)
    world.tell(op="reset", run="run", configs=[vars(RunConfig(task="spiral"))])
    world.tell(op="reset", run="run")
    world.run(0.1)
    assert [header["data_version"] for _, header in world.frames("run")] == [2]


def test_how_fast_a_run_is_is_not_said_before_it_was_measured():
    world = World()
    world.open("run", speed="watch", batch_size=8)
    world.run(0.3, greedy=True)
    assert {header["steps_per_second"] for _, header in world.frames("run")} == {None}
    world.run(1, greedy=True)
    assert world.frames("run")[-1][1]["steps_per_second"] == pytest.approx(40, abs=3)
    world.tell(op="reset", run="run")
    world.run(0.1, greedy=True)
    assert world.frames("run")[-1][1]["steps_per_second"] is None
