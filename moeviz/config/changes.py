"""What was changed while runs trained, as data; `in_words` where somebody reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moeviz.config.knob import Value


@dataclass(frozen=True)
class KnobChange:
    """A knob that was turned."""

    knob: str  # its short name
    before: Value
    after: Value


@dataclass(frozen=True)
class Treatment:
    """An expert that somebody interfered with, or set free."""

    expert: str  # its letter
    now: str  # killed, frozen, free


@dataclass(frozen=True)
class Mark:
    """What was changed at a step in some of the runs: a line in their time charts."""

    step: int
    what: KnobChange | Treatment
    runs: tuple[int, ...]

    @property
    def as_data(self) -> dict[str, Any]:
        """It as a header tells it: `step`, `runs`, and the fields of what was changed."""
        return {"step": self.step, **vars(self.what), "runs": list(self.runs)}


def in_words(what: KnobChange | Treatment) -> str:
    """A change as it stands in charts and sentences: "λ 0→10", "C killed"."""
    if isinstance(what, Treatment):
        return f"{what.expert} {what.now}"
    return f"{what.knob} {_short(what.before)}→{_short(what.after)}"


def _short(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
