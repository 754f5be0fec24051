"""Turning knobs of a live training: each acts and keeps the run; experts arrive and leave without losing it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from moeviz.config import KNOBS, RunConfig, Value
from moeviz.config.changes import KnobChange
from moeviz.training import Training
from moeviz.training.resize import Resized, resize
from moeviz.training.settings import knob_changes
from tests.marks import said

SMALL = RunConfig(batch_size=64, balance_coef=1.0, dispatch="dense")
TURNS: dict[str, Value] = {
    "num_experts": 6,
    "top_k": 1,
    "balance_loss": "switch",
    "balance_coef": 10.0,
    "gate_form": "plain",
    "capacity_factor": 0.5,
    "learning_rate": 0.001,
    "noise": 0.5,
    "eval_capacity_factor": 0.5,
    "batch_prioritized": True,
    "gate_jitter": 0.5,
    "second_policy": "all",
    "token_groups": 4,
    "bias_rate": 0.1,
    "expert_groups": 4,
    "kept_groups": 2,
    "route_scale": 2.0,
    "gate_skew": 1.0,
    "router_noise": 2.0,
}
MEASURED_ONLY = {"eval_capacity_factor"}


def trained(*configs: RunConfig, steps: int = 25) -> Training:
    training = Training(configs, dtype=torch.float64)
    training.step(steps)
    return training


def gate_gradient(training: Training) -> Tensor:
    """The task loss's gradient for the gate columns on the next batch."""
    x_RTD, target = training.data.batch(training.current_step)
    rows_RAP = training.rows_RAP.detach().requires_grad_()
    y_RTO, _ = training.model(rows_RAP, x_RTD, training.routing_knobs)
    (gradient_RAP,) = torch.autograd.grad(training.task_loss(y_RTO, target).sum(), rows_RAP)
    return training.model.parameters(gradient_RAP)["gate_w"]


# ---- every live knob -------------------------------------------------------------------------------------------


def test_every_live_knob_is_turned_here() -> None:
    assert set(TURNS) == {knob.name for knob in KNOBS.values() if knob.live}


def start(name: str) -> RunConfig:
    """A config with a router that uses the knob, in which turning it must make a difference."""
    router = (KNOBS[name].routers or ("top_k",))[0]
    others: dict[str, Any] = {"capacity_factor": 0.5} if name in ("batch_prioritized", "token_groups") else {}
    others |= {"expert_groups": 4, "kept_groups": 1} if name == "kept_groups" else {}
    others |= {"expert_groups": 1, "top_k": 1} if name == "expert_groups" else {}
    return SMALL.nearest(router=router, **others)[0]


@pytest.mark.parametrize("name", [name for name in TURNS if name != "num_experts"])
def test_turning_a_knob_keeps_the_run_and_acts(name: str) -> None:
    config = start(name)
    turned, left_alone = trained(config), trained(config)
    rows_RAP, table = turned.rows_RAP, turned.history
    assert turned.set(**{name: TURNS[name]}) == []
    assert getattr(turned.configs[0], name) == TURNS[name]
    assert turned.current_step == 25
    assert torch.equal(turned.rows_RAP, rows_RAP)
    assert turned.history.equals(table)
    assert [step for step, _, _ in said(turned.marks)] == [25]
    for training in (turned, left_alone):
        training.step(5)
    if name in MEASURED_ONLY:
        assert torch.equal(turned.rows_RAP, left_alone.rows_RAP)
        assert turned.snapshot().dropped_share[0] > left_alone.snapshot().dropped_share[0]
    else:
        assert (turned.rows_RAP - left_alone.rows_RAP).abs().max() > 1e-5
    assert torch.isfinite(turned.rows_RAP).all()
    assert turned.history.step.tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize("name", ["top_k", "balance_coef", "gate_form", "capacity_factor", "learning_rate", "noise"])
