"""The block around the layer: a slow loop as oracle, finite differences, and who sees whom."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from moeviz.config import RunConfig
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.metrics import specialization
from moeviz.models.transformer import Transformer, attention, rms_norm
from moeviz.routers import capacity
from moeviz.tensors.rng import stream
from moeviz.training import Training, step_together
from moeviz.training.measure import segments
from moeviz.training.objective import cross_entropy

DOUBLE = torch.float64
SMALL = RunConfig(task="digit_rows", num_experts=4, top_k=1, router="switch", batch_size=16, hidden_width=6,
                  learning_rate=0.01, balance_loss="switch", balance_coef=0.1)  # fmt: skip
CROWDED = SMALL.with_(capacity_factor=0.5)  # at least half of the tokens find no seat
GSHARD = SMALL.with_(router="gshard", top_k=2, capacity_factor=1.0, token_groups=4, balance_loss="gshard")


def trained(*configs: RunConfig, steps: int = 10) -> Training:
    training = Training(configs, dtype=DOUBLE)
    training.step(steps)
    return training


def block(training: Training) -> Transformer:
    assert isinstance(training.model, Transformer)
    return training.model


# ---- the forward pass ------------------------------------------------------------------------------------------


def normed(x_D: np.ndarray, gain_D: np.ndarray) -> np.ndarray:
    return np.array([x / math.sqrt(sum(x_D**2) / len(x_D) + 1e-6) for x in x_D]) * gain_D


def softmax(values: list[float]) -> list[float]:
    grown = [math.exp(value - max(values)) for value in values]
    return [each / sum(grown) for each in grown]


def attended(image_64: np.ndarray, own: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The eight tokens of one image in front of the layer, one after the other."""
    tokens = [image_64[8 * row : 8 * row + 8] @ own["w_embed"] + own["position"][row] for row in range(8)]
    seen = [normed(token, own["gain_attention"]) for token in tokens]
    after = []
    for token, asking in zip(tokens, seen, strict=True):
        query = asking @ own["w_query"]
        shares = softmax([float(query @ (other @ own["w_key"])) / 4 for other in seen])  # √16 = 4
        gathered = sum(share * (other @ own["w_value"]) for share, other in zip(shares, seen, strict=True))
        after.append(token + gathered @ own["w_gathered"])
    return after


