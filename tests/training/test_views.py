"""Every picture in every state: whatever a viewer asks for together, of whichever runs, it gets a frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from moeviz.config import TASK_INFO, RunConfig
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.engine.worker.run import HostedRun
from moeviz.frames import PICTURES, unpack
from moeviz.frames.pictures import VIEWS
from moeviz.training import Buckets, Training, opened
from moeviz.training.views.registry import DRAW
from tests.pretend import World

KINDS = ("clusters", "bumps", "piecewise", "digits", "linear_clusters", "digit_rows", "pictures", "pairs", "languages")
PROBES = (None, (0.0, 0.0), (0.4, -0.3), (1e6, -1e6))
GIVEN = (None, "x", (0.5,) * 256, " \n\0", (0.0,) * 1024, "Zürich 東京 🦊" * 20, (1.0,) * 3)
# arrays that say NaN where something does not exist, or was not measured
MAY_LACK = (
    "history_", "ghost_", "deaths", "seating_dropped", "gradient_norm", "update_share", "skill_loss", "group_",
    "class_share", "domain_metric", "text_kind_share", "text_class_share",
)  # fmt: skip


def together(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Eight selections such that of any two names each is in one with, and in one without, the other.

    A name is in the first and in three others, of which no two names have the same three (C(7, 3) = 35 are enough):
    two different fours of eight that share the first each have a place of their own, and leave one to neither.
    """
    places = list(itertools.combinations(range(1, 8), 3))
    assert len(names) <= len(places)
    return [
        tuple(name for name, own in zip(names, places, strict=False) if row == 0 or row in own) for row in range(8)
    ]  # fmt: skip


def test_any_two_names_are_together_apart_and_both_missing() -> None:
    rows = together(tuple(PICTURES))
    for one, other in itertools.combinations(tuple(PICTURES), 2):
        assert {(one in row, other in row) for row in rows} == set(itertools.product((True, False), repeat=2))


def test_every_picture_is_declared_once_and_every_task_has_some() -> None:
    assert list(DRAW) == list(PICTURES)
    assert {info.view for info in TASK_INFO.values()} == set(VIEWS)
    assert all(set(picture.views) <= set(VIEWS) and picture.views for picture in PICTURES.values())


# ---- states --------------------------------------------------------------------------------------------------------


def tiny(task: str, router: str = "top_k", **knobs: Any) -> RunConfig:
    size = 8 if TASK_INFO[task].tokens_per_input > 8 else 32
    sizes = {"num_experts": 4, "batch_size": size, "hidden_width": 4}
    return RunConfig(task=task).nearest(**(sizes | {"router": router} | knobs))[0]


def states(configs: Sequence[RunConfig]) -> Iterator[tuple[str, HostedRun]]:
    """A run that is watched, in one state after the other, by what its viewers and its page may say to it."""
    world = World(real=True)
    world.tell(op="open", run="run", configs=[vars(each) for each in configs], play=False, speed="fast", probe=None)
    world.tell(op="watch", run="run", viewer="run", credit=0, want=None, probe=None, hidden=False)
    run = world.host._runs["run"]

    def after(*messages: dict[str, Any]) -> HostedRun:
        for message in messages:
            world.tell(run="run", viewer="run", call=1, **message)
            while run.playing.pending and run.playing.reason is None:
                world.host.advance()
        replies = [message for _, message, _ in world.sent if message["op"] == "reply"]
        assert not any("fault" in reply for reply in replies), replies
        return run

    step = {"op": "step", "n": 12}
    yield "at step 0", run
    yield "trained", after(step)
    yield "with newcomers", after({"op": "set", "knobs": {"num_experts": 7}})
    yield "beside a ghost", after({"op": "set", "knobs": {"balance_coef": 1.0}}, step)
    kill, freeze = (
        {"op": "treat", "expert": each, "how": how, "twin": None} for each, how in ((1, "kill"), (2, "freeze"))
    )
    yield "treated", after(kill, freeze, step)
    yield "wound back", after(step, {"op": "rewind", "step": 10})
    yield "gone on differently", after({"op": "set", "knobs": {"gate_skew": 0.5}}, step)
    rates = [10.0] + [each.learning_rate for each in configs[1:]]
    yield "one of them wild", after({"op": "set", "knobs": {"learning_rate": rates}}, step, step, step)
    yield "all of them wild", after({"op": "set", "knobs": {"learning_rate": 10.0}}, step, step)
    yield "fewer again", after({"op": "set", "knobs": {"num_experts": 3}}, {"op": "ghost", "value": "previous"})
    yield "started again", after({"op": "reset"})


