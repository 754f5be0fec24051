"""Runs whose loss explodes or is no number: which of them stand still, since when, and which knob to lower."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from moeviz.config import RunConfig
from moeviz.training import settings
from moeviz.training.history import Record


def noticed_at(records: Sequence[Record], run: int) -> int | None:
    """The step of the first record at which the run had diverged; None while it trains."""
    if records[-1].trains[run]:
        return None
    return records[bisect_left(records, True, key=lambda record: not record.trains[run])].step


def why(configs: Sequence[RunConfig], noticed_at_R: Sequence[int | None]) -> list[str | None]:
    """Of each run what happened, and the remedy, as said after its name; None while it trains."""
    return [
        f"diverged near step {step}: its loss exploded or is not a number. Lower {settings.too_high([config])}."
        if step is not None
        else None
        for config, step in zip(configs, noticed_at_R, strict=True)
    ]


def reason(why_R: Sequence[str | None]) -> str | None:
    """Why runs stand still, each by its number where there are several; None while all train."""
    names = [f"Run {run} of {len(why_R)}" for run in range(1, len(why_R) + 1)] if len(why_R) > 1 else ["The run"]
    return " ".join(f"{name} {each}" for name, each in zip(names, why_R, strict=True) if each) or None


def end_curves(arrays: dict[str, np.ndarray], noticed_at_R: Sequence[int | None]) -> None:
    """The histories of a run that has diverged end before that was noticed: its loss would dwarf those of the others.

    Args:   arrays: of a snapshot; who has a history has its steps.
    """
    for run, step in enumerate(noticed_at_R):
        for name, values in arrays.items() if step is not None else ():
            if name.startswith("history_") and name != "history_step":
                values[run, ..., arrays["history_step"] >= step] = np.nan
