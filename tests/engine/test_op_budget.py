"""What one run may ask for out of turn: its ops wait, its pictures come no sooner, and its neighbors do not notice."""

from __future__ import annotations

import math
from typing import Any

import pytest

from moeviz.engine.worker.op_budget import BURST, MOST_WAITING, Budget
from tests.pretend import World

# a step of batch size 8·n takes n ms in the pretended training, a frame 2 ms, or 100 at a hidden width of 256


def op(name: str = "treat", **fields) -> Any:
    return {"op": name, **({"expert": 0, "how": "killed", "twin": None} if name == "treat" else {}), **fields}


def test_a_burst_is_free_and_what_comes_later_waits_until_nothing_is_owed():
    budget = Budget(100.0)
    assert not budget.must_wait(op())
    budget.spend(BURST + 0.1)
    assert budget.must_wait(op()) and not budget.must_wait(op("view"))
    assert budget.due_at(100.0, 0.25) == math.inf  # nothing waits yet
    assert budget.add(op())
    assert budget.due_at(100.0, 0.25) == pytest.approx(100.4, abs=0.01)  # .1 s, a quarter is ours
    budget.earn(100.5, 0.25)
    assert budget.due_at(100.5, 0.25) == 100.5
    assert budget.must_wait(op("pause"))  # in their order
    budget.next()
    assert not budget.must_wait(op("pause"))
    budget.earn(1000.0, 0.25)
    budget.spend(BURST + 0.001)  # what was not used long ago is not kept
    assert budget.must_wait(op())


def test_only_the_newest_of_equal_ops_waits_and_a_call_is_never_replaced():
    budget = Budget(0.0)
    budget.spend(1.0)
    for message in (op(), op(how="free"), op(expert=1), op("reset"), op("reset"), op("set", call=1), op("set", call=2)):
        assert budget.add(message)
    kept = [budget.next() for _ in range(5)]
    assert kept == [op(how="free"), op(expert=1), op("reset"), op("set", call=1), op("set", call=2)]
    assert budget.due_at(0.0, 1.0) == math.inf
    assert [budget.add(op(expert=index)) for index in range(MOST_WAITING + 2)] == [True] * MOST_WAITING + [False] * 2


FLOODS = {
    "treat": lambda index: op(expert=index % 8, how=("killed", "free", "frozen")[index % 3]),
    "rewind": lambda index: op("rewind", step=index % 5),
    "reset": lambda index: op("reset"),
    "set": lambda index: op("set", knobs={"balance_coef": float(index % 7)}, call=index),
}


def rates(world: World, names: list[str], flood=None, seconds: float = 2.0) -> tuple[list[float], list[float]]:
    """Steps and frames a second of these runs, while one more is told something every 2 ms."""
    steps, frames, index = ([world.step(name) for name in names], [len(world.frames(name)) for name in names], 0)
    end = world.clock.now + seconds
    while world.clock.now < end:
        if flood is not None:
            for _ in range(4):
                flood(index)
                index += 1
        world.run(0.008, greedy=True)
    passed = world.clock.now - end + seconds
    return (
        [(world.step(name) - before) / passed for name, before in zip(names, steps, strict=True)],
        [(len(world.frames(name)) - before) / passed for name, before in zip(names, frames, strict=True)],
    )


def crowd(**options) -> tuple[World, list[str]]:
    world = World(together=True, **options)
    names = [f"run{index}" for index in range(8)]
    for name in names:
        world.open(name, speed="watch", batch_size=16)
    world.open("flooder", speed="watch", batch_size=16, num_experts=12)
    world.run(1.0, greedy=True)
    return world, names


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_ops_costs_its_run_its_share_and_the_others_next_to_nothing(kind):
    """500 a second of 20 ms each would keep everybody from everything; a share is a ninth of the time."""
    world, names = crowd(op_seconds=0.02)
    before = rates(world, names)
    during = rates(world, names, lambda index: world.tell(run="flooder", viewer="flooder", **FLOODS[kind](index)))
    for quiet, flooded in zip(before, during, strict=True):
        assert min(flooded) > 0.7 * min(quiet)
    after = rates(world, names)
    for quiet, again in zip(before, after, strict=True):
        assert min(again) > 0.8 * min(quiet)  # at once: next to nothing has piled up
    errors = [each["body"]["message"] for each in world.of("flooder", "tell") if each["body"]["op"] == "error"]
    refused = [each["error"] for each in (message for _, message, _ in world.sent) if "error" in each]
    if kind in ("treat", "set"):
        assert f"{MOST_WAITING} changes of this one wait; try again" in (errors + refused)[0]


def test_a_flood_of_pictures_that_take_long_costs_the_others_next_to_nothing():
    """Each probe asks for an answer at once, and each answer takes 100 ms; eight tabs ask for it."""
    world, names = crowd()
    before = rates(world, names)
    world.tell(op="set", run="flooder", knobs={"hidden_width": 256}, call=1)
    viewers = [f"tab{index}" for index in range(8)]
    for viewer in viewers:
        world.tell(op="watch", run="flooder", viewer=viewer, credit=4, want=["choices"], probe=None, hidden=False)

    def look(index: int) -> None:
        look = {"credit": 4, "want": ["choices", "gate"][: 1 + index % 2], "probe": [float(index), 0.0]}
        world.tell(op="view", run="flooder", viewer=viewers[index % 8], **look)

    rates(world, names, look, 1.0)  # until it is known how long they take
    during = rates(world, names, look)
    for quiet, flooded in zip(before, during, strict=True):
        assert min(flooded) > 0.5 * min(quiet)
    assert len(world.frames("flooder")) > 4  # it gets some


def test_a_few_ops_by_hand_are_carried_out_at_once_in_a_crowd():
    world, _ = crowd(op_seconds=0.02)
    for index in range(8):
        world.tell(run="run0", viewer="run0", **op(expert=index))
        assert not world.host._runs["run0"].budget.must_wait(op("pause"))
        world.run(0.5, greedy=True)
    assert not [each for each in world.of("run0", "tell") if each["body"]["op"] == "error"]


def test_without_neighbors_ops_take_all_the_time_there_is():
    world = World(op_seconds=0.02)
    world.open("run", speed="watch", batch_size=16)
    for index in range(100):
        world.tell(run="run", viewer="run", **op("rewind", step=index))
        world.run(0.02, greedy=True)
    assert not world.host._runs["run"].budget.must_wait(op())
