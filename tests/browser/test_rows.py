"""Inputs of several tokens: digits drawn row by row, a row as the probe, and no picture that would make no sense."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from moeviz.content.presets import PRESETS
from moeviz.figures.palette import HUES
from moeviz.training import Training
from tests.browser.opened_page import Stage, soon, stage_in
from tests.browser.test_keeping import saved
from tests.browser.test_playing import check_probe, check_shown_probe

pytestmark = pytest.mark.browser
ACROSS, DOWN = 8, 3  # digits beside and below each other
LAST = (DOWN - 0.35) / DOWN  # inside the last row of digits, as a share of their height


def opened(stage: Stage, preset: str) -> Training:
    """The preset at step 30, on the page and in this process."""
    config = PRESETS[preset].config
    stage.open(f"/playground?{urlencode(config.to_url() | {'play': '0'})}").train_to(30)
    run = Training([config])
    run.step(30)
    return run


def at(stage: Stage, digit: int) -> tuple[float, float]:
    """A place on the picture where a digit of the last row of small ones is."""
    box = stage.part("field").bounding_box()
    assert box is not None and digit >= (DOWN - 1) * ACROSS
    x = box["x"] + (digit % ACROSS + 0.5) / ACROSS * box["width"]
    return x, box["y"] + (0.5 + 0.5 * LAST) * box["height"]


def placed_at(stage: Stage, digit: int) -> list[int]:
    """Wait until the address has a probe on this digit; returns where."""
    stage.page.wait_for_function(
        "(digit) => new URLSearchParams(location.search).get('probe')?.startsWith(`${digit},`)", arg=digit
    )
    return [int(each) for each in stage.query()["probe"].split(",")]


@pytest.mark.parametrize("preset", ["switch_rows", pytest.param("gshard_rows", marks=pytest.mark.slow)])
def test_a_clicked_row_is_the_probe(stage, preset):
    run = opened(stage, preset)
    shot = run.snapshot(["rows"])
    served = {HUES[expert] for expert in shot.row_expert[0][shot.row_kept[0] == 1].tolist()}
    assert len(served) >= 4 and stage.hues("canvas") <= served and len(stage.hues("canvas")) >= len(served) - 1
    check_probe(stage.numbers(), shot)
    expect(stage.part("pictures")).to_be_hidden()  # pictures of a map
    stage.page.mouse.click(*at(stage, 18))
    digit, row = placed_at(stage, 18)
    soon(partial(check_shown_probe, stage, run.snapshot(probe=(digit, row))))
    assert stage.part("line").inner_text().endswith("→ added to the row")  # 16 numbers, and no answer yet
    for key, moved in (("ArrowUp", (digit, row - 1)), ("ArrowRight", (digit + 1, row - 1))):
        stage.page.keyboard.press(key)
        soon(partial(check_shown_probe, stage, run.snapshot(probe=moved)))
    right = int((shot.row_answer == shot.row_target).sum())
    for words in (f"{right} of 24 digits are read right", f"Probe at row {row} of digit 20;"):
        stage.until("part('field').getAttribute('aria-label').includes(value)", words)
    placed_at(stage, 19)  # the keys were let go
    stage.open(stage.page.url.removeprefix(stage.address)).train_to(30)
    check_probe(stage.numbers(), run.snapshot(probe=(19, row - 1)))


@pytest.mark.slow
def test_a_probe_goes_from_digit_to_digit_row_by_row(stage):
    opened(stage, "switch_rows")
    stage.part("field").focus()
    for keys, words in (
        (("ArrowUp",) * 9, "row 1 of digit 1;"),  # nothing is above
        (("ArrowDown",) * 8, "row 1 of digit 9;"),  # the one below
        (("ArrowUp",), "row 8 of digit 1;"),
        (("ArrowLeft",), "row 8 of digit 1;"),
        (("ArrowRight",) * 30, "row 8 of digit 24;"),
    ):
        for key in keys:
            stage.page.keyboard.press(key)
        stage.until("part('field').getAttribute('aria-label').includes(value)", words)


@pytest.mark.slow
def test_a_saved_picture_shows_the_rows(stage, browser, server, tmp_path):
    opened(stage, "switch_rows")
    page = tmp_path / "saved.html"
    page.write_bytes(saved(stage, "Picture (HTML)").read_bytes())
    with stage_in(browser, server, offline=True) as alone:
        alone.page.goto(page.as_uri())
        alone.until("stage.frames > 0 && stage.step === 30 && part('waiting').hidden")
        assert alone.numbers() == stage.numbers() and alone.hues("canvas") == stage.hues("canvas")


@pytest.mark.slow
def test_slow_motion_asks_for_no_places_of_tokens(stage):
    opened(stage, "switch_rows")
    stage.part("speeds").get_by_text("Slow", exact=True).click()
    stage.press("play")
    stage.until("stage.state === 'running' && stage.step > value", stage.step)
    assert "each dot" not in stage.part("guide").inner_text()


def test_the_journey_shows_another_task(stage):
    stage.open("/journey?task=digit_rows&play=0")
    alert = stage.page.get_by_test_id("stAlert")
    expect(alert).to_contain_text("Digit rows: an input of this task is many tokens, so this page shows Clusters")
    soon(lambda: stage.query().get("task") is None or pytest.fail(str(stage.query())))
    assert stage.data()["step"] == "0"
