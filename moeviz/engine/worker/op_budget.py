"""How much of its worker's time one run may take out of turn, so that a flood of its ops costs that run alone."""

from __future__ import annotations

import math
from collections import deque

from moeviz.engine.messages import Op

BURST = 0.3  # seconds of work at once: more than a reader can ask for by hand
MOST_WAITING = 16
WAIT = 0.001  # seconds more than until nothing is owed: then something is left
AT_ONCE = ("watch", "unwatch", "view", "hidden", "give")  # they only note what is wanted
NEWEST_COUNTS = ("reset", "recover", "rewind", "branch", "treat", "play", "pause", "speed", "ghost")


class Budget:
    """What one run may ask for out of turn: a burst at once, and then as much as its share of the worker's time allows.

    Ops that come when it is used up wait here, and pictures that were asked for come no sooner than others.
    """

    def __init__(self, now: float) -> None:
        self._left, self._at = BURST, now
        self._waiting: deque[Op] = deque()

    @property
    def has_left(self) -> bool:
        return self._left > 0

    def earn(self, now: float, share: float) -> None:
        """Time has passed, of which this share is the run's."""
        self._left = min(BURST, self._left + share * (now - self._at))
        self._at = now

    def spend(self, seconds: float) -> None:
        """An op, or a picture out of turn, has taken so long."""
        self._left -= seconds

    def must_wait(self, message: Op) -> bool:
        """Whether an op has to wait for its turn, behind those that wait already."""
        return message["op"] not in AT_ONCE and (bool(self._waiting) or not self.has_left)

    def add(self, message: Op) -> bool:
        """Let an op wait, in the place of the last one where that would be undone by it; False if too many wait."""
        if self._waiting and _replaces(message, self._waiting[-1]):
            self._waiting[-1] = message
            return True
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append(message)
        return True

    def due_at(self, now: float, share: float) -> float:
        """When the next waiting op may be carried out; infinity while none waits."""
        if not self._waiting:
            return math.inf
        return now if self.has_left else max(now, self._at - self._left / share + WAIT)

    def next(self) -> Op:
        """The op that has waited longest."""
        return self._waiting.popleft()


def _replaces(new: Op, old: Op) -> bool:
    """Whether nothing is lost if only the newer of two ops is carried out. (What somebody waits for is.)"""
    if new["op"] != old["op"] or new["op"] not in NEWEST_COUNTS or "call" in old:
        return False
    return all(new.get(name) == old.get(name) for name in ("expert", "twin"))
