"""The training loop: R runs of one shape, step by step, with knobs that may turn while it runs."""

from __future__ import annotations

import copy
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from moeviz import device as devices
from moeviz.config import KNOBS, TASK_INFO, RunConfig, Value
from moeviz.experts import Parameters
from moeviz.losses import LOSSES
from moeviz.model import RoutingKnobs
from moeviz.training import batch, diverging, history, knobs, population, reading
from moeviz.training.adam import Adam
from moeviz.training.batch import Batch
from moeviz.training.data import Data
from moeviz.training.evaluation import measure
from moeviz.training.ghost import GHOSTS, Ghost
from moeviz.training.history import Record
from moeviz.training.objective import OBJECTIVES
from moeviz.training.snapshot import Snapshot, take
from moeviz.training.step import Lesson, Numbers, Progress, stepped

if TYPE_CHECKING:
    import pandas

LOWEST_RATE = KNOBS["learning_rate"].low or 0.0
DIVERGED = 100.0  # a run is stopped when its task loss exceeds this many times (1 + its loss at step 0)
RECENT = 100  # records
RISEN = 2.0  # a record is good to go back to while no run's loss is above this many times its recent best


class Training:
    """R runs of one shape that train in lockstep and never see each other.

    Args:   configs: equal in every knob that is not `per_run`.  dtype: of weights and data.
            record_every: steps between two rows of `history`.
    """

    def __init__(
        self, configs: Sequence[RunConfig], *, dtype: torch.dtype = torch.float32, record_every: int = 10
    ) -> None:
        self.configs = tuple(configs)
        knobs.check_one_shape(self.configs)
        self.device = devices.resolve(self.configs[0].device)
        self.dtype, self.record_every = dtype, record_every
        self.reset()

    def reset(self) -> None:
        """Back to step 0 with the present knobs: the same seed gives the same weights, tokens and curve again."""
        first = self.configs[0]
        self.data = Data(self.configs, self.device, self.dtype)
        self.task_loss, self.metric, self.metric_name = OBJECTIVES[TASK_INFO[first.task].kind]
        self.ids_RE = np.tile(np.arange(first.num_experts), (len(self.configs), 1))
        self._read_knobs()
        self.rows_REP = self.model.fresh_rows([config.seed for config in self.configs], first.num_experts).to(
            self.device, self.dtype
        )
        self._adam = Adam.zeros_like(self.rows_REP)
        self.gradient_REP = torch.zeros_like(self.rows_REP)
        self.updated_RE = torch.zeros(self.ids_RE.shape, device=self.device)
        self.bias_RE = torch.zeros(self.ids_RE.shape, device=self.device, dtype=self.dtype)
        self._healthy_R = torch.ones(len(self.configs), dtype=torch.bool, device=self.device)
        self._largest_loss_R = torch.full((len(self.configs),), torch.inf, device=self.device)
        self.current_step, self.seconds, self.diverged = 0, 0.0, False
        self.records: list[Record] = []
        self._measured: Record | None = None
        self._details: dict[str, np.ndarray] = {}  # what was measured beside it
        self.turns: list[knobs.Turn] = []
        self._record()
        self._largest_loss_R = DIVERGED * (1 + torch.from_numpy(self.records[0].task_loss).to(self._largest_loss_R))
        self._good = self._checkpoint()

    # ---- training -------------------------------------------------------------------------------------------------

    def step(self, num_steps: int = 1) -> None:
        """Train for `num_steps` steps; stops early when every run has diverged. Diverged runs stand still."""
        started = time.perf_counter()
        for _ in range(num_steps):
            if self.stuck:
                break
            self.advance(stepped(self.lesson, self.numbers, self.progress, self.batch()))
        self.seconds += time.perf_counter() - started

    @property
    def parts(self) -> tuple[Training, ...]:
        """Itself: runs of one shape are a single part (see moeviz.training.buckets)."""
        return (self,)

    @property
    def stuck(self) -> bool:
        """Whether every run has diverged, so that there is nothing left to train."""
        return self.diverged and not bool(self.records[-1].trains.any())

    @property
    def lesson(self) -> Lesson:
        """What a step does, for whatever runs."""
        return Lesson(self.model, self.task_loss, self.balance_loss)

    @property
    def numbers(self) -> Numbers:
        """The present knobs of a step."""
        return Numbers(self._routing, self._coef, self._learning_rate_R, self._largest_loss_R, self._bias_rate)

    @property
    def progress(self) -> Progress:
        """Where the runs are: what the next step starts from."""
        return Progress(self.rows_REP, self._adam, self.gradient_REP, self.updated_RE, self._healthy_R, self.bias_RE)

    @property
    def lockstep(self) -> Hashable:
        """What trainings must share to step together (see moeviz.training.together)."""
        first, limited = self.configs[0], self._routing.capacity is not None
        drawn = batch.wanted(self.configs)
        sizes = (first.num_experts, first.batch_size, first.token_groups)
        return self.lesson, sizes, limited, drawn, self.device, self.dtype

    def batch(self) -> Batch:
        """What the next step trains on."""
        x_RTD, target = self.data.batch(self.current_step)
        size = x_RTD.shape[1] * reading.tokens_per_input(self.configs), self.model.layer.input_width
        return Batch(x_RTD, target, batch.draws(self.configs, self.current_step, size, x_RTD))

    def advance(self, after: Progress) -> None:
        """Take over what a step has made of `progress`."""
        self.rows_REP, self._adam, self.gradient_REP = after.rows_REP, after.adam, after.gradient_REP
        self.updated_RE, self._healthy_R, self.bias_RE = after.updated_RE, after.healthy_R, after.bias_RE
        self.current_step += 1
        if self.current_step % self.record_every == 0:
            self._record()

    # ---- knobs ----------------------------------------------------------------------------------------------------

    def set(self, **changes: Value | Sequence[Value]) -> list[str]:
        """Change live knobs, for all runs (one value) or each (a sequence); returns notices of what else had to change.

        Raises ValueError (rule, value, remedy) and changes nothing when a knob is unknown, not live or out of bounds.
        """
        configs, notices = knobs.changed(self.configs, changes)
        if self.diverged and knobs.calmer(self.configs, configs):
            self.restore(self._good)
            configs, notices = knobs.changed(self.configs, changes)
            notices = [f"went back to step {self.current_step}, before the run diverged", *notices]
        record, is_good = self.measure(), self._is_good(self.measure())
        before, self.configs = self.configs, configs
        self.turns = knobs.turned(self.turns, self.current_step, before, configs)
        if any(old.noise != new.noise for old, new in zip(before, configs, strict=True)):
            self.data = Data(configs, self.device, self.dtype)
        if configs[0].num_experts != before[0].num_experts:
            self._resize(configs[0].num_experts, record.load_RE)
        self._read_knobs()
        if is_good:
            self._good = self._checkpoint()
        elif configs[0].num_experts == before[0].num_experts:
            self._good = self._good | {"configs": configs}  # going back must not undo a knob
        return notices

    def _read_knobs(self) -> None:
        """Turn the configs into what a step needs: the layer, and numbers for all runs or one for each."""
        self._measured = None
        self.model = reading.model(self.configs, self.data.tasks[0], self.device)
        self.dispatch = self.model.dispatch
        self.balance_loss = LOSSES[self.configs[0].balance_loss]
        like = torch.zeros((), device=self.device, dtype=self.dtype)
        self._coef = reading.knob(self.configs, "balance_coef", like)
        self._bias_rate = reading.bias_rate(self.configs, like)
        rates = [config.learning_rate for config in self.configs]
        self._learning_rate_R = torch.tensor(rates, device=self.device, dtype=self.dtype)
        self._routing = reading.training_knobs(self.configs, like)

    @property
    def routing_knobs(self) -> RoutingKnobs:
        """The router's numbers in a training step, without what is drawn for it (see `batch`)."""
        return replace(self._routing, bias_RE=self.bias_RE)

    def routing_knobs_for(self, num_inputs: int) -> RoutingKnobs:
        """The router's numbers for so many inputs that are measured (capacity depends on their number)."""
        return replace(reading.measuring_knobs(self.configs, num_inputs, self.rows_REP), bias_RE=self.bias_RE)

    def _resize(self, num_experts: int, load_RE: np.ndarray) -> None:
        """Experts arrive as noisy copies of the busiest, with their Adam moments, or the least loaded leave."""
        change = population.resize(self.ids_RE, load_RE, num_experts)
        self.rows_REP = change.move_and_disturb(
            self.rows_REP, [config.seed for config in self.configs], self.current_step
        )
        self._adam = Adam(change.move(self._adam.mean_REP), change.move(self._adam.square_REP), self._adam.num_steps)
        self.gradient_REP = torch.zeros_like(self.rows_REP)
        self.updated_RE, self.bias_RE = change.move(self.updated_RE), change.move(self.bias_RE)
        self.ids_RE = change.ids_RE

    def fork(self) -> Training:
        """A twin that is where this training is, and goes on by itself: tensors are never written in place."""
        twin = copy.copy(self)
        vars(twin).update(self._checkpoint(), records=list(self.records), turns=list(self.turns))
        return twin

    def ghost(self, kind: str) -> Ghost:
        """What will be drawn gray: a twin that goes on without the next change, or the run previous to the next."""
        return GHOSTS[kind](self)

    def settled(self, since: int) -> bool:
        """Whether nothing has changed for a while, counted from step `since`."""
        return history.settled(self.records, since)

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Parameters:
        """The present weights by name, `[R, E, …]`."""
        return self.model.parameters(self.rows_REP)

    @property
    def history(self) -> pandas.DataFrame:
        """One row per run and recorded step; `attrs` tells the device and the dispatch (or both, in order) that ran."""
        frame = history.table(self.records)
        ran = dict.fromkeys(record.dispatch for record in self.records)
        frame.attrs = {"dispatch": ", ".join(ran), "device": str(self.device)}
        return frame

    @property
    def marks(self) -> list[tuple[int, str]]:
        """What was turned, and at which step, for the time charts."""
        return [(turn.step, label) for turn in self.turns for label in turn.labels.values()]

    def snapshot(
        self, want: Sequence[str] = (), probe: tuple[float, float] | None = None, *, fresh: bool = True
    ) -> Snapshot:
        """The present state as numbers, with the pictures that are asked for (see moeviz.frames for their names).

        Without `fresh`, losses, metrics and loads may be those of the last record; pictures are always of this step.
        """
        record = self.measure(fresh)
        return take(self, want, probe, record, self._details)

    def measure(self, fresh: bool = True) -> Record:
        """Losses, metrics and loads of the present weights, measured once for each step and setting of the knobs.

        Without `fresh`, the last measurement will do, if no knob has been turned since.
        """
        if self._measured is None or (fresh and self._measured.step != self.current_step):
            self._measured, self._details = measure(self)
        return self._measured

    @property
    def measured_step(self) -> int:
        """The step of the last measurement; -1 if a knob has been turned since."""
        return self._measured.step if self._measured is not None else -1

    def _record(self) -> None:
        """Add the present state to the history; remember it as good unless its loss is far above the best."""
        self.records.append(self.measure())
        self.diverged = not bool(self.records[-1].trains.all())
        if self._is_good(self.records[-1]):
            self._good = self._checkpoint()

    def _is_good(self, record: Record) -> bool:
        """Whether every run is healthy, and its loss not far above its recent best."""
        best_R = np.min([each.task_loss for each in self.records[-RECENT:]], axis=0)
        return bool(record.trains.all() and (record.task_loss <= RISEN * best_R).all())

    # ---- going back -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on. (Random streams follow from seed and step.)"""
        return self._checkpoint() | {"records": tuple(self.records), "turns": tuple(self.turns), "_good": self._good}

    def _checkpoint(self) -> dict[str, Any]:
        """The state without its history; tensors are copied where they are a part of a whole crowd's."""
        progress = self.progress.detached()
        return {
            "configs": self.configs, "current_step": self.current_step, "seconds": self.seconds, "ids_RE": self.ids_RE,
            "rows_REP": progress.rows_REP, "_adam": progress.adam, "gradient_REP": progress.gradient_REP,
            "updated_RE": progress.updated_RE, "_healthy_R": progress.healthy_R, "bias_RE": progress.bias_RE,
            "_largest_loss_R": self._largest_loss_R, "diverged": self.diverged,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()`: from there the run goes on exactly as it did."""
        data_changed = self.configs != state["configs"]
        for name, value in state.items():
            setattr(self, name, value)
        self.records = [record for record in state.get("records", self.records) if record.step <= self.current_step]
        self.turns = [turn for turn in state.get("turns", self.turns) if turn.step <= self.current_step]
        if data_changed:
            self.data = Data(self.configs, self.device, self.dtype)
        self._read_knobs()
        self._good = state.get("_good", state)

    def recover(self) -> list[str]:
        """Leave a diverged state: back to the last good record, with a tenth of the learning rate, at most .03."""
        rates = [max(min(config.learning_rate / 10, knobs.DEFAULT_RATE), LOWEST_RATE) for config in self.configs]
        self.restore(self._good)
        self.set(learning_rate=rates)
        return [f"went back to step {self.current_step} and lowered the learning rate to {rates[0]:g}"]

    @property
    def diverged_at(self) -> list[int | None]:
        """The step at which each run was seen to have diverged; None for those that train."""
        return [diverging.noticed_at(self.records, run) for run in range(len(self.configs))]

    @property
    def reason(self) -> str | None:
        """Why runs stand still, and which knob to lower; None while all is well."""
        return diverging.reason(diverging.why(self.configs, self.diverged_at))
