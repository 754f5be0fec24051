"""A task's tokens, for tests of tasks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moeviz.config import RunConfig
from moeviz.tasks import TASKS, TaskData


def draw(name: str, **knobs: Any) -> TaskData:
    return TASKS[name](RunConfig(task=name, **knobs))


def together(data: TaskData) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets and segments of both sets."""
    sets = (data.train, data.test)
    return (
        torch.cat([each.x_TD for each in sets]),
        torch.cat([each.target for each in sets]),
        torch.cat([each.segment_T for each in sets]),
    )
