"""The bench measures what it says: the same layer on both sides, and ratios pair by pair."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from moeviz.cli import main
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.experiments import bench
from moeviz.experiments.bench import comparison, layers, peers, steps
from moeviz.training import Training


def test_both_sides_compute_the_same_layer() -> None:
    """The plain module with our weights gives our output: the ratio compares like with like."""
    training = Training([steps.SIZE])
    ours = {name: value[0] for name, value in training.parameters.items()}
    plain = comparison.PlainMoE(2, 32, 2, 8, 2).to(training.device)
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
    y_RTO, routing = training.model(training.rows_RAP, x_RTD, training.routing_knobs)
    y_TO, probs_TE = plain(x_RTD[0])
    assert torch.allclose(y_TO, y_RTO[0], atol=1e-6)
    assert torch.allclose(probs_TE, routing.probs_TE[0], atol=1e-6)


def test_a_ratio_is_the_median_over_the_pairs() -> None:
    # pairs 4/2, 9/3, 4/4 = 2, 3, 1: median 2; medians of the sides alone would say 4/3
    result = comparison.result("name", "ms", [2.0, 3.0, 4.0], [4.0, 9.0, 4.0])
    assert (result.value, result.baseline, result.ratio) == (3.0, 4.0, 2.0)


def test_the_sides_take_turns() -> None:
    calls: list[str] = []
    ours, plain = comparison.side_by_side(lambda: calls.append("a"), lambda: calls.append("b"), 5)
    assert calls == ["a", "b"] * (5 + 1)
    assert len(ours) == len(plain) == 5


def test_the_charts_hold_the_frames_numbers() -> None:
    training = Training([steps.RunConfig()])
    arrays = training.snapshot(("first_choice", "choices", "points")).arrays
    surface, points, probe, load = (json.loads(text)["data"][0] for text in steps.plotly_json(arrays))
    assert surface["type"] == "heatmap" and points["type"] == "scatter"
    assert [each["type"] for each in (probe, load)] == ["bar", "bar"]
    assert "bdata" in json.dumps(surface) or np.array(surface["z"]).shape == (64, 64)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a benchmark must be one of step_r1, .*: got 'step_r2'; "):
        bench.run(["step_r2"])


def test_json_has_the_promised_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "ROUNDS", 2)
    assert main(["bench", "--only", "frame_pack", "--json", str(tmp_path / "bench.json")]) == 0
    (line,) = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert list(line) == ["name", "value", "unit", "baseline", "ratio"]
    assert line["name"] == "frame_pack" and line["value"] > 0


def test_every_router_is_measured_against_top_k(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "ROUNDS", 1)
    monkeypatch.setattr(steps, "STEPS", 1)
    names = [f"router_{name}" for name in ROUTER_NAMES if name != "top_k"]
    results = bench.run([*names, "router_queue"])
    assert [each.name for each in results] == [*names, "router_queue"]
    assert all(each.ratio == pytest.approx(each.baseline / each.value) for each in results)  # of one pair


def test_the_sweep_is_measured_against_the_same_runs_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stepped: list[int] = []
    monkeypatch.setattr(steps, "SWEEP_STEPS", 2)
    monkeypatch.setattr(steps, "plain_step", lambda config: lambda: stepped.append(config.num_experts))
    (result,) = bench.run(["sweep_48"])
    # 4 values of λ × 3 seeds × 2 steps for each N
    assert [stepped.count(num_experts) for num_experts in (2, 4, 8, 16)] == [24, 24, 24, 24]
    assert result.unit == "s, 48 × 2 steps" and result.ratio == pytest.approx(result.baseline / result.value)


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that take no time."""
    for name, value in {"TOKENS": 32, "WIDTH": 8, "HIDDEN": 4, "ROUNDS": 1}.items():
        monkeypatch.setattr(layers, name, value)
    monkeypatch.setattr(bench, "keep_memory", lambda: None)  # not in the process of the tests
    for name in ("TOKENS", "WIDTH", "HIDDEN"):
        monkeypatch.setattr(peers, name, getattr(layers, name))


def test_every_layer_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    results = bench.run(list(layers.BENCHMARKS))
    assert [each.name for each in results] == list(layers.BENCHMARKS)
    assert all(each.ratio == pytest.approx(each.baseline / each.value) for each in results)  # of one pair


def test_a_collapsed_layer_sends_every_token_to_the_same_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    calls = layers.ours(6, collapsed=True), layers.ours(6)
    loaded = [int((call()[0][0, :, layers.WIDTH :].abs().sum(-1) > 0).sum()) for call in calls]  # type: ignore[index]
    assert loaded[0] == 2 < loaded[1]  # experts with a gradient


def test_the_products_are_those_of_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLOPs as torch counts them: the layer's own and three times as many forward and backward, nothing more."""
    from torch.utils.flop_counter import FlopCounterMode

    small(monkeypatch)
    counted = []
    for call in (layers.products(6), layers.ours(6, dispatch="dense")):
        with FlopCounterMode(display=False) as counter:
            call()
        counted.append(counter.get_total_flops())
    gate, each = 2 * 32 * 8 * 6, 2 * 2 * 8 * 4  # FLOPs of the gate, and of an expert for one token
    assert counted == [3 * (gate + 2 * 32 * each), 3 * (gate + 6 * 32 * each)]


def test_a_peer_that_is_not_installed_is_left_out_or_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(peers.PEERS, "mixtral", ("no_such_module", peers.mixtral, 1.5))
    names = bench.present()
    assert {"layer_mixtral_8", "layer_mixtral_64"} == set(peers.BENCHMARKS) - set(names) - {
        name for name in peers.BENCHMARKS if "mixtral" not in name and peers.missing(name)
    }
    assert "layer_mixtral_8" in capsys.readouterr().err
    message = r"layer_mixtral_8 needs a package that is not installed: got no module no_such_module; .*-bench\.txt"
    with pytest.raises(ValueError, match=message):
        bench.run(["step_r1", "layer_mixtral_8"])


@pytest.mark.parametrize("peer", peers.PEERS)
def test_a_peer_computes_forward_and_backward(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"layer_{peer}_8"
    if peers.missing(name):
        pytest.skip(peers.REMEDY)
    small(monkeypatch)
    (each,) = bench.run([name])
    assert each.name == name and each.ratio > 0
