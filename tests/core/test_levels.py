"""What a router decides about: tokens, running contexts or whole inputs, with every kind of expert and every router."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from moeviz.config import EXPERT_NAMES, ROUTING_LEVELS, TASK_INFO, RunConfig
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.config.task_facts import WHOLE
from moeviz.content.twins import dense_twin
from moeviz.losses import LOSSES
from moeviz.models.dispatch import LARGE
from moeviz.models.experts import unpack
from moeviz.models.moe_layer import MoE, RoutingKnobs
from moeviz.routers import Routing
from moeviz.tensors.axes import PerRun
from moeviz.tensors.rng import stream
from moeviz.training import Training
from moeviz.training.adam import Adam
from moeviz.training.batch import Batch
from moeviz.training.objective import squared_error
from moeviz.training.step import Problem, StepKnobs, StepState, stepped

DOUBLE = torch.float64
RUNS, EXPERT_COUNT, INPUTS, PLACES, WIDTH = 2, 4, 6, 4, 3
K = {"switch": 1, "soft": EXPERT_COUNT}
ALLOWED = [
    (expert, level) for expert in EXPERT_NAMES for level in ROUTING_LEVELS if level == "input" or expert not in WHOLE
]


def drawn(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def layer(router: str = "top_k", expert: str = "mlp", level: str = "input", **more: Any) -> MoE:
    sizes: dict[str, Any] = {"input_width": WIDTH, "hidden_width": 2, "output_width": WIDTH, "tokens_per_input": PLACES}
    return MoE(router, expert, more.pop("dispatch", "dense"), biased_gate=False, route_by=level, **(sizes | more))


def tokens(runs: int = RUNS, seed: int = 1) -> Tensor:
    return drawn(runs, INPUTS * PLACES, WIDTH, seed=seed)


def knobs_of(router: str, units: int) -> RoutingKnobs:
    """With seats for half of the choices where there are any, and with whatever the router draws."""
    knobs = RoutingKnobs(K.get(router, 2), True)
    seats = math.ceil(K.get(router, 2) * units / EXPERT_COUNT / 2)
    return {
        "top_k": replace(knobs, capacity=seats),
        "noisy_top_k": replace(knobs, noise_RTE=drawn(RUNS, units, EXPERT_COUNT)),
        "switch": replace(knobs, capacity=seats, jitter=0.3, jitter_RTD=drawn(RUNS, units, WIDTH).tanh()),
        "gshard": replace(knobs, capacity=seats // 2, uniform_RT=drawn(RUNS, units).sigmoid(), token_groups=2),
        "deepseek_v3": replace(knobs, bias_REL=drawn(RUNS, EXPERT_COUNT, 1)),
    }.get(router, knobs)


# ---- the layer is what its definition says -------------------------------------------------------------------------


def by_definition(model: MoE, rows_RAP: Tensor, x_RTD: Tensor, routing: Routing) -> Tensor:
    """Each unit by itself: the weighted answers of its experts (or, of Soft MoE, to mixtures), and the shared ones'."""
    size = PLACES if model.route_by == "input" else 1
    own_RE = [[unpack(row[model.gate_width :], model.expert_shapes) for row in rows] for rows in rows_RAP]

    def answer(run: int, expert: int, x_WD: Tensor) -> Tensor:
        parameters = {name: value.unsqueeze(0) for name, value in own_RE[run][expert].items()}
        return model.kind.apply(parameters, x_WD[None, None] if model.kind.whole else x_WD[None]).view_as(x_WD)

    answers = []
    for run, units_UWD in enumerate(x_RTD.unflatten(1, (-1, size))):
        gates_UE, share_UE = routing.gates_TE[run], routing.logits_TE[run].softmax(0)
        mixtures_EWD = torch.einsum("ue,uwd->ewd", share_UE, units_UWD)
        for unit, x_WD in enumerate(units_UWD):
            y_WD = answer(run, EXPERT_COUNT, x_WD)  # the shared expert's
            for expert in routing.kept_TE[run, unit].nonzero().flatten().tolist():
                given_WD = mixtures_EWD[expert] if model.router == "soft" else x_WD
                y_WD = y_WD + gates_UE[unit, expert] * answer(run, expert, given_WD)
            answers.append(y_WD)
    return torch.cat(answers).view_as(x_RTD)


