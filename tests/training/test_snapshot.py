"""Snapshots and history: names, shapes and numbers, checked against an independent forward pass."""

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from moeviz.config import TASK_INFO, RunConfig
from moeviz.frames import DTYPES, pack
from moeviz.frames import PICTURES as PICTURE_NAMES
from moeviz.frames.pictures import PLANE
from moeviz.training import Training
from moeviz.training.buckets import Buckets
from moeviz.training.divergence import noticed_at
from moeviz.training.history import (
    MOST,
    MOST_DEATHS,
    Record,
    bounded,
    by_id,
    deaths,
    deaths_by_id,
    idle,
    table,
    thin,
)
from tests.marks import turned

HEADER = set(
    "step reason task router kind view extent num_runs num_experts num_outputs ids top_k balance_coef renormalized"
    " balance_loss dead died_at task_loss balance_loss_value train_metric test_metric cv_load specialization"
    " metric_name dispatch device seconds lo hi marks probe batch_dependent".split()
)
MAPS = ("first_choice", "confidence", "prediction", "gate", "expert_output", "choices", "points", "history")
SMALL: dict[str, Any] = {"batch_size": 64, "hidden_width": 4}


def trained(steps: int = 30, runs: int = 2, **knobs: Any) -> Training:
    training = Training([RunConfig(seed=seed, **(SMALL | knobs)) for seed in range(runs)])
    training.step(steps)
    return training


