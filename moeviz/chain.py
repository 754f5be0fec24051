"""Experts that are affine layers with relu between them, each over its own stretch of the items, derived by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from moeviz.experts import Shapes, linear, mlp, unpack

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
        values = [x_ID, *(x_ID.new_empty(len(x_ID), bias_GO.shape[-1]) for bias_GO in biases)]
        for group, stretch in enumerate(zip(*(value.split(counts) for value in values), strict=True)):
            for layer, (w_GIO, b_GO) in enumerate(zip(weights, biases, strict=True)):
                y_CO = torch.mm(stretch[layer], w_GIO[group], out=stretch[layer + 1]).add_(b_GO[group])
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
        grad_GP = torch.empty_like(rows_GP, memory_format=torch.contiguous_format)
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


def affine_layers(names: Sequence[str], shapes: Shapes, rows_GP: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The weights and the biases of the layers, as views of the rows."""
    tensors = unpack(rows_GP, shapes)
    return [tensors[f"w_{name}"] for name in names], [tensors[f"b_{name}"] for name in names]
