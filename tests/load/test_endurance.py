"""What visitors leave behind when they have gone: nothing."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from moeviz.frames import unpack
from tests.browser.driving import Server, SmallServer, eventually
from tests.browser.visitors import RawVisitor
from tests.measuring import Report, weigh

pytestmark = pytest.mark.slow
VISITORS, AT_ONCE = 50, 10


def visit(server: Server, count: int) -> None:
    """So many visitors come, take some frames, and leave; some at a time are there together."""
    for start in range(0, count, AT_ONCE):
        pages = [("playground", f"seed={each}") if each % 2 else ("", "") for each in range(start, start + AT_ONCE)]
        visitors = [RawVisitor(server, page, query) for page, query in pages]
        for visitor in visitors:
            visitor.ask(credit=2, want=["first_choice", "points", "history"])
        for visitor in visitors:
            for _ in range(2):
                unpack(visitor.frame())
            visitor.close()


def test_fifty_visitors_leave_nothing_behind(tmp_path: Path, report: Report) -> None:
    """The first fifty warm everything up; what the next fifty leave is what each fifty would."""
    with SmallServer(tmp_path / "log.txt", {"num_workers": 2, "idle_free": 1.0}) as small:
        seen: list[dict[str, dict[str, float]]] = []
        for _ in range(3):
            visit(small, VISITORS)
            eventually(lambda: small.runs() == 0, "all runs are freed")
            time.sleep(12)  # idle threads of the server's pool leave after ten seconds
            groups = {"server": [psutil.Process(small.process.pid)], "workers": small.workers()}
            seen.append({name: weigh(group) for name, group in groups.items()})
        assert "Traceback" not in small.said()
    for name in ("server", "workers"):
        for what, unit in (("threads", ""), ("memory", "MB")):
            for after, weights in zip((50, 100, 150), seen, strict=True):
                report(f"{what} of {name} after {after} visitors", weights[name][what], unit)
        assert seen[2][name]["threads"] <= seen[1][name]["threads"] + 2
