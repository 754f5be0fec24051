"""What of a moment is kept: to go back to after a divergence, along the tape, or as a ghost."""

from __future__ import annotations

from typing import Any

import numpy as np

from moeviz.training import history
from moeviz.training.history import Record
from moeviz.training.state import State
from moeviz.training.tape import Moment

RECENT = 100  # records
RISEN = 2.0  # a record is good to go back to while no run's loss is above this many times its recent best


def is_good(state: State, record: Record) -> bool:
    """Whether every run is healthy, and its loss not far above its recent best."""
    best_R = np.min([each.task_loss for each in state.records[-RECENT:]], axis=0)
    return bool(record.trains.all() and (record.task_loss <= RISEN * best_R).all())


def checkpoint(state: State) -> dict[str, Any]:
    """The state without its history; tensors are copied where they are a part of a whole crowd's."""
    step_state = state.step_state.detached()
    return {
        "configs": state.configs, "treated": state.treated, "current_step": state.current_step,
        "seconds": state.seconds, "step_seconds": state.step_seconds, "ids_RE": state.ids_RE,
        **vars(step_state), "largest_loss_R": state.largest_loss_R, "diverged": state.diverged,
    }  # fmt: skip


def with_history(state: State) -> dict[str, Any]:
    """Everything that decides how the run goes on. (Random streams follow from seed and step.)"""
    return checkpoint(state) | {"records": tuple(state.records), "changes": tuple(state.changes), "good": state.good}


def moment(state: State) -> Moment:
    """The present moment, for the tape."""
    good = state.good
    copied = good["current_step"] == state.current_step and good["ids_RE"] is state.ids_RE
    kept = good | {"seconds": state.seconds, "step_seconds": state.step_seconds} if copied else checkpoint(state)
    newest = tuple(state.records[-history.WINDOW :])
    return Moment(
        state.current_step, kept, newest, tuple(state.changes), (state.measured, state.details), is_good=copied
    )
