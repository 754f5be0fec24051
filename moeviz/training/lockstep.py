"""Trainings that began apart take a step together: as one they cost a fraction, and none of them can tell."""

from __future__ import annotations

import time
from collections.abc import Sequence

from moeviz.training.batch import Batch
from moeviz.training.step import StepKnobs, StepState, stepped
from moeviz.training.training import Training


def step_together(trainings: Sequence[Training]) -> None:
    """One step of each training, as its own `step()` would do it, with every operation done once for all of them.

    They may be at different steps and differ in seed, λ, k, learning rate, seats and task; what they must share is
    `Training.lockstep`. Those whose runs have all diverged stand still. Nothing has changed if this raises, unless it
    is while a training records its state.
    """
    keys = {training.lockstep for training in trainings}
    if len(keys) > 1:
        raise ValueError(
            f"trainings that step together must share their lockstep key: got {len(keys)} of them among "
            f"{len(trainings)} trainings; step each group by itself"
        )
    began = time.perf_counter()
    moving = [training for training in trainings if not training.stuck]
    if not moving:
        return
    batch = Batch.joined([training.batch() for training in moving])
    counts = [len(training.configs) for training in moving]
    step_knobs = StepKnobs.joined([training.step_knobs for training in moving], counts)
    before = StepState.joined([training.step_state for training in moving])
    after = stepped(moving[0].problem, step_knobs, before, batch).parted(counts)
    for training, own in zip(moving, after, strict=True):
        training.advance(own)
    seconds = (time.perf_counter() - began) / sum(counts)
    for training, count in zip(moving, counts, strict=True):
        training.note_seconds(seconds * count)
