"""How fast the live picture is, measured in a real browser: prints figures, and asserts only that they are figures.

Run with `make measure`; nothing else should be busy on the computer meanwhile.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from moeviz.frames import unpack
from tests.browser.opened_page import Server, Stage, eventually, stage_in
from tests.browser.visitors import RawVisitor
from tests.report import cpu_seconds, percentile

pytestmark = [pytest.mark.measured, pytest.mark.browser]
PAGES = ("/", "/playground")
SECONDS = 4.0
CHANGES = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("speed") / "log.txt") as running:
        yield running


# Written into a page before anything of it runs: when the first complete picture is on the screen.
FIRST_PICTURE = """
new MutationObserver((_, observer) => {
    const stage = document.querySelector('.mv-stage');
    if (!stage?.dataset.frames || [...stage.querySelectorAll('.mv-waiting')].some((each) => !each.hidden)) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.firstPicture = performance.now(); }));
}).observe(document, { subtree: true, childList: true, attributes: true });
"""

# Notes for each key that is pressed how long it takes until a frame with another knob revision has been painted.
# The stage draws in an animation frame, and a task that is queued there runs once that frame's painting is done.
LATENCIES = """
() => {
    const stage = document.querySelector('.mv-stage');
    let pressed = null;
    window.latencies = [];
    addEventListener('keydown', () => { pressed ??= performance.now(); }, true);
    new MutationObserver(() => {
        if (pressed === null) return;
        const began = pressed;
        pressed = null;
        setTimeout(() => window.latencies.push(performance.now() - began));
    }).observe(stage, { attributeFilter: ['data-revision'] });
}
"""
# An attribute that is set to the value it had is a mutation too; only real changes of the revision may count.
LATENCIES = LATENCIES.replace(
    "if (pressed === null) return;",
    "if (pressed === null || stage.dataset.revision === window.seenRevision) return;"
    " window.seenRevision = stage.dataset.revision;",
).replace("let pressed", "window.seenRevision = stage.dataset.revision; let pressed")


def first_picture(browser: Any, server: Server, path: str) -> float:
    """Seconds from opening a page, in a browser that has never seen it, to its first complete picture."""
    with stage_in(browser, server) as stage:
        stage.page.add_init_script(FIRST_PICTURE)
        stage.open(path)
        stage.page.wait_for_function("() => window.firstPicture !== undefined")
        return float(stage.page.evaluate("() => window.firstPicture")) / 1000


@pytest.mark.parametrize("path", PAGES)
def test_first_picture_on_a_cold_server(browser, tmp_path, report, path):
    with Server(tmp_path / "log.txt") as cold:
        seconds = first_picture(browser, cold, path)
    assert seconds > 0
    report(f"first picture of {path}, cold server", seconds, "s")


@pytest.mark.parametrize("path", PAGES)
def test_first_picture_on_a_warm_server(browser, server, report, path):
    first_picture(browser, server, path)
    seconds = [first_picture(browser, server, path) for _ in range(3)]
    assert min(seconds) > 0
    report(f"first picture of {path}, warm server, median of 3", statistics.median(seconds), "s")


def counted(stage: Stage) -> tuple[float, int, int]:
    """The page's own clock in seconds, the frames drawn and the step, at one moment."""
    script = "stage => [performance.now() / 1000, Number(stage.dataset.frames), Number(stage.dataset.step)]"
    now, frames, step = stage.page.locator(".mv-stage").evaluate(script)
    return float(now), int(frames), int(step)


def main_thread_seconds(tools: Any) -> float:
    """What the page's main thread has computed so far, whoever else wants the processor."""
    metrics = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("speed", ["watch", "fast"])
def test_frames_drawn_a_second_while_training(browser, server, report, path, speed):
    with stage_in(browser, server) as stage:
        stage.open(path)
        stage.page.locator(f'[data-speed="{speed}"]').click()
        stage.until("stage.step > value", stage.step + 20)
        tools = stage.page.context.new_cdp_session(stage.page)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        began, frames, step = counted(stage)
        busy = main_thread_seconds(tools)
        stage.page.wait_for_timeout(SECONDS * 1000)
        ended, frames_later, step_later = counted(stage)
        busy = main_thread_seconds(tools) - busy
    assert step_later > step and frames_later > frames
    report(f"browser CPU for a frame (main thread), {path}, {speed}", 1000 * busy / (frames_later - frames), "ms")
    report(f"frames drawn a second, {path}, {speed}", (frames_later - frames) / (ended - began), "1/s")
    report(f"training steps a second, {path}, {speed}", (step_later - step) / (ended - began), "1/s")


