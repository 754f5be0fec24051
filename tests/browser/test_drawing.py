"""Page Vision: what is drawn on the pad is routed and classified at once, by pointer and by keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.opened_page import Stage, eventually

pytestmark = pytest.mark.browser


def bars(stage: Stage) -> list[float]:
    return [float(each["value"]) for each in stage.bars("drawn-bars")]


def test_a_drawing_is_read_and_routed(stage: Stage) -> None:
    stage.open("/vision")
    expect(stage.page.locator(".mv-shown")).to_have_count(32)  # two of each class
    before = stage.step
    eventually(lambda: stage.step > before, "training goes on")
    stage.press("play")
    expect(stage.part("classes").get_by_role("listitem")).to_have_count(3)  # of the example that it opens with
    stage.press("clear")
    expect(stage.part("answer")).to_have_text("empty")
    pad = stage.part("pad")
    box = pad.bounding_box()
    assert box is not None
    mouse = stage.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=8)
    mouse.up()
    said = re.compile(r"The whole drawing goes to expert ([A-F])\. The model says: \w+\.")
    expect(stage.part("drawn-line")).to_have_text(said)
    chosen = said.match(stage.part("drawn-line").inner_text())
    assert chosen is not None
    shares = bars(stage)
    assert len(shares) == 6 and abs(sum(shares) - 1) < 0.011
    assert "ABCDEF"[shares.index(max(shares))] == chosen[1]
    words = stage.part("classes").inner_text()
    step = stage.step
    pad.focus()
    for key in ("Delete", "ArrowRight", "Space", "Shift+ArrowRight", "Shift+ArrowRight"):
        stage.page.keyboard.press(key)
    eventually(lambda: stage.part("classes").inner_text() not in ("", words), "another drawing has another answer")
    assert stage.step == step  # Space drew, and did not play
