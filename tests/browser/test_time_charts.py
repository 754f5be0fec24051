"""The time charts of the Playground: deaths that stay marked, marks of knobs in every chart, and what is gray named."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from moeviz.config import RunConfig
from moeviz.figures import load_figure
from moeviz.training import Training
from moeviz.training.ghost import LASTS
from tests.browser.opened_page import Stage, soon

pytestmark = pytest.mark.browser
TO_10 = ("End", "ArrowLeft", "ArrowLeft", "ArrowLeft")  # λ's slider ends with the stops 10, 20, 50, 100
CHARTS = ("loss", "metric", "load")
UP_TO_DATE = """(plot, step) => plot.data?.[0]?.x?.at(-1) === step"""
LABELS = "plot => plot.layout.annotations.map(({ x, y, text }) => [x, y, text])"
GRAY = "plot => plot.data.filter(({ meta, x }) => meta.x === 'ghost_step' && x.length).length"


def chart(stage: Stage, name: str) -> Any:
    """A chart that is on the screen and up to date."""
    if name == "loss":
        plot = stage.part("side-chart").locator(".js-plotly-plot")
    else:
        stage.page.locator(f'[data-tab="{name}"]').click()
        stage.page.locator(".mv-panel:visible").scroll_into_view_if_needed()  # what nobody sees is not drawn
        plot = stage.page.locator(".mv-panel:visible .js-plotly-plot")
    plot.scroll_into_view_if_needed()
    soon(lambda: check_drawn(stage, plot))
    return plot


def check_drawn(stage: Stage, plot: Any) -> None:
    assert plot.evaluate(UP_TO_DATE, stage.step)


def labels(stage: Stage, name: str) -> list[tuple[Any, Any, str]]:
    return [tuple(each) for each in chart(stage, name).evaluate(LABELS)]


def daggers(found: list[tuple[Any, Any, str]]) -> set[tuple[Any, Any]]:
    return {(step, expert_id) for step, expert_id, text in found if text in ("†", "(†)")}


def test_every_death_stays_marked_where_it_happened(stage):
    stage.open().train_to(350)
    died = daggers(labels(stage, "load"))
    assert died and len(died) >= int(stage.part("idle").inner_text()) > 0
    stage.turn("balance_coef", *TO_10)
    stage.until("new URLSearchParams(location.search).get('balance_coef') === '10'")
    stage.train_to(450)
    assert stage.part("idle").inner_text() == "0"  # all came back
    shown = daggers(labels(stage, "load"))
    assert died <= shown and "†" not in [text for *_, text in labels(stage, "load")]  # in parentheses now
    run = Training([RunConfig()])
    run.step(350)
    run.set(balance_coef=10.0)
    run.step(100)
    drawn = load_figure(run.snapshot(want=("history",)).arrays)
    assert shown == {(note.x, note.y) for note in drawn.layout.annotations}  # in Python they mean the same
    assert {note.text for note in drawn.layout.annotations} == {"(†)"}


@pytest.mark.slow
def test_every_strip_of_the_load_has_its_letter_however_many(stage):
    stage.open("/playground?play=0&num_experts=32").train_to(1)
    plot = chart(stage, "load")
    ticks = plot.locator(".yaxislayer-above .ytick text")
    assert [text.split()[-1] for text in ticks.all_text_contents()][::31] == ["A", "AF"] and ticks.count() == 32
    tops = sorted(box["y"] for each in ticks.all() if (box := each.bounding_box()))
    assert min(after - before for before, after in pairwise(tops)) >= 16  # none covers another


def test_a_turned_knob_leaves_its_mark_in_every_time_chart(stage):
    stage.open().train_to(50)
    stage.turn("balance_coef", "End")
    stage.train_to(60)
    for name in CHARTS:
        plot = chart(stage, name)
        assert (50, "λ 0→100") in {(step, text) for step, _, text in labels(stage, name)}, name
        assert plot.evaluate("plot => plot.layout.shapes.map(({ x0, x1 }) => [x0, x1])") == [[50, 50]], name
        assert plot.locator(".shapelayer path").count() == 1, name


def choose_ghost(stage: Stage, label: str) -> None:
    if not stage.page.locator(".st-key-ghost").count():
        stage.page.get_by_text("More", exact=True).click()
    stage.pick(stage.page.locator(".st-key-ghost input"), label)


def gray_in(stage: Stage, name: str) -> tuple[int, list[str]]:
    """How many gray curves a chart draws, and what it calls them."""
    plot = chart(stage, name)
    named = [text.split("gray: ")[1] for _, _, text in plot.evaluate(LABELS) if "gray: " in text]
    return plot.evaluate(GRAY), named


def check_gray(stage: Stage, name: str, wanted: tuple[int, list[str]]) -> None:
    assert gray_in(stage, name) == wanted


@pytest.mark.slow
def test_gray_is_named_in_every_chart_as_long_as_it_is_drawn(stage):
    stage.open().train_to(20)
    assert gray_in(stage, "loss") == gray_in(stage, "metric") == (0, [])
    stage.turn("balance_coef", "End")
    for step in (50, 40 + LASTS):  # while the twin trains, and after it has ended
        stage.train_to(step)
        assert ("Gray: " in stage.part("load-note").inner_text()) == (step == 50)
        assert gray_in(stage, "loss") == (2, ["without λ 0→100"])
        assert gray_in(stage, "metric") == (1, ["without λ 0→100"])


@pytest.mark.slow
def test_the_ghost_may_be_the_run_before_or_nothing(stage):
    stage.open().train_to(40)
    choose_ghost(stage, "the run before")
    stage.turn("balance_coef", "End")
    stage.train_to(60)
    assert gray_in(stage, "loss") == (0, [])  # no run was before
    before = stage.curve()["task loss y"]
    stage.press("reset")
    stage.until("stage.step === 0")
    stage.train_to(20)
    soon(lambda: check_gray(stage, "loss", (2, ["the run before"])))
    assert stage.curve()["gray: task loss y"] == before
    stage.until("part('load-note').textContent.endsWith('Gray: the run before.')")
    choose_ghost(stage, "nothing")
    soon(lambda: check_gray(stage, "loss", (0, [])))
    stage.turn("balance_coef", "Home")
    stage.train_to(40)
    assert gray_in(stage, "loss") == (0, []) and "Gray" not in stage.part("load-note").inner_text()
