"""What visitors leave behind when they have gone: nothing; and a class that stays: its pictures get no slower."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from moeviz.config import RunConfig
from moeviz.engine.worker.host import Host
from moeviz.engine.worker.run import HostedRun
from moeviz.frames import unpack
from moeviz.training import Training
from tests.browser.opened_page import Server, SmallServer, eventually
from tests.browser.visitors import RawVisitor
from tests.load.crowd import Seen, Visitor, address, arrive, leave, watch
from tests.report import Report, cpu_seconds, weigh
from tests.viewers import apart

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


# --- one run, without a server: an old one beside a young one, in turns, so that the pace of both is the same

YOUNG, OLD, EACH = 2_400, 18_000, 400  # steps of one minute, and of eight; and how often each is measured


def watched(until: int) -> HostedRun:
    """A run of so many steps whose λ is turned every four seconds, with a viewer."""
    host = Host(lambda message, payload: None, Training, clock=lambda: 0.0)
    run: Any = {"run": "r", "play": True, "speed": "watch", "probe": None}
    host.handle(run | {"op": "open", "configs": [vars(RunConfig())]})
    host.handle({"op": "watch", "run": "r", "viewer": "v", "credit": 4, "want": [], "probe": None})
    found = host._runs["r"]
    while found.step < until:
        found.playing.training.step(160)
        found.playing.training.set(balance_coef=float(found.step // 160 % 3))
        found.changed(0.0, knobs=True)
    return found


def step_seconds(run: HostedRun) -> float:
    began = time.process_time()
    run.playing.training.step()
    return time.process_time() - began


def frame_seconds(run: HostedRun, want: tuple[str, ...]) -> float:
    run.playing.training.step()
    (watcher,) = run.audience.watchers.values()
    watcher.credit, watcher.want = 4, want
    began = time.process_time()
    run.frame(watcher, 0.0)
    return time.process_time() - began


@pytest.mark.measured
def test_an_old_run_beside_a_young_one(report: Report) -> None:
    """Prints what a step and a frame of a run take after eight minutes, over what they take after one."""
    one_thread = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    try:
        runs = watched(YOUNG), watched(OLD)
        seconds = {"a step": [[step_seconds(run) for run in runs] for _ in range(EACH)]}
        for want in (("first_choice",), ("first_choice", "history")):
            seconds[f"a frame with {' and '.join(want)}"] = [
                [frame_seconds(run, want) for run in runs] for _ in range(EACH)
            ]
    finally:
        torch.set_num_threads(one_thread)
    for what, each in seconds.items():
        young, old = (1000 * statistics.median(times) for times in zip(*each, strict=True))
        report(f"{what} after {YOUNG} steps", young, "ms")
        report(f"{what} after {OLD} steps: in percent of that", 100 * old / young, "%")
