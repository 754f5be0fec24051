"""Sweeps: many runs over values of a few knobs, trained in lockstep on worker processes (no torch here)."""

from moeviz.experiments.sweep.cells import DIVERGED, NO_RUN, Cells, cells, ends, ends_of_means, runs
from moeviz.experiments.sweep.job import Job, Progress
from moeviz.experiments.sweep.loop import SweepFailed, sweep, table
from moeviz.experiments.sweep.plan import Plan, plan, read_values
from moeviz.experiments.sweep.pool import Pool, SweepBusy, shared_pool
from moeviz.experiments.sweep.result import MEASURES, Result, measure_label, row
from moeviz.experiments.sweep.store import File, Memory, Store

__all__ = [
    "DIVERGED", "MEASURES", "NO_RUN", "Cells", "File", "Job", "Memory", "Plan", "Pool", "Progress", "Result", "Store",
    "SweepBusy", "SweepFailed", "cells", "ends", "ends_of_means", "measure_label", "plan", "read_values", "row", "runs",
    "shared_pool", "sweep", "table",
]  # fmt: skip
