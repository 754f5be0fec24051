"""Classification of points in the plane, drawn in the coordinates of TensorFlow Playground (about -6 to 6)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.config import RunConfig
from moeviz.tasks.base import Split, TaskData, normal, num_classes, task_data, uniform

SCALE = 3.0  # inputs are coordinates / 3: numbers near 1 suit the initial weights
EXTENT = 2.0  # half the width of the picture, in inputs: Playground's 6, divided by SCALE
CLUSTERS = 8
CLUSTER_EXTENT = 2.4  # the ring of clusters reaches farther out than Playground's data
CLUSTER_POINTS = 2016  # 8 x 252, and 1008 + 7 x 144: both cluster tasks come out in whole numbers
PIECES = 4  # an arm of the spiral counts as this many segments


def spiral(config: RunConfig) -> TaskData:
    """TensorFlow Playground's spiral: 500 points on arms wound around each other, one arm for each class.

    Point i of the n on an arm lies at radius 5i/n and angle 1.75 * 2 pi * i/n, plus the arm's share of a full turn.
    Segment: the arm and the quarter of it, counted from the middle.
    """
    arms = num_classes(config)
    length = 500 // arms
    point_T = torch.arange(length, dtype=torch.float64).repeat(arms) / length
    arm_T = torch.arange(arms).repeat_interleave(length)
    angle_T = 2 * math.pi * (1.75 * point_T + arm_T / arms)
    place_TD = 5 * point_T[:, None] * torch.stack([angle_T.sin(), angle_T.cos()], dim=1)
    segment_T = PIECES * arm_T + (PIECES * point_T).long()
    jitter_TD = 2 * uniform(config, "noise", *place_TD.shape) - 1  # Playground's noise is uniform, not normal
    return _classified(config, place_TD, arm_T, segment_T, PIECES * arms, jitter_TD)


def clusters(config: RunConfig) -> TaskData:
    """Eight clusters on a ring, each with its own rule inside: which side of a random line through its center.

    Segment: the cluster. With more than two classes each cluster is cut into sectors, as a cake.
    """
    return _ring_of_clusters(config, [CLUSTER_POINTS // CLUSTERS] * CLUSTERS)


def clusters_unequal(config: RunConfig) -> TaskData:
    """The eight clusters again, but the first one holds half of all tokens: even load is then no longer right.

    Segment: the cluster.
    """
    half, others = CLUSTER_POINTS // 2, CLUSTERS - 1
    return _ring_of_clusters(config, [half] + [half // others] * others)


def _ring_of_clusters(config: RunConfig, tokens_in_cluster: Sequence[int]) -> TaskData:
    """Round clusters of spread 0.7 around centers at radius 4, each cut into equal sectors from a random angle on."""
    cluster_T = torch.arange(CLUSTERS).repeat_interleave(torch.tensor(tokens_in_cluster))
    center_TD = 4 * _direction((cluster_T + 0.5) / CLUSTERS)
    around_TD = 0.7 * normal(config, "place", len(cluster_T), 2)
    rule_T = uniform(config, "rule", CLUSTERS)[cluster_T]  # where the first sector begins
    target_T = _sector(torch.atan2(around_TD[:, 1], around_TD[:, 0]) / (2 * math.pi) - rule_T, num_classes(config))
    return _classified(config, center_TD + around_TD, target_T, cluster_T, CLUSTERS, extent=CLUSTER_EXTENT)


def xor(config: RunConfig) -> TaskData:
    """Opposite quadrants belong to one class, so no single straight line can part the two.

    Segment: the quadrant, counted counterclockwise from the upper right.
    """
    place_TD = 10 * uniform(config, "place", 500, 2) - 5
    place_TD = place_TD + 0.3 * place_TD.sign()  # a gap along the axes, as in Playground
    quadrant_T = _sector(torch.atan2(place_TD[:, 1], place_TD[:, 0]) / (2 * math.pi), 4)
    return _classified(config, place_TD, quadrant_T % 2, quadrant_T, 4)


def circle(config: RunConfig) -> TaskData:
    """A disk inside a ring; with more classes, more rings around it.

    Segment: the ring. Rings of equal breadth, with gaps of 3/7 of it, reach out to radius 5.
    """
    rings = num_classes(config)
    ring_T = torch.arange(rings).repeat_interleave(500 // rings)
    inside_T, turn_T = uniform(config, "place", 2, len(ring_T))
    radius_T = 5 * (ring_T + 0.7 * inside_T) / (rings - 0.3)
    return _classified(config, radius_T[:, None] * _direction(turn_T), ring_T, ring_T, rings)


def gauss(config: RunConfig) -> TaskData:
    """One round blob for each class: the easiest task, where a single expert can do all the work.

    Segment: the blob.
    """
    blobs = num_classes(config)
    blob_T = torch.arange(blobs).repeat_interleave(500 // blobs)
    center_TD = 8**0.5 * _direction(blob_T / blobs + 1 / 8)  # two blobs: (2, 2) and (-2, -2), as in Playground
    return _classified(config, center_TD + 0.7 * normal(config, "place", len(blob_T), 2), blob_T, blob_T, blobs)


def moons(config: RunConfig) -> TaskData:
    """Two interleaved half circles.

    Segment: the moon and the half of it.
    """
    length = 500
    along_T = torch.linspace(0, 1, length, dtype=torch.float64).repeat(2)
    moon_T = torch.arange(2).repeat_interleave(length)
    upper_TD = _direction(along_T / 2)
    lower_TD = torch.tensor([1.0, 0.5], dtype=torch.float64) - upper_TD
    middle_D = torch.tensor([0.5, 0.25], dtype=torch.float64)
    place_TD = (torch.where(moon_T[:, None] == 0, upper_TD, lower_TD) - middle_D) * (10 / 3)
    return _classified(config, place_TD, moon_T, 2 * moon_T + (along_T > 0.5), 4)


def checkerboard(config: RunConfig) -> TaskData:
    """Four by four squares whose neighbors always differ in class.

    Segment: the square, counted along the rows from the lower left.
    """
    classes = num_classes(config)
    square_T = torch.arange(16).repeat_interleave(100)
    row_T, column_T = square_T // 4, square_T % 4
    corner_TD = torch.stack([column_T, row_T], dim=1)
    place_TD = 2.5 * (corner_TD + uniform(config, "place", len(square_T), 2)) - 5
    shift = 1 if classes == 2 else 2  # from row to row: neighbors differ, and up to 8 classes are all present
    return _classified(config, place_TD, (column_T + shift * row_T) % classes, square_T, 16)


def _direction(turn_T: Float[Tensor, " T"]) -> Float[Tensor, "T 2"]:
    """Unit vectors at these angles, measured in full turns."""
    return torch.stack([(2 * math.pi * turn_T).cos(), (2 * math.pi * turn_T).sin()], dim=1)


def _sector(turn_T: Float[Tensor, " T"], sectors: int) -> Int[Tensor, " T"]:
    """Which of so many equal sectors of a circle an angle (in full turns) falls into."""
    # remainder() of a tiny negative number rounds up to 1, which would open one sector too many.
    return (turn_T.remainder(1.0) * sectors).long().clamp(max=sectors - 1)


def _classified(
    config: RunConfig, place_TD: Float[Tensor, "T 2"], target_T: Int[Tensor, " T"], segment_T: Int[Tensor, " T"],
    num_segments: int, jitter_TD: Float[Tensor, "T 2"] | None = None, extent: float = EXTENT,
) -> TaskData:  # fmt: skip
    """Displace the points by noise, which never changes their class, and scale them to inputs."""
    if jitter_TD is None:
        jitter_TD = normal(config, "noise", *place_TD.shape)
    tokens = Split((place_TD + config.noise * jitter_TD) / SCALE, target_T, segment_T)
    return task_data(config, tokens, num_outputs=num_classes(config), num_segments=num_segments, extent=extent)
