"""Adam on one buffer that holds all parameters of all runs: one row of P numbers for every run and expert."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.tensors.axes import PerRun, over

BETA_MEAN, BETA_SQUARE, EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Adam:
    """Running means of gradient and squared gradient. Never changed in place: every update returns a new one."""

    mean_RAP: Float[Tensor, "R A P"]
    square_RAP: Float[Tensor, "R A P"]
    num_steps: int | tuple[int, ...] = 0  # of all runs, or of each: runs may have begun at different times

    @staticmethod
    def zeros_like(rows_RAP: Float[Tensor, "R A P"]) -> Adam:
        """No memory yet."""
        return Adam(torch.zeros_like(rows_RAP), torch.zeros_like(rows_RAP))

    @property
    def steps_of_each(self) -> tuple[int, ...]:
        """Steps so far, run by run."""
        return self.num_steps if isinstance(self.num_steps, tuple) else (self.num_steps,) * len(self.mean_RAP)

    def update(
        self, rows_RAP: Float[Tensor, "R A P"], gradient_RAP: Float[Tensor, "R A P"], learning_rate: PerRun
    ) -> tuple[Adam, Float[Tensor, "R A P"]]:
        """The memory and the parameters after one step.

        Source: Kingma and Ba 2015, section 2, last form (arXiv 1412.6980).
        """
        steps = self.num_steps + 1 if isinstance(self.num_steps, int) else tuple(each + 1 for each in self.num_steps)
        root, correction = _corrections(steps, rows_RAP)
        mean_RAP = self.mean_RAP.lerp(gradient_RAP, 1 - BETA_MEAN)
        square_RAP = (self.square_RAP * BETA_SQUARE).addcmul_(gradient_RAP, gradient_RAP, value=1 - BETA_SQUARE)
        step_size, eps = over(learning_rate * correction, 2), over(EPS * root, 2)
        new_rows_RAP = rows_RAP.addcdiv(mean_RAP * -step_size, square_RAP.sqrt().add_(eps))
        return Adam(mean_RAP, square_RAP, steps), new_rows_RAP

    def except_where(self, held_RAP: Bool[Tensor, "R A P"], before: Adam) -> Adam:
        """The memory as it was before for the numbers that are held still."""
        mean_RAP = before.mean_RAP.where(held_RAP, self.mean_RAP)
        return Adam(mean_RAP, before.square_RAP.where(held_RAP, self.square_RAP), self.num_steps)


def _corrections(steps: int | tuple[int, ...], like: Tensor) -> tuple[PerRun, PerRun]:
    """√(1 − β₂ᵗ), and that divided by 1 − β₁ᵗ: what makes up for means that began at 0."""
    if isinstance(steps, int):
        root = math.sqrt(1 - BETA_SQUARE**steps)
        return root, root / (1 - BETA_MEAN**steps)
    pairs = [_corrections(each, like) for each in steps]
    roots_R, corrections_R = torch.tensor(pairs, dtype=like.dtype, device=like.device).unbind(-1)
    return roots_R, corrections_R


def clipped(gradient_RAP: Float[Tensor, "R A P"], largest: float) -> tuple[Float[Tensor, "R A P"], Float[Tensor, " R"]]:
    """Each run's gradient, scaled down to norm `largest` where it was longer, and the norms before."""
    norm_R = torch.linalg.vector_norm(gradient_RAP, dim=(-2, -1))
    return gradient_RAP * over((largest / (norm_R + 1e-6)).clamp(max=1), 2), norm_R
