"""Training: runs in lockstep never see each other, replay exactly, stop when they diverge, and go back."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensor

from moeviz.config import RunConfig
from moeviz.training import Training, train
from moeviz.training.adam import Adam, clipped
from tests.shapes import unexecuted

DOUBLE = torch.float64
SMALL = RunConfig(batch_size=64)
CROWD = [  # neighbors that differ in every knob that may differ
    SMALL.with_(top_k=1, balance_coef=0.3, seed=1),
    SMALL.with_(top_k=2, learning_rate=0.007, noise=0.1),
    SMALL.with_(top_k=3, balance_coef=10.0, seed=2, gate_form="plain"),
    SMALL.with_(top_k=2, balance_coef=0.1, seed=2, capacity_factor=0.8),
]


def trained(configs: Any, steps: int, dtype: torch.dtype = torch.float32) -> Training:
    training = Training(configs, dtype=dtype)
    training.step(steps)
    return training


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def stopped(training: Training) -> bool:
    """Whether a run has diverged, asked anew (a type checker believes that an attribute stays)."""
    return training.diverged


def poison(training: Training, run: int) -> None:
    """Weights that are no longer numbers, as after an overflow."""
    rows_RAP = training.rows_RAP.clone()
    rows_RAP[run] = torch.nan
    training.rows_RAP = rows_RAP


# ---- runs never see each other ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dispatch", [pytest.param("dense", marks=pytest.mark.slow), "sparse"])
def test_a_run_in_a_crowd_is_the_run_alone(dispatch: str) -> None:
    crowd = [config.with_(dispatch=dispatch) for config in CROWD]
    together = trained(crowd, 200, DOUBLE)
    for run, config in enumerate(crowd):
        alone = trained([config], 200, DOUBLE)
        assert apart(together.rows_RAP[run], alone.rows_RAP[0]) < 1e-9, config
        assert together.measure().task_loss[run] == pytest.approx(alone.measure().task_loss[0], rel=1e-9)
        assert together.measure().balance_loss[run] == pytest.approx(alone.measure().balance_loss[0], rel=1e-9)


def test_a_run_in_a_crowd_is_the_run_alone_in_float32_at_first() -> None:
    together = trained(CROWD, 5)
    for run, config in enumerate(CROWD):
        assert apart(together.rows_RAP[run], trained([config], 5).rows_RAP[0]) < 1e-6


@pytest.mark.parametrize("dispatch", ["dense", "sparse"])
def test_equal_twins_are_bit_equal(dispatch: str) -> None:
    config = RunConfig(dispatch=dispatch, balance_coef=1.0)
    training = trained([config, config.with_(seed=5), config, config], 100)
    assert torch.equal(training.rows_RAP[0], training.rows_RAP[2])
    assert torch.equal(training.rows_RAP[0], training.rows_RAP[3])
    assert apart(training.rows_RAP[0], training.rows_RAP[1]) > 0.1  # another seed is another run


def test_dense_and_sparse_train_alike() -> None:
    dense, sparse = (trained([each.with_(dispatch=name) for each in CROWD], 80, DOUBLE) for name in ("dense", "sparse"))
    assert apart(dense.rows_RAP, sparse.rows_RAP) < 1e-9
    assert (dense.history.attrs["dispatch"], sparse.history.attrs["dispatch"]) == ("dense", "sparse")


def test_runs_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must share num_experts: got 4, 8; put them into different trainings"):
        Training([SMALL, SMALL.with_(num_experts=4)])
    with pytest.raises(ValueError, match=r"at least one run: got none; pass"):
        Training([])


# ---- the step --------------------------------------------------------------------------------------------------


def plain_pytorch(training: Training, steps: int) -> Tensor:
    """The same steps as a script would write them for one run, with torch's own Adam: the final rows."""
    rows_EP = training.rows_RAP[0].clone().requires_grad_()
    config, model = training.configs[0], training.model
    optimizer = torch.optim.Adam([rows_EP], lr=config.learning_rate)
    for step in range(steps):
        x_RTD, target_RT = training.data.batch(step)
        part = model.parameters(rows_EP.unsqueeze(0))
        probs_TE = (x_RTD[0] @ part["gate_w"][0].T).softmax(-1)
        value_TK, expert_TK = probs_TE.topk(config.top_k)
        gates_TE = torch.zeros_like(probs_TE).scatter(-1, expert_TK, value_TK / value_TK.sum(-1, keepdim=True))
        hidden_ETH = (x_RTD[0] @ part["w_in"][0] + part["b_in"][0].unsqueeze(1)).relu()
        y_ETO = hidden_ETH @ part["w_out"][0] + part["b_out"][0].unsqueeze(1)
        y_TO = torch.einsum("te,eto->to", gates_TE, y_ETO)
        balance = ((1 / config.num_experts - probs_TE.mean(0)) ** 2).sum()
        optimizer.zero_grad()
        (torch.nn.functional.cross_entropy(y_TO, target_RT[0]) + config.balance_coef * balance).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return rows_EP.detach()


