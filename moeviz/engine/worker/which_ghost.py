"""Which ghost is shown beside a run that goes on differently: itself without the change, before it, or as recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from moeviz.engine.worker.run import HostedRun

if TYPE_CHECKING:
    from moeviz.engine.worker.hosted import HostedGhost

HELD = 2.0  # seconds between two turns of one knob that are one change


def without(run: HostedRun, knobs: Iterable[str], now: float, crowded: bool = False) -> HostedGhost | None:
    """The ghost to show once these knobs are turned: the run without that, or still without the turns before.

    In a crowded worker there is none, since it would train at the cost of the others. A key that is held down makes
    one change of many turns, and so does what is turned at one step: the ghost is that from where it began.
    """
    names = frozenset(knobs)
    same = names <= run.turned[0] and (now - run.turned[1] <= HELD or run.step == run.turned[2])
    run.turned = names, now, run.step
    if run.training.rewound:
        return recorded(run)
    if run.ghost_kind != "twin":
        return run.ghost
    if crowded:
        return None
    goes_on = run.ghost and run.ghost.trains and run.ghost.differs_in(run.training) >= names
    return run.ghost if goes_on or (same and run.ghost) else run.training.ghost("twin")


def recorded(run: HostedRun) -> HostedGhost | None:
    """The ghost to show once a run that was wound back goes on differently."""
    return None if run.ghost_kind == "none" else run.training.ghost("recorded")


def before(run: HostedRun) -> HostedGhost | None:
    """The ghost to show once the run starts again."""
    return run.training.ghost("previous") if run.ghost_kind == "previous" and run.step else None