def frame(run: HostedRun, want: Sequence[str], probe: Any, given: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What its viewer is sent; what raises in it raises here."""
    watcher = run.audience.watchers["run"]
    watcher.want, watcher.probe, watcher.given = tuple(want), probe, given
    return unpack(run.frame(watcher, 100.0))


def all_known(name: str, values: np.ndarray) -> bool:
    """Whether these are numbers; the logit of an expert that nobody can choose is −∞."""
    return bool((np.isfinite(values) | ((name == "journey_logit") & np.isneginf(values))).all())


def check(run: HostedRun, want: Sequence[str], probe: Any, given: Any) -> None:
    """A frame has all that was asked for, or names it; and of a run that trains it has numbers."""
    header, arrays = frame(run, want, probe, given)
    assert set(header["left_out"]) == {name for name in want if header["view"] not in PICTURES[name].views}
    trains = [at is None for at in header["diverged_at"]]
    parts: Any = run.playing.training.parts
    healthy = [bool(each) for part in parts for each in part.step_state.healthy_R.tolist()]
    if not all(trains) or not all(healthy):
        return
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not name.startswith(MAY_LACK) and len(set(header["experts"])) == 1:
            assert all_known(name, values), (name, want)


def visit(configs: Sequence[RunConfig], rows: Sequence[Sequence[str]], each: int) -> None:
    """All states, so many selections of pictures in each, in turn; probe and given change with them."""
    turn = itertools.cycle(zip(itertools.cycle(rows), itertools.cycle(PROBES), itertools.cycle(GIVEN), strict=False))
    for state, run in states(configs):
        for want, probe, given in itertools.islice(turn, each):
            try:
                check(run, want, probe, given)
            except Exception as error:
                error.add_note(
                    f"{state}: {configs[0].task}, {[config.router for config in configs]}, {want}, {given!r}"
                )
                raise


@pytest.mark.parametrize("place", range(len(KINDS)))
def test_every_kind_of_task_draws_whatever_is_asked_for_in_every_state(place: int) -> None:
    task, routers = KINDS[place], list(ROUTER_INFO)
    several = [tiny(task, routers[place]), tiny(task, routers[(2 * place + 3) % 9], num_experts=5), tiny(task)]
    visit(several[: 3 if TASK_INFO[task].tokens_per_input == 1 else 2], together(tuple(PICTURES)), 1)


@pytest.mark.slow
@pytest.mark.parametrize("router", ROUTER_INFO)
@pytest.mark.parametrize("task", KINDS)
def test_every_router_draws_whatever_is_asked_for_in_every_state(task: str, router: str) -> None:
    visit([tiny(task, router)], together(tuple(PICTURES)), 2 if TASK_INFO[task].tokens_per_input == 1 else 1)
    if task == "clusters":
        visit([tiny(task, router), tiny(task, router, seed=0, learning_rate=0.01)], [(name,) for name in PICTURES], 5)


# ---- examples ------------------------------------------------------------------------------------------------------


def test_each_picture_alone_of_runs_of_several_shapes() -> None:
    several = opened([tiny("clusters"), tiny("clusters", "mixtral", num_experts=5)])
    assert isinstance(several, Buckets)
    several.step(10)
    for name, picture in PICTURES.items():
        shot = several.snapshot((name,))
        assert shot.left_out == ([] if "map" in picture.views else [name])
    shot = several.snapshot(("trails",))
    both = several.snapshot(("history", "trails"))
    assert shot.history_step.tolist() == [0, 10] and shot.history_mean_prob.shape == (2, 5, 2)
    assert np.array_equal(shot.history_mean_prob, both.history_mean_prob, equal_nan=True)


def test_trails_of_a_run_that_has_diverged_beside_others_end_without_the_charts_too() -> None:
    wild = tiny("bumps", learning_rate=10.0)
    for configs in ([wild, wild.with_(learning_rate=0.01)], [wild, tiny("bumps", "mixtral")]):
        runs = opened(configs)
        runs.step(30)
        (at, none), shot = runs.diverged_at, runs.snapshot(("trails",))
        assert at is not None and none is None
        ended = np.isnan(shot.history_mean_prob).all(1)
        assert ended[0].tolist() == [step >= at for step in shot.history_step] and not ended[1].any()


def test_a_row_of_tokens_that_no_input_has_is_no_picture() -> None:
    """An emoji with its names is 36 tokens: the sixteen of `seating` would be a part of one."""
    training = Training([tiny("pairs", "noisy_top_k")])
    shot = training.snapshot(("seating", "items"))
    assert shot.left_out == ["seating"] and not any(name.startswith("seating") for name in shot.arrays)
