"""Groups of tokens in many dimensions, each with a linear map of its own: the task of the behavior bands."""

import torch

from moeviz.config import RunConfig
from moeviz.tasks.base import Split, TaskData, normal, task_data

CLUSTERS = 8
WIDTH = 16  # inputs and outputs
TOKENS = 16384  # half of them train: enough that a run of some hundred batches hardly differs from fresh draws


def linear_clusters(config: RunConfig) -> TaskData:
    """Eight clusters in 16 dimensions, each with its own linear map: one linear expert per cluster solves it exactly.

    Centers are 1.5 * N(0, 1), tokens scatter around them with N(0, 1), and y = A_c x with entries N(0, 1) / 4.
    Segment: the cluster. Noise moves the targets.
    """
    center_JD = 1.5 * normal(config, "place", CLUSTERS, WIDTH)
    map_JOD = normal(config, "rule", CLUSTERS, WIDTH, WIDTH) / 4
    around_JTD = normal(config, "scatter", CLUSTERS, TOKENS // CLUSTERS, WIDTH)
    x_JTD = center_JD[:, None] + around_JTD
    x_TD = x_JTD.flatten(0, 1)
    y_TO = (x_JTD @ map_JOD.mT).flatten(0, 1)
    segment_T = torch.arange(CLUSTERS).repeat_interleave(TOKENS // CLUSTERS)
    tokens = Split(x_TD, y_TO + config.noise * normal(config, "noise", TOKENS, WIDTH), segment_T)
    return task_data(config, tokens, num_outputs=WIDTH, num_segments=CLUSTERS, extent=1.05, clean_TD=x_TD)
