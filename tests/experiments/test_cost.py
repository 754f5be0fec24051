"""What a layer costs: counts by hand, against the layer itself and against autograd; published models; measurements."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from moeviz.content.published_models import PUBLISHED, active, attention, parts, total
from moeviz.content.twins import dense_twin
from moeviz.engine.server.printed_lines import Busy
from moeviz.experiments.cost.counted import (
    FORMS,
    NETWORKS,
    Case,
    Layer,
    active_parameters,
    along,
    cases,
    flops,
    kept,
    parameters,
    pays_from,
    too_large,
)
from moeviz.experiments.cost.growth import SEEDS, STEPS, all_configs, configs, in_words, size_results
from moeviz.experiments.cost.measured import forward, kept_numbers, layer_of, step_seconds
from moeviz.experiments.cost.process import Measurement, Spread, pays_at, sentences
from moeviz.experiments.sweep import Result
from moeviz.figures.costs import Points, cost_figure, parts_figure, quality_figure

CPU = torch.device("cpu")
SMALL = Layer(num_experts=8, top_k=2, width=8, hidden_width=16, num_tokens=64)
# one expert: 8·16 + 16 + 16·8 + 8 = 280; the gate: 8·8 = 64; a token: 8·8 + k·(8·16 + 16·8) weights in products
BY_HAND = {
    "sparse": (64 + 8 * 280, 64 + 2 * 280, 3 * 2 * 64 * (64 + 2 * 256), 64 * (8 + 2 * (8 + 16 + 8) + 16)),
    "dense": (64 + 8 * 280, 64 + 8 * 280, 3 * 2 * 64 * (64 + 8 * 256), 64 * (8 + 8 * (16 + 8) + 16)),
    # 32 and 128 hidden units: 2·8·32 + 32 + 8, 2·8·128 + 128 + 8
    "active": (552, 552, 3 * 2 * 64 * 2 * 8 * 32, 64 * (8 + 32)),
    "total": (2184, 2184, 3 * 2 * 64 * 2 * 8 * 128, 64 * (8 + 128)),
}


# ---- counted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_counts_by_hand(form: str) -> None:
    counted = tuple(count(SMALL, form) for count in (parameters, active_parameters, flops, kept))
    assert counted == BY_HAND[form]


@pytest.mark.parametrize("layer", [SMALL, Layer(num_experts=16, top_k=4, width=32, hidden_width=64, num_tokens=128)])
def test_the_layer_itself_counts_the_same(layer: Layer) -> None:
    moe = layer_of(Case(layer, "sparse"))
    assert moe.num_parameters(layer.num_experts) == parameters(layer, "sparse")
    assert moe.num_active_parameters(layer.num_experts, layer.top_k) == active_parameters(layer, "sparse")
    assert 3 * layer.num_tokens * moe.flops(layer.num_experts, layer.top_k) == flops(layer, "sparse")
    for form in NETWORKS:
        network = layer_of(Case(layer, form))
        assert network.num_parameters(1) - network.gate_width == parameters(layer, form)


@pytest.mark.parametrize("form", ["dense", *NETWORKS])
def test_autograd_keeps_what_is_counted(form: str) -> None:
    assert kept_numbers(Case(SMALL, form), CPU) == kept(SMALL, form)


def test_of_the_sparse_form_autograd_keeps_little_more_than_is_counted() -> None:
    layer = Layer(num_experts=8, top_k=2, width=64, hidden_width=128, num_tokens=512)
    for collapsed in (False, True):
        found = kept_numbers(Case(layer, "sparse", collapsed), CPU)
        assert kept(layer, "sparse") <= found < 1.3 * kept(layer, "sparse") < kept(layer, "dense")


def test_a_collapsed_case_sends_all_tokens_to_the_same_experts() -> None:
    case = Case(SMALL, "sparse", collapsed=True)
    once, (rows_RAP, _) = forward(case, CPU)
    (slopes_RAP,) = torch.autograd.grad(once().square().sum(), rows_RAP)
    used_E = slopes_RAP[0, :, layer_of(case).gate_width :].abs().amax(-1) > 0
    assert used_E.tolist() == [True] * 2 + [False] * 6
    assert step_seconds(case, CPU) > 0


def test_sizes_are_refused_with_rule_value_and_remedy() -> None:
    with pytest.raises(ValueError, match="top_k must be at most num_experts: got top_k=4, num_experts=2; lower top_k"):
        Layer(num_experts=2, top_k=4)
    with pytest.raises(ValueError, match="width must be a whole number from 8 to 256: got width=0"):
        Layer(width=0)


def test_charts_have_the_layers_own_size_and_each_case_is_measured_once() -> None:
    layer = Layer(num_experts=12, top_k=3)
    assert [each.num_experts for each in along(layer, "num_experts")] == [3, 4, 8, 12, 16, 32, 64]
    assert [each.top_k for each in along(layer, "top_k")] == [1, 2, 3, 4, 8, 12]
    assert [each.num_tokens for each in along(layer, "num_tokens")] == [128, 256, 512, 1024]
    found = cases(layer)
    assert len(found) == len(set(found)) and Case(layer, "sparse", collapsed=True) in found


def test_what_would_keep_too_much_is_counted_and_not_measured() -> None:
    # n · (D + N · (H + D) + 2N): 4096 · (256 + 16 · 768 + 32) = 51.5 million, with N = 32 it is 102 million
    layer = Layer(num_experts=16, top_k=2, width=256, hidden_width=512, num_tokens=4096)
    dense = [each.layer.num_experts for each in too_large(layer) if each.form == "dense"]
    assert dense == [32, 64]
    assert all(kept(each.layer, each.form) <= 64_000_000 for each in cases(layer))
    assert too_large(Layer()) == []


# ---- what times say -------------------------------------------------------------------------------------------------


def test_from_where_sparse_pays() -> None:
    assert pays_from([2, 4, 8], [3, 2, 2], [1, 3, 9]) == 4
    assert pays_from([2, 4, 8], [1, 4, 2], [2, 3, 9]) == 8  # not yet at 4: it lost again
    assert pays_from([2, 4], [3, 3], [1, 2]) is None


def test_times_in_words() -> None:
    """Sparse: 1 ms for each active expert and thousand tokens, and 1 ms; dense: 1 ms an expert."""
    times = {
        case: Spread(*[1e-3 * (1 + case.layer.top_k if case.form == "sparse" else case.layer.num_experts)] * 3)
        for case in cases(Layer())
    }
    assert pays_at(Layer(), "num_experts", times) == 4  # 3 ms against 2 at N = 2, against 4 at N = 4
    assert pays_at(Layer(), "top_k", times) == 8  # 9 ms against 16; 17 at k = 16
    said = sentences(Layer(), times)
    assert said[0] == "**With k = 2, sparse pays from N = 4 on:** at N = 64 the dense form takes 21.3 times as long."
    assert said[1] == "Sparse, 16 times as many active experts take 8.5 times as long."  # 17 / 2
    assert sentences(Layer(), {}) == []


def test_measurements_come_one_at_a_time_and_a_cancelled_one_makes_room() -> None:
    measurement = Measurement(SMALL)
    with pytest.raises(Busy, match="one size at a time, and one is under way; try again"):
        Measurement(SMALL)
    while not measurement.seconds and not measurement.over:
        measurement.wait(0.1)
    measurement.cancel()
    assert measurement.wait(30) and measurement.error is None
    assert 0 < measurement.rounds < 15 and measurement.machine
    first = Case(SMALL, "sparse")
    assert measurement.seconds[first].median > 0 and measurement.kept[first] >= SMALL.num_tokens * SMALL.width


# ---- published models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_follow_from_the_shapes(name: str) -> None:
    model = PUBLISHED[name]
    rounding = 0.04 if name == "gshard_600b" else 0.006  # its paper rounds to 600 and says "beyond"
    assert total(model.shapes) / 1e9 == pytest.approx(model.total, rel=rounding)
    if model.active is not None and name != "grok_1":  # "a quarter of the weights": its experts alone
        assert active(model.shapes) / 1e9 == pytest.approx(model.active, rel=0.02)


def test_switch_base_at_every_published_size() -> None:
    """Table 7 of the paper: 1.1, 2.0, 3.8, 7.4 and 14.7 billion with 16 to 256 experts."""
    shapes = PUBLISHED["switch_base_128"].shapes
    found = [round(total(replace(shapes, num_experts=2**power)) / 1e9, 1) for power in range(4, 9)]
    assert found == [1.1, 2.0, 3.8, 7.4, 14.7]


def test_gshard_at_the_published_numbers_of_experts() -> None:
    """Table 1 of the paper: 9,216 experts in all with 512 a layer, 2,304 with 128; one has 2 · 1024 · 8192 weights."""
    shapes = PUBLISHED["gshard_600b"].shapes
    for a_layer, in_all in ((512, 9216), (128, 2304)):
        assert parts(shapes, a_layer)["experts"] == in_all * 2 * 1024 * 8192
    assert parts(shapes, 2048)["experts"] / 1e9 == pytest.approx(618.5, abs=0.05)


def test_attention_by_hand() -> None:
    # Mixtral: queries and the way out 4096·4096 each, keys and values 4096·1024 each
    assert attention(PUBLISHED["mixtral_8x7b"].shapes) == 2 * 4096**2 + 2 * 4096 * 1024
    # DeepSeek-V3: down to 1536, up to 128·192; down to 512 + 64, up to 128·256; 128·128 back to 7168
    latent = 7168 * 1536 + 1536 * 128 * 192 + 7168 * 576 + 512 * 128 * 256 + 128 * 128 * 7168
    assert attention(PUBLISHED["deepseek_v3"].shapes) == latent


# ---- more experts at the same cost ----------------------------------------------------------------------------------


def test_growing_rows_start_together_and_cost_what_they_say() -> None:
    assert configs("experts", 1) == configs("network", 1) and len(all_configs()) == 9 * SEEDS and STEPS == 600
    assert configs("network", 4)[1] == dense_twin(configs("experts", 4)[1], "total")


def test_growing_in_words_only_when_all_seeds_are_there() -> None:
    def result(metric: float, operations: int) -> Result:
        return Result(metric, 0.1, 0.1, 0, 0.9, 1.0, operations, 100, 10, False)

    found = {each: result(0.7, 1000) for each in configs("experts", 1)}
    found |= {each: result(0.9 + 0.01 * seed, 1500) for seed, each in enumerate(configs("experts", 16))}
    found |= {each: result(0.8, 15000) for each in configs("network", 16)}
    (_, most), network = size_results("experts", found), size_results("network", found)
    assert (most.mean, most.low, most.high) == pytest.approx((0.91, 0.90, 0.92))
    assert in_words([most], network) == (
        "16 experts reach R² 0.910 at 1,500 operations a token; one network of equal active parameters reaches 0.700 "
        "(+0.210) at 1,000; one of equal total parameters reaches 0.800 (+0.110), with 10 times the operations."
    )
    del found[configs("network", 16)[0]]
    assert len(size_results("network", found)) == 1


@pytest.mark.slow
def test_more_experts_beat_networks_of_equal_active_and_of_equal_total_parameters() -> None:
    from moeviz.training import Training

    reached = []
    for row, size in (("experts", 8), ("network", 1), ("network", 8)):
        training = Training(configs(row, size))
        training.step(STEPS)
        reached.append(
            training.measure().test_metric.min() if row == "experts" else training.measure().test_metric.max()
        )
    assert reached[0] > 0.97 and reached[0] - reached[1] > 0.15 and reached[0] - reached[2] > 0.02


# ---- figures --------------------------------------------------------------------------------------------------------


def test_counted_lines_and_measured_points_share_a_name() -> None:
    line, point = Points("sparse", [1, 2], [3, 3]), Points("sparse", [2], [4], [3], [6])
    figure = cost_figure("Experts (N)", "ms a step", [line], [point], mark=(2, "here"))
    assert [(trace.name, trace.mode) for trace in figure.data] == [("sparse", "lines"), ("sparse", "markers")]
    assert (figure.data[1].error_y.array, figure.data[1].error_y.arrayminus) == ((2,), (1,))
    assert figure.layout.xaxis.title.text == "Experts (N)" and figure.layout.yaxis.title.text == "ms a step"
    assert figure.layout.annotations[0].text == "here" and figure.layout.shapes[0].x0 == 2


def test_quality_and_parts_as_data() -> None:
    figure = quality_figure("Parameters", "R²", [Points("experts", [100, 1000], [0.5, 0.9])], [["N = 1", "N = 8"]])
    assert figure.data[0].text == ("N = 1", "N = 8") and figure.layout.xaxis.tickvals[0] == 100
    bars = parts_figure({"all": {"experts": 4.0, "gates": 1.0, "shared": 0.0}}, "10⁹ parameters")
    assert [(trace.name, trace.x) for trace in bars.data] == [("experts", (4.0,)), ("gates", (1.0,))]
    assert json.loads(bars.to_json())["layout"]["xaxis"]["title"]["text"] == "10⁹ parameters"
