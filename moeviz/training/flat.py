"""All parameters of all runs in one buffer, and Adam on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.axes import PerRun, over
from moeviz.experts import Parameters, Shapes

ALIGN = 16  # a run's row is a multiple of this many numbers, so that its rounding does not depend on its neighbors


@dataclass(frozen=True)
class Layout:
    """Where each named parameter `[R, E, …]` lies in the flat buffer `[R, P]`."""

    shapes: Shapes  # of one expert
    num_experts: int

    def split(self, flat_RP: Float[Tensor, "R P"]) -> Parameters:
        """Views of the buffer by name."""
        sizes = [self.num_experts * math.prod(shape) for shape in self.shapes.values()]
        parts = flat_RP.split([*sizes, flat_RP.shape[-1] - sum(sizes)], dim=-1)
        return {
            name: part.unflatten(-1, (self.num_experts, *shape))
            for (name, shape), part in zip(self.shapes.items(), parts, strict=False)
        }

    def join(self, parameters: Parameters) -> Float[Tensor, "R P"]:
        """The buffer that holds these parameters, filled up with zeros."""
        parts = [parameters[name].flatten(1) for name in self.shapes]
        used = sum(part.shape[-1] for part in parts)
        return torch.cat([*parts, parts[0].new_zeros(len(parts[0]), -used % ALIGN)], dim=-1)


@dataclass
class Adam:
    """Adam with a learning rate for each run, on one flat buffer: about ten operations a step, however many parameters."""

    mean_RP: Float[Tensor, "R P"]
    square_RP: Float[Tensor, "R P"]
    num_steps: int = 0

    BETA_MEAN, BETA_SQUARE, EPS = 0.9, 0.999, 1e-8

    @staticmethod
    def zeros_like(flat_RP: Float[Tensor, "R P"]) -> Adam:
        """No memory yet."""
        return Adam(torch.zeros_like(flat_RP), torch.zeros_like(flat_RP))

    def update(
        self, flat_RP: Float[Tensor, "R P"], gradient_RP: Float[Tensor, "R P"], learning_rate: PerRun
    ) -> Float[Tensor, "R P"]:
        """The parameters after one step. Source: Kingma and Ba 2015, algorithm 1 (arXiv 1412.6980)."""
        self.num_steps += 1
        self.mean_RP = self.mean_RP.lerp(gradient_RP, 1 - self.BETA_MEAN)
        self.square_RP = (self.square_RP * self.BETA_SQUARE).addcmul_(gradient_RP, gradient_RP, value=1 - self.BETA_SQUARE)
        unbiased_root_RP = (self.square_RP / (1 - self.BETA_SQUARE**self.num_steps)).sqrt_().add_(self.EPS)
        step_size = over(learning_rate / (1 - self.BETA_MEAN**self.num_steps), 1)
        return flat_RP - step_size * self.mean_RP / unbiased_root_RP


def clipped(
    gradient_RP: Float[Tensor, "R P"], largest: float
) -> tuple[Float[Tensor, "R P"], Float[Tensor, "R"]]:
    """Each run's gradient, scaled down to norm `largest` where it was longer, and the norms before."""
    norm_R1 = gradient_RP.square().sum(-1, keepdim=True).sqrt()
    return gradient_RP * (largest / (norm_R1 + 1e-6)).clamp(max=1), norm_R1.squeeze(-1)
