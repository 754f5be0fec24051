"""The whole of a training as a loop, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from moeviz.config import RunConfig
from moeviz.training import settings
from moeviz.training.training import Training
from moeviz.training.views.snapshot import Snapshot


def train(configs: RunConfig | Iterable[RunConfig], steps: int, every: int = 10, **options: Any) -> Iterator[Snapshot]:
    """Train and yield a snapshot at step 0, after every `every` steps, and at the end."""
    every = int(settings.RECORD_EVERY.check(every) or 0)
    training = Training(configs, **options)
    yield training.snapshot()
    while training.current_step < steps:
        before = training.current_step
        training.step(min(every, steps - before))
        yield training.snapshot()
        if training.current_step == before:  # every run has diverged
            break
