"""What a run is asked to do well: the task loss, and the metric that people read."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def cross_entropy(y_RTO: Float[Tensor, "R ... O"], target_RT: Int[Tensor, "R ..."]) -> Float[Tensor, " R"]:
    """Mean over tokens of −log softmax(y)[target]; log(number of classes) when nothing is known."""
    loss_I = torch.nn.functional.cross_entropy(y_RTO.flatten(0, -2), target_RT.flatten(), reduction="none")
    return loss_I.view(len(target_RT), -1).mean(-1)


def squared_error(y_RTO: Float[Tensor, "R T O"], target_RTO: Float[Tensor, "R T O"]) -> Float[Tensor, " R"]:
    """Mean over tokens and outputs of the squared difference."""
    return (y_RTO - target_RTO).square().mean((-1, -2))


def accuracy(y_RTO: Float[Tensor, "R ... O"], target_RT: Int[Tensor, "R ..."]) -> Float[Tensor, " R"]:
    """Share of tokens whose largest output is the target class."""
    return (y_RTO.argmax(-1) == target_RT).to(y_RTO.dtype).flatten(1).mean(-1)


def r_squared(y_RTO: Float[Tensor, "R T O"], target_RTO: Float[Tensor, "R T O"]) -> Float[Tensor, " R"]:
    """R²: the share of the targets' variance that is explained; 1 = perfect, 0 = no better than their mean."""
    spread_R = (target_RTO - target_RTO.mean(-2, keepdim=True)).square().mean((-1, -2))
    return 1 - squared_error(y_RTO, target_RTO) / spread_R


OBJECTIVES = {
    "classification": (cross_entropy, accuracy, "accuracy"), "regression": (squared_error, r_squared, "R²"),
    "text": (cross_entropy, accuracy, "accuracy"),
}  # fmt: skip
