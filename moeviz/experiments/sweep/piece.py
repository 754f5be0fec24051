"""A piece of a sweep: some runs of one shape, trained in lockstep from step 0 to the end. Only workers import this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from moeviz.config import RunConfig
from moeviz.experiments.sweep.result import Result
from moeviz.training import Training
from moeviz.training.history import WINDOW

EVERY = 10  # steps between the records at the end: as those of a run that is trained alone
LOOK = 0.2  # seconds between two reports


def train_piece(
    configs: Sequence[RunConfig],
    steps: int,
    report: Callable[[int], None] = lambda step: None,
    stopped: Callable[[], bool] = lambda: False,
    **options: Any,
) -> list[Result] | None:
    """Train the runs and measure each; None if `stopped` said so on the way.

    Nothing is recorded before the last few records, which is all that says whether an expert is dead at the end.

    Args:   report: told the step now and then.  options: for `Training`.
    """
    training = Training(configs, record_every=max(steps, EVERY), **options)
    _step_to(training, max(0, (steps // EVERY - WINDOW) * EVERY), report, stopped)
    training.record_every = EVERY
    _step_to(training, steps, report, stopped)
    return None if training.current_step < steps and not training.stuck else _results(training)


def _step_to(training: Training, step: int, report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
    reported = time.monotonic()
    while training.current_step < step and not training.stuck and not stopped():
        training.step(min(EVERY, step - training.current_step))
        if time.monotonic() - reported > LOOK:
            report(training.current_step)
            reported = time.monotonic()


def _results(training: Training) -> list[Result]:
    """One result for each run; what a diverged run would show means nothing and is left open."""
    header = training.snapshot().header
    seconds = header["seconds"] / len(training.configs)
    return [
        Result(
            test_metric=header["test_metric"][run] if healthy else None,
            test_loss=header["test_loss"][run] if healthy else None,
            cv_load=header["cv_load"][run] if healthy else None,
            dead_experts=np.sum(header["dead"][run], axis=-1).tolist() if healthy else None,
            specialization=header["specialization"][run] if healthy else None,
            seconds=seconds,
            active_flops=header["flops"][run],
            parameters=header["num_parameters"][run],
            active_parameters=header["active_parameters"][run],
            diverged=not healthy,
        )
        for run, healthy in enumerate(training.step_state.healthy_R.tolist())
    ]
