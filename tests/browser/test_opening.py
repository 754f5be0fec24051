"""Opening pages: deep links, Home, hostile addresses, and every task and size that a page may have."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from moeviz.config import KNOBS, TASK_INFO, RunConfig
from moeviz.figures.palette import letter
from tests.browser.opened_page import Server, stage_in

pytestmark = pytest.mark.browser
SHARED = tuple(name for name, info in TASK_INFO.items() if not info.page)  # the others have a page of their own


def test_a_cold_deep_link_shows_page_navigation_and_run(browser, tmp_path):
    with Server(tmp_path / "log.txt") as cold, stage_in(browser, cold) as stage:
        assert not cold.workers()  # nothing was visited yet
        stage.open("/playground?num_experts=4&top_k=1&seed=3")
        assert stage.letters() == "ABCD"
        assert sum(bool(bar["solid"]) for bar in stage.bars("probe-bars")) == 1
        stage.page.get_by_role("link", name="Home").first.wait_for()
        stage.page.get_by_role("link", name="Playground").first.wait_for()
        stage.page.get_by_text("Experts (N)").wait_for()
        stage.until_query(num_experts="4", top_k="1", seed="3")
        stage.until("stage.step > value", stage.step)
        assert "Traceback" not in cold.said()


def test_home_shows_two_runs_that_train_by_themselves_and_leads_to_the_playground(stage):
    stage.open("/")
    assert [stage.part(f"title-{run}").inner_text() for run in (0, 1)] == ["No balance loss", "Balance loss, λ = 10"]
    for run in (0, 1):
        stage.until(f"part('waiting-{run}').hidden")
        assert stage.letters(f"load-{run}") == "ABCDEFGH"
    stage.until("stage.step > value", stage.step)
    assert stage.data()["state"] == "running"
    assert all(stage.hues(f"canvas-{run}") for run in (0, 1))
    stage.page.get_by_role("button", name="Turn the knobs yourself").click()
    stage.until("part('probe-bars') && stage.step > 0")
    assert stage.page.url == f"{stage.address}/playground"


def test_bad_values_are_named_and_the_page_lives(stage):
    stage.open(
        "/playground?num_experts=99&top_k=77&learning_rate=fast&seed=1.5&noise=nan&task=nothing&capacity_factor=-3"
    )
    notices = " ".join(stage.page.get_by_test_id("stAlert").all_inner_texts())
    for name in ("num_experts", "top_k", "learning_rate", "seed", "noise", "task", "capacity_factor"):
        assert name in notices
    for remedy in ("using 32", "got 99", "got 77", "got learning_rate='fast'", "using learning_rate=0.03", "using 0.1"):
        assert remedy in notices
    stage.until("stage.step > value", stage.step)
    assert len(stage.bars("load-0")) == 32
    stage.until_query(num_experts="32", top_k="32", capacity_factor="0.1")


def test_a_device_that_is_not_there_is_named_and_the_page_lives(stage):
    stage.open("/playground?device=cuda&seed=5")
    notice = stage.page.get_by_test_id("stAlert").inner_text().replace("\u2060", "")
    assert "device must be auto on a page: got device='cuda'" in notice and "using device=auto" in notice
    stage.until("stage.step > value", stage.step)
    stage.until_query(seed="5")


HOSTILE = (
    "<script>window.pwned = 1</script>", '<img src=x onerror="window.pwned=1">', '"><b>bold</b>',
    "**bold** _it_ `code`", "[link](http://example.invalid)", "$x^2$ :red[red] :material/home:", "'; DROP TABLE x; --",
)  # fmt: skip


def test_hostile_text_in_the_address_is_only_text(stage):
    stage.page.on("dialog", lambda dialog: stage.errors.append(f"a dialog opened: {dialog.message}"))
    numbers = [name for name, knob in KNOBS.items() if not knob.choices]
    params = dict(zip(numbers, HOSTILE, strict=False)) | {"probe": HOSTILE[0], "play": HOSTILE[1], "other": HOSTILE[2]}
    stage.open(f"/playground?{urlencode(params)}")
    alerts = stage.page.get_by_test_id("stAlert")
    shown = [text.replace("\u2060", "") for text in alerts.all_inner_texts()]
    for name, text in params.items():
        if name in KNOBS:  # long values are cut
            assert any(name in notice and repr(text[:40])[1:-1] in notice for notice in shown), (text, shown)
    assert alerts.locator("script, img, b, strong, em, code, a, .katex, [data-testid=stIconMaterial]").count() == 0
    assert stage.page.evaluate("() => window.pwned") is None
    assert stage.page.locator("[onerror]").count() == 0


INJECTED = (
    "<img src=x onerror=window.pwned=1>", "<svg/onload=window.pwned=1>", "javascript:window.pwned=1",
    "[a](javascript:window.pwned=1)", "www.evil.example/x", "a@evil.example", "https://evil.example",
    "1\n\n# big\n\n---\nx\n===",
)  # fmt: skip


@pytest.mark.parametrize("text", [INJECTED[0], *(pytest.param(text, marks=pytest.mark.slow) for text in INJECTED[1:])])
def test_the_same_text_in_every_parameter_and_name_is_only_text(stage, text):
    params = dict.fromkeys([*KNOBS, "play", "present", "lang", text], text) | {"probe": "1e300,0"}
    stage.open(f"/playground?{urlencode(params)}")
    stage.until("stage.step > value", stage.step)  # alive: a probe out of bounds must not silence the picture
    alerts = stage.page.get_by_test_id("stAlert")
    assert "probe must be two numbers" in alerts.first.inner_text()
    active = "script, img, svg[onload], a, h1, h2, hr, b, strong, em, code, iframe, .katex"
    assert alerts.locator(active).count() == 0
    assert stage.page.locator("[onerror], [onload], a[href*='evil'], a[href^='javascript']").count() == 0
    assert stage.page.evaluate("() => window.pwned") is None


@pytest.mark.parametrize(
    "tasks",
    [("digits", "piecewise", "bumps", "clusters"), pytest.param(SHARED[::-1], marks=pytest.mark.slow)],
)
def test_tasks_open_and_draw(stage, tasks):
    """One visitor goes through tasks of all views; each starts its run again, is drawn, and trains."""
    stage.open()
    stage.page.get_by_text("More", exact=True).click()
    for task in tasks:
        info = TASK_INFO[task]
        stage.choose("task", info.label)
        stage.until("part('legend').dataset.key?.startsWith(value + ',') && part('waiting').hidden", task)
        assert stage.step == 0
        stage.press("step")
        stage.until("stage.step === 1")
        assert stage.hues("canvas"), f"{task} shows no expert's color"
        assert f"test {'accuracy' if info.kind == 'classification' else 'R²'}" in stage.part("metric").inner_text()
        stage.until(
            "new URLSearchParams(location.search).get('task') === value", RunConfig(task=task).to_url().get("task")
        )


@pytest.mark.parametrize(
    ("num_experts", "top_k", "task"),
    [
        (1, 1, "clusters"),
        (32, 32, "spiral"),
        pytest.param(16, 16, "digits", marks=pytest.mark.slow),
        pytest.param(32, 2, "piecewise", marks=pytest.mark.slow),
    ],
)
def test_any_number_of_experts_opens_and_draws(stage, num_experts, top_k, task):
    stage.open(f"/playground?play=0&num_experts={num_experts}&top_k={top_k}&task={task}")
    stage.until("part('waiting').hidden")
    stage.train_to(2)
    assert stage.letters("load-0") == stage.letters("probe-bars") == "".join(map(letter, range(num_experts)))
    assert sum(bool(bar["solid"]) for bar in stage.bars("probe-bars")) == top_k
    assert stage.hues("canvas")
