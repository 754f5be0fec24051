"""The tokens of all runs side by side, and which of them each step trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.config import TASK_INFO, RunConfig
from moeviz.tasks import TASKS, Split
from moeviz.tensors.rng import stream
from moeviz.training.ngrams import ngram_losses

BLOCK = 64  # steps whose tokens are drawn at once


@dataclass(frozen=True)
class Tokens:
    """Tokens of R runs: inputs, targets and true segments."""

    x_RTD: Float[Tensor, "R T D"]
    target: Int[Tensor, "R T"] | Float[Tensor, "R T O"] | Int[Tensor, "R T W"]
    segment_RT: Int[Tensor, "R T"]

    @property
    def count(self) -> int:
        """Tokens of each run."""
        return self.x_RTD.shape[1]

    def first(self, count: int) -> Tokens:
        """At most `count` tokens of each run."""
        return Tokens(self.x_RTD[:, :count], self.target[:, :count], self.segment_RT[:, :count])

    def then(self, others: Tokens) -> Tokens:
        """These tokens of each run, followed by the others."""
        pairs = ((self.x_RTD, others.x_RTD), (self.target, others.target), (self.segment_RT, others.segment_RT))
        return Tokens(*(torch.cat(pair, dim=1) for pair in pairs))


class Data:
    """Train and test tokens of all runs on one device; which tokens a step sees is a pure function of seed and step."""

    def __init__(self, configs: Sequence[RunConfig], device: torch.device, dtype: torch.dtype) -> None:
        drawn = {config.data(): config for config in configs}  # twins share seed and noise, and so their data
        tasks = {key: TASKS[config.task](config) for key, config in drawn.items()}
        self.tasks = [tasks[config.data()] for config in configs]
        self.train = _stack([task.train for task in self.tasks], device, dtype)
        self.test = _stack([task.test for task in self.tasks], device, dtype)
        measured = TASK_INFO[configs[0].task].measured
        self.measured_train, self.measured_test = self.train.first(measured), self.test.first(measured)
        self.measured = self.measured_train.then(self.measured_test)
        self._seeds = [config.seed for config in configs]
        self._batch_size = configs[0].batch_size
        self._block = -1
        self._rows_SRT = torch.empty(0)

    @cached_property
    def baselines(self) -> Float[Tensor, "R 2"]:
        """Of runs on text, the loss of the unigram and of the bigram of the train text, on the measured test text."""
        train, test = self.train, self.measured_test
        size, fields = self.tasks[0].num_outputs, (train.x_RTD.long(), train.target, test.x_RTD.long(), test.target)
        before_RT, next_RT, test_before_RT, test_next_RT = (each.flatten(1) for each in fields)
        runs = zip(before_RT, next_RT, test_before_RT, test_next_RT, strict=True)
        return torch.stack([ngram_losses(a_T, b_T, c_T, d_T, size) for a_T, b_T, c_T, d_T in runs])

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets that step number `step` trains on, drawn from the train set with replacement."""
        if step // BLOCK != self._block:
            self._block = step // BLOCK
            self._rows_SRT = self._draw(self._block)
        row_T = self._rows_SRT[step % BLOCK].flatten()
        shape = (len(self._seeds), self._batch_size)
        fields = (self.train.x_RTD, self.train.target)
        x, target = (each.flatten(0, 1).index_select(0, row_T).view(*shape, *each.shape[2:]) for each in fields)
        return x, target

    def _draw(self, block: int) -> Int[Tensor, "S R T"]:
        """Row numbers (into all runs' tokens end to end) for the steps of one block; equal seeds get equal rows."""
        num_tokens = self.train.x_RTD.shape[1]
        rows_R = []
        for run, seed in enumerate(self._seeds):
            generator = stream(seed, "batch", block)
            rows_R.append(torch.randint(num_tokens, (BLOCK, self._batch_size), generator=generator) + run * num_tokens)
        return torch.stack(rows_R, dim=1).to(self.train.x_RTD.device)


def _stack(splits: Sequence[Split], device: torch.device, dtype: torch.dtype) -> Tokens:
    target = torch.stack([split.target for split in splits]).to(device)
    return Tokens(
        torch.stack([split.x_TD for split in splits]).to(device, dtype),
        target.to(dtype) if target.is_floating_point() else target,
        torch.stack([split.segment_T for split in splits]).to(device),
    )