@pytest.mark.parametrize("router", ROUTER_NAMES)
@pytest.mark.parametrize(("expert", "level"), ALLOWED)
def test_dense_and_sparse_are_the_definition(
    expert: str, level: str, router: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = layer(router, expert, level, num_shared=1)
    rows_RAP = model.fresh_rows(range(RUNS), EXPERT_COUNT)
    rows_RAP = (rows_RAP + 0.1 * drawn(*rows_RAP.shape, seed=9)).requires_grad_()
    x_RTD = tokens().requires_grad_()
    units = INPUTS if level == "input" else INPUTS * PLACES
    knobs, weight_RTD = knobs_of(router, units), drawn(RUNS, INPUTS * PLACES, WIDTH, seed=5)
    routing = model.route(rows_RAP, x_RTD, knobs)
    assert routing.kept_TE.shape == (RUNS, units, EXPERT_COUNT)
    if knobs.capacity is not None:
        assert (routing.chosen_TE & ~routing.kept_TE).any() and routing.kept_TE.any()
    expected_RTD = by_definition(model, rows_RAP, x_RTD, routing)
    gradients = torch.autograd.grad((expected_RTD * weight_RTD).sum(), (rows_RAP, x_RTD))
    for dispatch, large in (("dense", LARGE), ("sparse", LARGE), ("sparse", 1)):  # the last: experts one by one
        monkeypatch.setattr("moeviz.models.dispatch.LARGE", large)
        y_RTD, _ = replace(model, dispatch=dispatch)(rows_RAP, x_RTD, knobs)
        assert torch.allclose(y_RTD, expected_RTD, rtol=1e-10, atol=1e-12)
        found = torch.autograd.grad((y_RTD * weight_RTD).sum(), (rows_RAP, x_RTD))
        for ours, theirs in zip(found, gradients, strict=True):
            assert (ours - theirs).abs().max() <= 1e-10 * theirs.abs().max()
    parts_RETD = model.weighted_outputs(rows_RAP, x_RTD, routing)
    gates_RETD = routing.gates_TE.mT.unsqueeze(-1).repeat_interleave(INPUTS * PLACES // units, dim=2)
    summed_RTD = (gates_RETD * parts_RETD).sum(1) + model.shared_output(rows_RAP, x_RTD)
    assert torch.allclose(summed_RTD, expected_RTD, rtol=1e-10, atol=1e-12)


def test_what_the_gate_sees_by_hand() -> None:
    x_RTD = torch.tensor([[[1.0], [3.0], [8.0], [10.0], [20.0], [0.0]]])  # two inputs of three tokens
    size: dict[str, Any] = {"input_width": 1, "output_width": 1, "tokens_per_input": 3}
    assert layer(level="token", **size).seen(x_RTD).flatten().tolist() == [1, 3, 8, 10, 20, 0]
    assert layer(level="context", **size).seen(x_RTD).flatten().tolist() == [1, 2, 4, 10, 15, 10]
    assert layer(level="input", **size).seen(x_RTD).flatten().tolist() == [4, 10]


@pytest.mark.parametrize("router", ["top_k", "noisy_top_k", "switch", "mixtral", "deepseek_v3"])
def test_context_never_looks_ahead(router: str) -> None:
    model, x_RTD = layer(router, level="context"), tokens()
    rows_RAP, knobs = model.fresh_rows(range(RUNS), EXPERT_COUNT), knobs_of(router, INPUTS * PLACES)
    if router == "top_k":  # all first choices queue before any second one: seats would let later tokens crowd it out
        knobs = replace(knobs, capacity=None)
    before = model.route(rows_RAP, x_RTD, knobs)
    for token in range(INPUTS * PLACES):
        other_RTD = x_RTD.clone()
        other_RTD[:, token] += 5
        after = model.route(rows_RAP, other_RTD, knobs)
        for name in ("logits_TE", "kept_TE", "gates_TE"):  # with one choice seats too: who comes later queues behind
            assert torch.equal(getattr(after, name)[:, :token], getattr(before, name)[:, :token])
        moved_T = (after.logits_TE != before.logits_TE).any(-1)[0]
        end = (token // PLACES + 1) * PLACES  # the rest of its own input has it as context, no other input has
        assert moved_T.nonzero().flatten().tolist() == list(range(token, end))


def test_experts_of_whole_inputs_are_refused_for_tokens() -> None:
    with pytest.raises(ValueError, match="must be chosen for whole inputs: got expert=conv, route_by=token; pass"):
        layer(expert="conv", level="token")
    narrow = layer(expert="conv", tokens_per_input=3)
    with pytest.raises(ValueError, match="a map must be square: got 3 places; cut inputs into 4, 9"):
        narrow(narrow.fresh_rows(range(RUNS), EXPERT_COUNT), tokens(), RoutingKnobs(1, False))
    for task, info in TASK_INFO.items():
        assert "input" in info.levels or not set(info.experts) & set(WHOLE), task
        assert "conv" not in info.experts or math.isqrt(info.tokens_per_input) ** 2 == info.tokens_per_input, task


# ---- runs beside each other ----------------------------------------------------------------------------------------


def balance(routing: Routing, k: PerRun) -> Tensor:
    return LOSSES["switch"](routing, k=k)


def learned(model: MoE, seeds: list[int], steps: int) -> Tensor:
    """The rows after so many steps on tokens of each run's own, each run with a k, a weight and a rate of its own."""
    number = torch.tensor(seeds, dtype=DOUBLE)
    routing = RoutingKnobs(torch.tensor([1 + seed % 2 for seed in seeds]), True, torch.tensor([2 + s for s in seeds]))
    numbers = StepKnobs(routing, 0.1 * number, 0.01 * (1 + number), torch.full_like(number, torch.inf))
    rows_RAP, zeros_RE = model.fresh_rows(seeds, EXPERT_COUNT), torch.zeros(len(seeds), EXPERT_COUNT, dtype=DOUBLE)
    healthy_R = torch.ones(len(seeds), dtype=torch.bool)
    zeros_REL = zeros_RE.unsqueeze(-1)  # of one layer
    progress = StepState(
        rows_RAP, Adam.zeros_like(rows_RAP), 0 * rows_RAP, zeros_REL, zeros_RE, healthy_R, zeros_REL,
        scale_R=torch.ones_like(number),
    )  # fmt: skip
    x_RTD = torch.cat([tokens(1, seed) for seed in seeds])
    target_RTD = x_RTD.roll(1, dims=1).sin()
    for _ in range(steps):
        progress = stepped(Problem(model, squared_error, balance), numbers, progress, Batch(x_RTD, target_RTD, {}))
    return progress.rows_RAP


@pytest.mark.parametrize("dispatch", ["dense", "sparse"])
@pytest.mark.parametrize("expert", WHOLE)
def test_a_run_in_a_crowd_equals_the_same_run_alone(expert: str, dispatch: str) -> None:
    model = layer(expert=expert, dispatch=dispatch)
    together_RAP = learned(model, [0, 1, 2], steps=8)
    for seed in (0, 1, 2):
        assert (together_RAP[seed] - learned(model, [seed], steps=8)[0]).abs().max() < 1e-9
    assert (together_RAP - model.fresh_rows([0, 1, 2], EXPERT_COUNT)).abs().max() > 0.05  # they did learn


# ---- cost ----------------------------------------------------------------------------------------------------------


def test_a_gate_that_decides_once_for_an_input_costs_once() -> None:
    # mlp of 3, 2, 3: 2·2·6 = 24 operations and 6 + 2 + 6 + 3 = 17 numbers. Gate: 2·3·4 = 24 for each token or context,
    # and for an input of four tokens 24/4 = 6 a token; it has 4·3 numbers, and a token uses all of them.
    for level, gate in {"token": 24, "context": 24, "input": 6}.items():
        model = layer(level=level, num_shared=1)
        assert model.flops(4, 2) == gate + 3 * 24
        assert (model.num_parameters(4), model.num_active_parameters(4, 2)) == (12 + 5 * 17, 12 + 3 * 17)
    # conv: 9·3·2 + 2·3 = 60 multiply-adds a place, 60 + 2 + 3 numbers
    conv = layer(expert="conv")
    assert (conv.flops(4, 2), conv.num_parameters(4)) == (6 + 2 * 120, 12 + 4 * 65)
    # transformer: 4·9 + 2·6 + 2·4·3 = 72 multiply-adds a token of four, 36 + 17 numbers
    whole = layer(expert="transformer")
    assert (whole.flops(4, 2), whole.num_active_parameters(4, 1)) == (6 + 2 * 144, 12 + 53)
    assert layer(tokens_per_input=5).flops(4, 0) == 5  # 24/5, rounded up


# ---- digits row by row ---------------------------------------------------------------------------------------------

ROWS = RunConfig(task="digit_rows", router="switch", num_experts=4, top_k=1, route_by="input", batch_size=16,
                 hidden_width=6, learning_rate=0.01, balance_loss="switch", balance_coef=0.1)  # fmt: skip
LAYERS = ROWS.with_(expert="transformer")


@pytest.mark.parametrize("config", [ROWS, LAYERS, ROWS.with_(capacity_factor=0.5)], ids=["mlp", "transformer", "seats"])
def test_all_rows_of_a_digit_go_to_the_same_experts(config: RunConfig) -> None:
    training = Training([config, config.with_(seed=1)], dtype=DOUBLE)
    training.step(5)
    shot, layer = training.snapshot(["rows", "groups"], probe=(3.0, 6.0)), training.model.layer
    test = training.data.measured_test
    index_M = np.linspace(0, test.count - 1, 24).round()
    tokens_RTD = training.model.tokens(training.rows_RAP, test.x_RTD)
    mean_RMD = tokens_RTD.unflatten(1, (-1, 8)).mean(2)
    winner_RM = torch.einsum("rmd,red->rme", mean_RMD, training.parameters["gate_w"]).argmax(-1)
    for run in range(2):
        winner_M = winner_RM[run].numpy(force=True)
        places = math.inf if config.capacity_factor is None else math.ceil(0.5 * test.count / 4)
        taken_M = np.array([(winner_M[:at] == winner).sum() < places for at, winner in enumerate(winner_M)])
        for digit, index in enumerate(index_M.astype(int)):
            assert shot.row_expert[run][digit].tolist() == [winner_M[index]] * 8
            assert shot.row_kept[run][digit].tolist() == [taken_M[index]] * 8
        assert (shot.row_weight[run] == shot.row_weight[run][0]).all()  # of the probe's digit, row by row
        assert shot.load[run] == pytest.approx(np.bincount(winner_M, minlength=4) / test.count)
        # the probe's row, in its whole digit: what the expert answers there
        index, winner = int(index_M[3]), int(winner_M[int(index_M[3])])
        x_WD = tokens_RTD[run, 8 * index : 8 * index + 8]
        rows_1EP = training.model.layer_rows(training.rows_RAP)[[run]]
        answer_D = layer.expert_outputs(rows_1EP, x_WD[None])[0, winner, 6].numpy(force=True)
        assert shot.probe_expert_output[run][winner] == pytest.approx(answer_D, rel=1e-5, abs=1e-6)
        weighted_D = shot.probe_weight[run][winner] * answer_D
        assert shot.probe_output[run] == pytest.approx(weighted_D, rel=1e-5, abs=1e-6)


def test_seats_and_draws_are_counted_in_inputs() -> None:
    training = Training([ROWS.with_(gate_jitter=0.1, capacity_factor=1.25, seed=3)], dtype=DOUBLE)
    training.step(2)
    assert training.routing_knobs.capacity == 5  # ⌈1.25 · 16 / 4⌉
    assert training.routing_knobs_for(10).capacity == 4  # ⌈1.25 · 10 / 4⌉
    jitter_TD = 2 * torch.rand(16, 16, generator=stream(3, "router noise", 2), dtype=DOUBLE) - 1
    assert torch.equal(training.batch().draws["jitter_RTD"][0].cpu(), jitter_TD)  # 16 inputs, 16 numbers of their mean
    noisy = Training([LAYERS.with_(router="noisy_top_k", top_k=2)])
    assert noisy.batch().draws["noise_RTE"].shape == (1, 16, 4)
    groups = Training([LAYERS.with_(router="gshard", top_k=2, capacity_factor=1.0, token_groups=4)], dtype=DOUBLE)
    assert groups.routing_knobs.capacity == 2  # ⌈1 · 2 · (16 / 4) / 4⌉ in each group of four inputs
    batch = groups.batch()
    _, routing = groups.model(groups.rows_RAP, batch.x_RTD, batch.knobs(groups.routing_knobs, groups.bias_REL))
    assert routing.kept_TE.unflatten(1, (4, 4)).sum(2).max() <= 2
    groups.step(3)
    seats = groups.snapshot(["seating"])
    assert seats.seating_kept.shape == (1, 16, 4) and seats.seating_places.tolist() == [[8]]  # ⌈2 · 16 / 4⌉


@pytest.mark.parametrize("config", [LAYERS.with_(capacity_factor=0.5), LAYERS.with_(router="expert_choice")])
def test_dense_and_sparse_train_alike(config: RunConfig) -> None:
    ends = []
    for dispatch in ("dense", "sparse"):
        training = Training([config.with_(dispatch=dispatch)], dtype=DOUBLE)
        training.step(4)
        ends.append(training.rows_RAP)
    assert (ends[0] - ends[1]).abs().max() < 1e-9


def test_the_dispatch_is_decided_by_all_the_work_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # two runs of 16 inputs of 8 tokens; 2·(4·16² + 2·8·16 + 2·6·16) operations for one of them
    asked: list[tuple[Any, ...]] = []

    def resolve(*values: Any) -> str:
        asked.append(values)
        return "dense"

    monkeypatch.setattr("moeviz.training.from_configs.dispatch.resolve", resolve)
    training = Training([LAYERS, LAYERS.with_(seed=1)])
    assert asked == [("auto", training.device, 2 * 16 * 8, 4, 1, 2944)]


# ---- dense twins ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_shared", [0, 1])
@pytest.mark.parametrize(("equal", "as_many"), [("active", 2), ("total", 4)])
def test_a_dense_twin_of_transformer_layers_has_as_many_weights(equal: str, as_many: int, num_shared: int) -> None:
    # An expert more has 4·16² numbers of attention, which 1024/33 = 31.03 hidden units of 2·16 + 1 numbers make up for.
    config = LAYERS.with_(router="top_k", top_k=2, num_shared_experts=num_shared)
    dense, count = dense_twin(config, equal), as_many + num_shared
    assert dense.hidden_width == 6 * count + round(31.03 * (count - 1))
    assert (dense.expert, dense.route_by, dense.num_experts) == ("transformer", "input", 1)
    sparse, plain = (Training([each]).snapshot().header for each in (config, dense))
    # apart: four gate columns and one of 16 numbers, the output biases of all experts but one, and half a hidden unit
    ours = sparse["active_parameters" if equal == "active" else "num_parameters"][0] - 4 * 16 - (count - 1) * 16
    theirs = plain["num_parameters"][0] - 16
    assert abs(ours - theirs) <= 33 / 2
    assert abs(ours - theirs) < 0.005 * ours


def test_a_dense_twin_that_would_be_too_large_says_so() -> None:
    # 9 experts: 9·6 hidden units and those for the attention of 8, 8·31.03 = 248.2
    config = LAYERS.with_(num_experts=9)
    with pytest.raises(ValueError, match="at most 256 hidden units: got 302 for equal total parameters; lower hidden"):
        dense_twin(config, "total")
