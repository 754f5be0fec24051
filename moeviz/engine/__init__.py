"""Whose runs execute where: few worker processes serve the runs of every visitor, and none of this imports torch."""

from moeviz.engine.local import Engine, EngineBusy, EngineFull, RunGone, Viewer

__all__ = ["Engine", "EngineBusy", "EngineFull", "RunGone", "Viewer"]
