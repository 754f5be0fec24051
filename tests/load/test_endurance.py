"""What visitors leave behind when they have gone: nothing; and a class that stays: its pictures get no slower."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import psutil
import pytest

from moeviz.frames import unpack
from tests.browser.driving import Server, SmallServer, eventually
from tests.browser.visitors import RawVisitor
from tests.load.crowd import Seen, Visitor, address, arrive, leave, watch
from tests.measuring import Report, cpu_seconds, weigh
from tests.watching import apart

VISITORS, AT_ONCE = 50, 10
STAY, MINUTES = int(os.environ.get("MOEVIZ_VISITORS", "15")), int(os.environ.get("MOEVIZ_MINUTES", "8"))


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


@pytest.mark.slow
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


Minute = tuple[list[Seen], dict[str, float], dict[str, float]]


def yardstick() -> float:
    """CPU seconds of a fixed piece of work: what the computer itself makes of a second, which changes in minutes."""
    began = time.process_time()
    sum(each * each for each in range(1_000_000))
    return time.process_time() - began


async def stay(small: SmallServer) -> list[Minute]:
    """What each visitor sees, minute by minute; CPU seconds of the processes and of the yardstick; memory."""
    visitors = [Visitor(small, address(number), number) for number in range(STAY)]
    await arrive(visitors)
    groups = {"server": [psutil.Process(small.process.pid)], "workers": small.workers(), "visitors": [psutil.Process()]}

    def spent() -> dict[str, float]:
        return {name: sum(map(cpu_seconds, group)) for name, group in groups.items()}

    minutes, before = [], spent()
    for _ in range(MINUTES):
        windows = await watch(visitors, 60.0)
        after = spent()
        cpu = {name: after[name] - before[name] for name in groups} | {"the yardstick": yardstick()}
        minutes.append((windows, cpu, {name: weigh(group)["memory"] for name, group in groups.items()}))
        before = spent()
    await leave(visitors)
    assert [error for visitor in visitors for error in visitor.errors] == []
    return minutes


@pytest.mark.measured
def test_a_class_that_stays_for_minutes(tmp_path: Path, report: Report) -> None:
    """Prints what it sees in each minute: `pytest tests/load/test_endurance.py -m measured -s`.

    MOEVIZ_VISITORS and MOEVIZ_MINUTES measure another class. The visitors share the computer with the server, so where
    something else is busy the CPU time for a frame says more than the frames a second; and where the computer's own
    pace changes, that time in yardsticks.
    """
    with SmallServer(tmp_path / "log.txt", {}) as small:
        minutes = apart(stay(small))
        assert "Traceback" not in small.said()
    for number, (windows, cpu, memory) in enumerate(minutes, 1):
        who, frames = f"{STAY} visitors, minute {number}", sum(window.frames for window in windows)
        assert min(window.frames for window in windows) > 0
        report(f"{who}: frames a second, median", statistics.median(each.frames_per_second for each in windows), "1/s")
        report(f"{who}: frames a second, lowest", min(each.frames_per_second for each in windows), "1/s")
        report(f"{who}: steps a second, median", statistics.median(each.steps_per_second for each in windows), "1/s")
        report(f"{who}: a frame", sum(window.bytes for window in windows) / frames / 1000, "kB")
        unit = cpu.pop("the yardstick")
        report(f"{who}: the yardstick", 1000 * unit, "ms")
        for name, seconds in cpu.items():
            report(f"{who}: CPU of {name} for a frame", 1000 * seconds / frames, "ms")
            report(f"{who}: CPU of {name} for a frame, in yardsticks", seconds / frames / unit, "")
            report(f"{who}: memory of {name}", memory[name], "MB")
