"""One viewer of a run, as its worker sees it."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Any

NEWEST = 5  # frames by whose time the next ones are planned


@dataclass
class Watcher:
    """One viewer of a run: how many frames it can take, what it wants to see, and what it saw last."""

    heard_at: float
    probe: tuple[float, float] | None = None
    credit: int = 0  # below 0: it was sent frames that it had not asked for
    want: tuple[str, ...] = ()
    given: str | tuple[float, ...] | None = None  # its own text or picture, to be shown what the model makes of it
    hidden: bool = False
    blind: bool = False  # what it asked for could not be drawn: it gets no frame until it asks for something else
    sent_at: float = -math.inf
    saw: tuple[Any, ...] | None = None
    took: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))  # seconds for each of the newest frames

    @property
    def frame_seconds(self) -> float:
        """For one frame, of late; a single long one was a first call of something, or another program's turn."""
        return statistics.median_low(self.took) if self.took else 0.0

    def ask(self, want: tuple[str, ...]) -> None:
        """Other pictures, which can perhaps be drawn where the ones before could not."""
        self.blind &= self.want == want
        self.want = want

    def give(self, value: str | list[float]) -> None:
        """Its own text or picture: its frames show what the model makes of it."""
        self.given = value if isinstance(value, str) else tuple(value)
        self.blind = False