def test_a_knob_may_be_turned_for_one_run_only(name: str) -> None:
    turned, left_alone = trained(SMALL, SMALL), trained(SMALL, SMALL)
    turned.set(**{name: [getattr(SMALL, name), TURNS[name]]})
    for training in (turned, left_alone):
        training.step(5)
    assert (turned.rows_RAP[0] - left_alone.rows_RAP[0]).abs().max() < 1e-12
    assert (turned.rows_RAP[1] - left_alone.rows_RAP[1]).abs().max() > 1e-5


def test_live_k_1_still_teaches_the_router() -> None:
    # auto turns to the plain form, whose weight p has a gradient; renormalized, p/p = 1 has none
    training = trained(SMALL.with_(balance_coef=0.0))
    training.set(top_k=1)
    assert gate_gradient(training).abs().max() > 1e-3
    training.set(gate_form="renormalized")
    assert gate_gradient(training).abs().max() < 1e-15


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"lambda": 1.0}, r"must be one of num_experts, .*: got lambda; start a new run"),
        ({"hidden_width": 16}, r"must be one of .*: got hidden_width; start a new run"),
        ({"seed": 1}, r"must be one of .*: got seed; start a new run"),
        ({"learning_rate": 0.0}, r"learning_rate must be a number from 1e-05 to 10: got learning_rate=0.0; choose"),
        ({"balance_coef": float("nan")}, r"balance_coef must be a number from 0 to 100: got balance_coef=nan; choose"),
        ({"balance_coef": [1.0, -1.0]}, r"balance_coef must be a number from 0 to 100: got balance_coef=-1.0; choose"),
        ({"num_experts": 0}, r"num_experts must be a whole number from 1 to 64: got num_experts=0; choose"),
        ({"top_k": 9}, r"top_k must be at most num_experts: got top_k=9, num_experts=8; lower"),
        ({"top_k": 3, "num_experts": 2}, r"top_k must be at most num_experts: got top_k=3, num_experts=2; lower"),
        ({"num_experts": [4, 8]}, r"num_experts must be the same for all runs in lockstep: got \[4, 8\]; pass one"),
        ({"balance_loss": ["z", "switch"]}, r"balance_loss must be the same for all runs .*; pass one value"),
        ({"balance_coef": [1.0]}, r"balance_coef must be .* each of the 2 runs: got 1 .*; "),
        ({"balance_coef": [1.0, 2.0, 3.0]}, r"balance_coef must be .* each of the 2 runs: got 3 .*; "),
    ],
)
def test_a_knob_that_may_not_turn_changes_nothing(knobs: dict[str, Any], message: str) -> None:
    training = trained(SMALL, SMALL, steps=10)
    rows_RAP, records = training.rows_RAP, len(training.records)
    with pytest.raises(ValueError, match=message):
        training.set(noise=0.9, **knobs)
    assert training.configs == (SMALL, SMALL)
    assert (training.marks, len(training.records), training.current_step) == ([], records, 10)
    assert torch.equal(training.rows_RAP, rows_RAP)


def test_marks_say_what_was_turned() -> None:
    before = [SMALL.with_(balance_coef=0.0)] * 2
    after = [SMALL.with_(balance_coef=10.0, num_experts=4), SMALL.with_(balance_coef=0.5, num_experts=4)]
    assert list(knob_changes(before, after).values()) == [
        {KnobChange("N", 8, 4): [0, 1]}, {KnobChange("λ", 0.0, 10.0): [0], KnobChange("λ", 0.0, 0.5): [1]},
    ]  # fmt: skip
    assert knob_changes(before, before) == {}
    training = trained(SMALL, steps=3)
    training.set(balance_coef=10.0)
    training.set(top_k=1)
    assert said(training.marks) == [(3, "λ 1→10", [0]), (3, "k 2→1", [0])]
    training.step()
    training.set(balance_coef=0.0)
    assert said(training.marks) == [(3, "λ 1→10", [0]), (3, "k 2→1", [0]), (4, "λ 10→0", [0])]


