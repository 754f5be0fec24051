"""From tensors to what a frame carries: small whole numbers, shares as bytes, and floats."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

Arrays = dict[str, np.ndarray]


def integers(value: Tensor) -> np.ndarray:
    """Whole numbers from 0 to 255, or true and false."""
    return value.to(torch.uint8).cpu().numpy()


def shades(value: Tensor) -> np.ndarray:
    """Numbers from 0 to 1 as 0 to 255; what is outside is cut, and NaN is 0."""
    return integers((value.clamp(0, 1) * 255).round().nan_to_num(0))


def floats(value: Tensor) -> np.ndarray:
    """Any numbers."""
    return value.float().cpu().numpy()
