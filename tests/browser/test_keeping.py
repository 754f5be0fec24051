"""What a visitor can take away: the link and the way back to it, and files that agree with the run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas
import pytest
import segno
from playwright.sync_api import expect

from moeviz.config import RunConfig
from moeviz.training import Training
from tests.browser.opened_page import Stage, stage_in

pytestmark = pytest.mark.browser


def saved(stage: Stage, button: str) -> Path:
    """The file that a button of the popover "Save" gives."""
    stage.page.get_by_role("button", name="Save", exact=True).click()
    with stage.page.expect_download() as download:
        stage.page.get_by_role("button", name=button).click()
    stage.page.keyboard.press("Escape")
    return Path(download.value.path())


@pytest.mark.slow
def test_the_link_gives_another_browser_the_same_knobs_and_leads_back(stage, browser, server):
    opened = {"play": "0", "seed": "3", "probe": "1,0.5"}
    stage.open("/playground?play=0&seed=3&probe=1,0.5").train_to(2)
    stage.turn("num_experts", "ArrowLeft")
    stage.turn("top_k", "ArrowLeft")
    wanted = RunConfig(seed=3, num_experts=7, top_k=1)
    stage.until_query(**opened | wanted.to_url())
    stage.page.get_by_role("button", name="Link", exact=True).click()
    shown = stage.page.get_by_test_id("stPopoverBody").locator("code").filter(has_text="://")
    address = shown.inner_text().strip()
    stage.page.get_by_role("img", name="QR code").wait_for()
    with stage_in(browser, server) as other:
        other.open(address.removeprefix(stage.address))
        other.until("stage.step > 0")
        assert other.letters() == "ABCDEFG"
        expect(other.slider("num_experts")).to_have_value("7")
        expect(other.slider("top_k")).to_have_value("1")
        other.page.get_by_text("More", exact=True).click()
        expect(other.page.locator(".st-key-knob_seed input")).to_have_value("3")
        assert other.query() == {"seed": "3", "num_experts": "7", "top_k": "1", "probe": "1,0.5"}
    stage.page.get_by_role("button", name="Back to the shared state").click()
    stage.until("stage.step === 0 && part('load-0').querySelectorAll('.mv-bar').length === 8")
    stage.until_query(**opened)
    expect(stage.slider("top_k")).to_have_value("2")


# For each module of a QR code of `side` modules and 3 around, whether its middle is dark.
MODULES = """
async (image, side) => {
    await image.decode();
    const cells = side + 6;
    const canvas = new OffscreenCanvas(8 * cells, 8 * cells);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0, 8 * cells, 8 * cells);
    const dark = (row, column) => context.getImageData(8 * column + 4, 8 * row + 4, 1, 1).data[0] < 128;
    const places = [...Array(cells).keys()];
    return places.map((row) => places.map((column) => Number(dark(row, column))));
}
"""


@pytest.mark.slow
def test_the_qr_code_of_the_link_is_that_of_its_address(stage):
    stage.open("/playground?play=0&seed=3&probe=1,0.5")
    stage.page.get_by_role("button", name="Link", exact=True).click()
    address = stage.page.get_by_test_id("stPopoverBody").locator("code").filter(has_text="://").inner_text().strip()
    assert "seed=3" in address and "probe=" in address
    wanted = [list(row) for row in segno.make(address, micro=False).matrix_iter(border=3)]
    drawn = stage.page.get_by_role("img", name="QR code").evaluate(MODULES, len(wanted) - 6)
    assert drawn == wanted


def test_files_hold_the_history_and_the_knobs_of_this_run(stage):
    config = RunConfig(seed=3, num_experts=6, top_k=1)
    stage.open("/playground?play=0&seed=3&num_experts=6&top_k=1").train_to(52)
    run = Training([config])
    run.step(52)
    table = pandas.read_csv(io.StringIO(saved(stage, "History (CSV)").read_text(encoding="utf-8")))
    assert table.columns.tolist() == run.history.columns.tolist()
    assert table["step"].tolist() == [0, 10, 20, 30, 40, 50]
    for name in table.columns:
        assert table[name].tolist() == pytest.approx(run.history[name].tolist(), rel=1e-4, abs=1e-6), name
    assert RunConfig(**json.loads(saved(stage, "Knobs (JSON)").read_text(encoding="utf-8"))) == config


def test_a_saved_picture_needs_no_server(stage, browser, server, tmp_path):
    stage.open("/playground?play=0&seed=3").train_to(50)
    page = tmp_path / "saved.html"
    page.write_bytes(saved(stage, "Picture (HTML)").read_bytes())
    with stage_in(browser, server, offline=True) as alone:
        asked: list[str] = []
        alone.page.on("request", lambda request: asked.append(request.url))
        alone.page.goto(page.as_uri())
        alone.until("stage.frames > 0 && stage.step === 50 && part('waiting').hidden")
        assert alone.numbers() == stage.numbers()
        assert alone.hues("canvas") == stage.hues("canvas") and len(alone.hues("canvas")) >= 3
        for picture in ("top_k", "confidence", "prediction", "gate", "expert_output", "first_choice"):
            before = alone.colors("canvas", 40)
            alone.page.locator(f'[data-tab="{picture}"]').click()
            alone.until("stage.picture === value", picture)
            assert alone.colors("canvas", 40) != before, picture
        assert alone.curve() == stage.curve()
        for chart, mark in (("metric", ".scatterlayer path"), ("load", ".heatmaplayer image")):
            alone.page.locator(f'[data-tab="{chart}"]').click()
            alone.page.locator(f".mv-panel:visible .js-plotly-plot {mark}").first.wait_for()
        alone.page.locator('[data-tab="groups"]').click()
        expect(alone.page.locator(".mv-panel:visible tbody tr")).to_have_count(8)
        assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
        assert not alone.page.locator("button:visible:not([role=tab])").count()  # nothing in it trains
