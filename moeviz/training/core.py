"""The training loop: R runs of one shape, step by step, with knobs that may turn while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from moeviz import device as devices
from moeviz import dispatch, routers
from moeviz.axes import PerRun, over
from moeviz.config import KNOBS, TASK_INFO, RunConfig, Value
from moeviz.experts import EXPERTS, Parameters
from moeviz.losses import LOSSES
from moeviz.model import MoE, RoutingKnobs
from moeviz.training import history, knobs, population
from moeviz.training.adam import Adam, clipped
from moeviz.training.data import Data
from moeviz.training.evaluation import details, measure
from moeviz.training.history import Record
from moeviz.training.objective import OBJECTIVES
from moeviz.training.snapshot import Snapshot, take

if TYPE_CHECKING:
    import pandas

DEFAULT_RATE, LOWEST_RATE = RunConfig().learning_rate, KNOBS["learning_rate"].low or 0.0
LARGEST_GRADIENT = 10.0  # per-run clipping: far above what a healthy run shows
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
        rows = [[self.model.initialize(config.seed, i) for i in range(first.num_experts)] for config in self.configs]
        self.rows_REP = torch.stack([torch.stack(each) for each in rows]).to(self.device, self.dtype)
        self._adam = Adam.zeros_like(self.rows_REP)
        self.gradient_REP = torch.zeros_like(self.rows_REP)
        self.updated_RE = torch.zeros(self.ids_RE.shape, device=self.device)
        self._healthy_R = torch.ones(len(self.configs), dtype=torch.bool, device=self.device)
        self._largest_loss_R = torch.full((len(self.configs),), torch.inf, device=self.device)
        self.current_step, self.seconds, self.diverged = 0, 0.0, False
        self.records: list[Record] = []
        self._measured: Record | None = None
        self._details: tuple[int, dict[str, np.ndarray]] | None = None  # the step they are of, and they
        self.marks: list[tuple[int, str]] = []
        self._record()
        self._largest_loss_R = DIVERGED * (1 + torch.from_numpy(self.records[0].task_loss).to(self._largest_loss_R))
        self._good = self._checkpoint()

    # ---- training -------------------------------------------------------------------------------------------------

    def step(self, num_steps: int = 1) -> None:
        """Train for `num_steps` steps; stops early when every run has diverged. Diverged runs stand still."""
        started = time.perf_counter()
        for _ in range(num_steps):
            if self.diverged and not self._healthy_R.any():
                break
            self._step()
            self.current_step += 1
            if self.current_step % self.record_every == 0:
                self._record()
        self.seconds += time.perf_counter() - started

    def _step(self) -> None:
        """One step: output, loss of each run, gradient, Adam. Runs are summed, never averaged: no run sees another."""
        x_RTD, target = self.data.batch(self.current_step)
        rows_REP = self.rows_REP.detach().requires_grad_()
        y_RTO, routing = self.model(rows_REP, x_RTD, self.routing_knobs)
        task_loss_R = self.task_loss(y_RTO, target)
        loss_R = task_loss_R
        if not (isinstance(self._coef, float) and self._coef == 0):
            loss_R = task_loss_R + self._coef * self.balance_loss(routing, k=self.routing_knobs.k)
        (gradient_REP,) = torch.autograd.grad(loss_R, rows_REP, torch.ones_like(loss_R))
        self.updated_RE = self.updated_RE + routing.kept_TE.any(-2)
        self._update(gradient_REP, task_loss_R.detach())

    def _update(self, gradient_REP: Float[Tensor, "R E P"], task_loss_R: Float[Tensor, " R"]) -> None:
        """Clip and apply; a run whose gradient is not finite, or whose loss exploded, stands still from now on."""
        clipped_REP, norm_R = clipped(gradient_REP, LARGEST_GRADIENT)
        self._healthy_R = self._healthy_R & (norm_R < torch.inf) & (task_loss_R < self._largest_loss_R)
        self.gradient_REP = clipped_REP.masked_fill(over(~self._healthy_R, 2), 0)
        self._adam, self.rows_REP = self._adam.update(
            self.rows_REP, self.gradient_REP, self._learning_rate_R * self._healthy_R
        )

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
        self.marks += [(self.current_step, label) for label in knobs.labels(before, configs)]
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
        self._measured = self._details = None
        first, task = self.configs[0], self.data.tasks[0]
        largest_k = max(config.top_k for config in self.configs)
        sizes = (task.train.x_TD.shape[-1], first.hidden_width, task.num_outputs)
        num_tokens = first.batch_size * len(self.configs)
        flops = EXPERTS[first.expert].flops(*sizes)
        self.dispatch = dispatch.resolve(first.dispatch, self.device, num_tokens, first.num_experts, largest_k, flops)
        self.model = MoE(first.router, first.expert, self.dispatch, *sizes, first.biased_gate)
        self.balance_loss = LOSSES[first.balance_loss]
        self._coef = self._per_run([config.balance_coef for config in self.configs])
        rates = [config.learning_rate for config in self.configs]
        self._learning_rate_R = torch.tensor(rates, device=self.device, dtype=self.dtype)
        self.routing_knobs = self.routing_knobs_for(first.batch_size)

    def routing_knobs_for(self, num_tokens: int) -> RoutingKnobs:
        """The router's numbers for a batch of this size (capacity depends on it)."""
        places = [
            num_tokens if c.capacity_factor is None
            else routers.capacity(num_tokens, c.num_experts, c.top_k, c.capacity_factor) for c in self.configs
        ]  # fmt: skip
        limited = any(config.capacity_factor is not None for config in self.configs)
        return RoutingKnobs(
            k=self._per_run([config.top_k for config in self.configs]),
            renormalize=self._per_run([config.renormalized for config in self.configs]),
            capacity=self._per_run(places) if limited else None,
        )

    def _per_run(self, values: list[Any]) -> PerRun:
        """One number where all runs agree (cheaper), else a tensor with one for each."""
        dtype = self.dtype if isinstance(values[0], float) else None
        return values[0] if len(set(values)) == 1 else torch.tensor(values, device=self.device, dtype=dtype)

    def _resize(self, num_experts: int, load_RE: np.ndarray) -> None:
        """Experts arrive as noisy copies of the busiest, with their Adam moments, or the least loaded leave."""
        change = population.resize(self.ids_RE, load_RE, num_experts)
        self.rows_REP = change.move_and_disturb(
            self.rows_REP, [config.seed for config in self.configs], self.current_step
        )
        self._adam = Adam(change.move(self._adam.mean_REP), change.move(self._adam.square_REP), self._adam.num_steps)
        self.gradient_REP = torch.zeros_like(self.rows_REP)
        self.updated_RE = change.move(self.updated_RE)
        self.ids_RE = change.ids_RE

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

    def snapshot(
        self, want: Sequence[str] = (), probe: tuple[float, float] | None = None, *, fresh: bool = True
    ) -> Snapshot:
        """The present state as numbers, with the pictures that are asked for (see moeviz.frames for their names).

        Without `fresh`, losses, metrics and loads may be those of the last record; pictures are always of this step.
        """
        record = self.measure(fresh)
        if self._details is None or (fresh and self._details[0] != self.current_step):
            self._details = self.current_step, details(self)
        return take(self, want, probe, record, self._details[1])

    def measure(self, fresh: bool = True) -> Record:
        """Losses, metrics and loads of the present weights, measured once for each step and setting of the knobs.

        Without `fresh`, the last measurement will do, if no knob has been turned since.
        """
        if self._measured is None or (fresh and self._measured.step != self.current_step):
            self._measured = measure(self)
        return self._measured

    def _record(self) -> None:
        """Add the present state to the history; remember it as good unless its loss is far above the best."""
        self.diverged = not bool(self._healthy_R.all())
        self.records.append(self.measure())
        if self._is_good(self.records[-1]):
            self._good = self._checkpoint()

    def _is_good(self, record: Record) -> bool:
        """Whether every run is healthy, and its loss not far above its recent best."""
        best_R = np.min([each.task_loss for each in self.records[-RECENT:]], axis=0)
        return bool(self._healthy_R.all()) and bool((record.task_loss <= RISEN * best_R).all())

    # ---- going back -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on. (Random streams follow from seed and step.)"""
        return self._checkpoint() | {"records": tuple(self.records), "marks": tuple(self.marks), "_good": self._good}

    def _checkpoint(self) -> dict[str, Any]:
        """The state without its history; tensors are never changed in place, so no copy is needed."""
        return {
            "configs": self.configs, "current_step": self.current_step, "seconds": self.seconds, "ids_RE": self.ids_RE,
            "rows_REP": self.rows_REP, "_adam": self._adam, "gradient_REP": self.gradient_REP,
            "updated_RE": self.updated_RE, "_healthy_R": self._healthy_R, "_largest_loss_R": self._largest_loss_R,
            "diverged": self.diverged,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()`: from there the run goes on exactly as it did."""
        data_changed = self.configs != state["configs"]
        for name, value in state.items():
            setattr(self, name, value)
        self.records = [record for record in state.get("records", self.records) if record.step <= self.current_step]
        self.marks = [mark for mark in state.get("marks", self.marks) if mark[0] <= self.current_step]
        if data_changed:
            self.data = Data(self.configs, self.device, self.dtype)
        self._read_knobs()
        self._good = state.get("_good", state)

    def recover(self) -> list[str]:
        """Leave a diverged state: back to the last good record, with a tenth of the learning rate, at most .03."""
        rates = [max(min(config.learning_rate / 10, DEFAULT_RATE), LOWEST_RATE) for config in self.configs]
        self.restore(self._good)
        self.set(learning_rate=rates)
        return [f"went back to step {self.current_step} and lowered the learning rate to {rates[0]:g}"]

    @property
    def reason(self) -> str | None:
        """Why a run stands still, and which knob to lower; None while all is well."""
        if not self.diverged:
            return None
        rate = max(config.learning_rate for config in self.configs)
        coef = max(config.balance_coef for config in self.configs)
        knob = f"the learning rate ({rate:g})"
        if coef > 10 and rate <= DEFAULT_RATE:
            knob = f"the balance weight λ ({coef:g})"
        return f"The run diverged near step {self.current_step}: its loss exploded or is not a number. Lower {knob}."


def train(configs: Sequence[RunConfig], steps: int, every: int = 10, **options: Any) -> Iterator[Snapshot]:
    """Train and yield a snapshot at step 0, after every `every` steps, and at the end."""
    training = Training(configs, **options)
    yield training.snapshot()
    while training.current_step < steps:
        before = training.current_step
        training.step(min(every, steps - before))
        yield training.snapshot()
        if training.current_step == before:  # every run has diverged
            break
