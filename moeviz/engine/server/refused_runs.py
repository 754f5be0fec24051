"""Why runs could not be opened, and what viewers of a run hear last."""

from __future__ import annotations

from collections.abc import Callable

from moeviz.engine.messages import Gone
from moeviz.engine.server.viewer import Viewer

MOST_REFUSALS = 200


def gone(reason: str, refused: bool = False) -> Gone:
    """What viewers of a run hear last; `refused`: whether it was never opened, as opening it again would not be."""
    return {"op": "gone", "reason": reason, "refused": refused}


class Refusals:
    """Why workers could not open runs, the newest of them: for whoever knows such a run's token, as its page does."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def note(self, token: str, reason: str) -> None:
        self._reasons[token] = reason
        while len(self._reasons) > MOST_REFUSALS:
            del self._reasons[next(iter(self._reasons))]

    def viewer(self, token: str, on_message: Callable[[bytes | str], None]) -> Viewer | None:
        """Somebody who comes to such a run is told why; None for every other token."""
        if token not in self._reasons:
            return None
        viewer = Viewer("", on_message, lambda viewer, message: None, lambda viewer: None)
        viewer.tell(gone(self._reasons[token], refused=True))
        return viewer
