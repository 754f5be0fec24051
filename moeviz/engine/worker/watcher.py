"""One viewer of a run, as its worker sees it: what it wants to see, what it saw last, and when it may see more."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from moeviz.engine.messages import Look, State
from moeviz.engine.protocol import MAX_CREDIT

NEWEST = 5  # frames by whose time the next ones are planned
MAX_DEBT = 2  # answers to knobs that may be on their way beyond what a viewer asked for
UNHURRIED = {"history", "groups", "trails", "skill"}  # pictures that pages ask for again and again
Point = tuple[float, float]


class Shown(NamedTuple):
    """What all viewers of a run would see now."""

    step: int
    version: int  # grows with whatever an op may have changed
    state: State
    reason: str | None


class Sight(NamedTuple):
    """What one of them would see."""

    shown: Shown
    given: str | tuple[float, ...] | None
    want: tuple[str, ...]
    probe: Point | None


@dataclass
class Watcher:
    """One viewer of a run: how many frames it can take, what it wants to see, and what it saw last."""

    heard_at: float
    probe: Point | None = None
    credit: int = 0  # below 0: it was sent frames that it had not asked for
    want: tuple[str, ...] = ()
    given: str | tuple[float, ...] | None = None  # its own text or picture, to be shown what the model makes of it
    hidden: bool = False
    blind: bool = False  # what it asked for could not be drawn: it gets no frame until it asks for something else
    sent_at: float = -math.inf
    saw: Sight | None = None
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))  # seconds for each of the newest frames

    # --- what it says --------------------------------------------------------------------------------------------

    def look(self, look: Look, now: float) -> None:
        """Its credit, pictures and probe; what it leaves out stays as it was."""
        self.heard_at = now
        self.credit = min(self.credit + look["credit"], MAX_CREDIT)
        if look["want"] is not None:
            self.ask(tuple(look["want"]))
        if look["probe"] is not None:
            self.probe = point(look["probe"])

    def ask(self, want: tuple[str, ...]) -> None:
        """Other pictures, which can perhaps be drawn where the ones before could not."""
        self.blind &= self.want == want
        self.want = want

    def give(self, value: str | list[float], now: float) -> None:
        """Its own text or picture: its frames show what the model makes of it."""
        self.given = value if isinstance(value, str) else tuple(value)
        self.blind, self.heard_at = False, now

    # --- what it sees --------------------------------------------------------------------------------------------

    def takes(self, shown: Shown) -> bool:
        """Whether it can take a frame, and has not seen everything."""
        return not self.hidden and self.credit > 0 and not self.blind and self.saw != self._sight(shown)

    def awaits(self, shown: Shown) -> bool:
        """Whether it waits for an answer (a knob, the probe, another picture), not just for later steps."""
        if self.saw is None:
            return True
        saw, now = self.saw, self._sight(shown)
        changed = (saw.shown[1:], saw.given, saw.probe) != (shown[1:], now.given, now.probe)
        return changed or bool(set(now.want) - set(saw.want) - UNHURRIED)

    @property
    def may_be_answered(self) -> bool:
        """Whether a knob's frame may go out at once and on credit, so as not to wait for the pictures before it."""
        return not self.blind and not self.hidden and self.saw is not None and self.credit > -MAX_DEBT

    def pay(self) -> None:
        """A frame was drawn for it, which uses up a credit."""
        self.credit -= 1

    def see(self, shown: Shown, now: float) -> None:
        """It is sent that frame."""
        self.saw, self.sent_at, self.heard_at = self._sight(shown), now, now

    def go_blind(self, now: float) -> None:
        """What it wants could not be drawn; the same fault must not come back at every turn."""
        self.blind, self.sent_at = True, now

    @property
    def frame_seconds(self) -> float:
        """For one frame, of late; a single long one was a first call of something, or another program's turn."""
        return statistics.median_low(self.seconds) if self.seconds else 0.0

    def _sight(self, shown: Shown) -> Sight:
        return Sight(shown, self.given, self.want, self.probe)


def point(probe: list[float] | None) -> Point | None:
    return None if probe is None else (probe[0], probe[1])