def test_training_is_what_a_plain_script_computes() -> None:
    training = Training([SMALL.with_(balance_coef=0.3)], dtype=DOUBLE)
    expected_EP = plain_pytorch(training, 20)
    start_EP = training.rows_RAP[0]
    training.step(20)
    assert apart(training.rows_RAP[0], expected_EP) < 1e-9
    assert apart(training.rows_RAP[0], start_EP) > 0.1


def test_adam_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    gradient_SRAP = torch.randn(20, 2, 3, 4, dtype=DOUBLE, generator=generator)
    gradient_SRAP[:, :, 0] *= 1e-8  # so small that the place of Adam's eps decides
    gradient_SRAP[:, :, 1] *= 1e4
    gradient_SRAP[:10, :, 2] = 0  # an expert without tokens
    rates = [0.03, 0.5]
    rows_RAP = torch.randn(2, 3, 4, dtype=DOUBLE, generator=generator)
    weights = [row.clone().requires_grad_() for row in rows_RAP]
    torchs = torch.optim.Adam([{"params": [w], "lr": rate} for w, rate in zip(weights, rates, strict=True)])
    ours = Adam.zeros_like(rows_RAP)
    for gradient_RAP in gradient_SRAP:
        ours, rows_RAP = ours.update(rows_RAP, gradient_RAP, torch.tensor(rates, dtype=DOUBLE))
        for weight, gradient_EP in zip(weights, gradient_RAP, strict=True):
            weight.grad = gradient_EP
        torchs.step()
    assert torch.allclose(rows_RAP, torch.stack([w.detach() for w in weights]), rtol=1e-10, atol=1e-12)


def test_gradients_are_clipped_per_run() -> None:
    # run 0 has norm sqrt(3^2 + 4^2) = 5, below 10: as it was. Run 1 has norm 50: a fifth of it is left.
    gradient_RAP = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[30.0, 0.0], [0.0, 40.0]]], dtype=DOUBLE)
    clipped_RAP, norm_R = clipped(gradient_RAP, 10.0)
    assert norm_R.tolist() == [5, 50]
    assert torch.equal(clipped_RAP[0], gradient_RAP[0])
    assert torch.allclose(clipped_RAP[1], gradient_RAP[1] / 5, rtol=1e-6)


def test_batches_are_a_function_of_seed_and_step() -> None:
    data = Training([SMALL.with_(seed=3), SMALL.with_(seed=4)]).data
    later = data.batch(130)  # another block of draws
    first, second = data.batch(0), data.batch(1)
    other = Training([SMALL.with_(seed=4), SMALL.with_(seed=3, top_k=1, balance_coef=1.0)]).data
    for step, (x_RTD, target_RT) in ((0, first), (1, second), (130, later)):
        again_RTD, target_again_RT = other.batch(step)
        assert torch.equal(x_RTD[0], again_RTD[1])
        assert torch.equal(target_RT[1], target_again_RT[0])
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(first[0][0], first[0][1])
    train_points = {tuple(x_D) for x_D in data.train.x_RTD[0].tolist()}
    assert {tuple(x_D) for x_D in first[0][0].tolist()} <= train_points


