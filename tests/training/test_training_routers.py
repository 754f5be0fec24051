"""Every router in training: alone as in a crowd, replayed and forked bit-equal, with experts coming and going."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from moeviz.config import LOSS_NAMES, RunConfig
from moeviz.config.router_facts import ROUTER_INFO, ROUTER_NAMES
from moeviz.frames import PICTURES
from moeviz.losses import LOSSES
from moeviz.routers import ROUTERS
from moeviz.tensors.rng import stream
from moeviz.training import Training, step_together
from tests.training.test_training import DOUBLE, apart, poison

SMALL = RunConfig(batch_size=32, hidden_width=4, num_experts=6)
EXTRAS: dict[str, dict[str, Any]] = {  # all that a router can do beyond its defaults
    "top_k": {"capacity_factor": 0.8, "batch_prioritized": True, "num_shared_experts": 1},
    "noisy_top_k": {"balance_loss": "importance_load"},
    "switch": {"capacity_factor": 1.25, "eval_capacity_factor": 2.0, "gate_jitter": 0.1},
    "gshard": {"capacity_factor": 1.0, "token_groups": 4, "balance_loss": "gshard"},
    "mixtral": {"num_shared_experts": 2},
    "deepseek_v3": {"bias_rate": 0.02, "expert_groups": 3, "kept_groups": 2, "route_scale": 2.0},
    "expert_choice": {}, "hash": {}, "soft": {"num_shared_experts": 1},
}  # fmt: skip
FREE_K = [name for name in ROUTER_NAMES if ROUTER_INFO[name].k == "any"]


# those with noise, with a state of their own, and with places; the others only in the slow tests
QUICK = ("noisy_top_k", "deepseek_v3", "gshard")
SOME_ROUTERS = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in ROUTER_NAMES]


def config(router: str, **changes: Any) -> RunConfig:
    return SMALL.nearest(router=router, balance_coef=1.0, **EXTRAS[router])[0].nearest(**changes)[0]


def crowd(router: str) -> list[RunConfig]:
    """Neighbors that differ in seed, λ, learning rate and noise, and in whatever of the router may differ."""
    first = config(router)
    runs = [
        first,
        first.with_(seed=1, balance_coef=0.0),
        first.with_(seed=2, learning_rate=0.007, noise=0.1),
    ]
    own: dict[str, dict[str, Any]] = {
        "switch": {"gate_jitter": 0.0, "capacity_factor": 0.7}, "deepseek_v3": {"bias_rate": 0.0, "top_k": 1},
        "gshard": {"capacity_factor": 2.0}, "top_k": {"capacity_factor": None, "gate_form": "plain"},
    }  # fmt: skip
    changes = own.get(router, {"top_k": 3} if router in FREE_K else {})
    return [*runs, first.with_(seed=3, **changes)]


def trained(configs: list[RunConfig], steps: int, dtype: torch.dtype = DOUBLE) -> Training:
    training = Training(configs, dtype=dtype)
    training.step(steps)
    return training


# ---- one run among others --------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", SOME_ROUTERS)
def test_a_run_in_a_crowd_is_the_run_alone(router: str) -> None:
    runs = crowd(router)
    together = trained(runs, 12)
    for run, each in enumerate(runs):
        alone = trained([each], 12)
        assert apart(together.rows_RAP[run], alone.rows_RAP[0]) < 1e-9, each
        assert apart(together.bias_REL[run], alone.bias_REL[0]) < 1e-12
        for name in ("task_loss", "balance_loss", "test_loss", "cv_load"):
            mine, its = (getattr(each.measure(), name) for each in (together, alone))
            assert mine[run] == pytest.approx(its[0], rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("router", SOME_ROUTERS)
def test_a_training_in_a_crowd_is_the_training_alone(router: str) -> None:
    runs = crowd(router)
    # a run without draws, or without seats, is of another kind of step
    runs = [each for each in runs if (each.capacity_factor is None) == (runs[0].capacity_factor is None)]
    runs = [each for each in runs if (each.gate_jitter > 0) == (runs[0].gate_jitter > 0)]
    together = [trained([each], 3 * late) for late, each in enumerate(runs)]
    for _ in range(8):
        step_together(together)
    for late, (training, each) in enumerate(zip(together, runs, strict=True)):
        alone = trained([each], 3 * late + 8)
        assert apart(training.rows_RAP, alone.rows_RAP) < 1e-9, each
        assert apart(training.bias_REL, alone.bias_REL) < 1e-12
    state = together[0].state()
    assert state["bias_REL"].untyped_storage().nbytes() == state["bias_REL"].nbytes


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_dense_and_sparse_train_alike(router: str) -> None:
    dense, sparse = (trained([config(router, dispatch=name)], 10) for name in ("dense", "sparse"))
    assert apart(dense.rows_RAP, sparse.rows_RAP) < 1e-9


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_a_router_learns(router: str) -> None:
    training = trained([config(router, seed=seed, balance_coef=0.0) for seed in range(3)], 60, torch.float32)
    assert (training.measure().task_loss < 0.99 * training.records[0].task_loss).all()
    moved_RE = (training.parameters["gate_w"] - Training(training.configs).parameters["gate_w"]).norm(dim=-1)
    assert (moved_RE.amax(-1) > 1e-2).all() == (router != "hash")  # a fixed table has nothing to learn


# ---- replay and going back -------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_a_run_replays_goes_back_and_is_forked_bit_equal(router: str) -> None:
    training = trained(crowd(router), 6)
    state, twin, ghost = training.state(), training.fork(), training.ghost("twin")
    training.step(6)
    rows_RAP, bias_REL, table = training.rows_RAP, training.bias_REL, training.history
    for other in (twin, ghost.training):
        other.step(6)
        assert torch.equal(other.rows_RAP, rows_RAP)
        assert torch.equal(other.bias_REL, bias_REL)
    training.restore(state)
    training.step(6)
    assert torch.equal(training.rows_RAP, rows_RAP)
    training.reset()
    assert not training.bias_REL.any()
    training.step(12)
    assert torch.equal(training.rows_RAP, rows_RAP)
    assert torch.equal(training.bias_REL, bias_REL)
    assert training.history.equals(table)


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_experts_come_and_go(router: str) -> None:
    training = trained([config(router), config(router, seed=1)], 12)
    shared_RAP = training.rows_RAP[:, 6:]
    bias_of = dict(zip(training.ids_RE[0].tolist(), training.bias_REL[0].tolist(), strict=True))
    for count in (3, 9):
        training.set(num_experts=count)
        shared = training.configs[0].num_shared_experts
        assert training.rows_RAP.shape[1] == count + shared
        assert training.bias_REL.shape == training.updated_REL.shape == (2, count, 1)
        if count == 3:
            kept = [bias_of[each] for each in training.ids_RE[0].tolist()]
            assert training.bias_REL[0].tolist() == kept  # a bias stays with its expert
            assert torch.equal(training.rows_RAP[:, 3:], shared_RAP)
        training.step(6)
        snapshot = training.snapshot(["first_choice", "prediction", "choices", "batch"], probe=(0.1, 0.2))
        assert snapshot.load.shape == snapshot.gradient_norm.shape == (2, count)
    assert torch.isfinite(training.rows_RAP).all()


def test_the_bias_of_a_run_that_stands_still_does_not_move() -> None:
    training = trained([config("deepseek_v3", seed=seed) for seed in range(2)], 5)
    poison(training, 0)
    training.step()
    bias_REL = training.bias_REL
    training.step(5)
    assert torch.equal(training.bias_REL[0], bias_REL[0])
    assert not torch.equal(training.bias_REL[1], bias_REL[1])


def test_the_bias_moves_by_its_rate_against_the_counts() -> None:
    training = Training([config("deepseek_v3", balance_coef=0.0)], dtype=DOUBLE)
    batch = training.batch()
    routing = training.model.route(training.rows_RAP, batch.x_RTD, training.routing_knobs)
    count_E = routing.chosen_TE[0].sum(0).double()
    training.step()
    expected_E = 0.02 * (count_E.mean() - count_E).sign()
    assert training.bias_REL[0, :, 0].tolist() == expected_E.tolist()


# ---- what is drawn ---------------------------------------------------------------------------------------------


def test_draws_are_a_function_of_seed_and_step() -> None:
    training = Training([config("noisy_top_k", seed=seed) for seed in (4, 5)], dtype=DOUBLE)
    training.step(2)
    noise_RTE = training.batch().draws["noise_RTE"]
    for run, seed in enumerate((4, 5)):
        again_TE = torch.randn(32, 6, generator=stream(seed, "router noise", 2), dtype=DOUBLE)
        assert torch.equal(noise_RTE[run].cpu(), again_TE)
    jitter_RTD = Training([config("switch")]).batch().draws["jitter_RTD"]
    assert jitter_RTD.min() >= -1 and jitter_RTD.max() <= 1 and jitter_RTD.std() > 0.5  # uniform: 1/√3 = .58
    uniform_RT = Training([config("gshard")]).batch().draws["uniform_RT"]
    assert uniform_RT.shape == (1, 32) and 0 <= uniform_RT.min() <= uniform_RT.max() <= 1


@pytest.mark.parametrize("balance_loss", ["load", "importance_load"])
def test_next_to_no_noise_is_none_alone_and_beside_others(balance_loss: str) -> None:
    # with noise of 1e-20 a chance falls from 1 to 0 within 1e-22 of a score: a count, as without, and no slope
    still = config("noisy_top_k", router_noise=0.0, balance_loss=balance_loss)
    runs = [still, still.with_(router_noise=1.0), still.with_(router_noise=1e-20), still.with_(router_noise=1e-9)]
    alone, crowd = (trained(configs, 20) for configs in ([still], runs))
    for run in (0, 2, 3):
        assert apart(crowd.rows_RAP[run], alone.rows_RAP[0]) < 1e-12
    assert apart(crowd.rows_RAP[1], alone.rows_RAP[0]) > 1e-3 and crowd.reason is None
    single = Training([runs[2]])  # in float32
    single.step(20)
    assert single.reason is None and torch.isfinite(single.gradient_RAP).all()


@pytest.mark.parametrize(
    "quiet",
    [config("top_k"), config("switch", gate_jitter=0.0), config("gshard", second_policy="all"), config("deepseek_v3")],
    ids=lambda each: each.router,
)
def test_nothing_is_drawn_for_routers_that_need_nothing(quiet: RunConfig) -> None:
    assert Training([quiet]).batch().draws == {}


def test_jitter_is_on_the_gates_copy_alone() -> None:
    training = Training(
        [config("switch", gate_jitter=0.5, capacity_factor=None, eval_capacity_factor=None)], dtype=DOUBLE
    )
    batch = training.batch()
    y_RTO, routing = training.model(
        training.rows_RAP, batch.x_RTD, batch.knobs(training.routing_knobs, training.bias_REL)
    )
    seen_RTD = batch.x_RTD * (1 + 0.5 * batch.draws["jitter_RTD"])
    probs_RTE = (seen_RTD @ training.parameters["gate_w"].mT).softmax(-1)
    assert apart(routing.probs_TE, probs_RTE) < 1e-12
    experts_RETO = training.model.layer.expert_outputs(training.rows_RAP, batch.x_RTD)  # of the clean tokens
    assert apart(y_RTO, (routing.gates_TE.mT.unsqueeze(-1) * experts_RETO).sum(1)) < 1e-12


def test_measuring_draws_nothing_and_has_its_own_seats() -> None:
    training = trained([config("switch", capacity_factor=0.5, eval_capacity_factor=16.0)], 5)
    assert training.snapshot().dropped_share == training.snapshot().random_drop == [0]
    assert training.routing_knobs.capacity == 3  # ⌈.5 · 32 / 6⌉
    assert training.routing_knobs_for(600).capacity == 600  # ⌈16 · 600 / 6⌉, at most all
    training.set(eval_capacity_factor=None)
    assert training.routing_knobs_for(600).capacity == 50  # ⌈.5 · 600 / 6⌉
    assert training.snapshot().dropped_share[0] > 0.4  # at most half of them fit
    assert training.snapshot().random_drop == pytest.approx([0.5], abs=0.01)  # chance fills them all
    assert trained([config("mixtral")], 0).snapshot().random_drop == [None]


# ---- groups of tokens ------------------------------------------------------------------------------------------


def test_groups_of_tokens_are_routed_and_balanced_each_by_itself() -> None:
    training = Training([config("gshard", second_policy="all")], dtype=DOUBLE)
    batch, knobs = training.batch(), training.routing_knobs
    assert knobs.capacity == 3  # ⌈1 · 2 · (32 / 4) / 6⌉ in each of the four groups
    y_RTO, routing = training.model(training.rows_RAP, batch.x_RTD, knobs)
    losses = []
    for start in range(0, 32, 8):
        logits_TE = routing.logits_TE[0, start : start + 8]
        alone = ROUTERS["gshard"](logits_TE, k=2, capacity=3, second_policy="all")
        assert torch.equal(routing.kept_TE[0, start : start + 8], alone.kept_TE)
        assert torch.equal(routing.gates_TE[0, start : start + 8], alone.gates_TE)
        losses.append(LOSSES["gshard"](alone, k=2))
    task_loss = training.task_loss(y_RTO, batch.target)
    rows_RAP = training.rows_RAP.detach().requires_grad_()
    again_RTO, again = training.model(rows_RAP, batch.x_RTD, knobs)
    parts = [again.each(lambda table, at=at: table[:, at : at + 8]) for at in range(0, 32, 8)]  # type: ignore[misc]
    balance = torch.stack([LOSSES["gshard"](part, k=2) for part in parts]).mean()
    assert balance.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-12)
    total = training.task_loss(again_RTO, batch.target).sum() + balance
    assert torch.isfinite(task_loss).all()
    (gradient_RAP,) = torch.autograd.grad(total, rows_RAP)
    training.step()
    assert apart(training.gradient_RAP, gradient_RAP) < 1e-12


# ---- tokens by themselves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_the_test_tokens_one_by_one_are_those_of_their_batch(router: str) -> None:
    training = trained([config(router, capacity_factor=None, eval_capacity_factor=None)], 20)
    test_RTD = training.data.measured_test.x_RTD
    batch = training.routing_knobs_for(test_RTD.shape[1])
    knobs = training.model.alone(training.rows_RAP, test_RTD, batch)
    expected_RTO, routing = training.model(training.rows_RAP, test_RTD, batch)
    for token in range(0, 40, 7):
        own_RTO, own = training.model(training.rows_RAP, test_RTD[:, [token]], knobs)
        assert apart(own_RTO[:, 0], expected_RTO[:, token]) < 1e-12
        assert torch.equal(own.chosen_TE[:, 0], routing.chosen_TE[:, token])


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_every_picture_can_be_drawn_and_the_probe_adds_up(router: str) -> None:
    training = trained([config(router), config(router, seed=1)], 5)
    snapshot = training.snapshot(PICTURES, probe=(0.3, -0.4))
    assert set(snapshot.header) >= {"router", "unserved_share", "limited"}
    mixed_RO = np.einsum("re,reo->ro", snapshot.probe_weight, snapshot.probe_expert_output)
    shared = training.configs[0].num_shared_experts
    assert (np.abs(snapshot.probe_output - mixed_RO).max() < 1e-5) == (shared == 0)
    batchwise = ROUTER_INFO[router].batchwise
    assert snapshot.batch_dependent == (batchwise or router in ("top_k", "switch", "gshard"))


@pytest.mark.parametrize("router", ["expert_choice", "soft"])
def test_train_and_test_tokens_never_share_a_pass(router: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = trained([config(router)], 3)
    record = training.measure()
    other = Training([config(router)], dtype=DOUBLE)
    other.restore(training.state())
    x_RTD = other.data.measured_train.x_RTD
    monkeypatch.setattr(x_RTD, "data", x_RTD + 5.0)  # other train tokens, the same test tokens
    monkeypatch.setattr(other, "measured", None)
    assert other.measure().test_loss == pytest.approx(record.test_loss, rel=1e-12)
    assert other.measure().task_loss != pytest.approx(record.task_loss, rel=1e-3)


def test_tokens_that_no_expert_takes_are_counted() -> None:
    training = trained([config("expert_choice", top_k=1)], 10)
    tokens = training.data.measured_test
    routing = training.model.route(training.rows_RAP, tokens.x_RTD, training.routing_knobs_for(tokens.count))
    assert training.snapshot().unserved_share[0] == pytest.approx((~routing.kept_TE.any(-1)).double().mean().item())
    assert training.snapshot().cv_load == [0]


# ---- losses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_every_loss_trains_with_every_router(router: str, loss: str) -> None:
    training = trained([config(router, balance_loss=loss)], 3, torch.float32)
    assert torch.isfinite(training.rows_RAP).all()
    assert np.isfinite(training.measure().balance_loss).all()