def by_hand(training: Training, run: int, images_M64: np.ndarray, places: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Answers, and who serves each token (-1: nobody), of a Switch layer with so many places: no code of ours."""
    own = {name: value[run].numpy(force=True) for name, value in block(training).own(training.rows_RAP).items()}
    part = {name: value[run].numpy(force=True) for name, value in training.parameters.items()}
    taken = [0] * len(part["gate_w"])
    answers, served = [], []
    for image_64 in images_M64:
        total = np.zeros(16)
        for token in attended(image_64, own):
            seen = normed(token, own["gain_layer"])
            probs = softmax([float(seen @ column) for column in part["gate_w"]])
            best = int(np.argmax(probs))
            taken[best] += 1
            if places is None or taken[best] <= places:
                hidden = np.maximum(seen @ part["w_in"][best] + part["b_in"][best], 0)
                token = token + probs[best] * (hidden @ part["w_out"][best] + part["b_out"][best])
                served.append(best)
            else:
                served.append(-1)
            total += normed(token, own["gain_out"])
        answers.append(total / 8 @ own["w_out"] + own["b_out"])
    return np.array(answers), np.array(served)


@pytest.mark.parametrize("dispatch", ["dense", "sparse"])
@pytest.mark.parametrize("config", [SMALL, CROWDED], ids=["all served", "half dropped"])
def test_the_block_is_what_a_slow_loop_computes(config: RunConfig, dispatch: str) -> None:
    training = trained(config.with_(dispatch=dispatch), config.with_(dispatch=dispatch, seed=1))
    x_RMD = training.data.test.x_RTD[:, :12]
    y_RMO, routing = training.model(training.rows_RAP, x_RMD, training.routing_knobs_for(12))
    places = None if config.capacity_factor is None else 12  # ⌈.5 · 12 · 8 / 4⌉
    for run in range(2):
        expected_MO, served_T = by_hand(training, run, x_RMD[run].numpy(force=True), places)
        assert np.abs(y_RMO[run].numpy(force=True) - expected_MO).max() < 1e-12
        kept_TE = routing.kept_TE[run].numpy(force=True)
        assert (np.where(kept_TE.any(-1), kept_TE.argmax(-1), -1) == served_T).all()
        assert (places is None) == (served_T >= 0).all()


def test_attention_by_hand() -> None:
    # keys 0 make all scores 0: each token gathers the plain mean of its own input, (1 + 3)/2 = 2 and (10 + 20)/2 = 15
    x_R4D = torch.tensor([[[1.0], [3.0], [10.0], [20.0]]])
    part = {"w_query": torch.ones(1, 1, 1), "w_key": torch.zeros(1, 1, 1), "w_value": torch.ones(1, 1, 1)}
    part["w_gathered"] = torch.full((1, 1, 1), 2.0)
    assert attention(x_R4D, part, 2).flatten().tolist() == [4, 4, 30, 30]
    # tokens 0 and ln 3 as keys: scores 0 and ln 3 for a query of 1, so shares 1/4 and 3/4, and 3/4 · ln 3 is gathered
    log_3 = math.log(3)
    x_R2D = torch.tensor([[[0.0, 1.0], [log_3, 1.0]]], dtype=DOUBLE)
    first, second = (torch.tensor([[row, [0.0, 0.0]]], dtype=DOUBLE) for row in ([1.0, 0.0], [0.0, 0.0]))
    query = torch.tensor([[[0.0, 0.0], [math.sqrt(2), 0.0]]], dtype=DOUBLE)  # √2 of the scale, from the 1 in each token
    part = {"w_query": query, "w_key": first, "w_value": first, "w_gathered": torch.eye(2, dtype=DOUBLE)[None] + second}
    assert attention(x_R2D, part, 2)[0, :, 0].tolist() == pytest.approx([0.75 * log_3] * 2)


def test_a_normed_token_has_a_mean_square_of_one() -> None:
    # (3, 4): mean square 12.5, so 3/√12.5 = .8485 and 4/√12.5 = 1.1314, the second doubled by its gain
    x_R1D, gain_RD = torch.tensor([[[3.0, 4.0]]], dtype=DOUBLE), torch.tensor([[1.0, 2.0]], dtype=DOUBLE)
    assert rms_norm(x_R1D, gain_RD).flatten().tolist() == pytest.approx([0.848528, 2.262742], abs=1e-6)
    assert (rms_norm(0 * x_R1D, gain_RD) == 0).all()


# ---- who sees whom ---------------------------------------------------------------------------------------------


def test_attention_stays_within_an_image() -> None:
    training = trained(SMALL)
    x_RMD = training.data.test.x_RTD[:, :6]
    other_RMD = x_RMD.clone()
    other_RMD[:, 2, 8:16] += 0.5  # the second row of the third image
    before_RTD, after_RTD = (training.model.tokens(training.rows_RAP, each) for each in (x_RMD, other_RMD))
    moved_M = (before_RTD - after_RTD).abs().amax(-1).unflatten(1, (6, 8))[0] > 0
    assert moved_M[2].all()  # every row of the image has heard of it
    assert not moved_M[[0, 1, 3, 4, 5]].any()


def test_a_dropped_token_goes_on_unchanged() -> None:
    training = trained(CROWDED)
    model, rows_RAP = block(training), training.rows_RAP
    x_RMD, knobs = training.data.test.x_RTD[:, :12], training.routing_knobs_for(12)
    y_RTD, routing = model.layer(model.layer_rows(rows_RAP), model.tokens(rows_RAP, x_RMD), knobs)
    dropped_RT = ~routing.kept_TE.any(-1)
    assert 0.5 <= dropped_RT.double().mean() < 1
    assert (y_RTD[dropped_RT] == 0).all() and (y_RTD[~dropped_RT] != 0).any(-1).all()
    # with no seat at all for anybody the answer is that of the residual alone, whatever the experts are
    nobody = training.routing_knobs_for(12)
    nobody = type(nobody)(**{**vars(nobody), "capacity": 0})
    others_RAP = torch.cat([rows_RAP[:, :4] + 1, rows_RAP[:, 4:]], dim=1)
    assert torch.equal(model(rows_RAP, x_RMD, nobody)[0], model(others_RAP, x_RMD, nobody)[0])


def test_a_run_in_a_crowd_equals_the_same_run_alone() -> None:
    crowd = [
        CROWDED.with_(seed=seed, balance_coef=coef, gate_jitter=0.01) for seed, coef in ((0, 0.1), (1, 1.0), (2, 0.0))
    ]
    together = trained(*crowd, steps=60)
    for run, config in enumerate(crowd):
        assert (together.rows_RAP[run] - trained(config, steps=60).rows_RAP[0]).abs().max() < 1e-9


def test_trainings_that_step_together_are_as_by_themselves() -> None:
    apart, joined = ([trained(GSHARD.with_(seed=seed), steps=seed) for seed in (1, 2)] for _ in range(2))
    assert len({each.lockstep for each in joined}) == 1
    for _ in range(15):
        step_together(joined)
    for one, other in zip(apart, joined, strict=True):
        one.step(15)
        assert (one.rows_RAP - other.rows_RAP).abs().max() < 1e-12


# ---- gradients -------------------------------------------------------------------------------------------------


def test_gradients_agree_with_finite_differences() -> None:
    training = trained(SMALL.with_(dispatch="dense", num_shared_experts=1), steps=3)
    model, knobs = block(training), training.routing_knobs_for(5)
    x_RMD, target_RM = training.data.train.x_RTD[:, :5], training.data.train.target[:, :5]

    def loss(rows_RAP: Tensor) -> Tensor:
        return cross_entropy(model(rows_RAP, x_RMD, knobs)[0], target_RM)[0]

    rows_RAP = training.rows_RAP.clone().requires_grad_()
    (gradient_RAP,) = torch.autograd.grad(loss(rows_RAP), rows_RAP)
    flat, width = rows_RAP.detach().flatten(), model.layer.row_width
    starts = np.cumsum([0, *(math.prod(shape) for shape in model.own_shapes.values())])[:-1] + 5 * width
    asked = [
        *(int(start) + 3 for start in starts),
        2,
        width + 20,
        4 * width + 30,
    ]  # of every own tensor, and of experts
    for index in asked:
        bend = torch.zeros_like(flat)
        bend[index] = 1e-5
        ends = [loss((flat + sign * bend).view_as(rows_RAP)).item() for sign in (1, -1)]
        found = gradient_RAP.flatten()[index].item()
        assert found == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-9), index
    assert sum(abs(gradient_RAP.flatten()[index].item()) > 1e-6 for index in asked) >= len(asked) - 2
    used = 5 * width + model.num_own
    assert (gradient_RAP.flatten()[used:] == 0).all()  # padding


@pytest.mark.parametrize("config", [SMALL, CROWDED, GSHARD], ids=["switch", "crowded", "gshard"])
def test_dense_and_sparse_train_alike(config: RunConfig) -> None:
    dense, sparse = (trained(config.with_(dispatch=name), steps=30) for name in ("dense", "sparse"))
    assert (dense.rows_RAP - sparse.rows_RAP).abs().max() < 1e-9


# ---- counting tokens -------------------------------------------------------------------------------------------


def test_seats_are_counted_in_tokens() -> None:
    training = trained(SMALL.with_(capacity_factor=1.25, eval_capacity_factor=2.0), steps=1)
    assert training.routing_knobs.capacity == 40  # ⌈1.25 · 16 · 8 / 4⌉
    assert training.routing_knobs_for(10).capacity == 40  # ⌈2 · 10 · 8 / 4⌉
    groups = trained(GSHARD, steps=1)
    assert groups.routing_knobs.capacity == 16  # ⌈1 · 2 · (16 / 4) · 8 / 4⌉ in each group of four images
    batch = groups.batch()
    _, routing = groups.model(groups.rows_RAP, batch.x_RTD, batch.knobs(groups.routing_knobs, groups.bias_REL))
    assert routing.kept_TE.shape == (1, 128, 4)
    assert routing.kept_TE.unflatten(1, (4, 32)).sum(2).max() <= 16
    assert capacity(128, 4, 1, 1.25) == 40


def test_draws_are_for_every_token() -> None:
    training = Training([SMALL.with_(gate_jitter=0.1, seed=3)], dtype=DOUBLE)
    training.step(2)
    jitter_RTD = training.batch().draws["jitter_RTD"]
    again_TD = 2 * torch.rand(128, 16, generator=stream(3, "router noise", 2), dtype=DOUBLE) - 1
    assert torch.equal(jitter_RTD[0].cpu(), again_TD)  # one number for each of the 16 that the gate sees
    assert Training([GSHARD]).batch().draws["uniform_RT"].shape == (1, 128)
    noisy = SMALL.with_(router="noisy_top_k", top_k=2)
    assert Training([noisy]).batch().draws["noise_RTE"].shape == (1, 128, 4)


def test_a_row_counts_to_the_segment_of_its_image() -> None:
    training = trained(CROWDED, steps=5)
    tokens = training.data.measured_test
    routing = training.model.route(training.rows_RAP, tokens.x_RTD, training.routing_knobs_for(tokens.count))
    segment_RT = tokens.segment_RT.repeat_interleave(8, dim=1)
    assert torch.equal(segments(training), segment_RT)
    assert training.measure().specialization == pytest.approx(specialization(routing, segment_RT, 10).numpy(force=True))
    assert training.snapshot().dropped_share[0] == pytest.approx((~routing.kept_TE.any(-1)).double().mean().item())


def test_one_pass_over_train_and_test_tells_them_apart() -> None:
    training = trained(SMALL, steps=5)  # without seats both sets are measured in one pass
    for name, split in (("train_metric", training.data.measured_train), ("test_metric", training.data.measured_test)):
        y_RMO, routing = training.model(training.rows_RAP, split.x_RTD, training.routing_knobs_for(split.count))
        right = (y_RMO.argmax(-1) == split.target).double().mean().item()
        assert getattr(training.measure(), name) == pytest.approx([right])
    assert training.measure().load_RE[0] == pytest.approx(routing.chosen_TE[0].double().mean(0).numpy(force=True))


def test_cost_by_hand() -> None:
    # own numbers: 8·16 embedding, 8·16 positions, 3·16 gains, 4·16² of attention, 16·10 + 10 of the head: 1498
    # the layer's, for 4 experts of hidden width 6: 4·16 of the gate, and 4·(16·6 + 6 + 6·16 + 16) = 4·214
    model = block(Training([SMALL]))
    assert (model.num_own, model.num_parameters(4)) == (1498, 1498 + 64 + 856)
    assert model.num_active_parameters(4, 1) == 1498 + 64 + 214
    # a row has 16 + 214 = 230 numbers, padded to 240: 1498 take seven of them
    assert (model.layer.row_width, model.num_own_rows) == (240, 7)
    # one token: gate 2·16·4, expert 2·6·32; embedding 2·8·16, attention 2·(4·16² + 2·8·16), its eighth of 2·160
    assert model.flops(4, 1) == 128 + 384 + 256 + 2 * (1024 + 256) + 40


# ---- a live run ------------------------------------------------------------------------------------------------


def test_experts_come_and_go_and_the_block_stays() -> None:
    training = trained(GSHARD.with_(num_shared_experts=1), GSHARD.with_(num_shared_experts=1, seed=1))
    model, own_RAP = block(training), training.rows_RAP[:, 4:]
    for count in (2, 6):
        training.set(num_experts=count)
        assert training.rows_RAP.shape[1] == count + 1 + model.num_own_rows
        assert torch.equal(training.rows_RAP[:, count:], own_RAP)
        training.step(5)
        own_RAP = training.rows_RAP[:, count:]
        snapshot = training.snapshot(["rows", "groups"])
        assert snapshot.load.shape == snapshot.gradient_norm.shape == snapshot.update_share.shape == (2, count)
    assert torch.isfinite(training.rows_RAP).all()


def test_going_back_replays_to_the_bit() -> None:
    training = trained(CROWDED.with_(gate_jitter=0.01), steps=12)
    state = training.state()
    training.step(13)
    rows_RAP, table = training.rows_RAP, training.history
    training.restore(state)
    training.step(13)
    assert torch.equal(training.rows_RAP, rows_RAP) and training.history.equals(table)
    training.reset()
    training.step(25)
    assert torch.equal(training.rows_RAP, rows_RAP)


def test_gate_gradient_is_of_the_gate_alone() -> None:
    training = trained(SMALL)
    gate_w = training.model.parameters(training.gradient_RAP)["gate_w"]
    assert training.snapshot().gate_gradient == pytest.approx([gate_w.norm().item()])


# ---- what is drawn ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_the_rows_of_the_shown_digits(router: str) -> None:
    limits: dict[str, Any] = {"capacity_factor": 0.5} if router in ("switch", "gshard") else {}
    config, _ = SMALL.nearest(router=router, top_k=2, **limits)
    training = trained(config, config.with_(seed=1), steps=5)
    shot = training.snapshot(["rows", "points", "choices", "batch", "first_choice", "journey", "groups"], probe=(5, 3))
    assert not {"point_xy", "point_choice", "batch_xy", "winner", "journey_x"} & set(shot.arrays)  # there is no plane
    shapes = {"pixels": (64,), "target": (), "answer": (), "expert": (8,), "kept": (8,)}
    for name, shape in shapes.items():
        drawn = shot.arrays[f"row_{name}"]
        assert drawn.shape == (2, 24, *shape) and drawn.dtype == np.uint8
    test = training.data.test  # 899 of them: every 39th is shown, or the 40th, since 898 / 23 = 39.04
    index = [round(898 / 23 * number) for number in range(24)]
    y_RMO, routing = training.model(training.rows_RAP, test.x_RTD, training.routing_knobs_for(899))
    assert (shot.row_pixels == (255 * test.x_RTD[:, index]).round().numpy(force=True)).all()
    assert (shot.row_target == test.target[:, index].numpy(force=True)).all()
    assert (shot.row_answer == y_RMO.argmax(-1)[:, index].numpy(force=True)).all()
    kept_RMW, gates_RMWE = (
        each.unflatten(1, (899, 8)).numpy(force=True)[:, index] for each in (routing.kept_TE, routing.gates_TE)
    )
    assert (shot.row_kept == kept_RMW.any(-1)).all()
    assert (shot.row_expert == gates_RMWE.argmax(-1))[kept_RMW.any(-1)].all()
    assert shot.row_weight == pytest.approx(gates_RMWE[:, 5], abs=1e-6)  # of digit 5
    assert bool(limits) == (not kept_RMW.any(-1).all()) or router in ("expert_choice", "soft")


def test_the_probe_is_a_row_inside_the_block() -> None:
    training = trained(SMALL.with_(capacity_factor=0.5))
    model, rows_RAP = block(training), training.rows_RAP
    shot = training.snapshot(probe=(5, 3))
    assert shot.probe == [5, 3]
    seen_RTD = model.tokens(rows_RAP, training.data.test.x_RTD[:, [195]])  # the sixth shown: 5 · 39.04
    part = {name: value[0].numpy(force=True) for name, value in training.parameters.items()}
    logits = part["gate_w"] @ seen_RTD[0, 3].numpy(force=True)
    probs = np.exp(logits) / np.exp(logits).sum()
    assert shot.probe_prob[0] == pytest.approx(probs, abs=1e-6)
    best = probs.argmax()
    assert shot.probe_weight[0] == pytest.approx(np.where(np.arange(4) == best, probs, 0), abs=1e-6)  # nobody queues
    hidden = np.maximum(seen_RTD[0, 3].numpy(force=True) @ part["w_in"][best] + part["b_in"][best], 0)
    y_D = hidden @ part["w_out"][best] + part["b_out"][best]
    assert shot.probe_expert_output[0, best] == pytest.approx(y_D, abs=1e-5)
    assert shot.probe_output[0] == pytest.approx(probs[best] * y_D, abs=1e-5)


@pytest.mark.parametrize(
    ("probe", "found"), [(None, [0, 4]), ((-3.0, 99.0), [0, 7]), ((99.0, -1.0), [23, 0]), ((4.6, 2.2), [5, 2])]
)
def test_a_probe_from_anywhere_is_a_row(probe: tuple[float, float] | None, found: list[float]) -> None:
    assert Training([SMALL]).snapshot(["rows"], probe=probe).probe == found


def test_seeds_decide_the_start() -> None:
    rows_RAP = Training([SMALL.with_(seed=seed) for seed in (0, 1, 0)]).rows_RAP
    assert torch.equal(rows_RAP[0], rows_RAP[2])
    assert not torch.equal(rows_RAP[0, 4:], rows_RAP[1, 4:])
    more_RAP = Training([SMALL.with_(num_experts=6)]).rows_RAP
    assert torch.equal(more_RAP[0, :4], rows_RAP[0, :4]) and torch.equal(more_RAP[0, 6:], rows_RAP[0, 4:])
