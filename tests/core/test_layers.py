"""Models of several layers: every layer is counted, balanced and told by itself, and none hides what another does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from moeviz.cli import main
from moeviz.config import TASK_INFO, RunConfig
from moeviz.experiments.sweep import sweep
from moeviz.losses import LOSSES
from moeviz.routers import ROUTERS, Routing, bias_step, deepseek_v3
from moeviz.routers.decide import mean_over_parts
from moeviz.tensors.axes import PerRun
from moeviz.training import Training, history

SMALL = RunConfig(
    task="languages", num_experts=4, top_k=1, batch_size=8, hidden_width=4, learning_rate=0.01, router="deepseek_v3",
    bias_rate=0.0, seed=1,
)  # fmt: skip
OPPOSITE_REL = torch.tensor([[[9.0, -9.0], [-9.0, 9.0]]], dtype=torch.float64)  # A above B in layer 1, B in layer 2


def opposed(**knobs: Any) -> Training:
    """Two experts, of which the first layer sends everything to A, and the second everything to B."""
    run = Training([SMALL.with_(num_experts=2, **knobs)])
    run.bias_REL = OPPOSITE_REL.clone()
    run.set(learning_rate=0.02)  # what was measured before is forgotten
    return run


def two_layers(first: list[list[float]], second: list[list[float]]) -> Routing:
    """One run's routing of a few tokens by top-1, layer by layer."""
    layers = [ROUTERS["top_k"](torch.tensor([logits]).double(), k=1) for logits in (first, second)]
    return Routing.stacked(layers)


# ---- measures --------------------------------------------------------------------------------------------------------


def test_opposite_layers_do_not_cancel() -> None:
    # Both layers together would be even: load ½ and ½, CV 0, nobody idle. Each is collapsed: CV = √(2/1 − 1) = 1.
    run = opposed()
    run.step(10)
    record, shot = run.measure(), run.snapshot(["history", "groups", "trails"])
    assert record.load_RE.tolist() == [[[1, 0], [0, 1]]] == shot.load.tolist()
    assert record.mean_load_RE.tolist() == [[0.5, 0.5]]
    assert record.cv_load.tolist() == [[1, 1]] == shot.cv_load
    assert shot.max_violation == [[1, 1]] and shot.load_entropy == [[0, 0]]  # busiest ÷ fair share − 1 = 2 − 1
    assert shot.update_share.tolist() == [[[1, 0], [0, 1]]]  # who was asked in each of the ten steps
    assert (shot.gradient_norm[0].diagonal() > 0).all()
    assert shot.importance[0, 0, 1] == shot.importance[0, 1, 0] == 0
    assert shot.history_load[0, :, :, -1].tolist() == [[1, 0], [0, 1]]
    assert shot.history_cv_load_2[0, -1] == 1 and "history_cv_load" not in shot.arrays
    assert shot.group_share[0, 0, 0].tolist() == [1] * 6 == shot.group_share[0, 1, 1].tolist()
    assert shot.group_baseline.tolist() == [[0, 0]] == shot.specialization  # one expert tells nothing


def test_who_is_dead_is_said_of_each_layer() -> None:
    run = opposed()
    run.step(40)  # the records of steps 20, 30 and 40 make three on end
    shot = run.snapshot(["history"])
    assert shot.dead == [[[False, True], [True, False]]]
    assert run.measure().dead_experts.tolist() == [[1, 1]]
    assert shot.died_at[0][0][0] is None and shot.died_at[0][0][1] is not None
    assert np.isfinite(shot.deaths[0, 0, 1, 0]) and np.isfinite(shot.deaths[0, 1, 0, 0])
    assert [key[1:] for key in run.measure().deaths] == [(0, 1), (1, 0)]
    ghost = run.ghost("twin").arrays(run, curves=True)
    assert ghost["ghost_load"].tolist() == [[[1, 0], [0, 1]]] and ghost["ghost_dead_experts_2"][0, -1] == 1


def test_each_layer_is_counted_by_plain_loops() -> None:
    run = Training([SMALL.with_(router="top_k", bias_rate=0.001, num_experts=16)])
    run.step(30)
    test = run.data.measured_test
    with torch.inference_mode():
        _, routing = run.model(run.rows_RAP, test.x_RTD, run.routing_knobs_for(test.count))
    record, table, shot = run.measure(), run.history.iloc[-1], run.snapshot(["history", "trails"])
    assert shot.deaths.shape == (1, 2, 16, history.MOST_DEATHS) and shot.history_importance.shape[:3] == (1, 2, 16)
    for layer in range(2):
        counts, rows = [0] * 16, routing.chosen_TE[0, layer].tolist()
        for row in rows:
            counts[row.index(True)] += 1
        mean = len(rows) / 16
        spread = (sum((count - mean) ** 2 for count in counts) / 16) ** 0.5 / mean
        assert record.load_RE[0, layer] == pytest.approx([count / len(rows) for count in counts])
        assert record.cv_load[0, layer] == pytest.approx(spread) == table[f"cv_load_{layer + 1}"]
        assert (record.idle_since_RE[0, layer] >= 0).tolist() == [count == 0 for count in counts]
    assert record.cv_load[0, 0] != record.cv_load[0, 1]


