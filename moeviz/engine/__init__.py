"""Whose runs execute where: a few worker processes train the runs of every visitor in fair turns.

None of it but the workers imports torch.
"""

from moeviz.engine.errors import EngineBusy, EngineFull, RunGone
from moeviz.engine.server.engine import Engine
from moeviz.engine.server.viewer import Viewer

__all__ = ["Engine", "EngineBusy", "EngineFull", "RunGone", "Viewer"]
