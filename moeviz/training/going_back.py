"""What of a training can be kept, and how it goes back to that: after a divergence, along its tape, or as a ghost."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from moeviz.config import KNOBS, RunConfig
from moeviz.training import diverging, history, knobs
from moeviz.training.adam import Adam
from moeviz.training.data import Data
from moeviz.training.ghost import GHOSTS, Ghost
from moeviz.training.history import Record
from moeviz.training.step import Progress
from moeviz.training.tape import Frame, Tape

if TYPE_CHECKING:
    from moeviz.training.core import Training

LOWEST_RATE = KNOBS["learning_rate"].low or 0.0


class GoingBack:
    """The part of a Training that keeps its states. Tensors are never written in place: to keep them costs no copy."""

    if TYPE_CHECKING:  # what the rest of a Training has
        configs: tuple[RunConfig, ...]
        device: torch.device
        dtype: torch.dtype
        data: Data
        current_step: int
        seconds: float
        step_seconds: float
        diverged: bool
        treated: Any
        ids_RE: np.ndarray
        records: list[Record]
        turns: list[knobs.Turn]
        tape: Tape
        rows_REP: torch.Tensor
        gradient_REP: torch.Tensor
        updated_REL: torch.Tensor
        present_RE: torch.Tensor
        bias_REL: torch.Tensor
        scale_R: torch.Tensor
        _adam: Adam
        _healthy_R: torch.Tensor
        _largest_loss_R: torch.Tensor
        _measured: Record | None
        _details: dict[str, np.ndarray]
        _good: dict[str, Any]

        def set(self, **changes: Any) -> list[str]: ...
        def _turn(self, after: knobs.Setting) -> None: ...
        def _read_knobs(self) -> None: ...

    @property
    def progress(self) -> Progress:
        """Where the runs are: what the next step starts from."""
        counts, rest = (self.updated_REL, self.present_RE), (self._healthy_R, self.bias_REL, self.scale_R)
        return Progress(self.rows_REP, self._adam, self.gradient_REP, *counts, *rest)

    def _take_over(self, after: Progress) -> None:
        self.rows_REP, self._adam, self.gradient_REP = after.rows_REP, after.adam, after.gradient_REP
        self.updated_REL, self.present_RE = after.updated_REL, after.present_RE
        self._healthy_R, self.bias_REL, self.scale_R = after.healthy_R, after.bias_REL, after.scale_R

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on. (Random streams follow from seed and step.)"""
        return self._checkpoint() | {"records": tuple(self.records), "turns": tuple(self.turns), "_good": self._good}

    def _checkpoint(self) -> dict[str, Any]:
        """The state without its history; tensors are copied where they are a part of a whole crowd's."""
        progress = self.progress.detached()
        return {
            "configs": self.configs, "treated": self.treated, "current_step": self.current_step,
            "seconds": self.seconds, "step_seconds": self.step_seconds, "ids_RE": self.ids_RE,
            "rows_REP": progress.rows_REP, "_adam": progress.adam, "gradient_REP": progress.gradient_REP,
            "updated_REL": progress.updated_REL, "present_RE": progress.present_RE, "_healthy_R": progress.healthy_R,
            "bias_REL": progress.bias_REL, "scale_R": progress.scale_R, "_largest_loss_R": self._largest_loss_R,
            "diverged": self.diverged,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()`: from there the run goes on exactly as it did, and the tape ends there."""
        self._load(state)
        self.tape.cut(self.current_step)

    def _load(self, state: dict[str, Any]) -> None:
        before = [config.data() for config in self.configs]
        for name, value in state.items():
            setattr(self, name, value)
        self.records = [record for record in state.get("records", self.records) if record.step <= self.current_step]
        self.turns = [turn for turn in state.get("turns", self.turns) if turn.step <= self.current_step]
        if [config.data() for config in self.configs] != before:
            self.data = Data(self.configs, self.device, self.dtype)
        self._read_knobs()
        self._good = state.get("_good", state)

    # ---- after a divergence ---------------------------------------------------------------------------------------

    def recover(self) -> list[str]:
        """Leave a diverged state: back to the last good record, with a tenth of the learning rate, at most .03."""
        rates = [max(min(config.learning_rate / 10, knobs.DEFAULT_RATE), LOWEST_RATE) for config in self.configs]
        self.restore(self._good)
        self.set(learning_rate=rates)
        return [f"went back to step {self.current_step} and lowered the learning rate to {rates[0]:g}"]

    def _calm(self, changes: dict[str, Any]) -> list[str]:
        """Back to the last good record, to go on from there with other knobs."""
        self.restore(self._good)
        configs, notices = knobs.changed(self.configs, changes)
        self._turn(knobs.Setting(configs, self.treated))
        return [f"went back to step {self.current_step}, before the run diverged", *notices]

    @property
    def diverged_at(self) -> list[int | None]:
        """The step at which each run was seen to have diverged; None for those that train."""
        return [diverging.noticed_at(self.records, run) for run in range(len(self.configs))]

    @property
    def reason(self) -> str | None:
        """Why runs stand still, and which knob to lower; None while all is well."""
        return diverging.reason(diverging.why(self.configs, self.diverged_at))

    # ---- along the tape -------------------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The present moment, for the tape."""
        good, measured = self._good, (self._measured, self._details)
        is_good = (
            good["current_step"] == self.current_step and good["ids_RE"] is self.ids_RE
        )  # then it is copied already
        state = good | {"seconds": self.seconds, "step_seconds": self.step_seconds} if is_good else self._checkpoint()
        newest = tuple(self.records[-history.WINDOW :])
        return Frame(self.current_step, state, newest, tuple(self.turns), measured, is_good)

    def ghost(self, kind: str) -> Ghost:
        """What will be drawn gray: a twin without the next change, the run before it starts again, or as recorded."""
        return GHOSTS[kind](self)  # type: ignore[arg-type]  # it is a Training

    def limit_tape(self, limit: int) -> None:
        """Record anew from here, within so many bytes."""
        self.tape_limit, self.tape = limit, Tape(limit)
        self.tape.record(self)  # type: ignore[arg-type]  # it is a Training

    def rewind(self, step: int) -> None:
        """Show the newest recorded state up to this step again; forward works too, since the tape stays as it is.

        Training on from there comes to the same states, by the same turns of knobs, until something else is turned.
        """
        self._show(*self.tape.wind(self.frame(), self.records, step))

    def _show(self, frame: Frame, records: list[Record]) -> None:
        """Be as a moment of the tape, whose history is the first part of these records, some of which may be gone."""
        records = [*records[: history.up_to(records, frame.newest[0].step - 1)], *frame.newest]
        good = self.tape.good_before(frame.step) or frame.state
        self._load(frame.state | {"records": records, "turns": frame.turns, "_good": good})
        self._measured, self._details = frame.measured

    @property
    def rewound(self) -> bool:
        """Whether it was wound back, and has not come to its last step again."""
        return self.tape.end is not None

    def branch(self) -> None:
        """Go on from here anew: what was recorded after this step is dropped."""
        if self.rewound:
            self.tape.cut(self.current_step)

    # ---- beside itself --------------------------------------------------------------------------------------------

    def fork(self) -> Training:
        """A twin that is where this training is, and goes on by itself, unrecorded."""
        twin: Any = copy.copy(self)
        vars(twin).update(self._checkpoint(), records=list(self.records), turns=list(self.turns), tape=Tape(limit=0))
        return twin

    def as_recorded(self) -> Training:
        """A twin that was never wound back: where the tape ends, or where this training is."""
        twin = self.fork()
        if self.tape.end is not None:
            twin._show(self.tape.end, self.tape.records)
        return twin
