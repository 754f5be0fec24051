"""Which types numbers are held and computed in: half types for products, never for sums, counts or decisions."""

from __future__ import annotations

import torch
from torch import Tensor

from moeviz.tensors.device import widest

HALF = (torch.float16, torch.bfloat16)


def widened(dtype: torch.dtype) -> torch.dtype:
    """The type that weights, scores, losses and counts are held in: float32 for a half type, else the type itself."""
    return torch.float32 if dtype in HALF else dtype


def at_least_float32(values: Tensor) -> Tensor:
    """Half types become float32; wider types stay."""
    return values.float() if values.dtype in HALF else values


def narrowed(values: Tensor, half: torch.dtype | None) -> Tensor:
    """In the half type that products are computed in; None = as they are."""
    return values if half is None else values.to(half)


def finest(values: Tensor) -> Tensor:
    """The same without a gradient in the finest type of the device, to compare what float32 rounds to one number."""
    return values.detach().to(widest(values.device))
