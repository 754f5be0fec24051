"""R runs of one shape at one moment: what views, measurements, ghosts and checkpoints read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.config import RunConfig, Value
from moeviz.config.changes import Mark
from moeviz.models.experts import Parameters
from moeviz.models.language_model import Model
from moeviz.models.moe_layer import RoutingKnobs
from moeviz.training import batch, divergence, from_configs, history, settings, treatment
from moeviz.training.adam import Adam
from moeviz.training.batch import Batch
from moeviz.training.data import Data
from moeviz.training.history import Record
from moeviz.training.settings import Change, Setting
from moeviz.training.step import Problem, StepKnobs, StepState
from moeviz.training.tape import Tape
from moeviz.training.treatment import Treated

if TYPE_CHECKING:
    import pandas


class State:
    """R runs of one shape at one moment, and what follows from it; only a Training, which is one, moves it on.

    Tensors are never written in place: to keep those of a moment costs no copy.
    """

    configs: tuple[RunConfig, ...]
    treated: Treated
    changes: list[Change]
    device: torch.device
    dtype: torch.dtype
    record_every: int  # steps
    data: Data
    model: Model
    dispatch: str
    task_loss: Callable[..., Tensor]
    balance_loss: Callable[..., Tensor]
    metric: Callable[..., Tensor]
    metric_name: str
    knob_numbers: StepKnobs  # the knobs of a step, but for how large a loss may be

    current_step: int
    seconds: float  # trained
    step_seconds: float  # that a step takes of late, for each run
    ids_RE: np.ndarray  # who the experts are, ascending
    rows_RAP: Float[Tensor, "R A P"]
    adam: Adam
    gradient_RAP: Float[Tensor, "R A P"]
    updated_REL: Float[Tensor, "R E L"]
    present_RE: Float[Tensor, "R E"]
    bias_REL: Float[Tensor, "R E L"]
    scale_R: Float[Tensor, " R"]
    healthy_R: Bool[Tensor, " R"]
    largest_loss_R: Float[Tensor, " R"]
    diverged: bool  # whether any run was when it was last recorded

    records: list[Record]
    measured: Record | None  # the last measurement; None once a knob has been turned since
    details: dict[str, np.ndarray]  # what was measured beside it
    good: dict[str, object]  # the checkpoint to go back to after a divergence
    tape: Tape

    # ---- the next step --------------------------------------------------------------------------------------------

    @property
    def step_state(self) -> StepState:
        """Where the runs are: what the next step starts from."""
        counts, rest = (self.updated_REL, self.present_RE), (self.healthy_R, self.bias_REL, self.scale_R)
        return StepState(self.rows_RAP, self.adam, self.gradient_RAP, *counts, *rest)

    @property
    def problem(self) -> Problem:
        """What a step does, for whatever runs."""
        return Problem(self.model, self.task_loss, self.balance_loss)

    @property
    def step_knobs(self) -> StepKnobs:
        """The present knobs of a step."""
        return replace(self.knob_numbers, largest_loss_R=self.largest_loss_R)

    @property
    def lockstep(self) -> Hashable:
        """What trainings must share to step together (see moeviz.training.lockstep)."""
        first, limited = self.configs[0], self.knob_numbers.routing.capacity is not None
        drawn = batch.wanted(self.configs)
        sizes = (first.num_experts, first.batch_size, first.token_groups)
        return self.problem, sizes, limited, drawn, self.device, self.dtype

    def batch(self) -> Batch:
        """What the next step trains on."""
        x_RTD, target = self.data.batch(self.current_step)
        units = x_RTD.shape[1] * from_configs.units_per_input(self.configs) * self.model.num_layers
        drawn = batch.draws(self.configs, self.current_step, (units, self.model.layer.input_width), x_RTD)
        return Batch(x_RTD, target, drawn)

    # ---- knobs ----------------------------------------------------------------------------------------------------

    @property
    def setting(self) -> Setting:
        """All that is set by hand at present."""
        return Setting(self.configs, self.treated)

    def would_set(self, **changes: Value | Sequence[Value]) -> tuple[RunConfig, ...]:
        """What `configs` would be after `set`; ValueError where that would be refused."""
        return settings.changed(self.configs, changes)[0]

    def would_treat(self, expert_id: int, how: str, run: int | None = None) -> Treated:
        """What `treated` would be after `treat`; ValueError where that would be refused."""
        return treatment.treated(self.treated, self.configs, self.ids_RE, expert_id, how, run)

    @property
    def routing_knobs(self) -> RoutingKnobs:
        """The router's numbers in a training step, without what is drawn for it (see `batch`)."""
        return replace(self.knob_numbers.routing, bias_REL=self.bias_REL)

    def routing_knobs_for(self, num_inputs: int) -> RoutingKnobs:
        """The router's numbers for so many inputs that are measured (capacity depends on their number)."""
        knobs = from_configs.measuring_knobs(self.configs, num_inputs, self.rows_RAP)
        return replace(knobs, bias_REL=self.bias_REL, killed_RE=self.knob_numbers.routing.killed_RE)

    @property
    def marks(self) -> list[Mark]:
        """What was changed by hand, at which step and in which runs, for the time charts."""
        return [mark for change in self.changes for mark in change.marks]

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Parameters:
        """The present weights by name, `[R, E, …]`."""
        return self.model.parameters(self.rows_RAP)

    @property
    def history(self) -> pandas.DataFrame:
        """One row per run and recorded step; `attrs` tells the device and the dispatch (or both, in order) that ran.

        Of a long run at most 1,024 steps are kept: the newest 128, and of all before every second, then fourth, and on.
        """
        frame = history.table(self.records)
        ran = dict.fromkeys(record.dispatch for record in self.records)
        frame.attrs = {"dispatch": ", ".join(ran), "device": str(self.device)}
        return frame

    @property
    def measured_step(self) -> int:
        """The step of the last measurement; -1 if a knob has been turned since."""
        return self.measured.step if self.measured is not None else -1

    @property
    def stuck(self) -> bool:
        """Whether every run has diverged, so that there is nothing left to train."""
        return self.diverged and not bool(self.records[-1].trains.any())

    @property
    def diverged_at(self) -> list[int | None]:
        """The step at which each run was seen to have diverged; None for those that train."""
        return [divergence.noticed_at(self.records, run) for run in range(len(self.configs))]

    @property
    def reason(self) -> str | None:
        """Why runs stand still, and which knob to lower; None while all is well."""
        return divergence.reason(divergence.why(self.configs, self.diverged_at))

    @property
    def rewound(self) -> bool:
        """Whether it was wound back, and has not come to its last step again."""
        return self.tape.end is not None