def test_seats_are_told_of_each_layer() -> None:
    run = Training([SMALL.with_(router="top_k", capacity_factor=0.5, bias_rate=0.001)])
    test = run.data.measured_test
    with torch.inference_mode():
        _, routing = run.model(run.rows_RAP, test.x_RTD, run.routing_knobs_for(test.count))
    lost = (~routing.kept_TE.any(-1)).double().mean(-1)  # at k = 1 a dropped choice is an unserved token
    shot = run.snapshot()
    assert shot.dropped_share[0] == pytest.approx(lost[0].tolist()) == shot.unserved_share[0]
    assert shot.random_drop == pytest.approx([0.5], abs=0.01)  # one number: half as many seats as choices


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("z", "entropy")])
@pytest.mark.parametrize("k", [1, torch.tensor([1])])
def test_balance_losses_do_not_cancel(name: str, k: PerRun) -> None:
    # The layers collapse on A and on B. Joined they would be as even as it gets.
    routing = two_layers([[50.0, 0.0]] * 4, [[0.0, 50.0]] * 4)
    collapsed = {"squared": 0.5, "switch": 2.0, "gshard": 2.0, "importance": 1.0, "load": 1.0, "importance_load": 2.0}
    assert mean_over_parts(LOSSES[name], routing, k).tolist() == pytest.approx([collapsed[name]])


def test_the_balance_loss_of_two_layers_is_the_mean_of_theirs() -> None:
    layers = [torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(seed)).double() for seed in range(2)]
    both = Routing.stacked([ROUTERS["top_k"](logits_RTE, k=2) for logits_RTE in layers])
    for name, loss in LOSSES.items():
        alone = [float(loss(ROUTERS["top_k"](logits_RTE, k=2), k=2)) for logits_RTE in layers]
        assert float(mean_over_parts(loss, both, 2)) == pytest.approx(sum(alone) / 2), name
        grouped = [float(loss(ROUTERS["top_k"](part, k=2), k=2)) for each in layers for part in each.split(3, dim=1)]
        assert float(mean_over_parts(loss, both, 2, groups=2)) == pytest.approx(sum(grouped) / 4), name


def test_a_run_has_settled_only_when_all_its_layers_have() -> None:
    run = opposed()
    calm = replace(run.measure(), step=0)
    records = [replace(calm, step=10 * at) for at in range(2 * history.CALM)]
    assert history.settled(records, 0)
    shifted = np.array([[1.0, 0.5]])  # the second layer alone has become more even
    moved = [replace(each, cv_load=shifted) if at >= history.CALM else each for at, each in enumerate(records)]
    assert not history.settled(moved, 0)


# ---- what is written -------------------------------------------------------------------------------------------------