def test_a_slider_dragged_at_one_step_leaves_one_mark_and_none_when_it_returns() -> None:
    training = trained(SMALL, SMALL.with_(balance_coef=5.0), steps=3)
    training.set(top_k=1)
    for value in range(100):
        training.set(balance_coef=float(value))
    assert said(training.marks) == [(3, "k 2→1", [0, 1]), (3, "λ 1→99", [0]), (3, "λ 5→99", [1])]
    state = training.state()
    training.set(balance_coef=[1.0, 5.0])
    assert said(training.marks) == [(3, "k 2→1", [0, 1])]
    training.set(top_k=2)
    assert training.marks == [] and training.changes == []
    training.restore(state)  # what is turned next is still turned at that step
    training.set(balance_coef=2.0)
    assert said(training.marks) == [(3, "k 2→1", [0, 1]), (3, "λ 1→2", [0]), (3, "λ 5→2", [1])]


def test_a_knob_turned_while_a_run_explodes_does_not_spoil_the_way_back() -> None:
    training = trained(SMALL, steps=20)
    training.rows_RAP = training.rows_RAP * torch.nan
    training.step(3)  # the next record, where the explosion is noticed, is at step 30
    training.set(balance_coef=2.0)
    training.step(20)
    training.recover()
    assert not training.diverged
    assert training.rows_RAP.isfinite().all()


def test_recovering_at_the_smallest_learning_rate_stays_in_bounds() -> None:
    training = trained(SMALL.with_(learning_rate=1e-5), steps=0)
    training.recover()
    assert training.configs[0].learning_rate == 1e-5


# ---- who leaves, who is copied ---------------------------------------------------------------------------------


def test_shrinking_by_hand() -> None:
    # run 0 loses its two least loaded (ids 1 and 4); run 1 the least loaded and, of two equals, the higher place
    change = resize(np.array([[0, 1, 2, 4], [0, 1, 2, 3]]), np.array([[0.3, 0.1, 0.6, 0.0], [0.25, 0.25, 0.1, 0.4]]), 2)
    assert change.ids_RE.tolist() == [[0, 2], [0, 3]]
    assert change.source_RE.tolist() == [[0, 2], [0, 3]]
    assert not change.new_RE.any()


def test_growing_by_hand() -> None:
    # busiest first: ids 5, 0, 2. Three arrive as their copies under the lowest free ids 1, 3 and 4, sorted by id.
    change = resize(np.array([[0, 2, 5]]), np.array([[0.3, 0.2, 0.5]]), 6)
    assert change.ids_RE.tolist() == [[0, 1, 2, 3, 4, 5]]
    assert change.source_RE.tolist() == [[0, 2, 1, 0, 1, 2]]
    assert change.new_RE.tolist() == [[False, True, False, True, True, False]]


def test_growing_past_twice_copies_again_from_the_busiest() -> None:
    change = resize(np.array([[0, 1]]), np.array([[0.2, 0.8]]), 7)  # five copies: 1, 0, 1, 0, 1
    assert change.source_RE.tolist() == [[0, 1, 1, 0, 1, 0, 1]]
    assert change.ids_RE.tolist() == [list(range(7))]


