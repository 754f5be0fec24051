"""What happens when a worker dies: the next one begins its runs again from step 0; one that dies often has no next."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from moeviz.engine.server.calls import Calls
from moeviz.engine.server.run_record import RunRecord
from moeviz.engine.server.worker_slot import Slot

logger = logging.getLogger(__name__)


def replaced(slot: Slot, runs: Sequence[RunRecord], calls: Calls, ended: str) -> str | None:
    """Start the worker of a slot again with the runs it had; under the engine's lock.

    Args:   ended: how the worker ended, in words.
    Returns: what viewers of the runs are told, or None where no run needs a worker, or there is none any more.
    """
    logger.error("a worker process stopped (%s) with %d runs: %s", ended, len(runs), _named(runs))
    if not slot.died() or not runs or not slot.start():
        return None
    notice = f"the worker process stopped ({ended}), so this run started again from step 0"
    for run in runs:
        _begin_again(run, calls, notice)
    return notice


def _begin_again(run: RunRecord, calls: Calls, notice: str) -> None:
    """Open the run in the new worker, attach its viewers there, and ask again what the dead one has not answered."""
    run.restarted()
    run.post(run.opening(notice))
    for message in [*(viewer.joining() for viewer in run.viewers.values()), *calls.about(run)]:
        run.post(message)


def given_up(ended: str) -> str:
    """Why a run ends with its worker."""
    return f"its worker process stopped again and again ({ended}); see the server's log"


def _named(runs: Sequence[RunRecord]) -> str:
    """Runs for the log, by what they train: their tokens are secret."""
    firsts = [(len(run.configs), run.configs[0]) for run in runs]
    named = (f"{each.task} N={each.num_experts} k={each.top_k} batch={each.batch_size} x{n}" for n, each in firsts)
    return ", ".join(named) or "none"
