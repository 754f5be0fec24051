"""What every screen must give: motion only where it is wanted, dark and light, phones, and text that can be read."""

from __future__ import annotations

import io
import re
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from moeviz.stage import COMPONENT_DIR
from tests.browser.opened_page import Stage, share, soon, stage_on

pytestmark = pytest.mark.browser
PATHS = ("/", "/playground", "/journey?play=1&top_k=2")


@pytest.fixture(scope="module", params=PATHS)
def shown(request, warm_context, server):
    """Each page once, training, on a screen of 1280 by 720."""
    opened = Stage(warm_context.new_page(), server.address).open(request.param)
    yield opened
    opened.page.close()


def luminance(color: str) -> float:
    """WCAG's relative luminance of rgb(…)."""
    linear = []
    for channel in re.findall(r"[\d.]+", color)[:3]:
        share = float(channel) / 255
        linear.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def colors(stage: Stage) -> tuple[float, float]:
    """Luminance of the stage's text and of the page behind it."""
    text = stage.page.locator(".mv-stage").evaluate("stage => getComputedStyle(stage).color")
    ground = stage.page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    return luminance(text), luminance(ground)


def overflow(stage: Stage) -> dict[str, float]:
    """By how many pixels each thing that scrolls is wider than what is seen of it."""
    script = """() => [
        document.scrollingElement, ...document.querySelectorAll('[data-testid=stMain], [data-testid=stApp], .mv-stage'),
    ].map((each) => [each.dataset.testid ?? each.className ?? each.tagName, each.scrollWidth - each.clientWidth])"""
    return dict(stage.page.evaluate(script))


@pytest.mark.parametrize("path", PATHS)
def test_who_wants_no_motion_gets_a_paused_run(warm_context, server, path):
    with stage_on(warm_context, server, reduced_motion="reduce") as stage:
        stage.open(path)
        at = stage.step
        assert stage.data()["state"] == "paused" and at == 0  # from the first picture on
        stage.press("step")
        stage.until("stage.step > value", at)
        assert stage.step == at + 1  # more, if it had trained meanwhile
        stage.press("play")
        stage.until("stage.state === 'running' && stage.step > value", at + 3)


@pytest.mark.parametrize("path", PATHS)
def test_dark_and_narrow(warm_context, server, path):
    """On a phone in the dark nothing scrolls sideways, the picture fits, and text stands out from its ground."""
    with stage_on(warm_context, server, color_scheme="dark", has_touch=True) as stage:
        stage.page.set_viewport_size({"width": 390, "height": 844})
        stage.open(path)
        stage.until("stage.step > value", stage.step)
        stage.press("play")
        assert {name: wide for name, wide in overflow(stage).items() if wide > 0} == {}
        box = stage.page.locator(".mv-field").first.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["width"] > 250
        text, ground = colors(stage)
        assert ground < 0.05 and (text + 0.05) / (ground + 0.05) >= 7
        stage.page.emulate_media(color_scheme="light")
        soon(lambda: check_light(*colors(stage)))


def check_light(text: float, ground: float) -> None:
    assert ground > 0.9 and (ground + 0.05) / (text + 0.05) >= 7


def small_texts(stage: Stage) -> list[tuple[str, float]]:
    return [(text, size) for text, size in stage.texts() if size < 16]


def inked(stage: Stage, box: Any) -> float:
    """The share of pixels in a box of a page in forced colors that are not its white ground."""
    image = Image.open(io.BytesIO(stage.page.screenshot(clip=box))).convert("RGB")
    return float(np.mean((np.array(image) < 250).any(-1)))


@pytest.mark.slow
def test_sliders_can_be_seen_and_used_in_forced_colors(warm_context, server):
    with stage_on(warm_context, server, forced_colors="active") as stage:
        stage.open()
        for name in ("num_experts", "top_k", "balance_coef"):
            thumb = stage.slider(name).locator("xpath=../..")
            track = thumb.locator("xpath=../div[1]")
            assert all(inked(stage, each.bounding_box()) > 0.5 for each in (track, thumb)), name
            box = thumb.bounding_box()
            assert box is not None
            beside = {"x": box["x"] - 8, "y": box["y"] + box["height"] / 2 - 4, "width": 6, "height": 1}
            track_only = inked(stage, beside)
            stage.slider(name).focus()
            stage.page.keyboard.press("Shift")  # a key, so that the focus is shown
            assert inked(stage, beside) > track_only, name


def test_homes_maps_stand_level_and_its_legend_needs_no_scrolling(warm_context, server):
    with stage_on(warm_context, server) as stage:
        stage.open("/")
        stage.until("stage.step >= 20 && part('waiting-0').hidden && part('waiting-1').hidden")
        first, second = (stage.part(f"canvas-{run}").bounding_box() for run in (0, 1))
        assert first and second and first["y"] == second["y"] and first["height"] == second["height"] > 300
        legend = stage.page.locator("p.mv-legend")
        stage.in_view(legend, *legend.locator("> span").locator("visible=true").all())
        assert "unevenness: 0 = even" in legend.inner_text()


