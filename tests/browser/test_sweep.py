"""Sweep in the browser: a small sweep is started, its cells fill, and one of them opens in the Playground."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.opened_page import Stage, eventually

pytestmark = pytest.mark.browser
SMALL = "/sweep?x=num_experts:2,4&y=balance_coef:0,1&each=nothing&seeds=2&steps=20&batch_size=16&seed=3"


def cells(stage: Stage) -> list[str]:
    """What is written in the cells of the first map."""
    plot = stage.page.locator(".js-plotly-plot").first
    return list(plot.evaluate("plot => Array.from(plot.data?.[1]?.text ?? [])")) if plot.count() else []


def test_cells_fill_and_one_opens_in_the_playground(stage: Stage) -> None:
    page = stage.page
    page.goto(stage.address + SMALL)
    expect(page.get_by_text(re.compile(r"^8 runs: about \d+ s here"))).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()  # again, when it is done
    eventually(
        lambda: len(cells(stage)) == 4 and all(re.match(r"0\.\d\d<br>", text) for text in cells(stage)), "filled"
    )
    assert stage.query()["x"] == "num_experts:2,4"
    page.set_viewport_size({"width": 390, "height": 844})  # on a phone the knobs come after the map that they made
    knobs, map_ = (page.locator(each).first.bounding_box() for each in (".st-key-pick_x", ".js-plotly-plot"))
    assert knobs and map_ and map_["y"] + map_["height"] < knobs["y"] and map_["y"] < 600
    page.set_viewport_size({"width": 1280, "height": 720})

    field = page.locator(".js-plotly-plot .nsewdrag").first
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"])  # right and up: N = 4, λ = 1
    expect(page.get_by_text("N = 4, λ = 1.")).to_be_visible()
    link = page.get_by_role("link", name="seed 4")
    with page.context.expect_page() as opened:
        link.click()
    playground = Stage(opened.value, stage.address)
    playground.until("stage.frames > 0")
    query = playground.query()
    assert {name: query[name] for name in ("num_experts", "balance_coef", "seed", "batch_size")} == {
        "num_experts": "4", "balance_coef": "1", "seed": "4", "batch_size": "16",
    }  # fmt: skip
    opened.value.close()