def test_copies_are_near_and_survivors_untouched() -> None:
    rows_RAP = torch.randn(2, 2, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    change = Resized(np.array([[0, 1, 2]] * 2), np.array([[0, 1, 1]] * 2), np.array([[False, False, True]] * 2), 2)
    moved_RAP = change.move_and_disturb(rows_RAP, [7, 7], step=30)
    assert torch.equal(moved_RAP[:, :2], rows_RAP)
    # each number moves by about a tenth of its size: 500 normal draws have deviation .1 within 4 sigma = .013
    share_RP = (moved_RAP[:, 2] - rows_RAP[:, 1]) / rows_RAP[:, 1].abs()
    assert share_RP.std(-1).tolist() == pytest.approx([0.1, 0.1], abs=0.013)
    assert torch.allclose(share_RP[0], share_RP[1], rtol=1e-9)  # named by seed and step, so twins get equal newcomers
    other_RAP = change.move_and_disturb(rows_RAP, [7, 8], step=31)
    assert not torch.equal(other_RAP[0], moved_RAP[0])
    assert not torch.equal(other_RAP[1], moved_RAP[1])


# ---- N of a live training --------------------------------------------------------------------------------------


def moments(training: Training) -> list[Tensor]:
    state = training.state()
    return [state["adam"].mean_RAP, state["adam"].square_RAP]


def test_fewer_experts_keep_everything_of_the_survivors() -> None:
    training = trained(SMALL, SMALL.with_(seed=1))
    rows_RAP, moments_before, load_RE = training.rows_RAP, moments(training), training.measure().load_RE
    notices = training.set(num_experts=3)
    assert notices == []
    assert training.ids_RE.shape == (2, 3)
    assert len(training.rows_RAP[0]) == 3
    for run in range(2):
        busiest = sorted(np.argsort(-load_RE[run], kind="stable")[:3].tolist())
        assert training.ids_RE[run].tolist() == busiest
        assert torch.equal(training.rows_RAP[run], rows_RAP[run, busiest])
        for after, before in zip(moments(training), moments_before, strict=True):
            assert torch.equal(after[run], before[run, busiest])
    assert training.current_step == 25
    assert training.history.step.max() == 20
    training.step(10)
    assert training.measure().load_RE.sum(-1) == pytest.approx(1)


def test_more_experts_arrive_as_near_copies_of_the_busiest() -> None:
    training = trained(SMALL)
    rows_EP, moments_before, load_E = training.rows_RAP[0], moments(training), training.measure().load_RE[0]
    training.set(num_experts=11)
    assert training.ids_RE.tolist() == [list(range(11))]
    assert torch.equal(training.rows_RAP[0, :8], rows_EP)
    for arrival, parent in enumerate(np.argsort(-load_E, kind="stable")[:3].tolist()):
        distance_P = (training.rows_RAP[0, 8 + arrival] - rows_EP[parent]).abs()
        assert (distance_P <= 0.6 * rows_EP[parent].abs()).all()  # six deviations of a tenth
        assert (distance_P[:2] > 0).all()  # the gate's column too: twins of one column would tie for ever
        for after, before in zip(moments(training), moments_before, strict=True):
            assert torch.equal(after[0, 8 + arrival], before[0, parent])
    assert training.current_step == 25
    training.step(10)
    assert training.history.step.tolist() == [0, 10, 20, 30]
    assert torch.isfinite(training.rows_RAP).all()


def test_k_is_lowered_with_a_notice_when_experts_leave() -> None:
    training = trained(SMALL.with_(top_k=4), SMALL)
    notices = training.set(num_experts=2)
    assert notices == ["top_k must be at most num_experts: got top_k=4, num_experts=2; using top_k=2"]
    assert [config.top_k for config in training.configs] == [2, 2]
    training.set(num_experts=1)
    training.step(5)
    training.set(num_experts=64)
    training.step(5)
    assert training.snapshot().load.shape == (2, 64)


def test_history_load_keeps_every_experts_place() -> None:
    training = trained(SMALL, steps=20)
    training.set(num_experts=3)
    stayed = training.ids_RE[0].tolist()
    left = [expert for expert in range(8) if expert not in stayed]
    training.step(10)
    training.set(num_experts=10)  # seven newcomers take the ids 0 to 7 that are free, then 8 and 9
    training.step(10)
    snapshot = training.snapshot(want=("history",))
    load_ZS = snapshot.history_load[0]
    assert snapshot.history_step.tolist() == [0, 10, 20, 30, 40]
    assert load_ZS.shape == (10, 5)
    assert np.isfinite(load_ZS[:8, :3]).all()
    assert np.isnan(load_ZS[8:, :3]).all()  # not born yet
    assert np.isfinite(load_ZS[stayed]).all()
    assert np.isnan(load_ZS[left, 3]).all()  # away
    assert np.isfinite(load_ZS[:, 4]).all()
    assert np.nansum(load_ZS, axis=0) == pytest.approx(np.ones(5), abs=1e-6)
    for column, record in enumerate(training.records):  # each load under its own id
        assert load_ZS[record.ids_RE[0], column] == pytest.approx(record.load_RE[0], abs=1e-6)
