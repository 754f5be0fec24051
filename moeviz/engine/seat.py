"""One viewer of a run, as its worker sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass
class Seat:
    """One viewer of a run: how many frames it can take, what it wants to see, and what it saw last."""

    heard_at: float
    probe: tuple[float, float] | None = None
    credit: int = 0  # below 0: it was sent frames that it had not asked for
    want: tuple[str, ...] = ()
    given: str | tuple[float, ...] | None = None  # its own text or picture, to be shown what the model makes of it
    hidden: bool = False
    sent_at: float = -math.inf
    saw: tuple[Any, ...] | None = None
