"""Cells of a sweep by hand, and its pictures as data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.experiments.sweep import DIVERGED, NO_RUN, Plan, Result, cells, ends, plan, runs
from moeviz.figures.maps import DARK, LIGHT, ON_DARK, ON_LIGHT, Axis, Scale, parallel_axes, phase_map, sweep_lines
from tests.pretend_workers import FOUND

NAN = float("nan")
N, LAMBDA = Axis("Experts (N)", ["2", "4"]), Axis("λ", ["0", "10"])
ACCURACY = Scale("Accuracy", ".2f", 0.5, 0.9)


def made() -> tuple[Plan, list[Result | None]]:
    """N ∈ {2, 4} × k ∈ {2, 4} with two seeds: N=2, k=4 is no run, one run diverged, one is not finished."""
    planned = plan(vars(RunConfig()), {"num_experts": [2, 4], "top_k": [2, 4]}, seeds=2)
    broken = replace(FOUND, test_metric=None, diverged=True)
    return planned, [replace(FOUND, test_metric=0.5), replace(FOUND, test_metric=0.7), FOUND, broken, None, None]


def test_cells_by_hand() -> None:
    planned, results = made()
    found = cells(planned, results, "test_metric", "num_experts", "top_k")
    # k=2: N=2 has .5 and .7, mean .6, deviation √((.1² + .1²)/1) = .1414; N=4 has .9 and a run that diverged
    assert found.mean_YX[0].tolist() == pytest.approx([0.6, 0.9])
    assert found.spread_YX[0, 0] == pytest.approx(0.02**0.5)
    assert np.isnan(found.spread_YX[0, 1]) and np.isnan(found.mean_YX[1]).all()
    assert found.note_YX == [["", DIVERGED], [NO_RUN, ""]]
    assert ends(results, "test_metric") == (0.5, 0.9) and ends([None], "test_metric") == (0.0, 1.0)


def test_the_runs_of_a_cell() -> None:
    planned, results = made()
    here = runs(planned, results, {"num_experts": 4, "top_k": 2})
    assert [(config.seed, result) for config, result in here] == [(0, results[2]), (1, results[3])]
    assert runs(planned, results, {"num_experts": 2, "top_k": 4}) == []


def test_a_map_writes_its_numbers_into_the_cells() -> None:
    mean, spread = np.array([[0.5, 0.9], [NAN, NAN]]), np.array([[0.1, NAN], [NAN, NAN]])
    figure = phase_map(N, LAMBDA, ACCURACY, mean, spread, [["", ""], [NO_RUN, ""]], title="k = 2", marked=(1, 0))
    heat, text = figure.data
    assert np.array_equal(heat.z, mean, equal_nan=True) and (heat.zmin, heat.zmax) == (0.5, 0.9)
    assert list(zip(text.x, text.y, strict=True)) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert text.text[0].startswith("0.50<br>") and "±0.10" in text.text[0]
    assert text.text[1:] == ("0.90", NO_RUN, "")
    assert list(text.textfont.color[:2]) == [ON_LIGHT, ON_DARK]  # .5 is the light end of the scale, .9 the dark one
    assert text.hovertext[0] == "Experts (N) = 2, λ = 0: Accuracy 0.50 ±0.10"
    assert text.hovertext[3] == "Experts (N) = 4, λ = 10: not finished"
    blank = [shape for shape in figure.layout.shapes if shape.line.width == 1]
    (frame,) = [shape for shape in figure.layout.shapes if shape.line.width > 1]
    assert {(round(shape.x0), round(shape.y0)) for shape in blank} == {(0, 1), (1, 1)}
    assert (round(frame.x0), round(frame.y0)) == (1, 0)
    assert list(figure.layout.yaxis.ticktext) == ["0", "10"] and figure.layout.xaxis.title.text == "Experts (N)"


def test_a_map_of_one_number_has_a_scale_too() -> None:
    figure = phase_map(N, LAMBDA, Scale("Dead", ".1f", 0, 0), np.zeros((2, 2)), np.zeros((2, 2)), [["", ""]] * 2)
    assert figure.data[0].zmax > figure.data[0].zmin


def luminance(color: tuple[int, ...]) -> float:
    linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def rgb(text: str) -> tuple[int, ...]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


@pytest.mark.parametrize("share", np.linspace(0, 1, 41))
def test_every_number_can_be_read_on_its_cell_and_darker_is_more(share: float) -> None:
    """Contrast as WCAG 2 defines it: at least 4.5 for text of any size."""
    figure = phase_map(
        Axis("x", ["1"]), Axis("y", ["1"]), Scale("s", ".2f", 0, 1), np.array([[share]]), np.array([[NAN]]), [[""]]
    )
    cell = tuple(round(low + share * (high - low)) for low, high in zip(LIGHT, DARK, strict=True))
    lights = sorted([luminance(cell), luminance(rgb(figure.data[1].textfont.color[0]))])
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5
    assert luminance(cell) <= luminance(LIGHT)


def test_lines_have_a_band_of_the_spread_and_leave_out_what_is_missing() -> None:
    mean, spread = np.array([[0.5, 0.6], [NAN, 0.8]]), np.array([[0.1, NAN], [NAN, 0.05]])
    figure = sweep_lines(N, LAMBDA, ACCURACY, mean, spread)
    bands, lines = figure.data[::2], figure.data[1::2]
    assert [line.name for line in lines] == ["λ = 0", "λ = 10"]
    assert list(lines[0].y) == [0.5, 0.6] and list(lines[1].x) == [1]
    assert list(bands[0].y) == pytest.approx([0.6, 0.6, 0.6, 0.4])  # up along mean + spread, back along mean − spread
    assert len({line.line.dash for line in lines}) == 2 and figure.layout.yaxis.title.text == "Accuracy"


def test_every_run_is_a_line_over_parallel_axes() -> None:
    scales = [ACCURACY, Scale("CV", ".2f", 0, 2)]
    figure = parallel_axes([N, LAMBDA], scales, [[1, 0, 0.9, 0.5], [0, 1, 0.5, 2.0]])
    assert [list(trace.y) for trace in figure.data] == [[0, 1, 0, 1], [1, 0, pytest.approx(1), 0.25]]  # the best on top
    assert figure.data[0].opacity < figure.data[1].opacity
    assert figure.data[1].hovertemplate.startswith("Experts (N): 4<br>λ: 0<br>Accuracy: 0.90<br>CV: 0.50")
    written = {(note.x, note.y, note.text) for note in figure.layout.annotations}
    assert {(0, 0, "2"), (0, 1, "4"), (2, 0, "0.50"), (2, 1, "0.90"), (3, 1, "2.00")} <= written
