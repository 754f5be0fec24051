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
    clean_TD, _ = _pixels_and_labels()
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
    clean_TD, target_T = _pixels_and_labels()
    return Split(clean_TD + config.noise * normal(config, "noise", *clean_TD.shape), target_T, target_T)


@functools.cache
def _pixels_and_labels() -> tuple[Float[Tensor, "T 64"], Int[Tensor, " T"]]:
    """Read the digits once; importing scikit-learn itself would cost over a second more."""
    table = np.loadtxt(_digits_file(), delimiter=",")
    return torch.from_numpy(table[:, :-1] / 16), torch.from_numpy(table[:, -1].astype(np.int64))


def _digits_file() -> Path:
    spec = importlib.util.find_spec("sklearn")  # finds the package without importing it
    remedy = "install it with `pip install scikit-learn`, or choose another task"
    if spec is None or spec.origin is None:
        raise ValueError(f"task=digits needs the package scikit-learn: it is not installed; {remedy}")
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        raise ValueError(f"task=digits needs scikit-learn's digits.csv.gz: {path} does not exist; re{remedy}")
    return path
