"""What measuring tests share: how they report a figure, and what processes cost."""

from __future__ import annotations

from collections.abc import Callable

import psutil

Report = Callable[[str, float, str], None]


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def weigh(processes: list[psutil.Process]) -> dict[str, float]:
    return {
        "threads": sum(process.num_threads() for process in processes),
        "memory": sum(process.memory_info().rss for process in processes) / 1e6,
    }
