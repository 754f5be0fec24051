"""Ghosts inside a worker, with real training and a pretended clock: which one is drawn after each turn and start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.frames import unpack
from moeviz.training import ghost as ghosts
from tests.marks import turned
from tests.pretend import World

SMALL: dict[str, Any] = {"batch_size": 16, "hidden_width": 4, "num_experts": 4}


@pytest.fixture(params=[False, True], ids=["alone", "together"])
def world(request: pytest.FixtureRequest) -> World:
    """A worker with one paused run, for which steps are asked."""
    world = World(together=request.param, real=True)
    world.open("run", play=False, **SMALL)
    return world


def hosted(world: World) -> Any:
    return world.host._runs["run"]


def step(world: World, count: int) -> None:
    for begun in range(0, count, 50):
        world.tell(op="step", run="run", n=min(50, count - begun))
        world.run(0.1)


def turn(world: World, **knobs: Any) -> None:
    world.tell(op="set", run="run", call=1, knobs=knobs)


def picture(world: World) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A new frame with the curves."""
    world.view("run", credit=4, want=["history"], probe=[world.clock.now, 0.0])
    world.run(0.5)
    return unpack(world.last_frame("run"))


def test_a_knob_turned_again_while_its_twin_trains_keeps_it(world):
    step(world, 20)
    turn(world, balance_coef=1.0)
    twin = hosted(world).playing.ghost.current
    step(world, 20)
    turn(world, balance_coef=10.0)
    assert hosted(world).playing.ghost.current is twin and twin.training.current_step == 40
    header, arrays = picture(world)
    assert header["ghost"] == "without λ 0→10" and arrays["ghost_step"].tolist() == [20, 30, 40]


def test_a_knob_turned_again_after_its_twin_has_ended_gets_a_new_one(world, monkeypatch):
    monkeypatch.setattr(ghosts, "LASTS", 20)
    turn(world, balance_coef=1.0)
    step(world, 30)
    assert not hosted(world).playing.ghost.current.trains
    world.run(5.0)  # a while later: another change
    turn(world, balance_coef=10.0)
    assert hosted(world).playing.num_training == 2
    step(world, 10)
    header, arrays = picture(world)
    assert header["ghost"] == "without λ 1→10" and arrays["ghost_step"].tolist() == [30, 40]


def test_a_run_that_a_knob_brings_back_has_no_ghost(world):
    step(world, 30)
    turn(world, learning_rate=10.0)
    while not hosted(world).playing.training.stuck:
        step(world, 10)
    turn(world, noise=0.1)  # it changes nothing: neither the run nor a twin of it can take a step
    assert not hosted(world).playing.ghost.current.trains and hosted(world).playing.num_training == 1
    turn(world, learning_rate=0.01)
    assert hosted(world).playing.ghost.current is None and hosted(world).state(world.clock.now) == "paused"
    began = hosted(world).step
    step(world, 10)
    assert hosted(world).step == began + 10 and picture(world)[0]["ghost"] is None


def test_after_recovering_there_is_no_ghost(world):
    step(world, 30)
    turn(world, learning_rate=10.0)
    assert hosted(world).playing.ghost.current.trains
    while hosted(world).playing.reason is None:
        step(world, 10)
    world.tell(op="recover", run="run")
    header, arrays = picture(world)
    assert header["ghost"] is None and not any(name.startswith("ghost") for name in arrays)


def test_previous_shows_the_old_curve_until_none_is_chosen(world):
    world.tell(op="ghost", run="run", value="previous")
    step(world, 40)
    _, before = picture(world)
    turn(world, balance_coef=10.0)
    assert hosted(world).playing.ghost.current is None  # a knob makes no twin now
    world.tell(op="reset", run="run")
    step(world, 20)
    header, arrays = picture(world)
    assert header["ghost"] == "the run before" and hosted(world).playing.num_training == 1
    assert arrays["ghost_step"].tolist() == [0, 10, 20, 30, 40]
    np.testing.assert_allclose(arrays["ghost_task_loss"], before["history_task_loss"], rtol=1e-5)
    turn(world, top_k=1)
    assert picture(world)[0]["ghost"] == "the run before (k 2→1)"
    world.tell(op="ghost", run="run", value="none")
    header, arrays = picture(world)
    assert header["ghost"] is None and "ghost_step" not in arrays
    world.tell(op="reset", run="run")
    assert hosted(world).playing.ghost.current is None


@pytest.mark.parametrize(
    ("configs", "drawn"), [([{}], True), ([{"num_experts": 6}], True), ([{"task": "spiral"}], False), ([{}, {}], False)]
)
def test_previous_is_drawn_beside_the_same_task_only(world, configs, drawn):
    world.tell(op="ghost", run="run", value="previous")
    step(world, 10)
    world.tell(op="reset", run="run", configs=[vars(RunConfig(**SMALL | each)) for each in configs])
    assert (picture(world)[0]["ghost"] is not None) == drawn


@pytest.mark.parametrize("pause", [0.2, 60.0])
def test_keys_that_turn_a_knob_of_a_rewound_run_are_one_change(world, pause):
    """Each key is a turn: gray is the run before the first of them, however long the hand rests at this step."""
    step(world, 60)
    world.tell(op="rewind", run="run", step=30)
    for coef in (0.01, 0.1, 1.0, 10.0):
        turn(world, balance_coef=coef)
        world.run(pause)
    header, arrays = picture(world)
    assert header["marks"] == [turned(30, "λ", 0.0, 10.0)]
    assert header["ghost"] == "as it was recorded" and arrays["ghost_step"].tolist() == [30, 40, 50, 60]
    turn(world, top_k=1)  # another knob is another change
    assert picture(world)[0]["ghost"] == "without k 2→1"


def test_a_knob_turned_again_later_is_another_change(world):
    step(world, 60)
    world.tell(op="rewind", run="run", step=30)
    turn(world, balance_coef=1.0)
    step(world, 10)
    world.run(60.0)
    turn(world, balance_coef=10.0)
    assert picture(world)[0]["ghost"] == "without λ 1→10"