def test_text_can_be_read_from_the_back_row(shown):
    """Everywhere on the page, not in the live picture alone."""
    if shown.part("side-chart").count():
        shown.until("part('side-chart').querySelector('.js-plotly-plot text')")
    assert len(shown.texts()) > 20
    assert small_texts(shown) == []


@pytest.mark.slow
def test_what_unfolds_can_be_read_too(stage):
    stage.open()
    stage.page.get_by_text("Show code", exact=True).click()
    stage.page.get_by_test_id("stCode").first.wait_for()
    stage.page.get_by_text("More", exact=True).click()
    stage.page.locator(".st-key-knob_task input").click()
    stage.page.get_by_role("option").first.wait_for()
    assert {"Experts (N)", "Task", "Spiral", "def"} <= {text for text, _ in stage.texts()}
    assert small_texts(stage) == []
    stage.page.keyboard.press("Escape")
    stage.page.get_by_role("button", name="Save", exact=True).click()
    stage.page.get_by_role("button", name="Picture (HTML)").hover()
    stage.page.get_by_text("of this moment, offline").wait_for()
    assert small_texts(stage) == []
    stage.page.keyboard.press("Escape")
    stage.page.get_by_role("button", name="Link", exact=True).click()
    stage.page.get_by_role("img", name="QR code").wait_for()
    stage.page.get_by_role("button", name="Back to the shared state").click()
    stage.page.get_by_test_id("stToast").get_by_text("the shared state").wait_for()
    assert small_texts(stage) == []


def test_the_first_screen_needs_no_scrolling(shown):
    parts = ("canvas", "probe-bars", "load-0", "canvas-0", "canvas-1", "load-1", "path", "next")
    seen = [shown.part(part) for part in ("toolbar", *parts) if shown.part(part).count()]
    assert len(seen) >= 4
    shown.in_view(*seen)
    if shown.part("probe-bars").count():
        labels = ("Experts (N)", "Active experts (k)", "Balance weight (λ)")
        knobs = [shown.slider(name) for name in ("num_experts", "top_k", "balance_coef")]
        shown.in_view(*knobs, *(shown.page.get_by_text(label, exact=True) for label in labels))
        shown.in_view(shown.part("load-0").locator(".mv-fair"))
        bars = shown.bars("probe-bars")
        assert len(bars) == 8 and sum(bool(bar["solid"]) for bar in bars) == 2
        # a token's numbers are rounded plainly: each by half a unit of .01 at most, and of the weights two are not 0
        assert sum(share(bar["value"]) for bar in bars) == pytest.approx(1, abs=8 * 0.005 + 1e-9)
        assert sum(share(bar["below"]) for bar in bars) == pytest.approx(1, abs=2 * 0.005 + 1e-9)


def test_the_picture_is_told_in_words(stage):
    """Who cannot see the map hears what is on it, and where the probe is."""
    stage.open("/playground?play=0&probe=1,0.5").train_to(50)
    label = stage.part("field")
    stage.until("part('field').getAttribute('aria-label')?.includes('Step 50.')")
    text = label.get_attribute("aria-label") or ""
    assert re.search(r"First choice by area: ([A-H] \d+ %,? ?)+\.", text) and "Probe at 1.00, 0.50" in text
    shares = [int(share) for share in re.findall(r"[A-H] (\d+) %", text)]
    assert shares == sorted(shares, reverse=True) and 97 <= sum(shares) <= 103
    for bar in stage.part("probe-bars").locator(".mv-bar").all():
        assert re.match(
            r"Expert [A-H]: gate probability \d\.\d\d, (not chosen|chosen|first choice)",
            bar.get_attribute("aria-label") or "",
        )


def test_a_bar_that_is_not_chosen_is_hollow_however_low(page):
    """Of a bar four pixels high the middle is the ground's color, unless its expert is chosen."""
    page.route("http://stage.test/**", serve)
    page.goto("http://stage.test/page.html")
    page.wait_for_function("window.drawn")
    seen = np.array(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    for bar in page.locator(".mv-bar").all():
        solid = "mv-solid" in (bar.get_attribute("class") or "")
        box = bar.locator(".mv-fill").bounding_box()
        assert box is not None and box["height"] > 3.5
        middle = seen[int(box["y"] + 0.7 * box["height"]), round(box["x"] + box["width"] / 2)]
        assert bool((middle != 255).any()) == solid, (box["height"], solid)


PAGE = """<!doctype html><link rel="stylesheet" href="stage.css"><div class="mv-stage" style="width: 40rem">
<div class="mv-bars" style="--mv-track: 100px"></div></div><script type="module">
import { Bars } from './kit/bars.js';
const heights = [0.04, 0.06, 0.1, 0.3];
const bars = [true, false].flatMap((solid) => heights.map((height) => ({ height, solid, value: '', text: '' })));
new Bars(document.querySelector('.mv-bars'), 'bars').draw([...bars.keys()], bars, []);
window.drawn = true;
</script>"""


def serve(route: Any) -> None:
    """The stage's own files, and a page with eight bars."""
    name = urlsplit(route.request.url).path.removeprefix("/")
    if name == "page.html":
        route.fulfill(body=PAGE, content_type="text/html")
    elif (COMPONENT_DIR / name).is_file():
        route.fulfill(path=COMPONENT_DIR / name)
    else:
        route.fulfill(status=404)
