"""Expert kinds: what each expert computes, and what it costs.

An expert is one row of numbers plus a pure function of the named tensors in that row. The function always sees many
experts at once, one group G for each, with the tokens that the expert computes: `x_GCD -> y_GCO`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
Parameters = dict[str, Tensor]


def unpack(rows_P: Float[Tensor, "*lead P"], shapes: Shapes) -> Parameters:
    """The named tensors that lie one after the other in each row, as views; what is left over at the end is padding."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = rows_P.split([*sizes, rows_P.shape[-1] - sum(sizes)], dim=-1)
    return {
        name: part.view(part.shape[:-1] + shape) for (name, shape), part in zip(shapes.items(), parts, strict=False)
    }


@dataclass(frozen=True)
class ExpertKind:
    """One kind of expert: its parameter shapes, its function, and its cost."""

    shapes: Callable[[int, int, int], Shapes]  # (input, hidden, output width) -> shapes of one expert
    apply: Callable[[Parameters, Tensor], Tensor]  # (parameters with a leading G, x_GCD) -> y_GCO
    flops: Callable[[int, int, int], int]  # (input, hidden, output width) -> multiply-adds × 2 for one token

    def num_parameters(self, input_width: int, hidden_width: int, output_width: int) -> int:
        """Parameters of one expert."""
        return sum(math.prod(shape) for shape in self.shapes(input_width, hidden_width, output_width).values())

    def initialize(self, shapes: Shapes, generator: torch.Generator) -> Parameters:
        """Fresh parameters of one expert: uniform within ±1/√(input width of the layer), as torch.nn.Linear does."""
        parameters = {}
        for name, shape in shapes.items():
            fan_in = shapes[name.replace("b_", "w_")][0]
            uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
            parameters[name] = (2 * uniform - 1) / math.sqrt(fan_in)
        return parameters


def affine(x_GCI: Tensor, w_GIO: Tensor, b_GO: Tensor) -> Tensor:
    """W · x + b for every group; adding the bias afterwards takes half the time of `baddbmm`, which first copies it."""
    return torch.bmm(x_GCI, w_GIO).add_(b_GO.unsqueeze(-2))


def mlp(parameters: Parameters, x_GCD: Float[Tensor, "G C D"]) -> Float[Tensor, "G C O"]:
    """A fully connected network with one hidden layer: W_out · relu(W_in · x + b_in) + b_out."""
    hidden_GCH = affine(x_GCD, parameters["w_in"], parameters["b_in"]).relu_()
    return affine(hidden_GCH, parameters["w_out"], parameters["b_out"])


def mlp_shapes(input_width: int, hidden_width: int, output_width: int) -> Shapes:
    """Two matrices and two biases."""
    return {
        "w_in": (input_width, hidden_width),
        "b_in": (hidden_width,),
        "w_out": (hidden_width, output_width),
        "b_out": (output_width,),
    }


def linear(parameters: Parameters, x_GCD: Float[Tensor, "G C D"]) -> Float[Tensor, "G C O"]:
    """One matrix and a bias: W · x + b. Simple on purpose, so that one expert alone cannot solve a curved task."""
    return affine(x_GCD, parameters["w_out"], parameters["b_out"])


def linear_shapes(input_width: int, hidden_width: int, output_width: int) -> Shapes:
    """One matrix and one bias; the hidden width plays no part."""
    return {"w_out": (input_width, output_width), "b_out": (output_width,)}


EXPERTS: dict[str, ExpertKind] = {
    "mlp": ExpertKind(mlp_shapes, mlp, lambda d, h, o: 2 * h * (d + o)),
    "linear": ExpertKind(linear_shapes, linear, lambda d, h, o: 2 * d * o),
}
