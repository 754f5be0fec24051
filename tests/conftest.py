"""What all tests share: one thread, reproducible examples, an engine, the devices and the browser that are present."""

from __future__ import annotations

import os

# Set before torch is imported, and inherited by the processes that tests start: results depend on the thread count.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest

from moeviz.cli.doctor import find_browser
from moeviz.config import RunConfig
from moeviz.engine import Engine
from tests.report import Report
from tests.viewers import children, moeviz_threads

hypothesis.settings.register_profile("moeviz", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("moeviz")

BROWSER_FLAGS = [
    "--no-sandbox",  # Chromium refuses to start as root otherwise
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",  # pages share a process, so that a page that opens finds the scripts compiled
]


LONGEST = (  # first, so that no process is left alone with one of them at the end
    "test_accelerator.py::test_the_tests_of_the_core_pass_there", "test_vision.py::test_experts_share_out",
    "test_pairs.py", "test_claims.py", "test_language_model.py", "test_leaving.py", "test_cli_sweep.py",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files, or tests, that take longest begin."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST))

    items.sort(key=place)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `devices` runs once for each device that is present."""
    if "devices" in metafunc.fixturenames:
        from moeviz.tensors.device import available

        real = {"cuda": [pytest.mark.gpu], "mps": [pytest.mark.gpu]}
        metafunc.parametrize("devices", [pytest.param(name, marks=real.get(name, [])) for name in available()])


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """How pytest-playwright starts the browser; without one, browser tests skip, or fail where one is required."""
    path = find_browser()
    if path is None:
        missing = "no Chromium or Chrome found; install one or set MOEVIZ_BROWSER to its path"
        if os.environ.get("MOEVIZ_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{missing} (MOEVIZ_REQUIRE_BROWSER=1)", pytrace=False)
        pytest.skip(missing)
    return {**browser_type_launch_args, "executable_path": path, "args": BROWSER_FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """The first screen of a page is designed for 1280 by 720."""
    return {**browser_context_args, "viewport": {"width": 1280, "height": 720}}


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Prints a measured figure, and adds it to the test's record."""

    def line(name: str, value: float, unit: str) -> None:
        record_property(name, value)
        print(f"\n{name:<58}{value:>10.1f} {unit}", end="")

    return line


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine of one worker, which leaves no process and no thread behind."""
    before, threads = {child.pid for child in children()}, moeviz_threads()  # an earlier test's may still be ending
    with Engine(num_workers=1, max_runs=4) as shared:
        yield shared
    assert {child.pid for child in children()} <= before  # neither processes nor zombies
    assert not Counter(moeviz_threads()) - Counter(threads)


@pytest.fixture
def token(engine: Engine) -> Iterator[str]:
    """A run of that engine."""
    opened = engine.open([RunConfig()])
    yield opened
    engine.close(opened)
