"""Sparse compute in the browser: counts are there, points are measured and appear, and it can be stopped."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.driving import PATIENCE, Stage, eventually

pytestmark = pytest.mark.browser
SMALL = "/sparse_compute?num_experts=4&top_k=1&width=16&hidden_width=16&num_tokens=128"


def test_points_appear_beside_the_counted_lines_and_measuring_stops(stage: Stage) -> None:
    page = stage.page
    page.goto(stage.address + SMALL)
    # 3 · 2 · 128 · (4·16 + 2·16·16)
    expect(page.get_by_role("cell", name="442,368")).to_be_visible(timeout=PATIENCE * 1000)
    page.locator(".st-key-measure button").click()
    chart = page.locator(".js-plotly-plot").first
    modes = "plot => Array.from(plot.data ?? [], trace => trace.mode)"
    eventually(lambda: "markers" in chart.evaluate(modes), "a measured point")
    expect(page.get_by_text("Measured on this machine")).to_be_visible(timeout=PATIENCE * 1000)
    stop = page.get_by_role("button", name="Stop measuring")
    if stop.is_visible():
        stop.click()
    expect(page.get_by_role("button", name="Measure here again")).to_be_visible(timeout=PATIENCE * 1000)
