"""Everyone: an automated audit (axe) of each page as it is used, with no serious finding on our own elements."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.opened_page import Stage, stage_on

pytestmark = pytest.mark.browser
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
SERIOUS = ("serious", "critical")

# the others only in the slow tests
QUICK = ("/playground", "/playground?present=1")
# the page, how it is seen, and the tabs that are opened one after the other
VISITS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("/", {}, ()),
    ("/", {"color_scheme": "dark"}, ()),
    ("/playground", {}, ("top_k", "confidence", "expert_output", "metric", "load", "squares", "groups", "changes")),
    ("/playground", {"color_scheme": "dark"}, ("gate", "prediction", "squares", "groups")),
    ("/playground?present=1", {}, ()),
    ("/questions?ask=importance_load", {}, ()),
    ("/questions?ask=pizza", {"color_scheme": "dark"}, ()),
    ("/questions?ask=dropped", PHONE, ()),
    ("/journey?play=1&top_k=2", {}, ()),
    ("/journey?play=1&top_k=2&task=digits", {"color_scheme": "dark"}, ()),
    ("/journey?play=1&num_experts=32", PHONE, ()),
    ("/journey?play=1&task=piecewise&top_k=1", {"forced_colors": "active"}, ()),
    ("/playground?task=digits&hidden_width=32&num_experts=16", PHONE, ("groups", "squares")),
    ("/playground?task=digit_rows&hidden_width=32&batch_size=64", PHONE | {"color_scheme": "dark"}, ("groups",)),
    ("/playground?task=piecewise", {"forced_colors": "active"}, ("squares", "groups")),
    ("/routers?play=1", {}, ()),
    ("/routers?left=expert_choice&right=soft&num_experts=16", {"color_scheme": "dark"}, ()),
    ("/routers?left=noisy_top_k&right=hash", PHONE, ()),
    ("/lab", {}, ("collapse", "learners", "evenness", "tradeoff", "specialists")),
    ("/lab?num_experts=3&top_k=1&dense=active", {"color_scheme": "dark"}, ("learners", "evenness", "simplex")),
    ("/lab?num_experts=16", PHONE, ("collapse", "learners", "specialists")),
    ("/lab", {"forced_colors": "active"}, ("learners", "simplex")),
    ("/methods", {"color_scheme": "dark"}, ()),
    ("/methods", PHONE, ()),
    ("/lessons?lesson=balance&step=1", {}, ()),
    ("/lessons?lesson=softmax&step=3", {"color_scheme": "dark"}, ()),
    ("/lessons?lesson=together&step=2&passed=collapse", PHONE, ()),
    ("/lessons?lesson=weights&step=3&present=1", {}, ()),
]


def findings(stage: Stage, within: str | None = None) -> list[str]:
    """What axe finds serious on the page, Streamlit's own parts included, or within a part; by rule and element."""
    found = Axe().run(stage.page, within).response
    assert len(found["passes"]) > 10  # it looked
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"] if violation["impact"] in SERIOUS for node in violation["nodes"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "screen", "tabs"),
    [
        pytest.param(
            path, screen, tabs, id=f"{path} {screen}", marks=[] if path in QUICK and not screen else pytest.mark.slow
        )
        for path, screen, tabs in VISITS
    ],
)
def test_axe_finds_nothing_serious(warm_context, server, path, screen, tabs):
    with stage_on(warm_context, server, **screen) as stage:
        stage.open(path)
        if not path.startswith("/lessons"):  # they wait for a prediction
            if stage.part("leap").is_visible():  # not when presented
                stage.press("leap", "leap")
            stage.until("stage.step > 60")
        if stage.data()["state"] == "running":
            stage.press("play")
        stage.until("stage.state === 'paused'")
        assert findings(stage) == []
        for tab in tabs:
            stage.page.locator(f'.mv-stage [data-tab="{tab}"]').click()
            stage.until("root.querySelector(`[data-tab=${value}]`).ariaSelected === 'true'", tab)
            assert findings(stage, ".mv-stage") == [], tab  # what is around it is as before


@pytest.mark.slow
def test_axe_finds_nothing_serious_in_what_unfolds(warm_context, server):
    with stage_on(warm_context, server) as stage:
        stage.open()
        stage.page.get_by_text("More", exact=True).click()
        stage.page.get_by_text("Gray ghost").wait_for()
        assert findings(stage) == []
        for name, inside in (("Link", "Back to the shared state"), ("Save", "History (CSV)")):
            stage.page.get_by_role("button", name=name, exact=True).click()
            stage.page.get_by_role("button", name=inside).first.wait_for()
            assert findings(stage) == [], name
            stage.page.keyboard.press("Escape")
        stage.part("field").click()
        stage.page.keyboard.press("h")
        stage.until("!part('cover').hidden")
        assert findings(stage) == []


def test_axe_would_find_something(warm_context, server):
    with stage_on(warm_context, server) as stage:
        stage.open()
        stage.page.evaluate("() => { document.querySelector('.mv-guide').style.color = '#ccc'; }")
        assert any("color-contrast" in each for each in findings(stage))
