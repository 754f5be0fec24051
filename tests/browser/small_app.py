"""The app with an engine that takes few runs and soon frees them, and a look at it; for tests of what happens then.

Started with `uvicorn tests.browser.small_app:served`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from moeviz.config import RunConfig
from moeviz.engine import Engine
from moeviz.ui.run import visitor

REFUSED_SEED = 404
MISSING = "cuda" if sys.platform == "darwin" else "mps"


class PickyEngine(Engine):
    """Its workers refuse runs of one seed, which it wants on a device that is not there."""

    def open(self, configs: Sequence[RunConfig], **how: Any) -> str:
        found = [each.with_(device=MISSING) if each.seed == REFUSED_SEED else each for each in configs]
        return super().open(found, **how)


@cache
def small_engine() -> Engine:
    limits = json.loads(os.environ["MOEVIZ_TEST_ENGINE"])
    return PickyEngine(**limits)


PYTHON = {"/test-engine/refuse": "/there/is/no/python", "/test-engine/allow": sys.executable}
visitor.engine = small_engine
app: Any = importlib.import_module("app").app  # it asks for the engine when it is imported


async def served(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The app; and at /test-engine, how many runs its engine has.

    At /test-engine/free it is made to forget them; between /refuse and /allow it can start no worker process.
    """
    if scope["type"] != "http" or not scope["path"].startswith("/test-engine"):
        await app(scope, receive, send)
        return
    if scope["path"] == "/test-engine/free":
        for token in list(small_engine()._runs):
            small_engine().close(token, "freed by a test")
    if scope["path"] in PYTHON:
        sys.executable = PYTHON[scope["path"]]
    body = json.dumps({"runs": len(small_engine()._runs)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