FAKED = [
    [SMALL.with_(dispatch="dense")],
    [SMALL.with_(dispatch="dense", balance_loss="z", balance_coef=1.0, top_k=1)],
    [config.with_(dispatch="dense", balance_loss="switch") for config in CROWD],
]


@pytest.mark.parametrize("configs", FAKED)
def test_a_dense_step_never_waits_for_the_device(configs: list[RunConfig]) -> None:
    # fake tensors have no values: whatever would read one on the host (item, nonzero, bool, numpy) raises
    training = Training(configs)
    with FakeTensorMode(allow_non_fake_inputs=True):
        training.step(3)
    assert isinstance(training.rows_RAP, FakeTensor)
    assert training.current_step == 3


def test_fake_tensors_do_notice_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = Training([SMALL.with_(dispatch="sparse")])  # needs to know how many tokens each expert has
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(DynamicOutputShapeException):
        sparse.step()
    dense = Training([SMALL.with_(dispatch="dense")])
    loss: Callable[..., Tensor] = dense.task_loss
    monkeypatch.setattr(dense, "task_loss", lambda y, target: loss(y, target) * float(y.sum()))
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(DataDependentOutputException):
        dense.step()


# ---- replay and going back -------------------------------------------------------------------------------------


def test_reset_replays_bit_equal() -> None:
    training = trained(CROWD, 70)
    rows_RAP, table = training.rows_RAP, training.history
    training.reset()
    assert training.current_step == 0
    assert len(training.history) == len(CROWD)  # one record, at step 0
    assert not torch.equal(training.rows_RAP, rows_RAP)
    training.step(70)
    assert torch.equal(training.rows_RAP, rows_RAP)
    assert training.history.equals(table)
    assert torch.equal(trained(CROWD, 70).rows_RAP, rows_RAP)  # and in another training


def test_a_state_goes_on_exactly_as_the_run_did() -> None:
    training = trained(CROWD, 25)
    state = training.state()
    training.step(20)
    training.set(top_k=1, noise=0.3, num_experts=5, balance_loss="switch")
    expected = training.rows_RAP
    training.restore(state)
    assert (training.current_step, training.configs, training.marks) == (25, tuple(CROWD), [])
    training.step(20)
    training.set(top_k=1, noise=0.3, num_experts=5, balance_loss="switch")
    assert torch.equal(training.rows_RAP, expected)
    training.step(15)
    elsewhere = Training([SMALL] * len(CROWD))
    elsewhere.restore(state)
    assert elsewhere.history.step.max() == 20
    elsewhere.step(20)
    elsewhere.set(top_k=1, noise=0.3, num_experts=5, balance_loss="switch")
    elsewhere.step(15)
    assert torch.equal(elsewhere.rows_RAP, training.rows_RAP)
    assert elsewhere.history.equals(training.history)


# ---- runs that diverge -----------------------------------------------------------------------------------------


def test_a_poisoned_run_stops_and_its_neighbors_go_on() -> None:
    training = trained(CROWD, 20, DOUBLE)
    poison(training, 1)
    training.step(30)
    assert stopped(training)
    assert training.rows_RAP[1].isnan().all()
    assert training.reason is not None
    assert "learning rate (0.007)" in training.reason
    for run in (0, 2, 3):
        alone = trained([CROWD[run]], 50, DOUBLE)
        assert apart(training.rows_RAP[run], alone.rows_RAP[0]) < 1e-9
    assert training.reason.startswith("Run 2 of 4 diverged near step 30: ") and not training.stuck
    header = training.snapshot().header
    assert header["diverged_at"] == [None, 30, None, None]
    assert header["task_loss"][1] is None
    assert header["task_loss"][0] > 0
    json.dumps(header, allow_nan=False)


def test_learning_rate_10_diverges_explains_itself_and_recovers() -> None:
    training = Training([RunConfig(), RunConfig(learning_rate=10.0)])
    training.step(100)
    stuck_EP = training.rows_RAP[1]
    training.step(10)
    assert stopped(training)
    assert torch.equal(training.rows_RAP[1], stuck_EP)  # stands still
    assert training.measure().task_loss[0] < training.records[0].task_loss[0]
    assert "Lower the learning rate (10)" in str(training.reason)
    notices = training.recover()
    assert f"step {training.current_step}" in notices[0]
    assert training.current_step < 100
    assert not stopped(training)
    assert training.reason is None
    assert [config.learning_rate for config in training.configs] == [0.003, 0.03]  # a tenth, at most the default
    training.step(100)
    assert not stopped(training)
    assert (training.measure().task_loss < training.records[0].task_loss).all()


