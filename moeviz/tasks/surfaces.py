"""Regression: surfaces over the plane, and one curve over a line. Noise moves the targets, not the inputs."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.config import RunConfig
from moeviz.tasks.base import Split, TaskData, normal, task_data, uniform

EXTENT = 2.0  # inputs fill the whole picture


def plane(config: RunConfig) -> TaskData:
    """A tilted plane, y = (x1 + x2) / 2: one linear expert is enough, so nothing asks for a division of labor.

    Segment: all tokens are of one kind.
    """
    x_TD = _inputs(config, 1000, 2)
    return _measured(config, x_TD, x_TD.sum(1) / 2, torch.zeros(len(x_TD), dtype=torch.long), 1)


def bumps(config: RunConfig) -> TaskData:
    """Three hills and three valleys, all of one shape.

    Segment: the nearest of the six.
    """
    x_TD = _inputs(config, 2000, 2)
    centers = [[-1.3, 0.8], [0.0, 0.8], [1.3, 0.8], [-1.3, -0.8], [0.0, -0.8], [1.3, -0.8]]
    height_J = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    distance_TJ = torch.cdist(x_TD, torch.tensor(centers, dtype=torch.float64))
    y_T = (height_J * torch.exp(-((distance_TJ / 0.5) ** 2))).sum(1)
    return _measured(config, x_TD, y_T, distance_TJ.argmin(1), len(centers))


def piecewise(config: RunConfig) -> TaskData:
    """A W on a line, y = 2 | |x| - 1 | - 1: four straight pieces, each easy for one linear expert.

    Segment: the piece, from left to right. The task of the 1991 article "Adaptive mixtures of local experts" in spirit:
    a gate that cuts the line well leaves each expert a simple job.
    """
    x_TD = _inputs(config, 1000, 1)
    x_T = x_TD[:, 0]
    return _measured(config, x_TD, 2 * (x_T.abs() - 1).abs() - 1, (x_T + 2).long().clamp(max=3), 4)


def _inputs(config: RunConfig, count: int, width: int) -> Float[Tensor, "T D"]:
    """Inputs spread evenly over the picture."""
    return EXTENT * (2 * uniform(config, "place", count, width) - 1)


def _measured(
    config: RunConfig,
    x_TD: Float[Tensor, "T D"],
    y_T: Float[Tensor, " T"],
    segment_T: Int[Tensor, " T"],
    num_segments: int,
) -> TaskData:
    """Displace the targets by normal noise."""
    target_TO = (y_T + config.noise * normal(config, "noise", len(y_T)))[:, None]
    tokens = Split(x_TD, target_TO, segment_T)
    return task_data(config, tokens, num_outputs=1, num_segments=num_segments, extent=EXTENT)
