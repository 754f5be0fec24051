"""A process that trains pieces of sweeps, one after the other: `python -m moeviz.experiments.sweep.worker`."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import asdict

from moeviz.config import RunConfig
from moeviz.engine.protocol import write_message
from moeviz.engine.worker.serve import Inbox, open_pipes
from moeviz.experiments.sweep.messages import Answer, FromWorker, ToWorker, Train

NICER = 10  # than the workers that train what a class is watching

logger = logging.getLogger(__name__)


def main() -> None:
    """Train what is asked for until stdin closes."""
    if hasattr(os, "nice"):
        os.nice(NICER)
    out, inbox = open_pipes()
    import moeviz.experiments.sweep.piece  # noqa: F401  # brings torch, while messages are already collected

    def say(message: FromWorker) -> None:
        write_message(out, message)

    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        say({"op": "ready"})
        message: ToWorker | None
        while (message := inbox.get()) is not None:
            if message["op"] == "train":
                say(_train(message, inbox, say))


def _train(message: Train, inbox: Inbox, say: Callable[[FromWorker], None]) -> Answer:
    """The answer to one piece: its results, or why there are none. While it trains, any message means stop."""
    from moeviz.experiments.sweep.piece import train_piece

    def report(step: int) -> None:
        say({"op": "at", "step": step})

    try:
        configs = [RunConfig(**each) for each in message["configs"]]
        results = train_piece(configs, message["steps"], report, lambda: not inbox.empty())
    except BrokenPipeError:
        raise
    except ValueError as error:  # what cannot be trained, in words: rule, value, remedy
        return {"op": "failed", "why": str(error)}
    except Exception as error:  # the boundary of one piece
        logger.exception("a piece of a sweep failed")
        return {"op": "failed", "why": str(error) or type(error).__name__}
    if results is None:
        return {"op": "stopped"}
    return {"op": "results", "results": [asdict(each) for each in results]}


if __name__ == "__main__":
    main()
