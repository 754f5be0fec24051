"""Sparse compute in the browser: counts are there, points are measured and appear, and it can be stopped."""

from __future__ import annotations

import contextlib

import psutil
import pytest
from playwright.sync_api import expect

from moeviz.ui.run.presence import GRACE
from tests.browser.opened_page import PATIENCE, Server, Stage, eventually

pytestmark = pytest.mark.browser
SMALL = "/sparse_compute?num_experts=4&top_k=1&width=16&hidden_width=16&num_tokens=128"


def measuring(server: Server) -> list[int]:
    """The processes that measure for pages of this server."""
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(server.process.pid).children()
        return [each.pid for each in children if "moeviz.experiments.cost.measured" in each.cmdline()]
    return []


def test_a_measurement_survives_a_reload_and_ends_when_its_page_has_gone(stage: Stage, server: Server) -> None:
    page = stage.page
    page.goto(stage.address + "/sparse_compute?num_experts=4&top_k=1&width=64&hidden_width=128&num_tokens=4096")
    page.locator(".st-key-measure button").click()
    (process,) = eventually(lambda: measuring(server), "it measures")  # half a minute, where nothing else is busy
    page.reload()
    expect(page.get_by_role("button", name="Stop measuring")).to_be_visible(timeout=PATIENCE * 1000)
    page.wait_for_timeout((GRACE + 3) * 1000)  # longer than it would go on for nobody
    assert measuring(server) == [process]
    page.goto("about:blank")
    eventually(lambda: not measuring(server), "it ends")


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