def train(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[dict[str, Any], str]:
    assert main(["train", "--json", "-", "--batch-size", "8", "--hidden-width", "2", *flags]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_json_and_progress_say_what_each_layer_does(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--task", "languages", "--num-experts", "12", "--top-k", "1", "--steps", "40", "--learning-rate", "0.03")
    found, said = train(capsys, *flags)
    load = np.array(found["load"])
    assert load.shape == (2, 12) and load.sum(-1) == pytest.approx(1)
    assert found["cv_load"] == pytest.approx((load.std(-1) / load.mean(-1)).tolist())
    assert (np.array(found["dead_experts"]) <= (load == 0).sum(-1)).all()
    last = found["history"][-1]
    for name in ("cv_load", "dead_experts", "specialization"):
        assert [last[f"{name}_1"], last[f"{name}_2"]] == pytest.approx(found[name]) and name not in last
    first, second = found["cv_load"]
    assert f"CV(load) {first:.3f} | {second:.3f}" in said
    assert "dead experts {} | {}".format(*found["dead_experts"]) in said


def test_models_of_one_layer_are_told_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    found, said = train(capsys, "--steps", "10")
    assert isinstance(found["cv_load"], float) and isinstance(found["dead_experts"], int)
    assert len(found["load"]) == 8 and {"cv_load", "dead_experts", "specialization"} <= set(found["history"][-1])
    assert f"CV(load) {found['cv_load']:.3f}" in said and "|" not in said


def test_a_sweep_has_a_column_for_each_layer() -> None:
    table = sweep(SMALL, {"task": ["languages", "clusters"]}, seeds=1, steps=2)
    text, points = table.iloc[0], table.iloc[1]
    assert np.isfinite(text[["cv_load_1", "cv_load_2", "dead_experts_2", "specialization_1"]].astype(float)).all()
    assert np.isnan(text["cv_load"]) and np.isfinite(points["cv_load"]) and np.isnan(points["cv_load_1"])


def test_tasks_say_how_many_layers_their_model_has() -> None:
    for task, info in TASK_INFO.items():
        run = Training([RunConfig(task=task, batch_size=8, num_experts=2)])
        assert run.model.num_layers == info.layers and run.measure().load_RE.ndim == (3 if info.layers > 1 else 2)


# ---- DeepSeek's bias -------------------------------------------------------------------------------------------------


def test_opposite_imbalances_move_opposite_biases() -> None:
    # Layer 1 has sent all to A, layer 2 all to B. As one they would be even, and the bias would stay at 0.
    routing = two_layers([[5.0, 0.0]] * 4, [[0.0, 5.0]] * 4)
    assert bias_step(torch.zeros(1, 2, 2), routing, rate=0.1).tolist() == [[[-0.1, 0.1], [0.1, -0.1]]]
    run = opposed(bias_rate=0.5)
    run.step()
    assert (run.bias_REL - OPPOSITE_REL).tolist() == [[[-0.5, 0.5], [0.5, -0.5]]]
    run.treat(0, "kill")  # of the one that is left nothing moves, in no layer
    before_REL = run.bias_REL
    run.step()
    assert torch.equal(run.bias_REL, before_REL)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_steps_are_counted_exactly(dtype: torch.dtype) -> None:
    routing = deepseek_v3(torch.tensor([[5.0, 0.0, -5.0]] * 2, dtype=dtype), k=1)
    bias_E = torch.zeros(3, dtype=dtype)
    for _ in range(3000):
        bias_E = bias_step(bias_E, routing, rate=0.001)
    assert bias_E.tolist() == [-3.0, 3.0, 3.0]
    for _ in range(7):  # another rate from here on
        bias_E = bias_step(bias_E, routing, rate=0.02)
    assert bias_E.tolist() == [-3.14, 3.14, 3.14]


def test_the_bias_of_a_run_is_exact_whatever_its_weights_are() -> None:
    configs = [SMALL.with_(bias_rate=rate) for rate in (0.001, 0.003)]
    for dtype in (torch.float32, torch.float64):
        run = Training(configs, dtype=dtype)
        run.step(7)
        for own_EL, rate in zip(run.bias_REL, (0.001, 0.003), strict=True):
            steps = [round(each / rate) for each in own_EL.flatten().tolist()]
            assert own_EL.flatten().tolist() == pytest.approx([rate * count for count in steps], rel=1e-15)
            assert max(map(abs, steps)) <= 7 and any(steps)


def test_biases_come_go_and_are_wound_back_with_their_expert_and_layer() -> None:
    run = Training([SMALL.with_(bias_rate=0.01)])
    run.step(20)
    ids, before = run.ids_RE[0].tolist(), run.bias_REL[0].tolist()
    of = dict(zip(ids, before, strict=True))
    assert any(first != second for first, second in before)
    state, twin = run.state(), run.fork()
    for each in (run, twin):
        each.step(5)
    assert torch.equal(run.bias_REL, twin.bias_REL)
    run.rewind(20)
    assert run.bias_REL[0].tolist() == before
    run.set(num_experts=3)
    assert run.bias_REL[0].tolist() == [of[expert_id] for expert_id in run.ids_RE[0].tolist()]
    run.set(num_experts=5)
    assert run.bias_REL.shape == run.updated_REL.shape == (1, 5, 2)
    run.restore(state)
    run.step(5)
    assert torch.equal(run.bias_REL, twin.bias_REL)


@pytest.mark.slow
def test_a_bias_of_its_own_balances_each_layer() -> None:
    """Three seeds, 200 steps: CV of each layer without a bias .32-.75, with one bias for all .39-.48, now .10-.13."""
    base = RunConfig(
        task="languages",
        router="deepseek_v3",
        num_experts=8,
        top_k=2,
        batch_size=16,
        hidden_width=8,
        learning_rate=0.01,
    )
    run = Training(
        [base.with_(seed=seed, bias_rate=rate) for rate in (0.0, 0.01) for seed in range(3)], record_every=20
    )
    run.step(200)
    free_RL, biased_RL = np.split(np.mean([record.cv_load for record in run.records[-4:]], axis=0), 2)
    assert (biased_RL < 0.2).all() and (biased_RL < 0.6 * free_RL).all(), (free_RL, biased_RL)
