"""What browser tests share: one server, one browser (pytest-playwright's), and a page whose visitor is new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.opened_page import Server, Stage, stage_on


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real app; when it ends, its workers end too."""
    with Server(tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running
        workers = running.workers()
    assert bool(workers) or not running.drew
    assert not [worker for worker in workers if worker.is_running()]


@pytest.fixture(scope="session")
def warm_context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """One browser for most tests, so that it loads the scripts only once.

    A plain page stays open in it: it keeps the process of all pages (BROWSER_FLAGS), and what that has compiled, alive.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.new_page().goto(f"{server.address}/_stcore/health")
    yield context
    context.close()


@pytest.fixture
def stage(warm_context: BrowserContext, server: Server) -> Iterator[Stage]:
    """A new visitor's page; afterwards neither the page nor the server's log may hold an error."""
    said_before = len(server.said())
    with stage_on(warm_context, server) as opened:
        yield opened
        server.drew = server.drew or bool(opened.page.locator("[data-frames]").count())
    assert "Traceback" not in server.said()[said_before:], server.said()[said_before:]
