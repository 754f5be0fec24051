"""The training loop: R runs of one shape, step by step, with knobs that may turn while it runs."""

from __future__ import annotations

import copy
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from moeviz.config import KNOBS, TASK_INFO, RunConfig, Value, as_runs
from moeviz.tensors import device as devices
from moeviz.tensors import precision
from moeviz.training import checkpoints, from_configs, history, loss_scale, resize, settings, treatment
from moeviz.training.adam import Adam
from moeviz.training.data import Data
from moeviz.training.ghost import GHOSTS, Ghost
from moeviz.training.history import Record
from moeviz.training.measure import measure
from moeviz.training.objective import OBJECTIVES
from moeviz.training.settings import Setting
from moeviz.training.state import State
from moeviz.training.step import StepState, stepped
from moeviz.training.tape import LIMIT, Moment, Tape
from moeviz.training.treatment import Treated
from moeviz.training.views.registry import XY, Given
from moeviz.training.views.snapshot import BESIDE_NUMBERS, Snapshot, take

DIVERGED = 100.0  # a run is stopped when its task loss exceeds this many times (1 + its loss at step 0)
STEP_MEMORY = 0.2  # weight of the newest step in the mean of what steps take
LOWEST_RATE = KNOBS["learning_rate"].low or 0.0


class Training(State):
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
        settings.check_one_shape(self.configs)
        self.device = devices.resolve(self.configs[0].device)
        self.record_every = int(settings.RECORD_EVERY.check(record_every) or 0)
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
        self.rows_RAP = self.model.fresh_rows([config.seed for config in self.configs], first.num_experts).to(
            self.device, self.dtype
        )
        self.adam = Adam.zeros_like(self.rows_RAP)
        self.gradient_RAP = torch.full_like(self.rows_RAP, torch.nan)
        self.present_RE = torch.zeros(self.ids_RE.shape, device=self.device)
        self.updated_REL = torch.zeros(*self.ids_RE.shape, self.model.num_layers, device=self.device)
        self.bias_REL = torch.zeros_like(self.updated_REL, dtype=devices.widest(self.device))
        self.scale_R = loss_scale.fresh(len(self.configs), self.half, self.rows_RAP)
        self.healthy_R = torch.ones(len(self.configs), dtype=torch.bool, device=self.device)
        self.largest_loss_R = torch.full((len(self.configs),), torch.inf, device=self.device)
        self.current_step, self.seconds, self.step_seconds, self.diverged = 0, 0.0, 0.0, False
        self.records: list[Record] = []
        self.measured: Record | None = None
        self.details: dict[str, np.ndarray] = {}  # what was measured beside it
        self.changes: list[settings.Change] = []
        self._looked: tuple[Record | None, int, bool] = (None, 0, False)  # the newest record, since when, and settled?
        self._record()
        self.largest_loss_R = DIVERGED * (1 + torch.from_numpy(self.records[0].task_loss).to(self.largest_loss_R))
        self.good = checkpoints.checkpoint(self)
        self.limit_tape(self.tape_limit)

    # ---- training -------------------------------------------------------------------------------------------------

    def step(self, num_steps: int = 1) -> None:
        """Train for `num_steps` steps; stops early when every run has diverged. Diverged runs stand still."""
        for _ in range(num_steps):
            if self.stuck:
                break
            began = time.perf_counter()
            self.advance(stepped(self.problem, self.step_knobs, self.step_state, self.batch()))
            self.note_seconds(time.perf_counter() - began)

    @property
    def parts(self) -> tuple[Training, ...]:
        """Itself: runs of one shape are a single part (see moeviz.training.buckets)."""
        return (self,)

    def advance(self, after: StepState) -> None:
        """Take over what a step has made of `progress`."""
        self._take_over(after)
        self.current_step += 1
        if self.current_step % self.record_every == 0:
            self._record()

    def note_seconds(self, seconds: float) -> None:
        """After a step, which took so long: record the state if it is time, and follow what was recorded ahead."""
        self.seconds += seconds
        if self.current_step % self.record_every:  # else it was more than a step
            usual = self.step_seconds or seconds / len(self.configs)
            self.step_seconds = usual + STEP_MEMORY * (seconds / len(self.configs) - usual)
        self._tape_it()
        for chosen in self.tape.due(self.current_step):
            self._become(chosen.setting)
            self.changes = [*(each for each in self.changes if each.step < chosen.step), *chosen.changes]

    # ---- knobs ----------------------------------------------------------------------------------------------------

    def set(self, **changes: Value | Sequence[Value]) -> list[str]:
        """Change live knobs, for all runs (one value) or each (a sequence); returns notices of what else had to change.

        Raises ValueError (rule, value, remedy) and changes nothing when a knob is unknown, not live or out of bounds.
        """
        configs, notices = settings.changed(self.configs, changes)
        if self.diverged and settings.calmer(self.configs, configs):
            self.fork()._calm(changes)  # what is refused is refused before anything has changed
            return self._calm(changes)
        self._turn(Setting(configs, self.treated))
        return notices

    def treat(self, expert_id: int, how: str, run: int | None = None) -> None:
        """Kill an expert (nobody can choose it), freeze it (its own weights stay, the gate learns) or set it free.

        In one run, or in all that have it. Raises ValueError (rule, value, remedy) and changes nothing otherwise.
        """
        self._turn(Setting(self.configs, self.would_treat(expert_id, how, run)))

    def _turn(self, after: Setting) -> None:
        """Go on with another setting, by hand: a recording that went on from here with the one before ends here."""
        before = self.setting
        self._become(after)
        if self.setting != before:
            self.branch()
        self.tape.note(self.current_step, self.setting, self.changes, partial(checkpoints.moment, self))

    def _become(self, after: Setting) -> None:
        """Go on with another setting; ValueError, and nothing changes, if too few experts could be chosen then."""
        before, record, is_good = self.setting, self.measure(), checkpoints.is_good(self, self.measure())
        killed_RE = treatment.where(self.treated, self.ids_RE, "killed")
        load_RE = np.where(killed_RE, -1, record.mean_load_RE)  # they leave first
        resized = resize.resize(self.ids_RE, load_RE, after.configs[0].num_experts)
        after = Setting(after.configs, treatment.staying(after.treated, resized.ids_RE))
        treatment.check(after.treated, after.configs, resized.ids_RE)
        self.configs, self.treated = after.configs, after.treated
        self.changes = settings.with_change(self.changes, self.current_step, before, after)
        if any(old.noise != new.noise for old, new in zip(before.configs, after.configs, strict=True)):
            self.data = Data(self.configs, self.device, self.dtype)
        other_number = self.configs[0].num_experts != before.configs[0].num_experts
        if other_number:
            self._move(resized)
        self._read_knobs()
        if is_good:
            self.good = checkpoints.checkpoint(self)
        elif not other_number:
            self.good = self.good | vars(after)  # going back must not undo a knob

    def _read_knobs(self) -> None:
        """Turn the configs into what a step needs: the layer, and numbers for all runs or one for each."""
        self.measured = None
        self.model = from_configs.model(self.configs, self.data.tasks[0], self.device, self.half)
        self.dispatch = self.model.dispatch
        self.balance_loss = from_configs.balance_loss(self.configs[0].balance_loss, self.configs[0].task)
        like = torch.zeros((), device=self.device, dtype=self.dtype)
        self.knob_numbers = from_configs.step_knobs(self.configs, like)
        if any(self.treated):
            masks = treatment.masks(self.treated, self.ids_RE, self.model, self.rows_RAP)
            routing = replace(self.knob_numbers.routing, killed_RE=masks.killed_RE)
            self.knob_numbers = replace(self.knob_numbers, routing=routing, frozen_RAP=masks.frozen_RAP)

    def _take_over(self, after: StepState) -> None:
        vars(self).update(vars(after))

    def _move(self, resized: resize.Resized) -> None:
        """Experts arrive as noisy copies of the busiest, with their Adam moments, or the least loaded leave."""
        seeds = [config.seed for config in self.configs]
        self._take_over(resize.moved(self.step_state, resized, seeds, self.current_step))
        self.ids_RE = resized.ids_RE

    def settled(self, since: int) -> bool:
        """Whether nothing has changed for a while, counted from step `since`; asked with every frame, it looks once."""
        newest, asked, _ = self._looked
        if newest is not self.records[-1] or asked != since:
            self._looked = self.records[-1], since, history.settled(self.records, since)
        return self._looked[2]

    # ---- looking --------------------------------------------------------------------------------------------------

    def snapshot(
        self, want: Collection[str] = (), probe: XY | None = None, given: Given | None = None, *, fresh: bool = True
    ) -> Snapshot:
        """The present state as numbers, with the pictures that are asked for (see moeviz.frames for their names).

        Without `fresh`, losses, metrics and loads may be those of `measured_step`, the last record; pictures are always
        of this step, and so is what stands beside those that are made of the same tokens.
        """
        record = self.measure(fresh or not BESIDE_NUMBERS.isdisjoint(want))
        return take(self, want, probe, given, record, self.details)

    def measure(self, fresh: bool = True) -> Record:
        """Losses, metrics and loads of the present weights, measured once for each step and setting of the knobs.

        Without `fresh`, the last measurement will do, if no knob has been turned since.
        """
        if self.measured is None or (fresh and self.measured.step != self.current_step):
            self.measured, self.details = measure(self)
        return self.measured

    def _record(self) -> None:
        """Add the present state to the history; remember it as good unless its loss is far above the best."""
        self.records = history.bounded([*self.records, self.measure()], self.record_every)
        self.diverged = not bool(self.records[-1].trains.all())
        if checkpoints.is_good(self, self.records[-1]):
            self.good = checkpoints.checkpoint(self)

    # ---- going back -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on, for `restore`."""
        return checkpoints.with_history(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()`: from there the run goes on exactly as it did, and the tape ends there."""
        self._load(state)
        self.tape.cut(self.current_step)

    def _load(self, state: dict[str, Any]) -> None:
        before = [config.data() for config in self.configs]
        for name, value in state.items():
            setattr(self, name, value)
        self.records = [record for record in state.get("records", self.records) if record.step <= self.current_step]
        changes = state.get("changes", self.changes)
        self.changes = [change for change in changes if change.step <= self.current_step]
        if [config.data() for config in self.configs] != before:
            self.data = Data(self.configs, self.device, self.dtype)
        self._read_knobs()
        self.good = state.get("good", state)

    def recover(self) -> list[str]:
        """Leave a diverged state: back to the last good record, with a tenth of the learning rate, at most .03."""
        rates = [max(min(config.learning_rate / 10, settings.DEFAULT_RATE), LOWEST_RATE) for config in self.configs]
        self.restore(self.good)
        self.set(learning_rate=rates)
        return [f"went back to step {self.current_step} and lowered the learning rate to {rates[0]:g}"]

    def _calm(self, changes: dict[str, Any]) -> list[str]:
        """Back to the last good record, to go on from there with other knobs."""
        self.restore(self.good)
        configs, notices = settings.changed(self.configs, changes)
        self._turn(Setting(configs, self.treated))
        return [f"went back to step {self.current_step}, before the run diverged", *notices]

    def limit_tape(self, limit: int) -> None:
        """Record anew from here, within so many bytes."""
        self.tape_limit, self.tape = limit, Tape(limit, self.record_every)
        self._tape_it()

    def _tape_it(self) -> None:
        self.tape.record(self.current_step, self.rows_RAP.nbytes, partial(checkpoints.moment, self))

    def rewind(self, step: int) -> None:
        """Show the newest recorded state up to this step again; forward works too, since the tape stays as it is.

        Training on from there comes to the same states, by the same turns of knobs, until something else is turned.
        """
        self._show(*self.tape.wind(checkpoints.moment(self), self.records, step))

    def _show(self, moment: Moment, records: list[Record]) -> None:
        """Be as a moment of the tape, whose history is the first part of these records, some of which may be gone."""
        records = [*records[: history.up_to(records, moment.newest[0].step - 1)], *moment.newest]
        good = self.tape.good_before(moment.step) or moment.state
        self._load(moment.state | {"records": records, "changes": moment.changes, "good": good})
        self.measured, self.details = moment.measured

    def branch(self) -> None:
        """Go on from here anew: what was recorded after this step is dropped."""
        if self.rewound:
            self.tape.cut(self.current_step)

    def fork(self) -> Training:
        """A twin that is where this training is, and goes on by itself, unrecorded."""
        twin = copy.copy(self)
        own = {"records": list(self.records), "changes": list(self.changes), "tape": Tape(0, self.record_every)}
        vars(twin).update(checkpoints.checkpoint(self), **own)
        return twin

    def as_recorded(self) -> Training:
        """A twin that was never wound back: where the tape ends, or where this training is."""
        twin = self.fork()
        if self.tape.end is not None:
            twin._show(self.tape.end, self.tape.records)
        return twin

    def ghost(self, kind: str) -> Ghost[Training]:
        """What will be drawn gray: a twin without the next change, the run before it starts again, or as recorded."""
        since, until = GHOSTS[kind](self.current_step)
        return Ghost(self.as_recorded() if kind == "recorded" else self.fork(), kind, since, until)
