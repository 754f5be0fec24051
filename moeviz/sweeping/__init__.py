"""Sweeps: many runs over values of a few knobs, trained in lockstep on worker processes (no torch here)."""

from moeviz.sweeping.cells import DIVERGED, NO_RUN, Cells, cells, ends, ends_of_means, runs
from moeviz.sweeping.job import Job, Progress
from moeviz.sweeping.loop import SweepFailed, sweep, table
from moeviz.sweeping.plan import Plan, plan, read_values
from moeviz.sweeping.pool import Pool, SweepBusy, shared_pool
from moeviz.sweeping.result import MEASURES, Result, measure_label, row
from moeviz.sweeping.store import File, Memory, Store

__all__ = [
    "DIVERGED", "MEASURES", "NO_RUN", "Cells", "File", "Job", "Memory", "Plan", "Pool", "Progress", "Result", "Store",
    "SweepBusy", "SweepFailed", "cells", "ends", "ends_of_means", "measure_label", "plan", "read_values", "row", "runs",
    "shared_pool", "sweep", "table",
]  # fmt: skip
