"""What every model has that puts more around its mixture-of-experts layers: numbers of its own, behind the experts'.

Like the layer, a model holds no weights: an expert's row holds its numbers in all layers, one layer after the other, so
that expert A is one row, one letter and one color throughout. The model's own numbers come in rows behind those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.models.experts import Parameters, Shapes, unpack
from moeviz.models.moe_layer import MoE
from moeviz.tensors.precision import narrowed
from moeviz.tensors.rng import stream

FAR = 1000  # no layer has so many experts: expert e of layer l starts as expert e + FAR · l of a single layer would


@dataclass(frozen=True)
class Around:
    """Layers of one shape, and the model's own tensors."""

    layer: MoE
    purpose: ClassVar[str]  # the random stream that its own numbers start from

    @property
    def own_shapes(self) -> Shapes:
        """The tensors that are not the layers'."""
        raise NotImplementedError

    def added_up(self, name: str, shape: tuple[int, ...]) -> int:
        """How many of a tensor's numbers are added up in one number that it makes."""
        return shape[0]

    @property
    def num_layers(self) -> int:
        """How many layers there are."""
        return 1

    @property
    def dispatch(self) -> str:
        """How each layer is computed."""
        return self.layer.dispatch

    @property
    def is_gate_P(self) -> Bool[Tensor, " P"]:
        """Which of a row's numbers are a gate's."""
        return self.layer.is_gate_P.repeat(self.num_layers)

    @cached_property
    def row_width(self) -> int:
        """How many numbers one row has: an expert's in all layers."""
        return self.num_layers * self.layer.row_width

    @cached_property
    def num_own(self) -> int:
        """How many numbers are the model's own."""
        return sum(math.prod(shape) for shape in self.own_shapes.values())

    @cached_property
    def num_own_rows(self) -> int:
        """How many rows they take, each as wide as an expert's."""
        return -(-self.num_own // self.row_width)  # rounded up

    def fresh_rows(self, seeds: Sequence[int], num_experts: int) -> Float[Tensor, "R A P"]:
        """The rows that runs with these seeds start from, float64: experts, shared experts, then the model's own."""
        return torch.stack([self._fresh(seed, num_experts) for seed in seeds])

    def _fresh(self, seed: int, num_experts: int) -> Float[Tensor, "A P"]:
        makers = [(self.layer.initialize, num_experts), (self.layer.initialize_shared, self.layer.num_shared)]
        rows = [
            torch.cat([make(seed, FAR * layer + number) for layer in range(self.num_layers)])
            for make, count in makers
            for number in range(count)
        ]
        own_P = torch.nn.functional.pad(self._fresh_own(seed), (0, self.num_own_rows * self.row_width - self.num_own))
        return torch.cat([torch.stack(rows), own_P.view(self.num_own_rows, -1)])

    def _fresh_own(self, seed: int) -> Float[Tensor, " P"]:
        """Gains start at 1, biases at 0, all else uniform within ±1/√(numbers that are added up)."""
        generator = stream(seed, self.purpose)
        parts = []
        for name, shape in self.own_shapes.items():
            uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
            start = (2 * uniform - 1) / math.sqrt(self.added_up(name, shape))
            parts.append({"gain": torch.ones_like(uniform), "b": 0 * uniform}.get(name.split("_")[0], start).flatten())
        return torch.cat(parts)

    def layer_rows(self, rows_RAP: Float[Tensor, "R A P"]) -> Float[Tensor, "R A1 P"]:
        """The rows that are the layers': experts and shared experts."""
        return rows_RAP[:, : rows_RAP.shape[1] - self.num_own_rows]

    def own(self, rows_RAP: Float[Tensor, "R A P"]) -> Parameters:
        """The model's own tensors by name, `[R, …]`, in the type that it computes in."""
        own_RP = rows_RAP[:, rows_RAP.shape[1] - self.num_own_rows :].flatten(1)
        return unpack(narrowed(own_RP, self.layer.half), self.own_shapes)

    def routed(self, rows_RAP: Float[Tensor, "R A P"]) -> Float[Tensor, "R E P"]:
        """The rows of the experts that the routers choose among."""
        return self.layer.routed(self.layer_rows(rows_RAP))

    def num_parameters(self, num_experts: int) -> int:
        """All parameters of the model."""
        return self.num_layers * self.layer.num_parameters(num_experts) + self.num_own

    def num_active_parameters(self, num_experts: int, k: int) -> int:
        """Parameters that one token uses: those of the layers, and all of the model around them."""
        return self.num_layers * self.layer.num_active_parameters(num_experts, k) + self.num_own
