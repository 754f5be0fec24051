"""What a run is asked to do well: the task loss, and the metric that people read."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.config import TASK_INFO

NEAREST = 5  # so many of the nearest are looked at


def cross_entropy(y_RTO: Float[Tensor, "R ... O"], target_RT: Int[Tensor, "R ..."]) -> Float[Tensor, " R"]:
    """Mean over tokens of −log softmax(y)[target]; log(number of classes) when nothing is known."""
    loss_T = torch.nn.functional.cross_entropy(y_RTO.flatten(0, -2), target_RT.flatten(), reduction="none")
    return loss_T.view(len(target_RT), -1).mean(-1)


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


def contrastive(y_RMO: Float[Tensor, "R M O"], target_RM: Int[Tensor, "R M"]) -> Float[Tensor, " R"]:
    """How surely pictures and names find each other among all of these: log(their number) when nothing is known.

    Mean over languages of −log softmax(scores)[the right one], half over names for a picture, half over pictures for a
    name. Other copies of the same item are left out, for they are no wrong answers.

    Source: InfoNCE in both directions, CLIP (arXiv 2103.00020) and LIMoE (arXiv 2206.02770).
    """
    scores_RNMM = scores(y_RMO)
    same_RMM = target_RM.unsqueeze(-1) == target_RM.unsqueeze(-2)
    copy_RMM = same_RMM & ~torch.eye(same_RMM.shape[-1], dtype=torch.bool, device=same_RMM.device)
    scores_RNMM = scores_RNMM.masked_fill(copy_RMM.unsqueeze(1), -torch.inf)
    right_RNM = scores_RNMM.diagonal(dim1=-2, dim2=-1)
    wrong_RNM = (scores_RNMM.logsumexp(-1) + scores_RNMM.logsumexp(-2)) / 2
    return (wrong_RNM - right_RNM).mean((-1, -2))


def found(y_RMO: Float[Tensor, "R M O"], target_RM: Int[Tensor, "R M"]) -> Float[Tensor, " R"]:
    """Share of pictures and names whose right partner is among the five nearest of all; by chance 5 of their number."""
    scores_RNMM = scores(y_RMO)
    right_RNM1 = scores_RNMM.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    nearer = [(each > right_RNM1).sum(-1) for each in (scores_RNMM, scores_RNMM.mT)]
    return torch.stack([(count_RNM < NEAREST).to(y_RMO.dtype).mean((-1, -2)) for count_RNM in nearer]).mean(0)


def scores(y_RMO: Float[Tensor, "R M O"]) -> Float[Tensor, "R N M M"]:
    """How near each picture (second last axis) is to each name (last axis) in every language."""
    both_RMNO = y_RMO.unflatten(-1, (len(TASK_INFO["pairs"].parts), -1))
    return both_RMNO[:, None, :, 0] @ both_RMNO[:, :, 1:].permute(0, 2, 3, 1)


OBJECTIVES = {
    "classification": (cross_entropy, accuracy, "accuracy"), "regression": (squared_error, r_squared, "R²"),
    "text": (cross_entropy, accuracy, "accuracy"),
    "retrieval": (contrastive, found, "found among the nearest five"),
}  # fmt: skip
