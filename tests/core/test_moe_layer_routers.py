"""The layer with every router: gradients by finite differences, shared experts, and tokens routed by themselves."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.losses import LOSSES
from moeviz.models.moe_layer import MoE, RouterOptions, RoutingKnobs
from moeviz.routers import ROUTERS, token_ids
from moeviz.routers.decide import ARGUMENTS, TAKES, mean_over_parts
from moeviz.training.objective import cross_entropy
from tests.core.test_moe_layer import tokens

DOUBLE = torch.float64
EXPERT_COUNT, TOKENS, WIDTH, RUNS = 4, 6, 3, 2
K = {"switch": 1, "soft": EXPERT_COUNT}


def drawn(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


KNOBS: dict[str, dict[str, Any]] = {
    "noisy_top_k": {"noise_RTE": drawn(RUNS, TOKENS, EXPERT_COUNT)},
    "switch": {"capacity": 2, "jitter": 0.3, "jitter_RTD": drawn(RUNS, TOKENS, WIDTH).tanh()},
    "gshard": {"capacity": 2, "uniform_RT": drawn(RUNS, TOKENS).sigmoid(), "token_groups": 2},
    "deepseek_v3": {"bias_REL": drawn(RUNS, EXPERT_COUNT, 1)},
}
OPTIONS = {"deepseek_v3": RouterOptions(route_scale=2.5, expert_groups=2, kept_groups=2)}


def layer(router: str, **more: Any) -> MoE:
    return MoE(router, "mlp", "dense", WIDTH, 2, 3, False, OPTIONS.get(router, RouterOptions()), **more)


def knobs_of(router: str, run: int | None = None, copies: int = 1) -> RoutingKnobs:
    """Of both runs, or of so many copies of one."""
    own = KNOBS.get(router, {})
    if run is not None:
        own = {name: value[[run] * copies] if isinstance(value, Tensor) else value for name, value in own.items()}
    return RoutingKnobs(K.get(router, 2), True, **own)


def rows_of(model: MoE) -> Tensor:
    """Fresh rows, with a noise column that is not 0."""
    rows_RAP = model.fresh_rows(range(RUNS), EXPERT_COUNT)
    return rows_RAP + 0.1 * drawn(*rows_RAP.shape, seed=9)


def loss_of(model: MoE, rows_RAP: Tensor, x_RTD: Tensor, knobs: RoutingKnobs) -> Tensor:
    """Task and balance losses of each run."""
    y_RTO, routing = model(rows_RAP, x_RTD, knobs)
    task_R = cross_entropy(y_RTO, (torch.arange(TOKENS) % 3).expand(len(y_RTO), -1))
    loss = LOSSES["importance_load" if model.router == "noisy_top_k" else "squared"]
    return task_R + 2 * mean_over_parts(loss, routing, knobs.k, knobs.token_groups)


@pytest.mark.parametrize("num_shared", [0, 2])
@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_gradients_agree_with_finite_differences(router: str, num_shared: int) -> None:
    model, x_RTD = layer(router, num_shared=num_shared), tokens()
    rows_RAP = rows_of(model).requires_grad_()
    (gradient_RAP,) = torch.autograd.grad(loss_of(model, rows_RAP, x_RTD, knobs_of(router)).sum(), rows_RAP)
    for run in range(RUNS):  # every bent number is a run of its own
        rows_EP, count = rows_RAP[run].detach(), rows_RAP[run].numel()
        bend_RAP = 1e-6 * torch.eye(count, dtype=DOUBLE).reshape(count, *rows_EP.shape)
        bent_RAP = torch.cat([rows_EP + bend_RAP, rows_EP - bend_RAP])
        loss_R = loss_of(model, bent_RAP, x_RTD[run].expand(2 * count, -1, -1), knobs_of(router, run, 2 * count))
        expected_EP = ((loss_R[:count] - loss_R[count:]) / 2e-6).reshape(rows_EP.shape)
        assert (gradient_RAP[run] - expected_EP).abs().max() <= 1e-6 * expected_EP.abs().max()
    gate_learns = bool((gradient_RAP[:, :EXPERT_COUNT, :WIDTH].abs() > 1e-5).any())
    assert gate_learns == (router != "hash")


def test_every_argument_of_every_router_is_supplied() -> None:
    never = {"logits_TE", "count_skipped", "table_V"}  # given, or left at what the router itself says
    for name, router in ROUTERS.items():
        assert set(inspect.signature(router).parameters) - never == set(TAKES[name])
    assert set(ARGUMENTS) == {argument for taken in TAKES.values() for argument in taken}


# ---- the noise -------------------------------------------------------------------------------------------------


def test_noise_by_hand() -> None:
    # x = 2, noise column w = (ln(e - 1) / 2, 0): softplus(2w) = 1 and ln 2, plus .01; z = (0, 0), ε = (1, -1)
    model = MoE("noisy_top_k", "linear", "dense", 1, 1, 1, False)
    assert model.gate_width == 2
    column = torch.tensor(torch.e - 1, dtype=DOUBLE).log().item() / 2
    rows_RAP = torch.tensor([[[0.0, column, 1, 0], [0.0, 0.0, 1, 0]]], dtype=DOUBLE)
    noise_RTE = torch.tensor([[[1.0, -1.0]]], dtype=DOUBLE)
    x_RTD = torch.tensor([[[2.0]]], dtype=DOUBLE)
    routing = model.route(rows_RAP, x_RTD, RoutingKnobs(2, True, noise_RTE=noise_RTE))
    log_2 = torch.tensor(2.0, dtype=DOUBLE).log().item()
    assert routing.noise_std_TE is not None and routing.noisy_logits_TE is not None
    assert routing.noise_std_TE.flatten().tolist() == pytest.approx([1.01, log_2 + 0.01], rel=1e-12)
    assert routing.noisy_logits_TE.flatten().tolist() == pytest.approx([1.01, -log_2 - 0.01], rel=1e-12)
    assert model.route(rows_RAP, x_RTD, RoutingKnobs(2, True)).noise_std_TE is None  # evaluation


def test_noise_starts_at_one_size_for_all() -> None:
    # softplus(0) + .01 = ln 2 + .01
    model = layer("noisy_top_k")
    routing = model.route(model.fresh_rows(range(RUNS), EXPERT_COUNT), tokens(), knobs_of("noisy_top_k"))
    assert routing.noise_std_TE is not None
    expected = torch.full_like(routing.noise_std_TE, 2.0).log() + 0.01
    assert torch.allclose(routing.noise_std_TE, expected, rtol=1e-12)


# ---- shared experts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_shared_experts_add_their_answers_to_every_token(router: str) -> None:
    model, alone, x_RTD = layer(router, num_shared=2), layer(router), tokens()
    rows_RAP = rows_of(model)
    y_RTO, routing = model(rows_RAP, x_RTD, knobs_of(router))
    without_RTO, same = alone(rows_RAP[:, :EXPERT_COUNT], x_RTD, knobs_of(router))
    assert torch.equal(routing.gates_TE, same.gates_TE)  # the router does not know of them
    shared_RETO = alone.expert_outputs(rows_RAP[:, EXPERT_COUNT:], x_RTD)
    assert torch.allclose(y_RTO, without_RTO + shared_RETO.sum(1), rtol=1e-12, atol=1e-12)


def test_shared_experts_cost_and_start() -> None:
    # an mlp expert of 3, 2, 3 has 17 numbers and costs 24 operations (see test_model); the gate 3 numbers an expert
    model = layer("top_k", num_shared=2)
    assert model.num_parameters(4) == 4 * 3 + 6 * 17
    assert model.flops(4, 2) == 24 + 4 * 24
    few, many = (model.fresh_rows([5], count) for count in (2, 6))
    assert torch.equal(few[:, -2:], many[:, -2:])  # whatever N
    assert not torch.equal(few[0, -1], few[0, -2])


# ---- tokens without a batch, and without ids -------------------------------------------------------------------


def test_a_token_by_itself_is_taken_where_it_equals_the_last_one_taken() -> None:
    # p of A for the others: .9 .6 .2 (C = ⌈3·1/2⌉ = 2 of them): .6 is the last. p of B: .1 .4 .8, the last is .4.
    model = MoE("expert_choice", "linear", "dense", 2, 1, 1, False)
    rows_RAP = torch.tensor([[[1.0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0]]], dtype=DOUBLE)  # logits are the token itself
    others_RTD = torch.tensor([[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]], dtype=DOUBLE).log()
    knobs = model.alone(rows_RAP, others_RTD, RoutingKnobs(1, True))
    x_RTD = torch.tensor([[[0.61, 0.39], [0.59, 0.41], [0.5, 0.5]]], dtype=DOUBLE).log()
    assert model.route(rows_RAP, x_RTD, knobs).chosen_TE.tolist() == [[[True, False], [False, True], [False, True]]]


def test_a_token_by_itself_mixes_the_slots_of_the_others() -> None:
    model, x_RTD = layer("soft"), tokens()
    rows_RAP, knobs = rows_of(model), RoutingKnobs(EXPERT_COUNT, True)
    others_RTD = drawn(RUNS, 9, WIDTH)
    alone = model.alone(rows_RAP, others_RTD, knobs)
    logits_RTE = others_RTD @ model.parameters(rows_RAP)["gate_w"].mT
    slots_RED = logits_RTE.softmax(1).mT @ others_RTD
    answers_REO = torch.stack([
        torch.stack([model.expert_outputs(rows_RAP[[run]], slots_RED[run][None])[0, e, e] for e in range(EXPERT_COUNT)])
        for run in range(RUNS)
    ])  # fmt: skip
    weights_RTE = (x_RTD @ model.parameters(rows_RAP)["gate_w"].mT).softmax(-1)
    y_RTO, routing = model(rows_RAP, x_RTD, alone)
    assert torch.allclose(y_RTO, weights_RTE @ answers_REO, rtol=1e-12, atol=1e-12)
    parts_RETO = model.weighted_outputs(rows_RAP, x_RTD, routing)
    assert torch.allclose((routing.gates_TE.mT.unsqueeze(-1) * parts_RETO).sum(1), y_RTO, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("router", ["top_k", "switch", "gshard"])
def test_a_token_by_itself_never_queues(router: str) -> None:
    knobs = layer(router).alone(rows_of(layer(router)), tokens(), replace(knobs_of(router), capacity=1))
    assert (knobs.capacity, knobs.token_groups) == (None, 1)


def test_ids_are_those_of_cells() -> None:
    # cells of side 1/4: .01 and .24 share one, .26 and -.01 have others
    x_TD = torch.tensor([[0.01, 0.1], [0.24, 0.2], [0.26, 0.1], [-0.01, 0.1], [0.1, 0.01]])
    ids = token_ids(x_TD).tolist()
    assert ids[0] == ids[1] == ids[4] and len({ids[0], ids[2], ids[3]}) == 3
    assert token_ids(x_TD.double()).tolist() == ids and token_ids(x_TD.expand(2, -1, -1)).tolist() == [ids, ids]
    assert token_ids(torch.tensor([[float("nan"), 1e30]])).min() >= 0


def test_ids_are_spread_over_the_table() -> None:
    # 4,096 cells and 4,096 ids: with random ids a share 1 - 1/e = .632 of these is hit, give or take .005
    center = torch.arange(-32, 32) * 0.25 + 0.125
    ids = token_ids(torch.cartesian_prod(center, center)) % 4096
    assert len(set(ids.tolist())) / 4096 == pytest.approx(0.632, abs=0.06)
