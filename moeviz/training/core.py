"""The training loop: R runs of one shape, step by step, with knobs that may turn while it runs."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from moeviz.config import TASK_INFO, RunConfig, Value, as_runs
from moeviz.models.experts import Parameters
from moeviz.models.moe_layer import RoutingKnobs
from moeviz.tensors import device as devices
from moeviz.tensors import precision
from moeviz.training import batch, history, knobs, population, reading, scaling, treating
from moeviz.training.adam import Adam
from moeviz.training.album import Given, Place
from moeviz.training.batch import Batch
from moeviz.training.data import Data
from moeviz.training.evaluation import measure
from moeviz.training.going_back import GoingBack
from moeviz.training.history import Record
from moeviz.training.knobs import Setting
from moeviz.training.objective import OBJECTIVES
from moeviz.training.snapshot import BESIDE_NUMBERS, Snapshot, take
from moeviz.training.step import Lesson, Numbers, Progress, stepped
from moeviz.training.tape import LIMIT, Tape
from moeviz.training.treating import Treated

if TYPE_CHECKING:
    import pandas

DIVERGED = 100.0  # a run is stopped when its task loss exceeds this many times (1 + its loss at step 0)
RECENT = 100  # records
STEP_MEMORY = 0.2  # weight of the newest step in the mean of what steps take
RISEN = 2.0  # a record is good to go back to while no run's loss is above this many times its recent best


class Training(GoingBack):
    """R runs of one shape that train in lockstep and never see each other.

    Args:   configs: one, or several that are equal in every knob that is not `per_run`.
            dtype: of all numbers; a half type is that of experts and attention alone, and all else is in float32.
            record_every: steps between two rows of `history`.  tape_limit: bytes of recorded states (see `rewind`).
    """

    def __init__(
        self, configs: RunConfig | Iterable[RunConfig], *, dtype: torch.dtype = torch.float32, record_every: int = 10,
        tape_limit: int = LIMIT,
    ) -> None:  # fmt: skip
        self.configs = as_runs(configs)
        knobs.check_one_shape(self.configs)
        self.device = devices.resolve(self.configs[0].device)
        self.record_every = int(knobs.RECORD_EVERY.check(record_every) or 0)
        self.dtype, self.half = precision.widened(dtype), dtype if dtype in precision.HALF else None
        self.tape_limit = tape_limit
        self.reset()

    def reset(self) -> None:
        """Back to step 0 with the present knobs: the same seed gives the same weights, tokens and curve again."""
        first = self.configs[0]
        self.data = Data(self.configs, self.device, self.dtype)
        self.task_loss, self.metric, self.metric_name = OBJECTIVES[TASK_INFO[first.task].kind]
        self.ids_RE = np.tile(np.arange(first.num_experts), (len(self.configs), 1))
        self.treated: Treated = ({},) * len(self.configs)
        self._read_knobs()
        self.rows_REP = self.model.fresh_rows([config.seed for config in self.configs], first.num_experts).to(
            self.device, self.dtype
        )
        self._adam = Adam.zeros_like(self.rows_REP)
        self.gradient_REP = torch.full_like(self.rows_REP, torch.nan)
        self.present_RE = torch.zeros(self.ids_RE.shape, device=self.device)
        self.updated_REL = torch.zeros(*self.ids_RE.shape, self.model.num_layers, device=self.device)
        self.bias_REL = torch.zeros_like(self.updated_REL, dtype=devices.widest(self.device))
        self.scale_R = scaling.fresh(len(self.configs), self.half, self.rows_REP)
        self._healthy_R = torch.ones(len(self.configs), dtype=torch.bool, device=self.device)
        self._largest_loss_R = torch.full((len(self.configs),), torch.inf, device=self.device)
        self.current_step, self.seconds, self.step_seconds, self.diverged = 0, 0.0, 0.0, False
        self.records: list[Record] = []
        self._measured: Record | None = None
        self._details: dict[str, np.ndarray] = {}  # what was measured beside it
        self.turns: list[knobs.Turn] = []
        self._looked: tuple[Record | None, int, bool] = (None, 0, False)  # the newest record, since when, and settled?
        self._record()
        self._largest_loss_R = DIVERGED * (1 + torch.from_numpy(self.records[0].task_loss).to(self._largest_loss_R))
        self._good = self._checkpoint()
        self.tape = Tape(self.tape_limit)
        self.tape.record(self)

    # ---- training -------------------------------------------------------------------------------------------------

    def step(self, num_steps: int = 1) -> None:
        """Train for `num_steps` steps; stops early when every run has diverged. Diverged runs stand still."""
        for _ in range(num_steps):
            if self.stuck:
                break
            began = time.perf_counter()
            self.advance(stepped(self.lesson, self.numbers, self.progress, self.batch()))
            self.took(time.perf_counter() - began)

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
        return replace(self._numbers, largest_loss_R=self._largest_loss_R)

    @property
    def lockstep(self) -> Hashable:
        """What trainings must share to step together (see moeviz.training.together)."""
        first, limited = self.configs[0], self._numbers.routing.capacity is not None
        drawn = batch.wanted(self.configs)
        sizes = (first.num_experts, first.batch_size, first.token_groups)
        return self.lesson, sizes, limited, drawn, self.device, self.dtype

    def batch(self) -> Batch:
        """What the next step trains on."""
        x_RTD, target = self.data.batch(self.current_step)
        units = x_RTD.shape[1] * reading.units_per_input(self.configs) * self.model.num_layers
        drawn = batch.draws(self.configs, self.current_step, (units, self.model.layer.input_width), x_RTD)
        return Batch(x_RTD, target, drawn)

    def advance(self, after: Progress) -> None:
        """Take over what a step has made of `progress`."""
        self._take_over(after)
        self.current_step += 1
        if self.current_step % self.record_every == 0:
            self._record()

    def took(self, seconds: float) -> None:
        """After a step, which took so long: record the state if it is time, and follow what was recorded ahead."""
        self.seconds += seconds
        if self.current_step % self.record_every:  # else it was more than a step
            usual = self.step_seconds or seconds / len(self.configs)
            self.step_seconds = usual + STEP_MEMORY * (seconds / len(self.configs) - usual)
        self.tape.record(self)
        for chosen in self.tape.due(self.current_step):
            self._become(chosen.setting)
            self.turns = [*(turn for turn in self.turns if turn.step < chosen.step), *chosen.turns]

    # ---- knobs ----------------------------------------------------------------------------------------------------

    def set(self, **changes: Value | Sequence[Value]) -> list[str]:
        """Change live knobs, for all runs (one value) or each (a sequence); returns notices of what else had to change.

        Raises ValueError (rule, value, remedy) and changes nothing when a knob is unknown, not live or out of bounds.
        """
        configs, notices = knobs.changed(self.configs, changes)
        if self.diverged and knobs.calmer(self.configs, configs):
            self.fork()._calm(changes)  # what is refused is refused before anything has changed
            return self._calm(changes)
        self._turn(Setting(configs, self.treated))
        return notices

    def would_set(self, **changes: Value | Sequence[Value]) -> tuple[RunConfig, ...]:
        """What `configs` would be after `set`; ValueError where that would be refused."""
        return knobs.changed(self.configs, changes)[0]

    def treat(self, expert_id: int, how: str, run: int | None = None) -> None:
        """Kill an expert (nobody can choose it), freeze it (its own weights stay, the gate learns) or set it free.

        In one run, or in all that have it. Raises ValueError (rule, value, remedy) and changes nothing otherwise.
        """
        self._turn(Setting(self.configs, self.would_treat(expert_id, how, run)))

    def would_treat(self, expert_id: int, how: str, run: int | None = None) -> Treated:
        """What `treated` would be after `treat`; ValueError where that would be refused."""
        return treating.treated(self.treated, self.configs, self.ids_RE, expert_id, how, run)

    @property
    def setting(self) -> Setting:
        """All that is set by hand at present."""
        return Setting(self.configs, self.treated)

    def _turn(self, after: Setting) -> None:
        """Go on with another setting, by hand: a recording that went on from here with the one before ends here."""
        before = self.setting
        self._become(after)
        if self.setting != before:
            self.branch()
        self.tape.note(self)

    def _become(self, after: Setting) -> None:
        """Go on with another setting; ValueError, and nothing changes, if too few experts could be chosen then."""
        before, record, is_good = self.setting, self.measure(), self._is_good(self.measure())
        killed_RE = treating.where(self.treated, self.ids_RE, "killed")
        load_RE = np.where(killed_RE, -1, record.mean_load_RE)  # they leave first
        change = population.resize(self.ids_RE, load_RE, after.configs[0].num_experts)
        after = Setting(after.configs, treating.staying(after.treated, change.ids_RE))
        treating.check(after.treated, after.configs, change.ids_RE)
        self.configs, self.treated = after.configs, after.treated
        self.turns = knobs.turned(self.turns, self.current_step, before, after)
        if any(old.noise != new.noise for old, new in zip(before.configs, after.configs, strict=True)):
            self.data = Data(self.configs, self.device, self.dtype)
        resized = self.configs[0].num_experts != before.configs[0].num_experts
        if resized:
            self._move(change)
        self._read_knobs()
        if is_good:
            self._good = self._checkpoint()
        elif not resized:
            self._good = self._good | vars(after)  # going back must not undo a knob

    def _read_knobs(self) -> None:
        """Turn the configs into what a step needs: the layer, and numbers for all runs or one for each."""
        self._measured = None
        self.model = reading.model(self.configs, self.data.tasks[0], self.device, self.half)
        self.dispatch = self.model.dispatch
        self.balance_loss = reading.balance_loss(self.configs[0].balance_loss, self.configs[0].task)
        like = torch.zeros((), device=self.device, dtype=self.dtype)
        self._numbers = reading.numbers(self.configs, like)
        if any(self.treated):
            masks = treating.masks(self.treated, self.ids_RE, self.model, self.rows_REP)
            routing = replace(self._numbers.routing, killed_RE=masks.killed_RE)
            self._numbers = replace(self._numbers, routing=routing, frozen_REP=masks.frozen_REP)

    @property
    def routing_knobs(self) -> RoutingKnobs:
        """The router's numbers in a training step, without what is drawn for it (see `batch`)."""
        return replace(self._numbers.routing, bias_REL=self.bias_REL)

    def routing_knobs_for(self, num_inputs: int) -> RoutingKnobs:
        """The router's numbers for so many inputs that are measured (capacity depends on their number)."""
        found = reading.measuring_knobs(self.configs, num_inputs, self.rows_REP)
        return replace(found, bias_REL=self.bias_REL, killed_RE=self._numbers.routing.killed_RE)

    def _move(self, change: population.Change) -> None:
        """Experts arrive as noisy copies of the busiest, with their Adam moments, or the least loaded leave."""
        seeds = [config.seed for config in self.configs]
        self._take_over(population.moved(self.progress, change, seeds, self.current_step))
        self.ids_RE = change.ids_RE

    def settled(self, since: int) -> bool:
        """Whether nothing has changed for a while, counted from step `since`; asked with every frame, it looks once."""
        newest, asked, _ = self._looked
        if newest is not self.records[-1] or asked != since:
            self._looked = self.records[-1], since, history.settled(self.records, since)
        return self._looked[2]

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Parameters:
        """The present weights by name, `[R, E, …]`."""
        return self.model.parameters(self.rows_REP)

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
    def marks(self) -> list[tuple[int, str, list[int]]]:
        """What was turned, at which step and in which runs, for the time charts."""
        return [(turn.step, *said) for turn in self.turns for each in turn.labels.values() for said in each.items()]

    def snapshot(
        self, want: Sequence[str] = (), probe: Place | None = None, given: Given | None = None, *, fresh: bool = True
    ) -> Snapshot:
        """The present state as numbers, with the pictures that are asked for (see moeviz.frames for their names).

        Without `fresh`, losses, metrics and loads may be those of `measured_step`, the last record; pictures are always
        of this step, and so is what stands beside those that are made of the same tokens.
        """
        record = self.measure(fresh or not BESIDE_NUMBERS.isdisjoint(want))
        return take(self, want, probe, given, record, self._details)

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
        self.records = history.bounded([*self.records, self.measure()], self.record_every)
        self.diverged = not bool(self.records[-1].trains.all())
        if self._is_good(self.records[-1]):
            self._good = self._checkpoint()

    def _is_good(self, record: Record) -> bool:
        """Whether every run is healthy, and its loss not far above its recent best."""
        best_R = np.min([each.task_loss for each in self.records[-RECENT:]], axis=0)
        return bool(record.trains.all() and (record.task_loss <= RISEN * best_R).all())
