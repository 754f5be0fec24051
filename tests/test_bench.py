"""The bench measures what it says: the same layer on both sides, and ratios pair by pair."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from moeviz import bench
from moeviz.rules import ROUTER_NAMES
from moeviz.training import Training


def test_both_sides_compute_the_same_layer() -> None:
    """The plain module with our weights gives our output: the ratio compares like with like."""
    training = Training([bench.SIZE])
    ours = {name: value[0] for name, value in training.parameters.items()}
    plain = bench.PlainMoE(2, 32, 2, 8, 2)
    with torch.no_grad():
        plain.gate.weight.copy_(ours["gate_w"])
        for index, expert in enumerate(plain.experts):
            first, _, last = expert.children()
            assert isinstance(first, torch.nn.Linear) and isinstance(last, torch.nn.Linear)
            first.weight.copy_(ours["w_in"][index].mT)
            first.bias.copy_(ours["b_in"][index])
            last.weight.copy_(ours["w_out"][index].mT)
            last.bias.copy_(ours["b_out"][index])
    x_RTD = training.data.test.x_RTD
    x_RTD = x_RTD[:, x_RTD[0].norm(dim=-1) > 0]  # at the origin all experts tie, and torch.topk breaks ties as it likes
    y_RTO, routing = training.model(training.rows_REP, x_RTD, training.routing_knobs)
    y_TO, probs_TE = plain(x_RTD[0])
    assert torch.allclose(y_TO, y_RTO[0], atol=1e-6)
    assert torch.allclose(probs_TE, routing.probs_TE[0], atol=1e-6)


def test_a_ratio_is_the_median_over_the_pairs() -> None:
    # pairs 4/2, 9/3, 4/4 = 2, 3, 1: median 2; medians of the sides alone would say 4/3
    result = bench._result("name", "ms", [2.0, 3.0, 4.0], [4.0, 9.0, 4.0])
    assert (result.value, result.baseline, result.ratio) == (3.0, 4.0, 2.0)


def test_the_sides_take_turns() -> None:
    calls: list[str] = []
    ours, plain = bench.side_by_side(lambda: calls.append("a"), lambda: calls.append("b"))
    assert calls == ["a", "b"] * (bench.ROUNDS + 1)
    assert len(ours) == len(plain) == bench.ROUNDS


def test_the_charts_hold_the_frames_numbers() -> None:
    training = Training([bench.RunConfig()])
    arrays = training.snapshot(("first_choice", "choices", "points")).arrays
    surface, points, probe, load = (json.loads(text)["data"][0] for text in bench.plotly_json(arrays))
    assert surface["type"] == "heatmap" and points["type"] == "scatter"
    assert [each["type"] for each in (probe, load)] == ["bar", "bar"]
    assert "bdata" in json.dumps(surface) or np.array(surface["z"]).shape == (64, 64)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a benchmark must be one of step_r1, .*: got 'step_r2'; "):
        bench.run(["step_r2"])


def test_json_has_the_promised_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ROUNDS", 2)
    bench.main(only=["frame_pack"], json=str(tmp_path / "bench.json"))
    (line,) = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert list(line) == ["name", "value", "unit", "baseline", "ratio"]
    assert line["name"] == "frame_pack" and line["value"] > 0


def test_every_router_is_measured_against_top_k(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "STEPS", 1)
    names = [f"router_{name}" for name in ROUTER_NAMES if name != "top_k"]
    results = bench.run([*names, "router_queue"])
    assert [each.name for each in results] == [*names, "router_queue"]
    assert all(each.ratio == pytest.approx(each.baseline / each.value) for each in results)  # of one pair


def test_the_sweep_is_measured_against_the_same_runs_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stepped: list[int] = []
    monkeypatch.setattr(bench, "SWEEP_STEPS", 2)
    monkeypatch.setattr(bench, "plain_step", lambda config: lambda: stepped.append(config.num_experts))
    (result,) = bench.run(["sweep_48"])
    # 4 values of λ × 3 seeds × 2 steps for each N
    assert [stepped.count(num_experts) for num_experts in (2, 4, 8, 16)] == [24, 24, 24, 24]
    assert result.unit == "s, 48 × 2 steps" and result.ratio == pytest.approx(result.baseline / result.value)
