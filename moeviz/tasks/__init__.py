"""Data sets by name: what a network learns, as train and test tokens with their true groups.

`TASKS[config.task](config)` draws them.
"""

from collections.abc import Callable

from moeviz.config import RunConfig
from moeviz.tasks.base import Split, TaskData
from moeviz.tasks.digits import digit_rows, digits
from moeviz.tasks.linear import linear_clusters
from moeviz.tasks.pairs import pairs
from moeviz.tasks.pictures import pictures
from moeviz.tasks.points import checkerboard, circle, clusters, clusters_unequal, gauss, moons, spiral, xor
from moeviz.tasks.surfaces import bumps, piecewise, plane
from moeviz.tasks.text import languages

__all__ = ["TASKS", "Split", "TaskData"]

TASKS: dict[str, Callable[[RunConfig], TaskData]] = {
    "clusters": clusters,
    "clusters_unequal": clusters_unequal,
    "spiral": spiral,
    "xor": xor,
    "circle": circle,
    "gauss": gauss,
    "moons": moons,
    "checkerboard": checkerboard,
    "plane": plane,
    "bumps": bumps,
    "piecewise": piecewise,
    "digits": digits,
    "linear_clusters": linear_clusters,
    "digit_rows": digit_rows,
    "pairs": pairs,
    "languages": languages,
    "pictures": pictures,
}
