"""Trainings that step together: each stays the training it would be alone, whatever its neighbors do."""

from __future__ import annotations

import pytest
import torch

from moeviz.config import RunConfig, expand
from moeviz.tensors.axes import side_by_side
from moeviz.training import Training, step_together
from moeviz.training.adam import Adam
from tests.training.test_training import DOUBLE, SMALL, apart, poison

# Neighbors that began at different times and differ in every knob that may differ, the task included.
CROWD = [
    [SMALL.with_(top_k=1, balance_coef=0.3, seed=1)],
    [SMALL.with_(learning_rate=0.007, noise=0.1)],
    expand(SMALL.with_(top_k=3, seed=2), balance_coef=[0.0, 10.0]),  # twins, as on Home
    [SMALL.with_(task="xor", gate_form="plain", seed=3)],
]
SEATS = [[SMALL.with_(capacity_factor=factor, seed=seed)] for seed, factor in enumerate((0.8, 1.5))]


def begun(configs: list[RunConfig], steps: int, dtype: torch.dtype = DOUBLE) -> Training:
    training = Training(configs, dtype=dtype)
    training.step(steps)
    return training


@pytest.mark.parametrize("crowd", [pytest.param(CROWD, marks=pytest.mark.slow), SEATS], ids=["crowd", "seats"])
@pytest.mark.parametrize("dispatch", [pytest.param("dense", marks=pytest.mark.slow), "sparse"])
def test_a_training_in_a_crowd_is_the_training_alone(crowd, dispatch):
    configs = [[config.with_(dispatch=dispatch) for config in each] for each in crowd]
    together = [begun(each, 7 * late) for late, each in enumerate(configs)]
    for _ in range(200):
        step_together(together)
    for late, (training, each) in enumerate(zip(together, configs, strict=True)):
        alone = begun(each, 7 * late + 200)
        assert training.current_step == alone.current_step == 7 * late + 200
        assert apart(training.rows_RAP, alone.rows_RAP) < 1e-9, each
        assert apart(training.updated_REL, alone.updated_REL) == 0
        assert training.measure().task_loss == pytest.approx(alone.measure().task_loss, rel=1e-9)
        assert [record.step for record in training.records] == [record.step for record in alone.records]


def test_a_knob_turned_in_a_crowd_acts_on_its_training_alone():
    together, alone = [begun([SMALL], 3), begun([SMALL.with_(seed=1)], 3)], begun([SMALL.with_(seed=1)], 3)
    together[0].set(balance_coef=100.0, top_k=8, learning_rate=0.1)
    for _ in range(50):
        step_together(together)
    alone.step(50)
    assert apart(together[1].rows_RAP, alone.rows_RAP) < 1e-9


def test_a_training_that_is_no_longer_a_number_touches_no_neighbor():
    together = [begun([SMALL.with_(seed=seed)], 20) for seed in range(3)]
    poison(together[1], 0)
    for _ in range(40):
        step_together(together)
    assert [training.diverged for training in together] == [False, True, False]
    # the record at step 30 notices it, and from then on it stands still
    assert [training.current_step for training in together] == [60, 30, 60]
    for seed in (0, 2):
        assert apart(together[seed].rows_RAP, begun([SMALL.with_(seed=seed)], 60).rows_RAP) < 1e-9


def test_when_all_have_diverged_nothing_moves():
    together = [begun([SMALL.with_(seed=seed)], 10) for seed in range(2)]
    for training in together:
        poison(training, 0)
    for _ in range(15):
        step_together(together)
    assert [training.current_step for training in together] == [20, 20]


def test_what_is_kept_does_not_keep_the_neighbors_alive():
    together = [begun([SMALL.with_(seed=seed)], 0) for seed in range(4)]
    for _ in range(10):
        step_together(together)
    state = together[0].state()
    assert state["rows_RAP"].untyped_storage().nbytes() == state["rows_RAP"].nbytes
    assert state["adam"].mean_RAP.untyped_storage().nbytes() == state["rows_RAP"].nbytes
    training = together[0]
    step_together(together)
    after = training.rows_RAP
    training.restore(state)
    training.step()
    assert apart(training.rows_RAP, after) < 1e-12


def test_a_twin_does_not_keep_the_neighbors_alive():
    together = [begun([SMALL.with_(seed=seed)], 0) for seed in range(4)]
    for _ in range(7):
        step_together(together)
    twin = together[0].fork()
    for kept in (*vars(twin.step_state).values(), twin.step_state.adam.mean_RAP, twin.step_state.adam.square_RAP):
        if isinstance(kept, torch.Tensor):
            assert kept.untyped_storage().nbytes() == kept.nbytes
    together[0].step()
    twin.step()
    assert apart(twin.rows_RAP, together[0].rows_RAP) < 1e-12


@pytest.mark.parametrize(
    "other",
    [
        {"num_experts": 4}, {"hidden_width": 16}, {"batch_size": 32}, {"balance_loss": "z"}, {"task": "plane"},
        {"expert": "linear"}, {"capacity_factor": 1.0}, {"gate_bias": True}, {"dispatch": "sparse"},
    ],
    ids=str,
)  # fmt: skip
def test_trainings_that_cannot_step_together_are_refused(other):
    trainings = [Training([SMALL.with_(dispatch="dense")]), Training([SMALL.with_(**{"dispatch": "dense", **other})])]
    with pytest.raises(ValueError, match="must share their lockstep key: got 2 of them among 2 trainings"):
        step_together(trainings)
    assert [training.current_step for training in trainings] == [0, 0]


def test_adam_corrects_each_run_for_its_own_number_of_steps():
    rows_RAP = torch.zeros(2, 1, 1, dtype=DOUBLE)
    gradient_RAP = torch.tensor([[[2.0]], [[2.0]]], dtype=DOUBLE)
    # run 0 takes its first step: mean .1·2 / (1 − .9) = 2, square .001·4 / (1 − .999) = 4, so −rate · 2/√4 = −rate
    # run 1 has ten steps of gradient 0 behind it: mean .2 / (1 − .9¹¹), square .004 / (1 − .999¹¹)
    adam = Adam(torch.zeros_like(rows_RAP), torch.zeros_like(rows_RAP), (0, 10))
    after, moved_RAP = adam.update(rows_RAP, gradient_RAP, 0.5)
    second = 0.5 * 0.2 / (1 - 0.9**11) / (0.004 / (1 - 0.999**11)) ** 0.5
    assert moved_RAP.flatten().tolist() == pytest.approx([-0.5, -second], rel=1e-6)
    assert after.num_steps == (1, 11) and after.steps_of_each == (1, 11)


def test_numbers_side_by_side():
    like = torch.zeros(1, dtype=DOUBLE)
    assert side_by_side([2, 2], [1, 3], like) == 2
    mixed = side_by_side([1, torch.tensor([2, 3]), 4], [2, 2, 1], like)
    assert isinstance(mixed, torch.Tensor) and mixed.tolist() == [1, 1, 2, 3, 4] and mixed.dtype == torch.int64
    rates = side_by_side([0.1, 0.2], [1, 1], like)
    assert isinstance(rates, torch.Tensor) and rates.dtype == DOUBLE and rates.tolist() == [0.1, 0.2]
