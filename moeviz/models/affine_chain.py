"""Experts that are affine layers with relu between them, each over its own stretch of the items, derived by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from moeviz.models.experts import Shapes, linear, mlp, unpack

LONG = 16384  # numbers of a row from which one copy of all rows is worth avoiding

# The experts that are such a chain, by what computes them, and the names of their layers.
LAYERS: dict[Callable[..., Tensor], tuple[str, ...]] = {mlp: ("in", "out"), linear: ("out",)}


class Chain(torch.autograd.Function):
    """y = W_n · relu(… relu(W_1 · x + b_1) …) + b_n for the items of each group in turn.

    Each matrix product writes where its result is to lie. Autograd would make every weight's gradient on its own and
    put the rows together three times, which with 64 large experts takes longer than all that is not a product. A
    stretch goes through all layers before the next one starts: so it stays in the processor's cache.
    """

    @staticmethod
    def forward(
        ctx: Any, names: Sequence[str], shapes: Shapes, counts: Sequence[int], rows_GP: Tensor, x_ID: Tensor
    ) -> Tensor:
        """The answers to all items; `counts` says how many each group has."""
        weights, biases = affine_layers(names, shapes, rows_GP)
        values = [x_ID, *(x_ID.new_empty(len(x_ID), len(bias[0])) for bias in biases)]
        for group, stretch in enumerate(zip(*(value.split(counts) for value in values), strict=True)):
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                y_CO = torch.mm(stretch[layer], weight[group], out=stretch[layer + 1]).add_(bias[group])
                if layer + 1 < len(names):
                    y_CO.relu_()
        ctx.names, ctx.shapes, ctx.counts = names, shapes, counts
        ctx.save_for_backward(rows_GP, *values[:-1])
        return values[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_IO: Tensor) -> tuple[None, None, None, Tensor, Tensor]:
        """The chain rule, from the last layer to the first. A group without items gets zeros."""
        rows_GP, *values = ctx.saved_tensors
        grad_GP = like_rows(rows_GP)
        grad_GP[:, sum(shape.numel() for shape in map(torch.Size, ctx.shapes.values())) :] = 0  # padding
        weights, _ = affine_layers(ctx.names, ctx.shapes, rows_GP)
        grad_weights, grad_biases = affine_layers(ctx.names, ctx.shapes, grad_GP)
        grad_ID = torch.empty_like(values[0])
        stretches = zip(*(value.split(ctx.counts) for value in (grad_IO, grad_ID, *values)), strict=True)
        for group, (grad_CO, grad_CD, *inputs) in enumerate(stretches):
            for layer in reversed(range(len(weights))):
                torch.mm(inputs[layer].mT, grad_CO, out=grad_weights[layer][group])
                torch.sum(grad_CO, 0, out=grad_biases[layer][group])
                if layer:
                    grad_CO = torch.mm(grad_CO, weights[layer][group].mT)
                    grad_CO = torch.ops.aten.threshold_backward(grad_CO, inputs[layer], 0)  # relu's
            torch.mm(grad_CO, weights[0][group].mT, out=grad_CD)
        return None, None, None, grad_GP, grad_ID


def affine_layers(
    names: Sequence[str], shapes: Shapes, rows_GP: Tensor
) -> tuple[list[tuple[Tensor, ...]], list[tuple[Tensor, ...]]]:
    """The weights and the biases of the layers, each group by group, as views of the rows."""
    tensors = unpack(rows_GP, shapes)
    return [tensors[f"w_{name}"].unbind() for name in names], [tensors[f"b_{name}"].unbind() for name in names]


def like_rows(rows_GP: Tensor) -> Tensor:
    """Room for the gradient of rows; where they are the ends of longer rows, there is room in front of each too."""
    length = max(rows_GP.stride(0), rows_GP.shape[1])
    return rows_GP.new_empty(len(rows_GP), length)[:, length - rows_GP.shape[1] :]


class Divide(torch.autograd.Function):
    """The first numbers of long rows, and the others; a gradient with room for the first ones is not copied again."""

    @staticmethod
    def forward(ctx: Any, rows_REP: Tensor, width: int) -> tuple[Tensor, ...]:
        """Both parts, as views."""
        return rows_REP.split([width, rows_REP.shape[-1] - width], dim=-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, first_REP: Tensor, others_REP: Tensor) -> tuple[Tensor, None]:
        """Both gradients side by side, in the memory of the second if it came from `like_rows`."""
        width, length = first_REP.shape[-1], first_REP.shape[-1] + others_REP.shape[-1]
        size = (*others_REP.shape[:2], length)
        stride = (size[1] * length, length, 1)
        room = others_REP.untyped_storage().nbytes() // others_REP.element_size()
        if (others_REP.stride(), others_REP.storage_offset(), room) != (stride, width, math.prod(size)):
            return torch.cat([first_REP, others_REP], dim=-1), None
        whole_REP = others_REP.as_strided(size, stride, 0)
        whole_REP[..., :width] = first_REP
        return whole_REP, None


def divide(rows_REP: Tensor, width: int) -> tuple[Tensor, ...]:
    """The first `width` numbers of each row, and the others."""
    if rows_REP.shape[-1] >= LONG:
        return Divide.apply(rows_REP, width)
    return rows_REP.split([width, rows_REP.shape[-1] - width], dim=-1)
