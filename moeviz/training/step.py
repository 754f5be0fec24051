"""One training step of R runs as a pure function: what it reads, what it changes, and runs put side by side for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.models.language_model import Model
from moeviz.models.moe_layer import RoutingKnobs
from moeviz.routers import Routing, bias_step
from moeviz.routers.decide import mean_over_parts
from moeviz.tensors.axes import PerRun, over, side_by_side
from moeviz.tensors.device import widest
from moeviz.training import loss_scale
from moeviz.training.adam import Adam, clipped
from moeviz.training.batch import Batch

LARGEST_GRADIENT = 10.0  # per-run clipping: far above what a healthy run shows


@dataclass(frozen=True)
class Problem:
    """What is the same for all runs of a step: the model, and what it is asked to do well."""

    model: Model
    task_loss: Callable[..., Tensor]
    balance_loss: Callable[..., Tensor]


@dataclass(frozen=True)
class StepKnobs:
    """The knobs of each run, as numbers."""

    routing: RoutingKnobs
    coef: PerRun
    learning_rate_R: Float[Tensor, " R"]
    largest_loss_R: Float[Tensor, " R"]  # a run whose task loss exceeds it stands still from then on
    bias_rate: PerRun = 0.0
    frozen_RAP: Bool[Tensor, "R A P"] | None = None  # numbers that do not learn

    @staticmethod
    def joined(parts: Sequence[StepKnobs], num_runs: Sequence[int]) -> StepKnobs:
        """Those of several groups of runs as those of one; either all groups have a capacity or none has."""
        rate_R = torch.cat([part.learning_rate_R for part in parts])
        shared: dict[str, Any] = {
            name: side_by_side([getattr(part.routing, name) for part in parts], num_runs, rate_R)
            for name in ("k", "renormalize", "jitter", "skew", "noise")
        }
        places = [part.routing.capacity for part in parts if part.routing.capacity is not None]
        capacity = side_by_side(places, num_runs, rate_R) if places else None
        killed_RE = _masks_joined([part.routing.killed_RE for part in parts], num_runs)
        routing = RoutingKnobs(
            capacity=capacity, token_groups=parts[0].routing.token_groups, killed_RE=killed_RE, **shared
        )
        frozen_RAP = _masks_joined([part.frozen_RAP for part in parts], num_runs)
        coef = side_by_side([part.coef for part in parts], num_runs, rate_R)
        exact = rate_R.to(widest(rate_R.device))
        bias_rate = side_by_side([part.bias_rate for part in parts], num_runs, exact)
        largest_R = torch.cat([part.largest_loss_R for part in parts])
        return StepKnobs(routing, coef, rate_R, largest_R, bias_rate, frozen_RAP)


def _masks_joined(parts: Sequence[Tensor | None], num_runs: Sequence[int]) -> Tensor | None:
    """The masks of several groups of runs as that of one; None = false everywhere."""
    shape = next((mask.shape[1:] for mask in parts if mask is not None), None)
    if shape is None:
        return None
    like = next(mask for mask in parts if mask is not None)
    return torch.cat(
        [like.new_zeros(count, *shape) if mask is None else mask for mask, count in zip(parts, num_runs, strict=True)]
    )


@dataclass(frozen=True)
class StepState:
    """All that a step changes. Its tensors are never written in place: each step returns new ones."""

    rows_RAP: Float[Tensor, "R A P"]
    adam: Adam
    gradient_RAP: Float[Tensor, "R A P"]  # clipped; 0 for a run that stands still, NaN before an expert's first step
    updated_REL: Float[Tensor, "R E L"]  # steps in which an expert got at least one token, in each layer,
    present_RE: Float[Tensor, "R E"]  # ... of all steps that its run has trained since it arrived
    healthy_R: Bool[Tensor, " R"]
    bias_REL: Float[Tensor, "R E L"]  # what DeepSeek's router adds before it chooses in each layer; 0 for all others
    scale_R: Float[Tensor, " R"]  # what a loss is multiplied by while its gradient is worked out; 1 unless in float16

    @staticmethod
    def joined(parts: Sequence[StepState]) -> StepState:
        """Several groups of runs as one."""
        adams = [part.adam for part in parts]
        means_RAP, squares_RAP = (torch.cat([getattr(adam, name) for adam in adams]) for name in ADAM_MEANS)
        adam = Adam(means_RAP, squares_RAP, tuple(step for adam in adams for step in adam.steps_of_each))
        tensors = {name: torch.cat([getattr(part, name) for part in parts]) for name in TENSORS}
        return StepState(adam=adam, **tensors)

    def parted(self, num_runs: Sequence[int]) -> list[StepState]:
        """The groups again, as views (see `detached`)."""
        columns = {name: getattr(self, name).split(num_runs) for name in TENSORS}
        means, squares = (getattr(self.adam, name).split(num_runs) for name in ADAM_MEANS)
        ends = list(itertools.accumulate(num_runs))
        adams = [
            Adam(mean_RAP, square_RAP, self.adam.steps_of_each[end - 1])
            for mean_RAP, square_RAP, end in zip(means, squares, ends, strict=True)
        ]
        return [
            StepState(adam=adam, **dict(zip(columns, tensors, strict=True)))
            for adam, *tensors in zip(adams, *columns.values(), strict=True)
        ]

    def detached(self) -> StepState:
        """The same in memory of its own, so that keeping it does not keep the tensors of every run beside it."""
        adam = Adam(_own(self.adam.mean_RAP), _own(self.adam.square_RAP), self.adam.num_steps)
        return StepState(adam=adam, **{name: _own(getattr(self, name)) for name in TENSORS})


def _own(value: Tensor) -> Tensor:
    return value.clone() if value.untyped_storage().nbytes() > value.nbytes else value


TENSORS = ("rows_RAP", "gradient_RAP", "updated_REL", "present_RE", "healthy_R", "bias_REL", "scale_R")
ADAM_MEANS = ("mean_RAP", "square_RAP")


def stepped(problem: Problem, step_knobs: StepKnobs, before: StepState, batch: Batch) -> StepState:
    """One step: output, loss of each run, gradient, Adam. Runs are summed, never averaged: no run sees another."""
    rows_RAP = before.rows_RAP.detach().requires_grad_()
    knobs = batch.knobs(step_knobs.routing, before.bias_REL)
    y_RTO, routing = problem.model(rows_RAP, batch.x_RTD, knobs)
    task_loss_R = problem.task_loss(y_RTO, batch.target)
    loss_R = task_loss_R
    if not _is_off(step_knobs.coef):
        balance_loss_R = mean_over_parts(problem.balance_loss, routing, knobs.k, knobs.token_groups)
        loss_R = task_loss_R + step_knobs.coef * balance_loss_R
    (gradient_RAP,) = torch.autograd.grad(loss_R, rows_RAP, before.scale_R)
    scaled = loss_scale.wanted(problem.model.layer.half)
    if scaled:
        gradient_RAP = gradient_RAP / over(before.scale_R, 2)
    return _applied(step_knobs, before, gradient_RAP, task_loss_R.detach(), routing, scaled)


def _applied(
    step_knobs: StepKnobs, before: StepState, gradient_RAP: Tensor, task_loss_R: Tensor, routing: Routing, scaled: bool
) -> StepState:
    """Clip and apply; a run whose gradient is not finite, or whose loss exploded, stands still from now on."""
    frozen_RAP, killed_RE = step_knobs.frozen_RAP, step_knobs.routing.killed_RE
    if frozen_RAP is not None:
        gradient_RAP = gradient_RAP.masked_fill(frozen_RAP, 0)
    clipped_RAP, norm_R = clipped(gradient_RAP, LARGEST_GRADIENT)
    healthy_R = before.healthy_R & (task_loss_R < step_knobs.largest_loss_R)
    moves_R, scale_R = healthy_R & (norm_R < torch.inf), before.scale_R
    healthy_R = healthy_R & loss_scale.bearable(norm_R, scale_R) if scaled else moves_R
    gradient_RAP = clipped_RAP.masked_fill(over(~moves_R, 2), 0)
    adam, rows_RAP = before.adam.update(before.rows_RAP, gradient_RAP, step_knobs.learning_rate_R * moves_R)
    if scaled:  # a scale that was too large is no fault of the run: it skips the step
        adam, scale_R = adam.except_where(over(~moves_R, 2), before.adam), loss_scale.next_scale(norm_R, scale_R)
    if frozen_RAP is not None:  # without a gradient Adam would still move them, by what it remembers
        rows_RAP = before.rows_RAP.where(frozen_RAP, rows_RAP)
        adam = adam.except_where(frozen_RAP, before.adam)
    bias_REL = before.bias_REL
    if not _is_off(step_knobs.bias_rate):
        rate_R1 = over(step_knobs.bias_rate * healthy_R.to(bias_REL.dtype), 1)
        killed_R1E = None if killed_RE is None else killed_RE.unsqueeze(1)
        bias_REL = bias_step(bias_REL.mT, routing.layered, rate=rate_R1, killed_E=killed_R1E).mT
    present_R1 = healthy_R.to(before.present_RE.dtype).unsqueeze(-1)
    kept_REL = routing.kept_TE.any(-2).view_as(before.updated_REL.mT).mT
    updated_REL = before.updated_REL + kept_REL * over(moves_R, 2)
    present_RE = before.present_RE + present_R1
    return StepState(rows_RAP, adam, gradient_RAP, updated_REL, present_RE, healthy_R, bias_REL, scale_R)


def _is_off(number: PerRun) -> bool:
    """Whether it is 0 for all runs, which is known without asking the device."""
    return isinstance(number, float) and number == 0