def test_frames_drawn_a_second_of_every_picture(browser, server, report):
    with stage_in(browser, server) as stage:
        stage.open("/playground")
        stage.until("part('side-chart').querySelector('.js-plotly-plot')")  # its script is no part of a picture
        for tab in stage.part("pictures").locator("[data-tab]").all():
            picture = tab.get_attribute("data-tab")
            tab.click()
            stage.until("stage.picture === value", picture)
            began, frames, _ = counted(stage)
            stage.page.wait_for_timeout(SECONDS * 1000)
            ended, frames_later, _ = counted(stage)
            assert frames_later > frames
            report(f"frames drawn a second, picture {picture}", (frames_later - frames) / (ended - began), "1/s")


@pytest.mark.parametrize("speed", ["watch", "fast"])
def test_frames_drawn_a_second_of_six_twins(browser, server, report, speed):
    """With each question open, its pictures and the six maps on a screen that shows both."""
    with stage_in(browser, server, viewport={"width": 1440, "height": 1400}) as stage:
        stage.open("/lab?values=0,0.1,0.5,1,3,10")
        stage.page.locator(f'[data-speed="{speed}"]').click()
        for tab in stage.part("sections").locator("[data-tab]").all():
            tab.click()
            stage.press("reset")  # or it would have settled, and paused, before the last one
            stage.until("stage.step < 500")
            if stage.data()["state"] == "paused":
                stage.press("play")
            stage.until("stage.step > value", stage.step + 60)  # its first drawing, and plotly's script, are over
            began, frames, step = counted(stage)
            stage.page.wait_for_timeout(SECONDS * 1000)
            ended, frames_later, step_later = counted(stage)
            assert frames_later > frames and step_later > step
            name = f"six twins of 8 experts, {tab.get_attribute('data-tab')}, {speed}"
            report(f"frames drawn a second, {name}", (frames_later - frames) / (ended - began), "1/s")


def test_frames_drawn_a_second_while_presenting(browser, server, report):
    with stage_in(browser, server) as stage:
        stage.open("/playground?present=1")
        stage.until("stage.step > value", stage.step + 20)
        began, frames, _ = counted(stage)
        stage.page.wait_for_timeout(SECONDS * 1000)
        ended, frames_later, _ = counted(stage)
    assert frames_later > frames
    report("frames drawn a second, present mode", (frames_later - frames) / (ended - began), "1/s")


@pytest.mark.parametrize("speed", ["watch", "fast"])
@pytest.mark.parametrize("knob", ["balance_coef", "num_experts", "top_k"])
def test_slider_to_picture(browser, server, report, knob, speed):
    with stage_in(browser, server) as stage:
        stage.open("/playground?top_k=4")
        stage.page.locator(f'[data-speed="{speed}"]').click()
        stage.until("stage.step > value", stage.step + 20)
        stage.slider(knob).focus()
        stage.page.evaluate(LATENCIES)
        for change in range(CHANGES):
            stage.page.keyboard.press("ArrowRight" if change % 2 == 0 else "ArrowLeft")
            stage.page.wait_for_function("count => window.latencies.length > count", arg=change)
        latencies = [float(each) for each in stage.page.evaluate("() => window.latencies")]
        assert stage.revision == len(latencies) == CHANGES and min(latencies) > 0
    report(f"slider to picture, {knob}, {speed}, median of {CHANGES}", statistics.median(latencies), "ms")
    report(f"slider to picture, {knob}, {speed}, 95th percentile", percentile(latencies, 0.95), "ms")


# Milliseconds from the click on Play until the screen says that this many percent of the test tokens are right.
LEARNED = """
(percent) => new Promise((resolve) => {
    const metric = document.querySelector('.mv-stage [data-part="metric"]');
    let clicked;
    new MutationObserver((_, observer) => {
        if (clicked === undefined || Number(metric.textContent.match(/\\d+/)?.[0]) < percent) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - clicked)));
    }).observe(metric, { characterData: true, childList: true, subtree: true });
    clicked = performance.now();
    document.querySelector('.mv-stage [data-part="play"]').click();
})
"""


