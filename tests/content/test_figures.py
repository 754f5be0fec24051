"""Figures, tested as data: the two ways of use agree, and what is drawn is what was given."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from moeviz.config.changes import KnobChange, Mark, Treatment
from moeviz.config.names import GHOST_CURVES
from moeviz.figures import curves, load_figure, loss_figure, metric_figure, palette

STEPS = [0.0, 10.0, 20.0]
TASK = [[0.7, 0.5, 0.4], [0.7, 0.6, 0.5]]
BALANCE = [[0.1, 0.2, 0.3], [0.1, 0.05, 0.01]]
COEF = [[0.0, 10.0, 10.0], [1.0, 1.0, 1.0]]
FRAME_HISTORY: dict[str, Any] = {
    "history_step": STEPS, "history_task_loss": TASK, "history_balance_loss": BALANCE, "history_balance_coef": COEF,
    "history_train_metric": [[0.5, 0.8, 0.9], [0.5, 0.7, 0.8]],
    "history_test_metric": [[0.5, 0.75, 0.85], [0.5, 0.6, 0.7]],
}  # fmt: skip
PALETTE_JS = Path(palette.__file__).parents[1] / "stage" / "component" / "kit" / "palette.js"


def table() -> pd.DataFrame:
    """The same history as pandas, as `Training.history` gives it: one row per run and step."""
    rows = [
        {"run": run, "step": step, **{name.removeprefix("history_"): values[run][at]
         for name, values in FRAME_HISTORY.items() if name != "history_step"}}
        for run in (0, 1) for at, step in enumerate(STEPS)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def by_name(figure):
    return {trace.name: trace for trace in figure.data}


def test_a_frame_and_a_table_draw_the_same_losses():
    for run_count in (1, 2):
        from_frame = loss_figure(FRAME_HISTORY, runs=run_count, names=("a", "b"))
        from_table = loss_figure(table(), runs=run_count, names=("a", "b"))
        assert [trace.name for trace in from_frame.data] == [trace.name for trace in from_table.data]
        for one, other in zip(from_frame.data, from_table.data, strict=True):
            np.testing.assert_array_equal(one.x, other.x)
            np.testing.assert_allclose(one.y, other.y)


def test_what_training_minimizes_is_stacked_and_the_raw_balance_loss_has_its_own_strip():
    traces = by_name(loss_figure(FRAME_HISTORY))
    assert list(traces) == ["balance loss, before λ", "task loss", "λ · balance loss"]
    # λ was 0, then 10, 10: 0·0.1, 10·0.2, 10·0.3
    np.testing.assert_allclose(traces["λ · balance loss"].y, [0.0, 2.0, 3.0])
    np.testing.assert_allclose(traces["balance loss, before λ"].y, BALANCE[0])  # raw, so it shows at λ = 0 too
    assert traces["task loss"].stackgroup == traces["λ · balance loss"].stackgroup
    assert traces["balance loss, before λ"].yaxis == "y2" and traces["task loss"].yaxis is None


def test_without_the_recorded_coefficient_its_part_is_not_made_up():
    history = {name: values for name, values in FRAME_HISTORY.items() if name != "history_balance_coef"}
    figure = loss_figure(history)
    traces = by_name(figure)
    assert traces["λ · balance loss"].visible is False
    assert [note.text for note in figure.layout.annotations] == ["balance loss, before λ", "task loss"]
    bands = loss_figure(FRAME_HISTORY).layout.annotations[1].text  # where both are drawn, each is named beside its gray
    assert re.sub("<.*?>", "", bands) == "■ task loss + ■ λ · balance loss"
    assert all(trace.fillcolor in bands for trace in loss_figure(FRAME_HISTORY).data if trace.stackgroup)
    np.testing.assert_allclose(traces["task loss"].y, TASK[0])


@pytest.mark.parametrize("make", [loss_figure, metric_figure, load_figure])
def test_a_template_names_the_frame_arrays_it_wants_and_holds_no_numbers(make):
    figure = make()
    for trace in figure.data:
        kind = trace.meta["x"].removesuffix("_step")
        assert kind in ("history", "ghost") and trace.meta["run"] == 0
        assert trace.meta.get("y", trace.meta.get("z")).startswith(f"{kind}_")
        assert trace.type == "heatmap" or (trace.line.color == curves.GHOST_COLOR) == (kind == "ghost")
        assert len(trace.x) == 0
    assert figure.layout.meta["mark"] and figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


@pytest.mark.parametrize("make", [loss_figure, metric_figure, load_figure])
def test_text_and_lines_can_be_read_from_the_last_row(make):
    figure = make()
    assert figure.layout.font.size >= 16
    assert figure.layout.xaxis.title.text == "training step"
    assert all(trace.line.width >= 3 for trace in figure.data if trace.type == "scatter")


def test_drops_have_the_line_of_chance_where_seats_are_limited():
    nan = float("nan")
    drops, chance = [[0.3, 0.2], [0.0, 0.0]], [[0.1, 0.05], [nan, nan]]
    history = {"history_step": [0, 10], "history_dropped_share": drops, "history_random_drop": chance}
    traces = by_name(curves.dropped_figure(history, runs=2, names=("a", "b")))
    assert list(traces) == ["a: dropped", "a: chance", "b: dropped", "b: chance"]
    np.testing.assert_allclose(traces["a: dropped"].y, drops[0])
    np.testing.assert_allclose(traces["a: chance"].y, chance[0])
    assert traces["a: chance"].line.color == curves.GHOST_COLOR != traces["a: dropped"].line.color
    assert traces["b: chance"].visible is False and traces["b: dropped"].visible is not False


def test_metric_axis_has_its_name_and_range_and_test_differs_from_train():
    figure = metric_figure(FRAME_HISTORY, metric_name="R²")
    assert figure.layout.yaxis.title.text == "R² (at most 1)"
    assert by_name(figure)["test"].line.dash != by_name(figure)["train"].line.dash
    assert figure.layout.meta["y_title_from"] == "metric_name"


def test_load_strips_are_load_over_fair_share_with_gaps_where_an_expert_did_not_exist():
    nan = float("nan")
    # two experts: fair share 1/2; from step 10 on three: 1/3
    load = [[[0.5, 0.2], [0.5, 0.2], [nan, 0.6]]]
    figure = load_figure({"history_step": [0, 10], "history_load": load}, died={1: [10]})
    np.testing.assert_allclose(figure.data[0].z, [[1.0, 0.6], [1.0, 0.6], [nan, 1.8]])
    assert [re.sub("<.*>", "", text) for text in figure.layout.yaxis.ticktext] == [" A", " B", " C"]
    dagger = figure.layout.annotations[0]
    assert (dagger.x, dagger.y, dagger.text) == (10, 1, "†")


def test_every_death_in_a_history_is_marked_where_it_happened():
    nan = float("nan")
    history = {"history_step": [0, 90], "history_load": [[[1.0, 0.5], [0.5, 0.0]]] * 2}
    deaths = [[[nan, nan], [nan, nan]], [[40, nan], [0, 50]]]  # of two runs
    figure = load_figure(history | {"deaths": deaths}, run=1)
    assert [(note.x, note.y, note.text) for note in figure.layout.annotations] == [
        (40, 0, "(†)"), (0, 1, "(†)"), (50, 1, "†"),
    ]  # fmt: skip
    # the first has work again at step 90; the second must have come back before it died once more
    assert not load_figure(history | {"deaths": deaths}).layout.annotations  # run 0 had none
    assert load_figure().layout.meta["death"] == curves.DEATH  # the stage draws them likewise


def test_knob_marks_are_labeled_lines():
    figure = metric_figure(FRAME_HISTORY, marks=[Mark(10, KnobChange("λ", 0.0, 10.0), (0,))])
    assert [shape.x0 for shape in figure.layout.shapes] == [10]
    assert "λ 0→10" in [note.text for note in figure.layout.annotations]


def test_a_mark_is_drawn_where_its_run_is():
    history = {"history_step": [0, 90], "history_load": [[[1.0, 0.5], [0.5, 0.0]]] * 2}
    marks = [Mark(10, Treatment("A", "frozen"), (1,))]
    shapes = [len(load_figure(history, run=run, marks=marks).layout.shapes) for run in (0, 1)]
    assert shapes == [0, 1]


@pytest.mark.parametrize(
    ("figure", "columns"),
    [
        (loss_figure, {"task_loss", "balance_loss"}), (metric_figure, {"test_metric"}),
        (curves.uneven_figure, {"cv_load"}), (curves.dead_figure, {"dead_experts"}),
        (curves.match_figure, {"specialization"}),
    ],
)  # fmt: skip
def test_live_curves_of_twins_have_a_gray_line_for_each(figure, columns):
    gray = [trace.meta for trace in figure(runs=3).data if trace.meta["x"] == "ghost_step"]
    assert {(each["y"], each["run"]) for each in gray} == {(f"ghost_{c}", run) for c in columns for run in range(3)}
    assert columns <= set(GHOST_CURVES)  # a frame brings them
    named = figure(runs=2, names=("a", "b"))  # whose legend takes the room in which gray is named
    assert not [trace for trace in named.data if trace.meta["x"] == "ghost_step"]


def test_marks_of_one_step_share_a_label_and_neighbors_stand_in_rows_of_their_own():
    changes = [(10, KnobChange("N", 12, 4)), (10, KnobChange("k", 5, 4)), (11, KnobChange("λ", 0.0, 1.0))]
    marks = [Mark(step, what, (0,)) for step, what in changes]
    bare, figure = loss_figure(FRAME_HISTORY), loss_figure(FRAME_HISTORY, marks=marks)
    labels = {note.text: note for note in figure.layout.annotations if "→" in note.text}
    assert list(labels) == ["N 12→4, k 5→4", "λ 0→1"] and [each.x for each in labels.values()] == [10, 11]
    assert len({each.yshift for each in labels.values()}) == 2
    assert figure.layout.margin.t > bare.layout.margin.t  # room for them


@pytest.mark.parametrize("make", [loss_figure, metric_figure])
def test_a_first_record_alone_can_be_seen_and_steps_are_whole(make):
    figure = make({name: values[:1] if name == "history_step" else [row[:1] for row in values]
                   for name, values in FRAME_HISTORY.items()})  # fmt: skip
    assert all(trace.mode == "lines+markers" for trace in figure.data)
    assert figure.layout.xaxis.range == (0, 10) and figure.layout.xaxis.tickformat == "d"
    assert {axis.exponentformat for axis in figure.select_yaxes()} == {"none"}  # 0.0009, never 900µ


def test_a_missing_array_or_run_is_named():
    with pytest.raises(ValueError, match=r"must hold history_load .* got history_"):
        load_figure(FRAME_HISTORY)
    with pytest.raises(ValueError, match=r"run must be from 0 to 1: got run=2"):
        loss_figure(FRAME_HISTORY, runs=3)


def test_letters_hues_and_squares_by_expert_id():
    assert [palette.letter(each) for each in (0, 7, 25, 26, 27, 51, 52)] == ["A", "H", "Z", "AA", "AB", "AZ", "BA"]
    assert palette.hue(0) == palette.hue(8) == palette.hue(16) == "#0072B2"
    assert [palette.square(each) for each in (0, 7, 8, 15, 16, 63, 64)] == ["■", "■", "▨", "▨", "▧", "◧", "■"]
    assert len({(palette.hue(each), palette.square(each)) for each in range(64)}) == 64
    with pytest.raises(ValueError, match="expert_id must be at least 0"):
        palette.letter(-1)


@pytest.mark.parametrize("name", ["HUES", "STRIPES", "SQUARES", "CLASS_SYMBOLS"])
def test_the_stage_uses_the_same_palette(name):
    listed = re.search(rf"export const {name} = \[(.*?)\];", PALETTE_JS.read_text(encoding="utf-8"), re.DOTALL)
    assert listed is not None, f"palette.js must export {name}"
    assert tuple(re.findall(r"'([^']+)'", listed[1])) == getattr(palette, name)
    assert curves.FONT_SIZE >= 16
