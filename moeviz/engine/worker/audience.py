"""Who watches a run: its viewers, and whether any of them still looks."""

from __future__ import annotations

import math

from moeviz.engine.messages import Look, Watch
from moeviz.engine.worker.watcher import Watcher, point

ATTENTIVE = 1.0  # seconds without a request after which a viewer no longer counts


class Audience:
    """The viewers of a run; every method takes the time, so that a test can pretend it.

    Args:   probe: where newcomers have theirs.  patience: seconds without anybody until the run falls asleep.
    """

    def __init__(self, probe: list[float] | None, now: float, patience: float) -> None:
        self.watchers: dict[str, Watcher] = {}
        self._probe, self._patience = point(probe), patience
        self._left_at = self._emptied_at = now

    # --- what they say -------------------------------------------------------------------------------------------

    def join(self, viewer: str, message: Watch, now: float) -> None:
        self.watchers[viewer] = Watcher(now, self._probe)
        self.look(viewer, message, now)
        self.watchers[viewer].hidden = message.get("hidden", False)

    def leave(self, viewer: str, now: float) -> None:
        self._left_at = self.watched_at(now)
        self.watchers.pop(viewer, None)
        if not self.watchers:
            self._emptied_at = now

    def look(self, viewer: str, look: Look, now: float) -> None:
        """A viewer's credit, pictures and probe."""
        watcher = self.watchers.get(viewer)
        if watcher is None:
            return  # it left a moment ago
        watcher.look(look, now)
        if look["probe"] is not None:
            self._probe = watcher.probe

    def hide(self, viewer: str, hidden: bool, now: float) -> None:
        watcher = self.watchers.get(viewer)
        if watcher is not None:
            self._left_at = self.watched_at(now)
            watcher.hidden, watcher.heard_at = hidden, now

    def give(self, viewer: str, value: str | list[float], now: float) -> None:
        """A viewer's own text or picture."""
        watcher = self.watchers.get(viewer)
        if watcher is not None:
            watcher.give(value, now)

    def see_again(self) -> None:
        """The run has changed: what could not be drawn may now be."""
        for watcher in self.watchers.values():
            watcher.blind = False

    # --- whether anybody looks -----------------------------------------------------------------------------------

    def watched_at(self, now: float) -> float:
        """When somebody was last known to watch; a viewer that has taken no frame for a while does not count."""
        latest = self._left_at
        for watcher in self.watchers.values():
            if not watcher.hidden:
                latest = max(latest, now if watcher.credit > 0 else watcher.heard_at)
        return latest

    def awake(self, now: float) -> bool:
        return now - self.watched_at(now) < self._patience

    def sleeps_at(self, now: float) -> float:
        """When the run falls asleep, if nobody says a word until then."""
        return self.watched_at(now) + self._patience

    @property
    def empty_since(self) -> float:
        """Since when there has been no viewer; infinity while there is one."""
        return math.inf if self.watchers else self._emptied_at

    def num_attentive(self, now: float) -> int:
        """How many take frames."""
        return sum(not each.hidden and now - each.heard_at < ATTENTIVE for each in self.watchers.values())

    @property
    def frame_seconds(self) -> float:
        """Of the viewer whose frames take longest."""
        return max(watcher.frame_seconds for watcher in self.watchers.values())