def test_seconds_until_the_spiral_is_learned(browser, server, report):
    seconds = []
    for seed in range(10):
        with stage_in(browser, server) as stage:
            stage.open(f"/playground?task=spiral&hidden_width=32&learning_rate=0.01&seed={seed}&play=0")
            stage.page.locator('[data-speed="fast"]').click()
            stage.until("part('side-chart').querySelector('.js-plotly-plot')")  # the page is complete
            seconds.append(float(stage.page.evaluate(LEARNED, 95)) / 1000)
    assert min(seconds) > 0
    report("spiral, fast: Play to 95 % on screen, median of 10 seeds", statistics.median(seconds), "s")
    report("spiral, fast: Play to 95 % on screen, slowest of 10 seeds", max(seconds), "s")


def test_idle_experts_come_back_on_screen(browser, server, report):
    """Nothing but λ 0→10 at step 300: seconds from opening the page until no expert is idle on screen."""
    seconds = []
    for seed in range(10):
        with stage_in(browser, server) as stage:
            began = time.monotonic()
            stage.open(f"/playground?seed={seed}")
            stage.until("stage.step >= 300")
            stage.slider("balance_coef").focus()
            for _ in range(10):  # 0, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10
                stage.page.keyboard.press("ArrowRight")
            stage.until("stage.step > 320 && part('idle').textContent === '0'")
            seconds.append(time.monotonic() - began)
            assert stage.slider("balance_coef").get_attribute("aria-valuetext") == "10"
    report("idle experts back on screen, of 10 seeds within 15 s", sum(each <= 15 for each in seconds), "")
    report("idle experts back on screen, median", statistics.median(seconds), "s")
    report("idle experts back on screen, slowest of 10 seeds", max(seconds), "s")


@pytest.mark.parametrize("path", PAGES)
def test_bytes_of_a_frame(browser, server, report, path):
    sizes: list[int] = []

    def listen(socket: Any) -> None:
        if "/live/" in socket.url:
            socket.on("framereceived", lambda frame: sizes.append(len(frame)) if isinstance(frame, bytes) else None)

    with stage_in(browser, server) as stage:
        stage.page.on("websocket", listen)
        stage.open(path)
        stage.until("stage.frames > 60")
    assert min(sizes) > 0
    report(f"bytes of a frame, {path}, median", statistics.median(sizes) / 1000, "kB")
    report(f"bytes of a frame, {path}, largest (points or history)", max(sizes) / 1000, "kB")


def idle(processes: list[psutil.Process], seconds: float = 0.5) -> bool:
    """Whether these processes compute nothing for a while."""
    before = sum(cpu_seconds(process) for process in processes)
    time.sleep(seconds)
    return sum(cpu_seconds(process) for process in processes) - before < 0.02 * seconds


def test_cpu_of_a_frame(server, report):
    """A paused run whose probe moves: the worker does nothing but frames."""
    frames = 300
    visitor = RawVisitor(server, "playground", "play=0")
    try:
        want = ["first_choice"]
        visitor.ask(want=want)
        visitor.frame()
        workers, main = server.workers(), psutil.Process(server.process.pid)
        eventually(lambda: idle(workers), "runs that nobody watches any more pause, and workers have started")
        before, main_before = [cpu_seconds(worker) for worker in workers], cpu_seconds(main)
        for each in range(frames):
            visitor.ask(want=want, probe=[each / frames, 0.5])
            header, arrays = unpack(visitor.frame())
            assert header["probe"] == [each / frames, 0.5] and "winner" in arrays
        spent = [cpu_seconds(worker) - start for worker, start in zip(workers, before, strict=True)]
        main_spent = cpu_seconds(main) - main_before
    finally:
        visitor.close()
    assert sum(spent) > 0
    report("worker CPU for a frame (map and probe, N=8)", 1000 * sum(spent) / frames, "ms")
    report("server CPU for a frame", 1000 * main_spent / frames, "ms")
