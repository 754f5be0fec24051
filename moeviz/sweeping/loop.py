"""A whole sweep as one call, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from moeviz.config import RunConfig, Value
from moeviz.sweeping.job import Job
from moeviz.sweeping.plan import plan
from moeviz.sweeping.pool import Pool
from moeviz.sweeping.result import row
from moeviz.sweeping.store import Store

if TYPE_CHECKING:
    import pandas


def sweep(
    base: RunConfig | None = None,
    vary: Mapping[str, Sequence[Value]] | None = None,
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
    """
    planned = plan(vars(base or RunConfig()), vary or {}, seeds)
    job = Job(planned.configs, steps, store=store, pool=pool)
    try:
        job.wait()
    finally:
        job.cancel()  # Ctrl-C in a notebook must not leave it running
    if job.errors:
        raise RuntimeError("; ".join(job.errors))
    frame = table(job, list(planned.vary))
    frame.attrs = {"left_out": [each.values for each in planned.left_out], "steps": steps}
    return frame


def table(job: Job, names: list[str]) -> pandas.DataFrame:
    """The finished runs of a job: varied knobs, seed, and all that was measured."""
    import pandas

    pairs = zip(job.configs, job.results, strict=True)
    return pandas.DataFrame([row(config, names, result) for config, result in pairs if result is not None])
