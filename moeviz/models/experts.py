"""Expert kinds: what each expert computes, and what it costs.

An expert is one row of numbers plus a pure function of the named tensors in that row. The function always sees many
experts at once, one group G for each, with the tokens that the expert computes: `x_GCD -> y_GCO`. Some kinds compute
whole inputs of W tokens: `x_GCWD -> y_GCWO`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.tensors.precision import at_least_float32

SMALLEST = 1e-6  # of a token's mean square: one of zeros stays zeros

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
    apply: Callable[[Parameters, Tensor], Tensor]  # (parameters with a leading G, x_GCD) -> y_GCO; or x_GCWD -> y_GCWO
    flops: Callable[[int, int, int, int], int]  # (… the same, tokens of an input) -> multiply-adds × 2 for one token
    whole: bool = False  # whether it computes whole inputs

    def num_parameters(self, input_width: int, hidden_width: int, output_width: int) -> int:
        """Parameters of one expert."""
        return sum(math.prod(shape) for shape in self.shapes(input_width, hidden_width, output_width).values())

    def initialize(self, shapes: Shapes, generator: torch.Generator) -> Parameters:
        """Fresh parameters of one expert: uniform within ±1/√(input width of the layer), as torch.nn.Linear does."""
        parameters = {}
        for name, shape in shapes.items():
            fan_in = math.prod(shapes[name.replace("b_", "w_")][:-1])
            uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
            parameters[name] = (2 * uniform - 1) / math.sqrt(fan_in)
        return parameters


def affine(x_GCD: Tensor, w_GDO: Tensor, b_GO: Tensor) -> Tensor:
    """W · x + b for every group; adding the bias afterwards takes half the time of `baddbmm`, which first copies it."""
    return torch.bmm(x_GCD, w_GDO).add_(b_GO.unsqueeze(-2))


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


def conv(parameters: Parameters, x_GCWD: Float[Tensor, "G C W D"]) -> Float[Tensor, "G C W O"]:
    """A small convolutional block on a square map of W places: 3 × 3 to the hidden channels, relu, then 1 × 1."""
    around_GCWD = neighborhoods(x_GCWD)
    hidden_GTH = affine(around_GCWD.flatten(1, 2), parameters["w_in"].flatten(1, 2), parameters["b_in"]).relu_()
    return affine(hidden_GTH, parameters["w_out"], parameters["b_out"]).unflatten(1, x_GCWD.shape[1:3])


def neighborhoods(x_GCWD: Float[Tensor, "G C W D"]) -> Float[Tensor, "G C W D2"]:
    """Each place's own channels and those of its eight neighbors, one after the other; outside the map all are 0."""
    places = x_GCWD.shape[2]
    side = math.isqrt(places)
    if side * side != places:
        raise ValueError(f"a map must be square: got {places} places; cut inputs into 4, 9, 16, … parts")
    padded = torch.nn.functional.pad(x_GCWD.unflatten(2, (side, side)), (0, 0, 1, 1, 1, 1))
    shifted = [padded[..., row : row + side, column : column + side, :] for row in range(3) for column in range(3)]
    return torch.cat(shifted, dim=-1).flatten(2, 3)


def conv_shapes(input_width: int, hidden_width: int, output_width: int) -> Shapes:
    """The numbers of a 3 × 3 and of a 1 × 1 convolution."""
    return mlp_shapes(input_width, hidden_width, output_width) | {"w_in": (9, input_width, hidden_width)}


def transformer(parameters: Parameters, x_GCWD: Float[Tensor, "G C W D"]) -> Float[Tensor, "G C W O"]:
    """A whole Transformer encoder layer on each sequence: attention of one head, then an MLP, each behind a norm.

    The layer's input is added after the attention; its output is what the layer adds to that.
    """
    size = x_GCWD.shape[1:3]
    seen_GTD = normed(x_GCWD).flatten(1, 2)
    query_GCWD, key_GCWD, value_GCWD = (
        torch.bmm(seen_GTD, parameters[name]).unflatten(1, size) for name in ("w_query", "w_key", "w_value")
    )
    share_GCWW = (query_GCWD @ key_GCWD.mT / math.sqrt(x_GCWD.shape[-1])).softmax(-1)
    gathered_GTD = torch.bmm((share_GCWW @ value_GCWD).flatten(1, 2), parameters["w_gathered"])
    hidden_GTD = x_GCWD.flatten(1, 2) + gathered_GTD
    return (gathered_GTD + mlp(parameters, normed(hidden_GTD))).unflatten(1, size)


def normed(x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
    """Each token divided by its root mean square; one of zeros stays zeros."""
    wide = at_least_float32(x)
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + SMALLEST)).to(x.dtype)


def transformer_shapes(input_width: int, hidden_width: int, output_width: int) -> Shapes:
    """The four matrices of attention, and those of an MLP; it adds to what it is given, so both widths are one."""
    if input_width != output_width:
        raise ValueError(
            f"a Transformer layer must give back what it takes: got input width {input_width}, output width "
            f"{output_width}; give both one width, or use another kind of expert"
        )
    square = (input_width, input_width)
    attention = {"w_query": square, "w_key": square, "w_value": square, "w_gathered": square}
    return attention | mlp_shapes(input_width, hidden_width, output_width)


EXPERTS: dict[str, ExpertKind] = {
    "mlp": ExpertKind(mlp_shapes, mlp, lambda d, h, o, w: 2 * h * (d + o)),
    "linear": ExpertKind(linear_shapes, linear, lambda d, h, o, w: 2 * d * o),
    "conv": ExpertKind(conv_shapes, conv, lambda d, h, o, w: 2 * h * (9 * d + o), whole=True),
    "transformer": ExpertKind(
        transformer_shapes, transformer, lambda d, h, o, w: 2 * (4 * d * d + 2 * w * d + h * (d + o)), whole=True
    ),
}
