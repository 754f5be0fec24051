"""moeviz: watch a real mixture of experts learn.

The names below load on first use, so that `import moeviz` is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moeviz.config import RunConfig, expand
    from moeviz.experiments.sweep import sweep
    from moeviz.training import Training, train

__all__ = ["RunConfig", "Training", "expand", "sweep", "train"]

_HOME = {
    "RunConfig": "moeviz.config",
    "expand": "moeviz.config",
    "Training": "moeviz.training",
    "train": "moeviz.training",
    "sweep": "moeviz.experiments.sweep",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"moeviz has {', '.join(__all__)}: got {name!r}; import it from its own module")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
