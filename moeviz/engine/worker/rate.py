"""How many steps a second a run takes of late."""

from __future__ import annotations

PERIOD = 0.5  # seconds between two measurements


class Rate:
    """Measured now and then; None until enough time has passed, and again once the run has gone back."""

    def __init__(self, step: int, now: float) -> None:
        self._value: float | None = None
        self._step, self._at = step, now

    def measured(self, step: int, now: float) -> float | None:
        """The newest measurement; a new one if it is time."""
        elapsed, steps = now - self._at, step - self._step
        if elapsed >= PERIOD or steps < 0:
            self._value = steps / elapsed if steps >= 0 else None
            self._step, self._at = step, now
        return self._value
