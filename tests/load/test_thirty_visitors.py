"""A class: many visitors at once, each with a run and sliders of its own, over real sockets against the real server.

Run with `pytest tests/load -s`; it prints figures and asserts only that everybody is served.
MOEVIZ_VISITORS and MOEVIZ_SECONDS measure another crowd. The visitors themselves share the computer with the server.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.browser.opened_page import Server, SmallServer, eventually
from tests.load.crowd import Seen, Visitor, address, arrive, leave, watch
from tests.report import Report, cpu_seconds, percentile, weigh
from tests.viewers import apart

IDLE_FREE = 2.0
WARM = 20.0  # seconds that the first class stays, so that its runs record states too
KEPT = 60  # MB that all workers, or the server, may hold more than after an earlier class of the same size
CROWDS: list[Any] = [
    pytest.param(30, 20.0, marks=pytest.mark.slow), pytest.param(30, 60.0, marks=pytest.mark.measured),
    pytest.param(60, 20.0, marks=pytest.mark.measured),
]  # fmt: skip
if "MOEVIZ_VISITORS" in os.environ:
    own = int(os.environ["MOEVIZ_VISITORS"]), float(os.environ.get("MOEVIZ_SECONDS", "60"))
    CROWDS = [pytest.param(*own, marks=pytest.mark.measured)]
HEAVY = "num_experts=32&hidden_width=64"


def check_served(visitors: list[Visitor], windows: list[Seen]) -> None:
    """No error, and everybody gets frames, steps and answers."""
    assert [error for visitor in visitors for error in visitor.errors] == []
    assert min(window.frames for window in windows) > 0
    assert min(window.steps_per_second for window in windows) > 0
    assert sum(len(window.latencies) for window in windows) > 0


@pytest.mark.parametrize(("count", "seconds"), CROWDS)
def test_a_crowd_of_visitors(tmp_path: Path, report: Report, count: int, seconds: float) -> None:
    with SmallServer(tmp_path / "log.txt", {"idle_free": IDLE_FREE}) as small:
        warm_up(small, count)
        groups = {"server": [psutil.Process(small.process.pid)], "workers": small.workers()}
        before = {name: weigh(group) for name, group in groups.items()}
        visitors = [Visitor(small, address(number), number) for number in range(count)]
        windows, spent, during = apart(measured(visitors, seconds, groups))
        eventually(lambda: small.runs() == 0, "all runs are freed")
        time.sleep(12)  # idle threads of the server's pool leave after ten seconds
        after = {name: weigh(group) for name, group in groups.items()}
        assert "Traceback" not in small.said()
    check_served(visitors, windows)
    report_rates(report, f"{count} visitors", windows)
    for name, share in spent.items():
        report(f"{count} visitors: CPU of {name}", 100 * share, "% of a core")
    for name in groups:
        for moment, weights in (("before", before), ("during", during), ("after", after)):
            report(f"{count} visitors: memory of {name} {moment}", weights[name]["memory"], "MB")
            report(f"{count} visitors: threads of {name} {moment}", weights[name]["threads"], "")
    for name in groups:
        assert after[name]["threads"] <= before[name]["threads"] + 4  # the pool of the server keeps a few
        assert after[name]["memory"] <= before[name]["memory"] + KEPT


def warm_up(small: SmallServer, count: int) -> None:
    """A first class, after which everything is loaded, and memory is spread out, as it ever will be."""

    async def come_and_go() -> None:
        visitors = [Visitor(small, address(number), number) for number in range(count)]
        await arrive(visitors)
        await watch(visitors, WARM)
        await leave(visitors)

    apart(come_and_go())
    eventually(lambda: small.runs() == 0, "all runs are freed")
    time.sleep(11)


async def measured(
    visitors: list[Visitor], seconds: float, groups: dict[str, list[psutil.Process]]
) -> tuple[list[Seen], dict[str, float], dict[str, dict[str, float]]]:
    """What the visitors see, the share of a core that each process takes meanwhile, and their weight at the end."""
    await arrive(visitors)
    processes = {"server": groups["server"][0], "visitors (this test)": psutil.Process()}
    processes |= {f"worker {number}": worker for number, worker in enumerate(groups["workers"])}
    began = {name: cpu_seconds(process) for name, process in processes.items()}
    windows = await watch(visitors, seconds)
    spent = {name: (cpu_seconds(process) - began[name]) / seconds for name, process in processes.items()}
    during = {name: weigh(group) for name, group in groups.items()}
    await leave(visitors)
    return windows, spent, during


def report_rates(report: Report, who: str, windows: list[Seen]) -> None:
    for what, rates in (
        ("frames a second", [window.frames_per_second for window in windows]),
        ("training steps a second", [window.steps_per_second for window in windows]),
    ):
        report(f"{who}: {what}, median", statistics.median(rates), "1/s")
        report(f"{who}: {what}, lowest", min(rates), "1/s")
    latencies = [1000 * latency for window in windows for latency in window.latencies]
    report(f"{who}: slider to frame, median of {len(latencies)}", statistics.median(latencies), "ms")
    report(f"{who}: slider to frame, 95th percentile", percentile(latencies, 0.95), "ms")


@pytest.mark.slow
def test_a_visitor_with_32_experts_does_not_starve_the_others(tmp_path: Path, report: Report) -> None:
    """Twice each way in turn, so that a busy computer slows both."""

    async def compared(server: Server) -> tuple[list[list[Seen]], list[list[Seen]], list[Seen]]:
        visitors = [Visitor(server, address(number), number) for number in range(14)]
        await arrive(visitors)
        without, beside, heavy_windows = [], [], []
        for _ in range(2):
            without.append(await watch(visitors, 6.0))
            heavy = Visitor(server, HEAVY, 99)
            await arrive([heavy])
            *windows, own = await watch([*visitors, heavy], 6.0)
            beside.append(windows)
            heavy_windows.append(own)
            await leave([heavy])
            check_served([heavy], [own])
        await leave(visitors)
        check_served(visitors, [*without[0], *beside[0]])
        return without, beside, heavy_windows

    with SmallServer(tmp_path / "log.txt", {"num_workers": 1, "idle_free": 1.0}) as small:
        without, beside, heavy = apart(compared(small))
        assert "Traceback" not in small.said()
    rates = []
    for who, windows in (("14 visitors", without), ("14 beside one with N = 32, hidden 64", beside)):
        rates.append(statistics.median(each.steps_per_second for window in windows for each in window))
        report(f"one worker, {who}: steps a second, median", rates[-1], "1/s")
    report("one worker, the one with N = 32: steps a second", max(each.steps_per_second for each in heavy), "1/s")
    assert rates[1] > rates[0] / 2
