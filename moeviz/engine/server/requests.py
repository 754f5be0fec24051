"""What an engine can be asked to do with a run; each is one message to the run's worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moeviz.engine import browser_messages
from moeviz.engine.messages import Op


class Requests:
    """The part of an Engine that passes on what a page asks for."""

    if TYPE_CHECKING:  # what the rest of an Engine has

        def _do(self, token: str, message: Op) -> None: ...
        def _call(self, token: str, message: Op) -> list[str]: ...

    def set(self, token: str, **knobs: Any) -> list[str]:
        """Change live knobs and return what the reader should be told; ValueError names rule, value and remedy."""
        return self._call(token, {"op": "set", "knobs": knobs})

    def treat(self, token: str, expert: int, how: str, twin: int | None = None) -> list[str]:
        """Kill, freeze or free an expert (its id), in one of the runs or in all; ValueError as `set`."""
        return self._call(token, browser_messages.check_treatment({"expert": expert, "how": how, "twin": twin}))

    def rewind(self, token: str, step: int) -> None:
        """Pause, and show the newest state up to this step that was recorded; `play` goes on from there."""
        self._call(token, browser_messages.check_place({"step": step}))

    def branch(self, token: str) -> None:
        """Let a rewound run go on anew: what was recorded after its step becomes the ghost."""
        self._call(token, {"op": "branch"})

    def recover(self, token: str) -> list[str]:
        """Take a diverged run back to its last good state with a lower learning rate."""
        return self._call(token, {"op": "recover"})

    def history(self, token: str) -> str:
        """The history of the run as CSV, in the columns and with the rows of `Training.history`."""
        return self._call(token, {"op": "history"})[0]

    def play(self, token: str, until: int | None = None) -> None:
        """Train on; until a later step, at which the run will wait, if one is given."""
        self._do(token, {"op": "play", "until": until})

    def pause(self, token: str) -> None:
        self._do(token, {"op": "pause"})

    def step(self, token: str, n: int = 1) -> None:
        """Pause and train n more steps."""
        self._do(token, browser_messages.check_steps({"n": n}))

    def speed(self, token: str, value: str) -> None:
        self._do(token, browser_messages.check_speed({"value": value}))
