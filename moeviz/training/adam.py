"""Adam on one buffer that holds all parameters of all runs: one row of P numbers for every run and expert."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.axes import PerRun, over

BETA_MEAN, BETA_SQUARE, EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Adam:
    """Running means of gradient and squared gradient. Never changed in place: every update returns a new one."""

    mean_REP: Float[Tensor, "R E P"]
    square_REP: Float[Tensor, "R E P"]
    num_steps: int = 0

    @staticmethod
    def zeros_like(rows_REP: Float[Tensor, "R E P"]) -> Adam:
        """No memory yet."""
        return Adam(torch.zeros_like(rows_REP), torch.zeros_like(rows_REP))

    def update(
        self, rows_REP: Float[Tensor, "R E P"], gradient_REP: Float[Tensor, "R E P"], learning_rate: PerRun
    ) -> tuple[Adam, Float[Tensor, "R E P"]]:
        """The memory and the parameters after one step.

        Source: Kingma and Ba 2015, section 2, last form (arXiv 1412.6980).
        """
        steps = self.num_steps + 1
        mean_REP = self.mean_REP.lerp(gradient_REP, 1 - BETA_MEAN)
        square_REP = (self.square_REP * BETA_SQUARE).addcmul_(gradient_REP, gradient_REP, value=1 - BETA_SQUARE)
        root = math.sqrt(1 - BETA_SQUARE**steps)
        step_size = over(learning_rate * (root / (1 - BETA_MEAN**steps)), 2)
        new_rows_REP = rows_REP.addcdiv(mean_REP * -step_size, square_REP.sqrt().add_(EPS * root))
        return Adam(mean_REP, square_REP, steps), new_rows_REP


def clipped(gradient_REP: Float[Tensor, "R E P"], largest: float) -> tuple[Float[Tensor, "R E P"], Float[Tensor, " R"]]:
    """Each run's gradient, scaled down to norm `largest` where it was longer, and the norms before."""
    norm_R = torch.linalg.vector_norm(gradient_REP, dim=(-2, -1))
    return gradient_REP * over((largest / (norm_R + 1e-6)).clamp(max=1), 2), norm_R