def forward(training: Training, run: int, x_TD: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gate probabilities, weights, every expert's answer and the layer's, in numpy and float64: no code of ours."""
    part = {name: value[run].double().numpy(force=True) for name, value in training.parameters.items()}
    config = training.configs[run]
    logits_TE = x_TD @ part["gate_w"].T + part.get("gate_b", 0.0)
    probs_TE = np.exp(logits_TE - logits_TE.max(-1, keepdims=True))
    probs_TE /= probs_TE.sum(-1, keepdims=True)
    cut_T1 = np.sort(probs_TE, -1)[:, [-config.top_k]]
    weights_TE = np.where(probs_TE >= cut_T1, probs_TE, 0.0)
    if config.top_k > 1:
        weights_TE /= weights_TE.sum(-1, keepdims=True)
    hidden_ETH = np.maximum(x_TD @ part["w_in"] + part["b_in"][:, None], 0)
    y_ETO = hidden_ETH @ part["w_out"] + part["b_out"][:, None]
    return probs_TE, weights_TE, y_ETO, np.einsum("te,eto->to", weights_TE, y_ETO)


def cells(extent: float, side: int) -> np.ndarray:
    """Cell centers, row by row from the top left: x from left to right, y from top to bottom."""
    center = [extent * ((2 * index + 1) / side - 1) for index in range(side)]
    return np.array([[x, y] for y in reversed(center) for x in center])


# ---- the header ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASK_INFO)
def test_every_task_fills_the_header_and_the_frame(task: str) -> None:
    training = trained(10, task=task, batch_size=64 if TASK_INFO[task].tokens_per_input < 64 else 8)
    view = TASK_INFO[task].view
    snapshot = training.snapshot(want=PICTURE_NAMES)
    # a picture that would make no sense is left out
    of_views = {
        "winner": "map", "curve_x": "curve", "row_pixels": "rows", "text_char": "text", "gallery_pixels": "pictures",
        "pair_expert": "pairs",
    }  # fmt: skip
    assert {name: name in snapshot.arrays for name in of_views} == {name: view == of for name, of in of_views.items()}
    assert ("point_xy" in snapshot.arrays) == ("journey_x" in snapshot.arrays) == (view in PLANE)
    assert set(snapshot.header) >= HEADER
    json.dumps(snapshot.header, allow_nan=False)
    assert (snapshot.view, snapshot.kind, snapshot.num_runs, snapshot.num_experts) == (view, TASK_INFO[task].kind, 2, 8)
    assert all(value.dtype in DTYPES.values() for value in snapshot.arrays.values())
    assert len(pack(snapshot.header, snapshot.arrays)) > sum(value.nbytes for value in snapshot.arrays.values())


def test_the_header_tells_knobs_and_measures_of_each_run() -> None:
    configs = [RunConfig(**SMALL), RunConfig(top_k=1, balance_coef=2.0, **SMALL)]  # type: ignore[arg-type]
    training = Training(configs)
    training.step(12)
    training.set(noise=0.1)
    header, record = training.snapshot().header, training.measure()
    assert (header["step"], header["top_k"], header["balance_coef"]) == (12, [2, 1], [0.0, 2.0])
    assert (header["renormalized"], header["marks"]) == ([True, False], [turned(12, "Data noise", 0.0, 0.1, [0, 1])])
    assert header["ids"] == [list(range(8))] * 2
    for name in ("task_loss", "train_metric", "test_metric", "cv_load", "specialization"):
        assert header[name] == pytest.approx(getattr(record, name).tolist())
    assert header["balance_loss_value"] == pytest.approx(record.balance_loss.tolist())
    assert (header["batch_dependent"], header["reason"], header["metric_name"]) == (False, None, "accuracy")
    training.set(capacity_factor=1.0)
    assert training.snapshot().batch_dependent


def test_a_snapshot_names_what_it_does_not_hold() -> None:
    training = trained(0)
    with pytest.raises(AttributeError, match=r"not winner; ask for it in `want`"):
        _ = training.snapshot().winner
    with pytest.raises(ValueError, match=r"a picture must be one of first_choice, .*: got map"):
        training.snapshot(want=("map",))


# ---- pictures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "num_experts"), [("clusters", 8), ("moons", 11)])  # without and with a gate bias
def test_maps_show_an_independent_forward_pass(task: str, num_experts: int) -> None:
    training = trained(task=task, num_experts=num_experts)
    shot = training.snapshot(want=MAPS)
    shapes = {
        "winner": (64, 64),
        "chosen": (64, 64, -(-num_experts // 8)),
        "confidence": (64, 64),
        "prediction": (64, 64),
    }
    shapes |= {"gate": (num_experts, 32, 32), "expert_output": (num_experts, 32, 32)}
    for name, shape in shapes.items():
        assert (getattr(shot, name).shape, getattr(shot, name).dtype) == ((2, *shape), np.uint8), name
    for run in range(2):
        probs_TE, weights_TE, _, y_TO = forward(training, run, cells(shot.extent, 64))
        two_TE = np.sort(probs_TE, -1)
        clear = ((two_TE[:, -1] - two_TE[:, -2]) > 1e-5) & ((two_TE[:, -2] - two_TE[:, -3]) > 1e-5)
        assert clear.mean() > 0.99  # elsewhere rounding may decide
        assert (shot.winner[run].ravel() == probs_TE.argmax(-1))[clear].all()
        bits = np.unpackbits(shot.chosen[run], axis=-1, bitorder="little").reshape(4096, -1)
        assert (bits[:, :num_experts] == (weights_TE > 0))[clear].all()
        assert not bits[:, num_experts:].any()
        assert abs(shot.confidence[run].ravel() - 255 * probs_TE.max(-1)).max() <= 0.51
        sure = abs(y_TO[:, 0] - y_TO[:, 1]) > 1e-4
        assert (shot.prediction[run].ravel() == y_TO.argmax(-1))[clear & sure].all()
        probs_TE, _, y_ETO, _ = forward(training, run, cells(shot.extent, 32))
        assert abs(shot.gate[run].reshape(num_experts, -1) - 255 * probs_TE.T).max() <= 0.51
        sure_ET = abs(y_ETO[..., 0] - y_ETO[..., 1]) > 1e-4
        assert (shot.expert_output[run].reshape(num_experts, -1) == y_ETO.argmax(-1))[sure_ET].all()


def test_regression_maps_are_shaded_from_lo_to_hi() -> None:
    training = trained(task="bumps")
    shot = training.snapshot(want=("prediction", "expert_output"))
    target = training.data.train.target.numpy(force=True)
    assert (shot.lo, shot.hi) == pytest.approx((target.min(), target.max()))
    _, weights_TE, _, y_TO = forward(training, 1, cells(shot.extent, 64))
    shade = 255 * ((y_TO[:, 0] - shot.lo) / (shot.hi - shot.lo)).clip(0, 1)
    one_choice = (weights_TE > 0).sum(-1) == 2
    assert abs(shot.prediction[1].ravel() - shade)[one_choice].max() <= 0.51


def test_points_are_tokens_and_choices_the_routers() -> None:
    training = trained(capacity_factor=0.5)
    shot = training.snapshot(want=("points", "choices"))
    tokens = [training.data.train.first(250), training.data.test.first(250)]
    assert shot.point_xy.dtype == np.float32
    assert np.array_equal(shot.point_xy, torch.cat([each.x_RTD for each in tokens], 1).numpy(force=True))
    assert np.array_equal(shot.point_target, torch.cat([each.target for each in tokens], 1).numpy(force=True))
    assert np.array_equal(shot.point_segment, torch.cat([each.segment_RT for each in tokens], 1).numpy(force=True))
    assert shot.point_train.tolist() == [[1] * 250 + [0] * 250] * 2
    probs_TE, _, _, _ = forward(training, 0, shot.point_xy[0].astype("f8"))
    # seats: .5 * 2 * 500 / 8 rounds up to 63 per expert; all first choices are seated before any second one
    order_TE, taken, server_T = np.argsort(-probs_TE, axis=-1, kind="stable"), [0] * 8, [-1] * 500
    for choice in range(2):
        for token in range(500):
            expert = order_TE[token, choice]
            taken[expert] += 1
            if taken[expert] <= 63 and server_T[token] == -1:  # its first choice weighs more, if that was kept
                server_T[token] = expert
    kept_T = np.array(server_T) >= 0
    assert np.array_equal(shot.point_kept[0], kept_T)
    assert 0 < kept_T.sum() < 500
    assert np.array_equal(shot.point_choice[0], np.where(kept_T, server_T, order_TE[:, 0]))


def test_digits_lie_on_their_own_plane() -> None:
    training = trained(task="digits", learning_rate=0.003)
    shot = training.snapshot(want=("points",), probe=(0.3, -0.2))
    for run, task in enumerate(training.data.tasks):
        assert task.mean_D is not None
        assert task.project_D2 is not None
        expected = (task.train.x_TD[:250] - task.mean_D) @ task.project_D2
        assert np.allclose(shot.point_xy[run, :250], expected.numpy(force=True), atol=1e-4)
        assert abs(shot.point_xy[run]).max() <= shot.extent
    test_xy = shot.point_xy[0, 250:]  # the probe snaps to the nearest test token that is drawn
    nearest = int(((test_xy - (0.3, -0.2)) ** 2).sum(-1).argmin())
    assert shot.probe == pytest.approx(test_xy[nearest].tolist())
    probs_TE, _, _, _ = forward(training, 0, training.data.test.x_RTD[0, [nearest]].double().numpy(force=True))
    assert shot.probe_prob[0] == pytest.approx(probs_TE[0], abs=1e-5)


def test_a_line_is_drawn_as_curves() -> None:
    training = trained(60, task="piecewise", learning_rate=0.03)
    shot = training.snapshot(want=("curve",), probe=(0.5, 99.0))
    shapes = {"curve_x": (200,), "curve_target": (200,), "curve_prediction": (2, 200)}
    shapes |= {"curve_expert": (2, 8, 200), "curve_gate": (2, 8, 200)}
    for name, shape in shapes.items():
        assert (getattr(shot, name).shape, getattr(shot, name).dtype) == (shape, np.float32), name
    assert (shot.curve_winner.shape, shot.curve_winner.dtype) == ((2, 200), np.uint8)
    x = shot.curve_x
    assert x == pytest.approx(np.linspace(-2, 2, 200), abs=1e-6)
    assert abs(shot.curve_target - (2 * abs(abs(x) - 1) - 1)).max() < 0.1  # read off 500 tokens .008 apart
    probs_TE, _, y_ETO, y_TO = forward(training, 1, x.astype("f8")[:, None])
    assert abs(shot.curve_gate[1] - probs_TE.T).max() < 1e-5
    assert abs(shot.curve_expert[1] - y_ETO[..., 0]).max() < 1e-4
    assert (abs(shot.curve_prediction[1] - y_TO[:, 0]) < 1e-4).mean() > 0.99
    assert (shot.curve_winner[1] == probs_TE.argmax(-1)).mean() > 0.99
    assert shot.probe == [0.5, 2.0]  # kept inside the picture


def seated(order_TE: np.ndarray, top_k: int, seats: int) -> np.ndarray:
    """Which choices of a batch are kept: all first choices queue before any second one, each in the tokens' order."""
    kept_TE, taken = np.zeros(order_TE.shape, dtype=bool), [0] * order_TE.shape[1]
    for choice in range(top_k):
        for token, expert in enumerate(order_TE[:, choice]):
            kept_TE[token, expert] = taken[expert] < seats
            taken[expert] += 1
    return kept_TE


# seats: .5 * 2 * 256 / 8 = 32, and .5 * 2 * 64 / 8 = 8 for each expert
@pytest.mark.parametrize(("batch_size", "traveling", "seats"), [(256, 128, 32), (64, 64, 8)])
def test_traveling_tokens_are_those_of_the_next_step(batch_size: int, traveling: int, seats: int) -> None:
    training = trained(batch_size=batch_size, capacity_factor=0.5)
    shot = training.snapshot(want=("batch",))
    x_RTD, _ = training.data.batch(training.current_step)
    assert np.array_equal(shot.batch_xy, x_RTD[:, :traveling].numpy(force=True))
    for run in range(2):
        probs_TE, _, _, _ = forward(training, run, x_RTD[run].double().numpy(force=True))
        order_TE = np.argsort(-probs_TE, axis=-1, kind="stable")
        chosen_TE = np.zeros(probs_TE.shape, dtype=bool)
        np.put_along_axis(chosen_TE, order_TE[:, :2], True, axis=-1)
        assert np.array_equal(shot.batch_chosen[run], chosen_TE[:traveling])
        assert np.array_equal(shot.batch_kept[run], seated(order_TE, 2, seats)[:traveling])
        assert 0 < shot.batch_kept[run].sum() < shot.batch_chosen[run].sum() == 2 * traveling
    asked: list[int] = []
    deal = training.data.batch
    training.data.batch = lambda step: asked.append(step) or deal(step)  # type: ignore[method-assign, func-returns-value]
    training.step(1)
    assert asked == [shot.step]


def test_experts_and_true_groups_are_counted_and_chance_is_subtractable() -> None:
    training = trained(200, batch_size=256, balance_coef=1.0)
    shot, tokens = training.snapshot(want=("groups",)), training.data.measured_test
    again = training.snapshot(want=("groups",))
    assert shot.group_share.shape == (2, 8, int(tokens.segment_RT.max()) + 1)
    assert shot.group_share.sum(1) == pytest.approx(np.ones((2, shot.group_share.shape[2])))
    shuffle = np.random.default_rng(0).permutation
    for run in range(2):
        assert np.array_equal(shot.group_share[run], again.group_share[run])
        assert shot.group_baseline[run] == again.group_baseline[run]
        probs_TE, _, _, _ = forward(training, run, tokens.x_RTD[run].double().numpy(force=True))
        first_T, segment_T = probs_TE.argmax(-1), tokens.segment_RT[run].numpy(force=True)
        for group, column_E in enumerate(shot.group_share[run].T):
            counts = [0] * 8
            for expert in first_T[segment_T == group]:
                counts[expert] += 1
            assert column_E == pytest.approx(np.array(counts) / sum(counts), abs=1e-6)
        match = normalized_mutual_info_score(segment_T, first_T)
        assert shot.specialization[run] == pytest.approx(match, abs=1e-5)
        chance = np.mean([normalized_mutual_info_score(shuffle(segment_T), first_T) for _ in range(100)])
        assert shot.group_baseline[run] == pytest.approx(chance, abs=0.01)
        assert shot.group_baseline[run] < 0.05 < 0.3 < match  # chance: about (8−1)(S−1) / 2T nats shared, of some 2


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_the_probes_numbers_add_up(top_k: int) -> None:
    training = trained(top_k=top_k)
    shot = training.snapshot(probe=(0.4, -0.7))
    probs_TE, weights_TE, y_ETO, y_TO = forward(training, 0, np.array([[0.4, -0.7]]))
    assert shot.probe == pytest.approx([0.4, -0.7])
    assert shot.probe_prob[0] == pytest.approx(probs_TE[0], abs=1e-5)
    assert shot.probe_weight[0] == pytest.approx(weights_TE[0], abs=1e-5)
    assert shot.probe_expert_output[0] == pytest.approx(y_ETO[:, 0], abs=1e-4)
    assert shot.probe_output[0] == pytest.approx(y_TO[0], abs=1e-4)
    assert shot.probe_chosen.sum(-1).tolist() == [top_k, top_k]
    added_RO = np.einsum("re,reo->ro", shot.probe_weight, shot.probe_expert_output)
    assert added_RO == pytest.approx(shot.probe_output, abs=1e-5)
    assert ((shot.probe_weight > 0) == (shot.probe_chosen == 1)).all()


def test_what_is_measured_is_measured_on_its_own_set() -> None:
    # with few seats the tokens of a batch compete: a test token must not queue behind the train tokens
    for knobs in ({}, {"top_k": 1, "capacity_factor": 0.8}):
        training = trained(40, **knobs)  # type: ignore[arg-type]
        for name in ("train", "test"):
            split = getattr(training.data, name).first(1024)
            y_RTO, _ = training.model(training.rows_RAP, split.x_RTD, training.routing_knobs_for(split.x_RTD.shape[1]))
            expected = training.metric(y_RTO, split.target).numpy(force=True)
            assert getattr(training.measure(), f"{name}_metric") == pytest.approx(expected, abs=1e-6), (knobs, name)


def test_a_task_of_one_group_has_no_match() -> None:
    training = trained(10, task="plane")
    shot = training.snapshot(("groups", "history"))
    assert shot.header["specialization"] == [None, None] and np.isnan(shot.group_baseline).all()
    assert np.isnan(shot.history_specialization).all() and training.history["specialization"].isna().all()
    assert training.history.to_csv(index=False).splitlines()[1].endswith(",")  # empty, as CSV says it
    assert shot.group_share.sum(1) == pytest.approx(np.ones((2, 1)))


# ---- history ---------------------------------------------------------------------------------------------------


def record(step: int, load_E: list[float], ids_E: list[int], records: list[Record]) -> Record:
    """One run's record after these; only loads matter here."""
    load_RE, ids_RE = np.array([load_E]), np.array([ids_E])
    since_RE, dead_RE = idle(records, step, load_RE, ids_RE)
    known: dict[str, Any] = {
        "step": step,
        "load_RE": load_RE,
        "ids_RE": ids_RE,
        "idle_since_RE": since_RE,
        "dead_RE": dead_RE,
        "deaths": deaths(records, since_RE, dead_RE, ids_RE),
    }
    unknown = {each.name: np.zeros(1) for each in fields(Record)} | {"dispatch": "dense", "trains": np.ones(1)}
    return Record(**(unknown | known))


def test_idle_and_dead_by_hand() -> None:
    # A always works. B never does: dead from the start. C stops after step 0: its third idle record is step 30.
    # D works once, at 20, and is idle again from 30 on: not yet dead at 40.
    loads = [[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0]]
    records: list[Record] = []
    for step, load_E in zip(range(0, 50, 10), loads, strict=True):
        records.append(record(step, [float(each) for each in load_E], [0, 1, 2, 3], records))
    assert [each.idle_since_RE[0].tolist() for each in records] == [
        [-1, 0, -1, 0], [-1, 0, 10, 0], [-1, 0, 10, -1], [-1, 0, 10, 30], [-1, 0, 10, 30],
    ]  # fmt: skip
    assert [each.dead_RE[0].tolist() for each in records] == [
        [False, True, False, True],
        [False, True, False, True],
        [False, True, False, False],
        [False, True, True, False],
        [False, True, True, False],
    ]
    assert [each.dead_experts.tolist() for each in records] == [[2], [2], [1], [2], [2]]
    # then B leaves and a newcomer E arrives idle: C keeps its date under its id, E has its own
    records.append(record(50, [1.0, 0.0, 0.0, 0.0], [0, 2, 3, 4], records))
    assert records[-1].idle_since_RE[0].tolist() == [-1, 10, 30, 50]
    assert records[-1].dead_RE[0].tolist() == [False, True, True, False]  # D: 30, 40 and 50 are three


def test_every_death_is_remembered_by_hand() -> None:
    # A always works. B is idle at 0 and 10 only: a start, no death. C dies at 10, comes back at 40, and dies again at
    # 50. D is dead from the start until 40, when it comes back.
    B, C, D = [0, 0, 1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1]
    records: list[Record] = []
    for index, loads in enumerate(zip(B, C, D, strict=True)):
        records.append(record(10 * index, [1.0, *map(float, loads)], [0, 1, 2, 3], records))
    by_letter = [{"ABCD"[place]: steps for (_, place), steps in each.deaths.items()} for each in records]
    at_first, d, c = {"B": (0,), "D": (0,)}, {"D": (0,)}, {"D": (0,), "C": (10,)}
    assert by_letter == [at_first, at_first, d, c, c, c, c, c | {"C": (10, 50)}, c | {"C": (10, 50)}]
    records.append(record(90, [1.0], [0], records))  # all others leave: their deaths stay
    steps = deaths_by_id(records[-1], 4)
    assert steps.shape == (1, 4, MOST_DEATHS)
    assert [own[np.isfinite(own)].tolist() for own in steps[0]] == [[], [], [10, 50], [0]]


def test_of_an_expert_that_dies_again_and_again_the_newest_deaths_are_remembered() -> None:
    records: list[Record] = []
    for step in range(44):  # it works at 0, 4, 8, … and dies at 1, 5, 9, …
        records.append(record(step, [1.0, float(step % 4 == 0)], [0, 1], records))
    assert records[-1].deaths == {(0, 1): tuple(range(13, 45, 4))} and len(range(13, 45, 4)) == MOST_DEATHS


def test_a_death_stays_in_the_history_picture_when_the_expert_comes_back() -> None:
    training = trained(300, runs=1, batch_size=256, hidden_width=8)
    before = {(place, since) for place, since in enumerate(training.snapshot().died_at[0]) if since is not None}
    training.set(balance_coef=10.0)
    training.step(100)
    shot = training.snapshot(want=("history",))
    assert before and not any(shot.dead[0])
    found = {(place, step) for place, own in enumerate(shot.deaths[0]) for step in own if np.isfinite(step)}
    assert before <= found


def test_the_header_dates_every_death() -> None:
    training = trained(300, runs=3, batch_size=256, hidden_width=8)
    header, records = training.snapshot().header, training.records
    assert sum(map(sum, header["dead"])) > 0  # the default run's idle experts
    for run, (dead_E, since_E) in enumerate(zip(header["dead"], header["died_at"], strict=True)):
        for place, (dead, since) in enumerate(zip(dead_E, since_E, strict=True)):
            assert (since is not None) == dead
            loads = {each.step: each.load_RE[run, place] for each in records}
            assert dead == (max(loads[step] for step in (280, 290, 300)) == 0)
            if dead:
                assert max(load for step, load in loads.items() if step >= since) == 0
                assert since == 0 or loads[since - 10] > 0


def test_loads_by_id_leave_gaps() -> None:
    first = record(0, [0.75, 0.25], [0, 1], [])
    second = record(10, [0.5, 0.5], [0, 3], [first])
    load_RZS = by_id([first, second])
    assert load_RZS.shape == (1, 4, 2)
    expected = [[0.75, 0.5], [0.25, np.nan], [np.nan, np.nan], [np.nan, 0.5]]
    assert np.array_equal(load_RZS[0], expected, equal_nan=True)


def test_thin_keeps_first_and_last() -> None:
    records = [record(step, [1.0], [0], []) for step in range(1000)]
    steps = [each.step for each in thin(records, 240)]
    assert (len(steps), len(set(steps)), steps[0], steps[-1]) == (240, 240, 0, 999)
    assert max(np.diff(steps)) <= 5  # 999/239 is 4.2
    assert thin(records[:240], 240) == records[:240]


def test_a_history_is_bounded_and_spans_the_whole_run() -> None:
    found: list[Record] = []
    for step in range(0, 50_000, 10):
        stopped = replace(record(step, [1.0], [0], []), trains=np.array([float(step < 1990)]))
        found = bounded([*found, stopped], every=10)
        assert len(found) <= MOST == 1024 and found[0].step == 0
    steps = [each.step for each in found]
    assert steps[-128:] == list(range(48_720, 50_000, 10))
    assert max(np.diff(steps)) == 160  # 10 · 2^4: 50,000 / 80 is more than half of 1,024, 50,000 / 160 is less
    assert noticed_at(found, 0) == 1990  # no multiple of 160
    shown = np.diff([each.step for each in thin(found)])
    assert len(shown) > 200 and max(shown) <= 320  # as evenly as it was kept, though the newest stand closer


def test_history_picture_and_table_show_the_records() -> None:
    training = trained(25)
    frame, shot = training.history, training.snapshot(want=("history",))
    names = "task_loss balance_loss train_metric test_metric cv_load dead_experts specialization".split()
    assert frame.columns.tolist() == ["run", "step", *names]
    assert frame[["run", "step"]].values.tolist() == [[0, 0], [1, 0], [0, 10], [1, 10], [0, 20], [1, 20]]
    assert frame.attrs == {"dispatch": training.dispatch, "device": str(training.device)}
    assert frame.equals(table(training.records))
    assert shot.history_step.tolist() == [0, 10, 20, 25]  # the newest measurement included
    for name in names:
        drawn_RS = getattr(shot, f"history_{name}")
        assert drawn_RS.shape == (2, 4)
        assert drawn_RS[:, :3].T.ravel() == pytest.approx(frame[name].to_numpy(), rel=1e-6)
    assert shot.history_load.shape == (2, 8, 4)
    assert shot.history_load[..., -1] == pytest.approx(shot.load)


@pytest.mark.parametrize(
    ("task", "name", "fits"),
    [("languages", "own_text", "a"), ("pairs", "found", "cat"), ("pictures", "drawn", (0.5,) * 256)],
)
def test_what_a_visitor_gives_is_drawn_where_it_fits_and_nothing_else_is(task: str, name: str, fits: Any) -> None:
    training = trained(0, task=task, batch_size=8)
    without = training.snapshot((name,)).arrays.keys()
    assert training.snapshot((name,), None, fits).arrays.keys() > without
    for other in ("", (), (0.5,) * 3, (0.5,) * 256 if isinstance(fits, str) else "cat"):
        assert training.snapshot((name,), None, other).arrays.keys() == without


def test_a_frame_says_of_which_step_its_numbers_are():
    training = trained(7)
    found = training.snapshot(fresh=False)
    assert (found.step, found.measured_step) == (7, 0)  # the last record
    assert np.array_equal(found.load, trained(0).snapshot().load)
    assert training.snapshot().measured_step == 7


@pytest.mark.parametrize("picture", ["groups", "skill"])
def test_what_stands_beside_measured_numbers_is_of_their_step(picture):
    """A share of each group by first choice, and the load beside it: both of step 7."""
    training = trained(7)
    found = training.snapshot(want=(picture,), fresh=False)
    assert (found.step, found.measured_step) == (7, 7)
    assert np.array_equal(found.load, trained(7).snapshot().load)


def test_runs_of_several_shapes_are_measured_at_one_step():
    runs = Buckets([RunConfig(**SMALL), RunConfig(num_experts=4, **SMALL)])
    runs.step(7)
    runs.parts[0].measure()
    assert runs.snapshot(fresh=False).measured_step == 7
    assert [part.measured_step for part in runs.parts] == [7, 7]  # not one at 7 and one at 0


@pytest.mark.parametrize("router", [{"router": "hash"}, {"router": "deepseek_v3", "bias_rate": 0.05}, {"top_k": 3}])
def test_the_first_choice_at_the_probe_is_that_of_the_map_there(router):
    """Not always the expert with the largest probability: a table has none, and a bias can outweigh it."""
    training, different = trained(40, **router), 0
    extent = training.snapshot().extent
    winner = training.snapshot(want=("first_choice",)).winner
    side = winner.shape[-1]
    for row, column in [(4, 9), (20, 40), (33, 12), (50, 50), (60, 3), (31, 31), (40, 22), (12, 58)]:
        x, y = (2 * (column + 0.5) / side - 1) * extent, (1 - 2 * (row + 0.5) / side) * extent
        shot = training.snapshot(probe=(x, y))
        assert shot.probe_first[:, 0].tolist() == winner[:, row, column].tolist()
        different += (shot.probe_prob.argmax(-1) != shot.probe_first[:, 0]).any()
    assert bool(different) == ("router" in router)