def test_the_balance_weight_is_blamed_when_the_learning_rate_is_modest() -> None:
    training = Training([RunConfig(balance_coef=100.0)])
    poison(training, 0)
    training.step(40)
    assert training.current_step == 10  # all runs stand still: it stops at the first record that notices
    assert "λ (100)" in str(training.reason)


def test_recovering_a_restored_state_leaves_it_too() -> None:
    training = trained([SMALL], 20)
    poison(training, 0)
    training.step(20)
    training.restore(training.state())
    training.recover()
    assert not stopped(training)
    assert training.rows_RAP.isfinite().all()


# ---- the loop around it ----------------------------------------------------------------------------------------


def test_train_yields_along_the_way() -> None:
    snapshots = list(train([SMALL], 25, every=10, record_every=5))
    assert [each.step for each in snapshots] == [0, 10, 20, 25]
    assert snapshots[-1].header["task_loss"][0] < snapshots[0].header["task_loss"][0]
    assert [each.step for each in train([SMALL], 0)] == [0]


def test_train_ends_when_every_run_has_diverged() -> None:
    snapshots = list(train([RunConfig(learning_rate=10.0)], 5000, every=50))
    assert snapshots[-1].step < 5000
    assert "learning rate" in snapshots[-1].header["reason"]


def test_the_history_names_every_dispatch_that_ran():
    # hidden 32, 2-D input, 2 outputs: 2·32·(2 + 2) = 256 FLOPs; 4096 tokens · 6 experts saved = 6.3 million
    training = Training([RunConfig(task="spiral", hidden_width=32, batch_size=4096, device="cpu")])
    training.step(10)
    assert training.history.attrs["dispatch"] == "sparse"
    training.set(top_k=5)  # saves less than half of the work
    training.step(10)
    assert training.history.attrs["dispatch"] == "sparse, dense"


# ---- what scripts and notebooks pass --------------------------------------------------------------------------------


@unexecuted()
def test_one_config_is_a_training_of_one_run() -> None:
    alone: Any = SMALL
    assert Training(alone).configs == Training(iter([SMALL])).configs == (SMALL,)
    assert [each.header["step"] for each in train(alone, 4, every=3)] == [0, 3, 4]
    wrong: Any = [{"top_k": 1}]
    with pytest.raises(ValueError, match=r"a run must be a RunConfig: got {'top_k': 1}; pass RunConfig"):
        Training(wrong)
    with pytest.raises(ValueError, match="a training needs at least one run: got none"):
        Training([])


@unexecuted()
@pytest.mark.parametrize("every", [0, -1, 2.5, True, None, "10", float("nan"), 10**400])
def test_steps_between_records_are_a_whole_number_from_1(every: Any) -> None:
    for call in (lambda: Training([SMALL], record_every=every), lambda: next(train([SMALL], 5, every=every))):
        with pytest.raises(ValueError, match=r"record_every must be a whole number from 1 to .*: got record_every="):
            call()


@unexecuted()
def test_knobs_turn_to_numbers_of_numpy() -> None:
    one: Any = np.int64(1)
    training = Training([SMALL, SMALL.with_(seed=1)], record_every=one)
    given: dict[str, Any] = {"top_k": np.int64(1), "balance_coef": np.array([0.0, 3.0]), "num_experts": np.array(4)}
    training.set(**given)
    training.step(one + 1)
    assert [(each.top_k, each.balance_coef, each.num_experts) for each in training.configs] == [(1, 0, 4), (1, 3, 4)]
    assert sorted(set(training.history["step"])) == [0, 1, 2]
    wrong: Any = np.array([1, 2, 3])
    with pytest.raises(ValueError, match=r"top_k must be one value, or a list with one for each of the 2 runs: got 3"):
        training.set(top_k=wrong)
