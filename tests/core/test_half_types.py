"""Training in float16 and bfloat16: experts compute in it, all that is held, decided or measured stays in float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from moeviz.config import TASK_NAMES, RunConfig
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.frames import PICTURES, pack, unpack
from moeviz.training import Training, step_together
from moeviz.training.step import stepped

HALF = (torch.float16, torch.bfloat16)
SMALL = RunConfig(batch_size=32, hidden_width=8, num_experts=4, balance_coef=1.0)
halves = pytest.mark.parametrize("half", HALF, ids=str)


def config_of(**knobs: Any) -> RunConfig:
    return SMALL.nearest(**knobs)[0]


def floats(training: Training) -> dict[str, Tensor]:
    """All that goes on from step to step and is no whole number."""
    progress = training.step_state
    found = {name: value for name, value in vars(progress).items() if isinstance(value, Tensor)}
    found |= {f"adam {name}": value for name, value in vars(progress.adam).items() if isinstance(value, Tensor)}
    return {name: value for name, value in found.items() if value.is_floating_point()}


# ---- it trains -----------------------------------------------------------------------------------------------------


@halves
@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_every_router_trains(router: str, half: torch.dtype) -> None:
    training = Training([config_of(router=router)], dtype=half, record_every=3)
    before = training.rows_RAP
    training.step(6)
    assert training.reason is None and torch.isfinite(training.gradient_RAP).all()
    moved_EP = (training.rows_RAP - before)[0] != 0
    assert moved_EP.any(-1).float().mean() > 0.5


@halves
@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_task_trains_and_shows_its_pictures(task: str, half: torch.dtype) -> None:
    training = Training([config_of(task=task, batch_size=16)], dtype=half, record_every=2)
    training.step(4)
    assert training.reason is None and torch.isfinite(training.gradient_RAP).all()
    shot = training.snapshot(PICTURES)
    header, arrays = unpack(pack(shot.header, shot.arrays))
    assert header["step"] == 4 and all(np.isfinite(header["task_loss"]))
    assert set(arrays) == set(shot.arrays)


@pytest.mark.parametrize("dispatch", ["dense", "sparse"])
def test_clusters_are_learned_as_well(dispatch: str) -> None:
    # accuracy on the test set, the mean of six seeds, within 3 points of float32
    configs = [
        RunConfig(task="clusters", seed=seed, batch_size=128, hidden_width=16, dispatch=dispatch) for seed in range(6)
    ]
    mean = {}
    for dtype in (torch.float32, *HALF):
        training = Training(configs, dtype=dtype, record_every=50)
        training.step(150)
        assert training.reason is None
        mean[dtype] = training.measure().test_metric.mean()
    assert mean[torch.float32] > 0.75  # of four kinds: chance is .25
    assert all(abs(mean[half] - mean[torch.float32]) < 0.03 for half in HALF), mean


# ---- what is computed in which type --------------------------------------------------------------------------------


@halves
@pytest.mark.parametrize("task", ["clusters", "digit_rows", "languages", "pairs"])
def test_products_are_computed_in_the_half_type_and_scores_are_not(
    task: str, half: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training([config_of(task=task, batch_size=8)], dtype=half)
    products, bmm = [], torch.bmm

    def watched(a: Tensor, b: Tensor, **more: Any) -> Tensor:
        products.append((a.dtype, b.dtype))
        return bmm(a, b, **more)

    monkeypatch.setattr(torch, "bmm", watched)
    batch = training.batch()
    y, routing = training.model(training.rows_RAP, batch.x_RTD, batch.knobs(training.routing_knobs, training.bias_REL))
    gates = training.model.num_layers  # one product of each layer is the router's
    assert products.count((torch.float32, torch.float32)) == gates
    assert products.count((half, half)) == len(products) - gates > 0
    assert {table.dtype for table in routing.tables().values() if table.is_floating_point()} == {torch.float32}
    assert y.dtype == torch.float32


@pytest.mark.parametrize("dtype", [*HALF, torch.float32, torch.float64], ids=str)
def test_what_goes_on_from_step_to_step_is_never_below_float32(dtype: torch.dtype) -> None:
    training = Training([config_of(router="deepseek_v3", task="clusters")], dtype=dtype, record_every=2)
    training.step(4)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    held = floats(training)
    counts = {name for name in held if name in ("updated_REL", "present_RE", "bias_REL")}
    assert {value.dtype for name, value in held.items() if name not in counts} == {wide}
    assert all(held[name].dtype in (torch.float32, torch.float64) for name in counts)


@halves
def test_updates_too_small_for_a_half_type_add_up(half: torch.dtype) -> None:
    # bfloat16 has 8 bits and float16 11: a step of 10⁻⁵ on a weight near 1 would leave no trace in either
    training = Training([config_of(learning_rate=1e-5)], dtype=half)
    before = training.rows_RAP
    training.step(2)
    moved = (training.rows_RAP - before).abs()
    assert 0 < moved.max() < 1e-4 and (moved > 0).float().mean() > 0.2
    assert not torch.equal(training.rows_RAP, training.rows_RAP.to(half).float())


@halves
def test_measures_are_not_rounded(half: torch.dtype) -> None:
    # shares of the 252 test tokens are multiples of 1/252, which a half type would round
    training = Training([config_of(task="clusters", top_k=1)], dtype=half, record_every=2)
    training.step(2)
    record, count = training.measure(), training.data.measured_test.count
    for value in (record.test_metric, record.load_RE):
        assert np.abs(value * count - (value * count).round()).max() < 1e-4
    assert np.abs(record.load_RE.sum(-1) - 1).max() < 1e-6
    rounded = torch.from_numpy(record.task_loss).to(half).double().numpy()
    assert record.task_loss != rounded and training.history["task_loss"].iloc[-1] == record.task_loss[0]


# ---- the scale of float16 ------------------------------------------------------------------------------------------


def gradient_of(training: Training) -> Tensor:
    return stepped(training.problem, training.step_knobs, training.step_state, training.batch()).gradient_RAP


def test_a_scaled_gradient_is_the_gradient() -> None:
    # on rows of numbers that float16 holds exactly only products and sums are rounded, to 11 bits each
    config = config_of(task="clusters", batch_size=512, balance_coef=0.0)
    training, exact = Training([config], dtype=torch.float16), Training([config], dtype=torch.float64)
    training.rows_RAP = training.rows_RAP.half().float()
    exact.rows_RAP = training.rows_RAP.double()
    expected = gradient_of(exact)
    assert (gradient_of(training).double() - expected).norm() < 0.01 * expected.norm()


def test_an_overflow_halves_the_scale_and_skips_the_step_of_its_run_alone() -> None:
    configs = [config_of(seed=seed) for seed in (0, 1)]
    training, alone = Training(configs, dtype=torch.float16), Training(configs[1:], dtype=torch.float16)
    training.step(3)
    alone.step(3)
    training.scale_R = torch.tensor([2.0**40, 4096.0])  # far beyond what float16 holds
    before = training.step_state
    training.step()
    alone.step()
    assert training.scale_R.tolist() == [2.0**39, 4096.0]
    assert torch.equal(training.rows_RAP[0], before.rows_RAP[0])
    assert torch.equal(training.step_state.adam.mean_RAP[0], before.adam.mean_RAP[0])
    assert torch.allclose(training.rows_RAP[1], alone.rows_RAP[0], atol=1e-5)
    training.step(40)  # 2³⁹ is halved until it fits
    assert training.reason is None and training.scale_R[0] < 2**30
    assert not torch.equal(training.rows_RAP[0], before.rows_RAP[0])


def test_what_overflows_at_every_scale_has_diverged() -> None:
    training = Training([config_of()], dtype=torch.float16, record_every=5)
    training.rows_RAP = 1e30 * training.rows_RAP
    training.step(20)
    assert training.reason is not None and "diverged" in training.reason


def test_gradients_that_float16_would_lose_are_kept() -> None:
    # every answer is 10⁻⁵ off: a token's slope is 2 · 10⁻⁵/512 = 4 · 10⁻⁸, and float16 begins at 6 · 10⁻⁸
    config = config_of(task="plane", batch_size=512, balance_coef=0.0)
    training, exact = Training([config], dtype=torch.float16), Training([config], dtype=torch.float64)
    training.rows_RAP = training.rows_RAP.half().float()
    rows_RAP, batch, numbers = training.rows_RAP.double().requires_grad_(), training.batch(), training.step_knobs
    answers = (training.model(training.rows_RAP, batch.x_RTD, training.routing_knobs)[0]).detach()
    y_RTO, _ = exact.model(rows_RAP, batch.x_RTD.double(), exact.routing_knobs)
    (expected,) = torch.autograd.grad(y_RTO, rows_RAP, torch.full_like(y_RTO, 2e-5 / 512))
    missed = {}
    for scale in (1.0, training.scale_R.item()):
        before = replace(training.step_state, scale_R=torch.tensor([scale]))
        after = stepped(training.problem, numbers, before, replace(batch, target=answers - 1e-5))
        missed[scale] = ((after.gradient_RAP - expected).norm() / expected.norm()).item()
    assert missed[4096.0] < 0.02 and missed[1.0] > 0.2


# ---- knobs, tape, ghosts, company ----------------------------------------------------------------------------------


@halves
def test_rewound_it_comes_to_the_same_states_again(half: torch.dtype) -> None:
    training = Training([config_of(task="clusters")], dtype=half, record_every=2)
    training.step(6)
    training.set(balance_coef=0.1)
    training.step(4)
    after = floats(training)
    training.rewind(4)
    training.step(6)
    assert all(torch.equal(value, after[name]) for name, value in floats(training).items())
    ghost = training.ghost("twin")
    training.set(num_experts=6)
    training.step(2)
    assert training.snapshot().num_experts == 6 and ghost.arrays(training, curves=True)["ghost_step"].size > 0
    assert {value.dtype for name, value in floats(training).items() if "bias" not in name} == {torch.float32}


@halves
def test_it_steps_together_with_its_like_alone(half: torch.dtype) -> None:
    first, second = (Training([config_of(seed=seed)], dtype=half) for seed in (0, 1))
    alone = Training([config_of(seed=1)], dtype=half)
    step_together([first, second])
    alone.step()
    assert torch.allclose(second.rows_RAP, alone.rows_RAP, atol=1e-4)
    with pytest.raises(ValueError, match="must share their lockstep key"):
        step_together([first, Training([config_of()])])
