"""When something goes wrong: diverged runs, killed workers, closed and hidden tabs, a server that is full."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from moeviz.config import RunConfig
from tests.browser.opened_page import SmallServer, Stage, eventually, stage_in

pytestmark = pytest.mark.browser


def test_a_diverged_run_explains_itself_and_recovers(stage):
    stage.open("/playground?learning_rate=10")
    stage.page.get_by_text("More", exact=True).click()
    stage.page.locator('[data-speed="fast"]').click()
    stage.until("stage.state === 'diverged'")
    banner = stage.part("banner")
    assert re.search(r"diverged near step \d+.*Lower the learning rate \(10\)", banner.inner_text())
    stage.until("part('play').disabled")
    at = stage.step
    stage.page.get_by_role("button", name="Go back and lower the learning rate").click()
    stage.until("stage.state === 'running'")
    stage.until("part('banner').hidden || !part('banner').textContent.includes('diverged')")
    stage.until("stage.step > value", at)  # it trains on, past where it had stopped
    assert stage.data()["state"] == "running"
    stage.until("/went back to step \\d+ and lowered/.test(part('banner').textContent) && !part('banner').hidden")
    # the knob and the address say what the run now has: 10 / 10 is still above the default, which is as far as it goes
    stage.page.wait_for_function("() => !new URLSearchParams(location.search).has('learning_rate')")
    expect(stage.slider("learning_rate")).to_have_attribute("aria-valuetext", f"{RunConfig().learning_rate:g}")


@pytest.mark.slow
def test_a_killed_worker_comes_back_and_the_page_says_so(stage, server):
    stage.open("/playground?num_experts=5")
    stage.until("stage.step > 40")
    killed = server.workers()
    for worker in killed:
        worker.kill()
    stage.until("part('banner').textContent.includes('started again from step 0')")
    assert "worker process stopped" in stage.part("banner").inner_text()
    stage.until("stage.step < 40 && stage.state === 'running'")
    stage.until("stage.step > 40")
    assert stage.letters() == "ABCDE"
    assert not set(killed) & set(server.workers())


@pytest.mark.slow
def test_a_hidden_tab_asks_for_nothing_until_it_is_seen_again(stage):
    stage.page.add_init_script(
        "Object.defineProperty(document, 'hidden', { get: () => Boolean(window.pretendHidden) });"
        "window.hide = (value) => { window.pretendHidden = value;"
        " document.dispatchEvent(new Event('visibilitychange')); };"
    )
    sent: list[str] = []
    stage.page.on(
        "websocket",
        lambda socket: "/live/" in socket.url and socket.on("framesent", lambda text: sent.append(str(text))),
    )
    stage.open("/playground")
    stage.until("stage.step > value", stage.step)
    stage.page.evaluate("() => window.hide(true)")
    eventually(lambda: stage.page.evaluate("1") and any('"hidden"' in text for text in sent), "the server is told")
    told = next(index for index, text in enumerate(sent) if '"hidden"' in text)
    assert json.loads(sent[told]) == {"op": "hidden", "value": True}
    stage.page.wait_for_timeout(700)  # 20 frames' worth: nothing may happen in it, so there is nothing to wait for
    assert sent[told + 1 :] == []
    seen = int(stage.data()["frames"])
    stage.page.evaluate("() => window.hide(false)")
    stage.until("stage.frames > value + 3", seen)
    assert json.loads(sent[told + 1]) == {"op": "hidden", "value": False}


@pytest.mark.slow
def test_a_full_server_lets_a_visitor_wait_who_gets_in_when_a_tab_is_closed(browser, tmp_path):
    limits = {"num_workers": 1, "max_runs": 1, "idle_free": 6.0}
    with SmallServer(tmp_path / "log.txt", limits) as small, stage_in(browser, small) as second:
        with stage_in(browser, small) as first:
            first.open("/playground")
            assert small.runs() == 1
            second.page.goto(f"{small.address}/playground?seed=4")
            waits = second.page.get_by_test_id("stAlert").get_by_text("This page waits for a place")
            waits.wait_for()
            assert "at most 1 run at once, and 1 is open" in waits.inner_text()
            second.page.get_by_role("button", name="Try again").click()
            second.page.wait_for_timeout(2500)  # more than one look of its own: nothing may happen in it
            assert waits.is_visible() and second.page.locator(".mv-stage").count() == 0
            first.until("stage.state === 'running'")
        second.until("stage.step > 0")  # nobody touched it
        assert small.runs() == 1
        second.page.wait_for_function("() => !document.querySelector('[data-testid=stAlert]')")
        check_freed(second, small)
        assert "Traceback" not in small.said()


def test_a_run_that_its_worker_refuses_says_why_and_offers_the_usual_knobs(browser, tmp_path):
    with SmallServer(tmp_path / "log.txt", {"num_workers": 1}) as small, stage_in(browser, small) as stage:
        for warm in (False, True):  # the worker answers after the page has come, and (as a rule) before
            stage.page.goto(f"{small.address}/playground?seed=404&top_k=3")
            banner = stage.part("banner")
            banner.get_by_text("This run could not be opened").wait_for()
            said = banner.inner_text()
            assert "device must be present on this machine (" in said and "; use auto" in said, warm
            assert "no longer on the server" not in said and small.runs() == 0
            assert banner.get_by_role("button").all_inner_texts() == ["Start with the usual knobs"]
            assert not stage.part("waiting").is_visible()  # there is nothing to wait for
        stage.page.get_by_text("Experts (N)").wait_for()
        stage.slider("top_k").focus()
        stage.page.keyboard.press("ArrowLeft")  # it can be turned; what is refused stays refused
        stage.until_query(seed="404")
        banner.get_by_text("This run could not be opened").wait_for()
        banner.get_by_role("button").click()
        stage.until("stage.step > 0")
        stage.until_query()
        assert small.runs() == 1 and "Traceback" not in small.said()


@pytest.mark.slow
def test_a_server_that_cannot_start_a_worker_says_that_it_is_busy(browser, tmp_path):
    with SmallServer(tmp_path / "log.txt", {"num_workers": 1}) as small, stage_in(browser, small) as stage:
        small.read("/test-engine/refuse")
        stage.page.goto(f"{small.address}/playground?seed=4")
        busy = stage.page.get_by_test_id("stAlert").get_by_text("The server is busy")
        busy.wait_for()
        assert "the system refused to start one; free some memory" in busy.inner_text()
        again = stage.page.get_by_role("button", name="Try again")
        again.click()
        busy.wait_for()
        small.read("/test-engine/allow")
        again.click()
        stage.until("stage.step > 0")
        stage.page.wait_for_function("() => !document.querySelector('[data-testid=stAlert]')")
        stage.until_query(seed="4")
        assert stage.errors == []


def check_freed(stage: Stage, small: SmallServer) -> None:
    """A run that the server forgot says so, and starts again from the address."""
    small.read("/test-engine/free")
    stage.until("stage.state === 'gone'")
    assert "freed by a test" in stage.part("banner").inner_text() and small.runs() == 0
    assert stage.part("toolbar").get_attribute("inert") is not None
    stage.part("banner").get_by_role("button", name="Reload").click()
    stage.until("stage.state === 'running' && stage.step > 0")
    assert small.runs() == 1
    stage.until_query(seed="4")
