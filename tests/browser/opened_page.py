"""Driving the real app in a real browser: a server of its own, and the live picture of a page as a test sees it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Self

import psutil
from playwright.sync_api import BrowserContext, Error, Locator, Page, ViewportSize, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from moeviz.figures.palette import HUES

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds: the machine may be busy, and a cold worker imports torch first

TEXTS = """
() => {
    const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
        && !element.closest('style, script, .mv-spoken, [data-testid=stMainMenu], [data-testid=stToolbarActions]');
    const size = (element) => parseFloat(getComputedStyle(element).fontSize);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const { currentNode: node, currentNode: { parentElement: element, textContent } } = walker;
        if (!textContent.trim() || !seen(element)) continue;
        const range = new Range();
        range.selectNodeContents(node);
        const box = range.getBoundingClientRect();
        if (box.width > 1 && box.height > 1) found.push([textContent.trim().slice(0, 40), size(element)]);
    }
    for (const input of document.querySelectorAll('input:not([type=range], [type=checkbox]), textarea')) {
        if (seen(input) && input.value) found.push([`${input.ariaLabel}: ${input.value}`, size(input)]);
    }
    return found;
}
"""  # what only screen readers hear is no text to be seen


def eventually(happened: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """What `happened` returns once it is true; fails with `what` when that takes too long."""
    deadline = time.monotonic() + patience
    while not (result := happened()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(0.02)
    return result


def soon(check: Callable[[], Any], patience: float = 15.0) -> None:
    """Call `check` until it raises no AssertionError any more, which must be soon."""
    deadline = time.monotonic() + patience
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


class Server:
    """The app as `make app` starts it, on a free port of this computer."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.environment: dict[str, str] = {}
        self.drew = False  # whether a page has shown a picture of a run

    def command(self) -> list[str]:
        options = ["--server.address=127.0.0.1", f"--server.port={self.port}", "--logger.hideWelcomeMessage=true"]
        return ["streamlit", "run", "app.py", *options]

    def __enter__(self) -> Self:
        self._out: IO[bytes] = self.log.open("wb")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **self.environment}
        command = [sys.executable, "-m", *self.command()]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=self._out, stderr=subprocess.STDOUT)
        try:
            eventually(self._answers, f"the server answers; its log: {self.said()}")
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self._out.close()

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"the server ended with status {self.process.returncode}: {self.said()}"
        try:
            return self.read("/_stcore/health") == "ok"
        except OSError:
            return False

    def read(self, path: str) -> str:
        """What a plain request for `path` answers."""
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return str(answer.read().decode())

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def workers(self) -> list[psutil.Process]:
        """Its living worker processes, oldest first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child for child in psutil.Process(self.process.pid).children() if _is_worker(child)]
        return []


class SmallServer(Server):
    """The same app with other limits of its engine, which can be looked at."""

    def __init__(self, log: Path, limits: dict[str, Any]) -> None:
        super().__init__(log)
        self.environment = {"MOEVIZ_TEST_ENGINE": json.dumps(limits)}

    def command(self) -> list[str]:
        return ["uvicorn", "tests.browser.small_app:served", "--host=127.0.0.1", f"--port={self.port}"]

    def runs(self) -> int:
        """How many runs its engine has."""
        return int(json.loads(self.read("/test-engine"))["runs"])


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "moeviz.engine.worker" in process.cmdline()
    except psutil.Error:
        return False


class Stage:
    """One browser page with a live picture on it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: str = "/playground?play=0") -> Stage:
        """Go to an address and wait for the first picture."""
        self.page.goto(self.address + path, wait_until="commit")
        self.until("stage.frames > 0")
        return self

    def data(self) -> dict[str, str]:
        """The stage's data attributes; empty while there is no stage."""
        stage = self.page.locator(".mv-stage")
        return dict(stage.first.evaluate("stage => ({ ...stage.dataset })")) if stage.count() else {}

    @property
    def step(self) -> int:
        return int(self.data()["step"])

    @property
    def revision(self) -> int:
        return int(self.data()["revision"])

    def until(self, condition: str, value: Any = None) -> None:
        """Wait for a condition in JavaScript on `stage` (its data attributes, numbers where they are) and `value`."""
        script = f"""(value) => {{
            const root = document.querySelector('.mv-stage');
            if (!root || root.dataset.frames === undefined) return false;
            const stage = {{ ...root.dataset }};
            for (const name of ['step', 'revision', 'frames']) stage[name] = Number(stage[name]);
            const part = (name) => root.querySelector(`[data-part="${{name}}"]`);
            return Boolean({condition});
        }}"""
        try:
            self.page.wait_for_function(script, arg=value, polling=20)
        except Error as error:
            seen = {} if self.page.is_closed() else self.data()
            raise AssertionError(
                f"it never came to {condition!r} with value {value!r}: {seen}, errors {self.errors}"
            ) from error

    def part(self, name: str) -> Locator:
        """A named part of the stage."""
        return self.page.locator(f'.mv-stage [data-part="{name}"]')

    def press(self, *parts: str) -> None:
        """Press buttons of the toolbar, one after the other."""
        for name in parts:
            self.part(name).click()

    def train_to(self, step: int) -> Stage:
        """Press +50 and Step until the paused run is at this step, and its picture too."""
        while (left := step - self.step) > 0:
            at = self.step + (50 if left >= 50 else 1)
            self.press("leap" if left >= 50 else "step")
            self.until("stage.step >= value", at)
        self.until("stage.step === value && stage.state === 'paused'", step)
        return self

    def bars(self, part: str) -> list[dict[str, str]]:
        """What a row of bars shows, bar by bar: letter, value, below, and whether it is solid."""
        return list(
            self.part(part).locator(".mv-bar").evaluate_all(
                """bars => bars.map((bar) => ({
                    letter: bar.querySelector('.mv-letter').textContent,
                    value: bar.querySelector('.mv-value').textContent,
                    below: bar.querySelector('.mv-below').textContent,
                    solid: bar.classList.contains('mv-solid') ? 'solid' : '',
                }))"""
            )
        )  # fmt: skip

    def letters(self, part: str = "load-0") -> str:
        return "".join(bar["letter"] for bar in self.bars(part))

    def numbers(self) -> dict[str, Any]:
        """Everything that the page says in numbers at this step."""
        return {
            "step": self.step, "metric": self.part("metric").inner_text(), "line": self.part("line").inner_text(),
            "probe": self.bars("probe-bars"), "load": self.bars("load-0"),
        }  # fmt: skip

    def curve(self, chart: str = "side-chart") -> dict[str, list[float]]:
        """The points of a time chart, by trace, once it has been drawn up to the present step."""
        self.until(f"part('{chart}').querySelector('.js-plotly-plot')?.data?.[0]?.x?.at(-1) === stage.step")
        found = self.part(chart).locator(".js-plotly-plot").evaluate(
            "plot => plot.data.map(({ name, x, y }) => [name, Array.from(x ?? []), Array.from(y ?? [])])"
        )  # fmt: skip
        return {f"{name} {axis}": values for name, x, y in found for axis, values in (("x", x), ("y", y))}

    def chart_labels(self, chart: str = "side-chart") -> list[list[Any]]:
        """The labels in a time chart, each with its step."""
        script = "plot => plot.layout.annotations.map(({ x, text }) => [x, text])"
        return list(self.part(chart).locator(".js-plotly-plot").evaluate(script))

    def slider(self, knob: str) -> Locator:
        return self.page.locator(f".st-key-knob_{knob} input[type=range]")

    def turn(self, knob: str, *keys: str) -> None:
        """Turn a knob's slider with keys, and wait until the picture shows the run with it."""
        before = self.revision
        self.slider(knob).focus()
        for key in keys:
            self.page.keyboard.press(key)
        self.until("stage.revision > value", before)

    def choose(self, knob: str, label: str) -> None:
        """Choose from a knob's list."""
        self.pick(self.page.locator(f".st-key-knob_{knob} input"), label)

    def pick(self, box: Locator, label: str) -> None:
        """Choose from a list. A page that moves, as one that unfolds, closes a list, which is then opened again."""

        def check() -> None:
            box.fill(label)
            box.press("ArrowDown")
            try:
                self.page.get_by_role("option", name=label, exact=True).click(timeout=2000)
            except PlaywrightTimeoutError as error:
                raise AssertionError(f"the list with {label!r} does not stay open") from error

        soon(check)

    def colors(self, canvas: str, side: int) -> list[str]:
        """The colors of a canvas at the centers of side × side cells, row by row from the upper left."""
        script = """(canvas, side) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
            return Array.from({ length: side * side }, (_, cell) => {
                const x = Math.floor(((cell % side) + 0.5) / side * width);
                const y = Math.floor((Math.floor(cell / side) + 0.5) / side * height);
                const at = 4 * (y * width + x);
                const bytes = [0, 1, 2].map((byte) => data[at + byte].toString(16).padStart(2, '0'));
                return `#${bytes.join('').toUpperCase()}`;
            });
        }"""
        return list(self.part(canvas).evaluate(script, side))

    def hues(self, canvas: str) -> set[str]:
        """The experts' colors that are to be seen on a canvas."""
        return set(self.colors(canvas, 40)) & set(HUES)

    def texts(self) -> list[tuple[str, float]]:
        """Every text that is to be seen anywhere on the page, with its size in pixels."""
        return [(text, size) for text, size in self.page.evaluate(TEXTS)]

    def in_view(self, *found: Locator) -> None:
        """Check that these are on the screen as it is, without scrolling."""
        size = self.page.viewport_size
        for each in found:
            box = each.bounding_box()
            assert size and box and box["width"] * box["height"] > 0, each
            assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"], (each, box)
            assert box["y"] >= 0 and box["y"] + box["height"] <= size["height"], (each, box)

    def query(self) -> dict[str, str]:
        """The address's query parameters."""
        return dict(self.page.evaluate("() => Object.fromEntries(new URLSearchParams(location.search))"))

    def until_query(self, **wanted: str) -> None:
        """Wait for the address to have just these parameters; it follows a turned knob a moment later."""

        def check() -> None:
            assert self.query() == wanted

        soon(check)


@contextlib.contextmanager
def stage_on(
    context: BrowserContext, server: Server, viewport: ViewportSize | None = None, has_touch: bool = False, **media: Any
) -> Iterator[Stage]:
    """A new page of a browser that has the app's scripts already (they take seconds), on a screen of such a kind."""
    page = context.new_page()
    try:
        if viewport:
            page.set_viewport_size(viewport)
        if media:
            page.emulate_media(**media)
        if has_touch:
            context.new_cdp_session(page).send("Emulation.setTouchEmulationEnabled", {"enabled": True})
        stage = Stage(page, server.address)
        yield stage
        assert not stage.errors, stage.errors
    finally:
        page.close()


@contextlib.contextmanager
def stage_in(browser: Any, server: Server, **context: Any) -> Iterator[Stage]:
    """A page of its own, in a browser context of its own: with nothing loaded or kept by an earlier page."""
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **context})
    try:
        with stage_on(opened, server) as stage:
            yield stage
    finally:
        opened.close()


def share(text: str) -> float:
    """The number in a bar's text: `.40`, `0.40`, `×.40`, `17†`, `†` (too narrow for its 0)."""
    found = re.search(r"\d*\.?\d+", text)
    return float(found[0]) if found else 0.0
