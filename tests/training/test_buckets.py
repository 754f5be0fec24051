"""Runs of several shapes side by side: each is the run that it would be alone, and all are looked at as one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.content.twins import dense_twin
from moeviz.frames import PICTURES, pack, unpack
from moeviz.training import Buckets, Training
from moeviz.training import opened as opened_any
from tests.marks import treated, turned


def opened(configs: list[RunConfig]) -> Buckets:
    several = opened_any(configs)
    assert isinstance(several, Buckets)
    return several


BASE = RunConfig(batch_size=64, hidden_width=4)
MIXED = [  # two of them have one shape, and are not neighbors
    BASE.with_(balance_coef=1.0),
    BASE.nearest(router="switch", capacity_factor=1.0)[0],
    BASE.with_(top_k=1),
    BASE.nearest(router="deepseek_v3", bias_rate=0.01)[0],
]


def test_one_shape_is_a_training_and_several_are_buckets() -> None:
    assert isinstance(opened_any(MIXED[:1]), Training)
    several = opened(MIXED)
    assert several.runs == ((0, 2), (1,), (3,))
    assert list(several.configs) == MIXED


def test_each_run_is_the_run_alone() -> None:
    """Bit for bit, since a bucket computes what a training of the same runs does."""
    several = opened(MIXED)
    several.step(60)
    alone = [Training([MIXED[0], MIXED[2]]), Training([MIXED[1]]), Training([MIXED[3]])]
    for training in alone:
        training.step(60)
    header = several.snapshot().header
    wanted = {0: (alone[0], 0), 1: (alone[1], 0), 2: (alone[0], 1), 3: (alone[2], 0)}
    for name in ("task_loss", "test_metric", "cv_load", "dropped_share", "ids", "router", "top_k", "balance_coef"):
        assert header[name] == [training.snapshot().header[name][run] for training, run in wanted.values()], name
    assert (header["num_runs"], header["step"], several.current_step) == (4, 60, 60)


def test_every_picture_of_all_runs_is_in_their_order() -> None:
    several = opened(MIXED)
    several.step(30)
    shot = several.snapshot(PICTURES)
    for run, config in enumerate(MIXED):
        place = next((place, runs.index(run)) for place, runs in enumerate(several.runs) if run in runs)
        own = several.parts[place[0]].snapshot(PICTURES)
        assert own.header["router"][place[1]] == config.router
        for name in set(own.arrays) & set(shot.arrays) - {"history_step"}:
            assert np.array_equal(shot.arrays[name][run], own.arrays[name][place[1]], equal_nan=True), name
    header, arrays = unpack(pack(shot.header, shot.arrays))
    assert header["router"] == ["top_k", "switch", "top_k", "deepseek_v3"] and len(arrays["winner"]) == 4
    json.dumps(shot.header, allow_nan=False)


def test_a_knob_is_turned_for_all_or_for_each() -> None:
    several = opened(MIXED)
    several.step(10)
    several.set(learning_rate=0.01, balance_coef=[0.0, 1.0, 2.0, 3.0], gate_skew=[0.5, 0.5, 0.0, 0.0])
    assert [config.balance_coef for config in several.configs] == [0.0, 1.0, 2.0, 3.0]
    assert {config.learning_rate for config in several.configs} == {0.01}
    several.set(balance_loss=["switch", "gshard", "switch", "switch"])
    assert [config.balance_loss for config in several.configs] == ["switch", "gshard", "switch", "switch"]
    several.set(num_experts=4)
    several.step(5)
    shot = several.snapshot(("history",))
    assert shot.load.shape == (4, 4) and shot.history_load.shape[:2] == (4, 8)
    several.treat(0, "freeze", run=3)
    at_10 = [
        turned(10, "N", 8, 4, [0, 1, 2, 3]),
        turned(10, "λ", 1.0, 0.0, [0]),
        turned(10, "λ", 0.0, 1.0, [1]),
        turned(10, "λ", 0.0, 2.0, [2]),
        turned(10, "λ", 0.0, 3.0, [3]),
    ]
    marks = several.snapshot().header["marks"]
    assert all(mark in marks for mark in at_10) and marks[-1] == treated(
        15, "A", "frozen", [3]
    )  # each run's own, by its number


@pytest.mark.parametrize(
    ("knobs", "rule"),
    [
        ({"top_k": 3}, "top_k must be 1 for router=switch"),
        ({"balance_coef": [1.0, 2.0]}, "balance_coef must be one value, or a list with one for each of the 4 runs"),
        ({"noise": [0.1, 0.0, 0.0, 0.0]}, "must share task, seed, noise, num_classes and train_share"),
        ({"balance_loss": ["switch", "switch", "squared", "switch"]}, "balance_loss must be the same for all runs in"),
    ],
)
def test_what_one_run_cannot_take_changes_none(knobs, rule) -> None:
    several = opened(MIXED)
    several.step(5)
    with pytest.raises(ValueError, match=rule):
        several.set(**knobs)
    assert list(several.configs) == MIXED and several.current_step == 5


@pytest.mark.parametrize("other", [{"seed": 1}, {"task": "xor"}])
def test_runs_of_several_shapes_must_be_twins_in_their_data(other) -> None:
    with pytest.raises(ValueError, match="to be watched side by side: got 2 different ones among 2 configs"):
        opened([BASE, BASE.nearest(router="hash", **other)[0]])


def test_twins_of_different_size_are_padded_to_the_largest() -> None:
    configs = [BASE.with_(num_experts=3), dense_twin(BASE, "total"), BASE]
    several = opened(configs)
    several.step(20)
    shot = several.snapshot(PICTURES, (0.5, 0.5))
    header, arrays = unpack(pack(shot.header, shot.arrays))
    assert (header["num_experts"], header["experts"]) == (8, [3, 1, 8])
    assert [len(ids) for ids in header["ids"]] == [3, 1, 8] == [len(dead) for dead in header["dead"]]
    assert (arrays["winner"].max(axis=(1, 2)) < [3, 1, 8]).all()
    for run, part in enumerate(several.parts):
        own = part.snapshot(PICTURES, (0.5, 0.5)).arrays
        for name in ("load", "mean_prob", "gradient_norm", "probe_weight", "history_load"):
            assert np.array_equal(arrays[name][run, : configs[run].num_experts], own[name][0]), name
            assert np.isnan(arrays[name][run, configs[run].num_experts :]).all(), name
        assert arrays["gate"].shape == (3, 8, 32, 32) and not arrays["gate"][run, configs[run].num_experts :].any()
    assert arrays["load"][1, 0] == 1 and np.nansum(arrays["load"], axis=1) == pytest.approx([1, 1, 1])
    several.set(num_experts=[4, 1, 6], top_k=[1, 1, 3])
    assert several.snapshot().header["experts"] == [4, 1, 6]


def test_the_history_has_all_runs_by_their_numbers() -> None:
    several = opened(MIXED)
    several.step(20)
    table = several.history
    assert table["run"].tolist() == [run for run in range(4) for _ in range(3)]
    assert table["step"].tolist() == [0, 10, 20] * 4
    last = table[table["step"] == 20]
    assert last["cv_load"].tolist() == pytest.approx(several.snapshot().header["cv_load"])


def test_a_run_that_diverges_stands_still_and_its_curve_ends() -> None:
    several = opened([BASE.with_(task="bumps"), BASE.nearest(task="bumps", router="mixtral")[0]])
    several.step(20)
    several.parts[1].set(learning_rate=10.0)  # as if this one alone were so sensitive
    several.step(80)
    shot = several.snapshot(("history",))
    calm, step = shot.header["diverged_at"]
    assert calm is None and step > 20
    assert shot.header["reason"].startswith(f"Run 2 of 2 diverged near step {step}: ") and shot.header["step"] == 100
    assert np.isfinite(shot.history_task_loss[0]).all() and shot.history_step[-1] == 100
    before_S = shot.history_step < step
    assert np.array_equal(np.isfinite(shot.history_task_loss[1]), before_S) and before_S.any()
    assert several.recover() == ["started again from step 0 and lowered the learning rate to 0.003"]
    assert not several.diverged and [part.current_step for part in several.parts] == [0, 0]
    assert {config.learning_rate for config in several.configs} == {0.003}


def test_the_others_train_on_and_each_that_diverged_is_named() -> None:
    """Of two in lockstep one, and one by itself; the others are the runs that they are without any of them."""
    base = [each.with_(task="bumps") for each in MIXED]
    configs = [each.with_(learning_rate=10.0) if run in (2, 3) else each for run, each in enumerate(base)]
    several, alone = opened(configs), opened(base[:2])
    several.step(40)
    alone.step(40)
    assert several.diverged and not several.stuck and several.current_step == 40
    shot, expected = several.snapshot(("history",)), alone.snapshot()
    found = shot.header["diverged_at"]
    assert found[:2] == [None, None] and all(0 < step < 40 for step in found[2:])
    for run, step in ((2, found[2]), (3, found[3])):
        assert shot.header["diverged_why"][run].startswith(f"diverged near step {step}: its loss exploded")
        assert shot.header["diverged_why"][run].endswith("Lower the learning rate (10).")
        assert f"Run {run + 1} of 4 diverged near step {step}" in several.reason  # type: ignore[operator]
        assert np.array_equal(np.isfinite(shot.history_cv_load[run]), shot.history_step < step)
    assert shot.header["task_loss"][1] == expected.header["task_loss"][1]
    assert shot.header["task_loss"][0] == pytest.approx(expected.header["task_loss"][0], rel=0.1)  # float32, in a crowd
    assert np.isfinite(shot.history_task_loss[:2]).all()
    several.reset()
    assert several.reason is None and several.snapshot().header["diverged_at"] == [None] * 4


def test_when_all_have_diverged_all_are_stuck() -> None:
    several = opened([each.with_(task="bumps", learning_rate=10.0) for each in MIXED])
    several.step(40)
    assert several.stuck and None not in several.diverged_at
    steps = [part.current_step for part in several.parts]
    several.step(10)
    assert [part.current_step for part in several.parts] == steps


def test_lowering_the_rate_of_a_diverged_run_starts_all_again() -> None:
    several = opened([BASE.with_(task="bumps"), BASE.nearest(task="bumps", router="mixtral")[0]])
    several.parts[1].set(learning_rate=10.0)
    several.step(60)
    assert several.reason is not None
    assert several.set(learning_rate=0.01) == ["started again from step 0, since a run had diverged"]
    assert not several.diverged and several.current_step == 0


def test_reset_and_settling_are_of_all() -> None:
    several = opened(MIXED)
    several.step(12)
    several.reset()
    assert several.current_step == 0 and all(len(part.records) == 1 for part in several.parts)
    assert not several.settled(0)
