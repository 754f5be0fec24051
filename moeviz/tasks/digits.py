"""Real pictures: handwritten digits, read from the data file that scikit-learn installs."""

import functools
import importlib.util
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.config import RunConfig
from moeviz.tasks.base import Split, TaskData, normal, num_classes, task_data


def digits(config: RunConfig) -> TaskData:
    """1,797 handwritten digits of 8 by 8 pixels, each pixel from 0 (paper) to 1 (ink).

    Segment: the digit, which is also the class. Noise is added to every pixel.
    """
    clean_TD, _ = pixels_and_labels()
    classes = num_classes(config)
    return task_data(config, _images(config), num_outputs=classes, num_segments=classes, extent=1.05, clean_TD=clean_TD)


def digit_rows(config: RunConfig) -> TaskData:
    """The same digits for a Transformer, which cuts each into 8 rows of 8 pixels: one token each.

    Inputs, targets and segments are of whole images; every row counts to its image's segment, the digit.
    """
    classes = num_classes(config)
    return task_data(config, _images(config), num_outputs=classes, num_segments=classes, extent=1.05)


def _images(config: RunConfig) -> Split:
    """All digits, with noise on every pixel."""
    clean_TD, target_T = pixels_and_labels()
    return Split(clean_TD + config.noise * normal(config, "noise", *clean_TD.shape), target_T, target_T)


@functools.cache
def pixels_and_labels() -> tuple[Float[Tensor, "T 64"], Int[Tensor, " T"]]:
    """Read the digits once; importing scikit-learn itself would cost over a second more."""
    table = np.loadtxt(package_file("sklearn", "datasets/data/digits.csv.gz", "digits"), delimiter=",")
    return torch.from_numpy(table[:, :-1] / 16), torch.from_numpy(table[:, -1].astype(np.int64))


PACKAGES = {"sklearn": "scikit-learn", "skimage": "scikit-image"}  # what is imported, and what is installed


def package_file(package: str, place: str, task: str) -> Path:
    """A data file that an installed package carries, found without importing it; ValueError if it is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ValueError(missing(task, PACKAGES[package], "it is not installed"))
    path = Path(spec.origin).parent / place
    if not path.is_file():
        raise ValueError(missing(task, PACKAGES[package], f"{path} does not exist", again=True))
    return path


def missing(task: str, package: str, what: str, again: bool = False) -> str:
    """What is missing for a task, and the remedy."""
    remedy = f"{'re' if again else ''}install it with `pip install {package}`, or choose another task"
    return f"task={task} needs the package {package}: {what}; {remedy}"
