"""Changes by hand, for tests: as a header tells them, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moeviz.config.changes import KnobChange, Mark, Treatment, in_words


def turned(step: int, knob: str, before: Any, after: Any, runs: Sequence[int] = (0,)) -> dict[str, Any]:
    """A knob's change, as a header tells it."""
    return Mark(step, KnobChange(knob, before, after), tuple(runs)).as_data


def treated(step: int, expert: str, now: str, runs: Sequence[int] = (0,)) -> dict[str, Any]:
    """An expert's treatment, as a header tells it."""
    return Mark(step, Treatment(expert, now), tuple(runs)).as_data


def said(marks: Sequence[Mark]) -> list[tuple[int, str, list[int]]]:
    """Marks with what changed in words."""
    return [(mark.step, in_words(mark.what), list(mark.runs)) for mark in marks]
