"""Workers of sweeps that do nothing by themselves, and a run with its result."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from moeviz.config import RunConfig
from moeviz.experiments.sweep import Result

SMALL = RunConfig(batch_size=16, hidden_width=4, device="cpu")
FOUND = Result(0.9, 0.3, 0.5, 1, 0.7, 0.01, 136, 88, 44, False)


class Workers:
    """Makes workers that do nothing by themselves: a test says what they answer."""

    def __init__(self) -> None:
        self.all: list[Pretended] = []

    def __call__(self, on_message: Any, on_exit: Any) -> Pretended:
        self.all.append(Pretended(on_message, on_exit))
        return self.all[-1]

    def told(self) -> list[int]:
        """The hidden widths of the pieces that were handed out, by which tests tell jobs apart."""
        return [message["configs"][0]["hidden_width"] for each in self.all for message in each.trained]

    def finish_all(self) -> None:
        """Let the only worker answer all that it was told and will be told."""
        (worker,) = self.all
        while worker.answered < len(worker.trained):
            worker.finish()


class Pretended:
    def __init__(self, on_message: Any, on_exit: Any) -> None:
        self.say, self.die = on_message, on_exit
        self.told: list[dict[str, Any]] = []
        self.closed, self.answered = False, 0

    @property
    def trained(self) -> list[dict[str, Any]]:
        return [message for message in self.told if message["op"] == "train"]

    def send(self, message: Any) -> bool:
        self.told.append(message)
        return True

    def close(self) -> None:
        self.closed = True

    def join(self) -> None:
        assert self.closed

    def finish(self) -> None:
        """Answer the piece in hand."""
        self.answered += 1
        count = len(self.trained[-1]["configs"])
        self.say({"op": "results", "results": [asdict(FOUND)] * count}, b"")
