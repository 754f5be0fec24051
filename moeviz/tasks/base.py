"""What a task hands to training: tokens, their targets and true segments, split into a train and a test set."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.config import TASK_INFO, RunConfig
from moeviz.tensors.rng import stream


@dataclass(frozen=True)
class Split:
    """Some tokens: inputs, what to answer (a class index, or numbers), and the hidden kind each came from."""

    x_TD: Float[Tensor, "T D"]
    target: Int[Tensor, "T"] | Float[Tensor, "T O"] | Int[Tensor, "T W"]
    segment_T: Int[Tensor, "T"]

    def pick(self, index_T: Int[Tensor, " T"]) -> "Split":
        """The tokens with these indices, in this order."""
        return Split(self.x_TD[index_T], self.target[index_T], self.segment_T[index_T])


@dataclass(frozen=True)
class TaskData:
    """One draw of a task: everything that training and the pictures need to know about it."""

    train: Split
    test: Split
    num_outputs: int
    num_segments: int
    extent: float  # pictures show -extent to extent in each view coordinate
    project_D2: Float[Tensor, "D 2"] | None = None  # inputs of many dimensions: view = (x - mean) @ project
    mean_D: Float[Tensor, " D"] | None = None


def num_classes(config: RunConfig) -> int:
    """How many classes the task has: the knob, or the task's own number."""
    return config.num_classes or TASK_INFO[config.task].own_classes


def uniform(config: RunConfig, purpose: str, *shape: int) -> Float[Tensor, "..."]:
    """Draws between 0 and 1 that depend on the seed and the purpose alone."""
    return torch.rand(shape, dtype=torch.float64, generator=stream(config.seed, f"data/{purpose}"))


def normal(config: RunConfig, purpose: str, *shape: int) -> Float[Tensor, "..."]:
    """Standard normal draws that depend on the seed and the purpose alone."""
    return torch.randn(shape, dtype=torch.float64, generator=stream(config.seed, f"data/{purpose}"))


def task_data(
    config: RunConfig, tokens: Split, *, num_outputs: int, num_segments: int, extent: float,
    clean_TD: Float[Tensor, "T D"] | None = None,
) -> TaskData:  # fmt: skip
    """Shuffle the tokens and cut them into a train and a test set.

    Args:   extent: half the width of the picture; for a projection a multiple of the farthest token's distance.
            clean_TD: for a projection the inputs before noise, so that the plane stays put while noise is turned.
    """
    count = len(tokens.segment_T)
    order_T = torch.randperm(count, generator=stream(config.seed, "data/split"))
    train_T, test_T = order_T.tensor_split([round(config.train_share * count)])
    project_D2 = mean_D = None
    if clean_TD is not None:
        mean_D = clean_TD[train_T].mean(0)
        project_D2 = principal_plane(clean_TD[train_T])
        extent *= float(((clean_TD - mean_D) @ project_D2).abs().max())
    train, test = tokens.pick(train_T), tokens.pick(test_T)
    return TaskData(train, test, num_outputs, num_segments, extent, project_D2, mean_D)


def principal_plane(x_TD: Float[Tensor, "T D"]) -> Float[Tensor, "D 2"]:
    """The two directions in which the tokens differ most, so that many dimensions fit on a flat picture."""
    centered_TD = x_TD - x_TD.mean(0)
    _, direction_DD = torch.linalg.eigh(centered_TD.mT @ centered_TD)  # eigenvalues ascend
    plane_D2 = direction_DD[:, [-1, -2]]
    # A direction's sign is arbitrary; fixing it keeps the picture from flipping between two computers.
    largest_2 = plane_D2.gather(0, plane_D2.abs().argmax(0, keepdim=True))
    return plane_D2 * largest_2.sign()
