"""A whole sweep as one call, for scripts and notebooks."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from moeviz.config import RunConfig, Value, as_runs
from moeviz.experiments.sweep.job import Job
from moeviz.experiments.sweep.plan import check_devices, plan
from moeviz.experiments.sweep.pool import Pool
from moeviz.experiments.sweep.result import row
from moeviz.experiments.sweep.store import Store

if TYPE_CHECKING:
    import pandas


class SweepFailed(RuntimeError):
    """Some runs could not be trained; the message says why, and `finished` is the table of the others."""

    def __init__(self, errors: Sequence[str], finished: pandas.DataFrame) -> None:
        super().__init__("; ".join(errors))
        self.finished = finished


def sweep(
    base: RunConfig | None = None,
    vary: Mapping[str, Iterable[Value]] | None = None,
    seeds: int = 3,
    steps: int = 500,
    *,
    store: Store | None = None,
    pool: Pool | None = None,
) -> pandas.DataFrame:
    """Train every combination of the varied knobs with every seed, and return one line for each run.

    `sweep(vary={"num_experts": [2, 4], "balance_coef": [0, 1]})` trains 12 runs on all cores. Combinations that no run
    can have (k > N) are left out; `attrs["left_out"]` names them.

    Args:   base: all other knobs; its seed is the first one.  store: as `Job`.
    Raises: ValueError where no such sweep can be, SweepFailed where some of its runs could not be trained.
    """
    (first,) = as_runs(RunConfig() if base is None else base)
    planned = plan(vars(first), {} if vary is None else vary, seeds)
    check_devices(planned.configs)
    job = Job(planned.configs, steps, store=store, pool=pool)
    try:
        job.wait()
    finally:
        job.cancel()  # Ctrl-C in a notebook must not leave it running
    frame = table(job, list(planned.vary))
    frame.attrs = {"left_out": [each.values for each in planned.left_out], "steps": steps}
    if job.progress.failed:
        raise SweepFailed(job.errors, frame)
    for error in job.errors:  # the runs are here, if not in the store
        warnings.warn(error, stacklevel=2)
    return frame


def table(job: Job, names: list[str]) -> pandas.DataFrame:
    """The finished runs of a job: varied knobs, seed, and all that was measured."""
    import pandas

    pairs = zip(job.configs, job.results, strict=True)
    return pandas.DataFrame([row(config, names, result) for config, result in pairs if result is not None])
