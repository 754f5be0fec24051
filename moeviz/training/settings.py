"""Turning knobs of runs that are training: what may change, what must follow, and what to write beside the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from moeviz.config import KNOBS, RunConfig, Value
from moeviz.config.changes import KnobChange, Mark
from moeviz.config.knob import Knob, listed
from moeviz.config.names import SHORT_KNOBS
from moeviz.training import treatment
from moeviz.training.treatment import Changed, Treated

RECORD_EVERY = Knob(
    name="record_every", kind=int, default=10, low=1, high=10**9, label="Record every", help="Steps between records.",
)  # fmt: skip
DEFAULT_RATE = RunConfig().learning_rate
MOST = 64  # changes that are kept of a run: every frame tells them


@dataclass(frozen=True)
class Setting:
    """All that is set by hand: the knobs of every run, and which experts are treated."""

    configs: tuple[RunConfig, ...]
    treated: Treated


@dataclass(frozen=True)
class Change:
    """All that was changed by hand at one step: from which setting, and in what it came to differ from it."""

    step: int
    before: Setting
    what: Changed

    @cached_property  # every frame tells them
    def marks(self) -> list[Mark]:
        """As lines in the time charts."""
        changed = (item for of_one in self.what.values() for item in of_one.items())
        return [Mark(self.step, what, tuple(runs)) for what, runs in changed]


def check_one_shape(configs: Sequence[RunConfig]) -> None:
    """Raise ValueError (rule, value, remedy) unless these runs can train in lockstep."""
    if not configs:
        raise ValueError("a training needs at least one run: got none; pass [RunConfig()]")
    for name, each in KNOBS.items():
        values = sorted({str(getattr(config, name)) for config in configs})
        if not each.per_run and len(values) > 1:
            raise ValueError(
                f"runs in lockstep must share {name}: got {', '.join(values)}; put them into different trainings"
            )


def changed(
    configs: Sequence[RunConfig], knobs: dict[str, Value | Sequence[Value]]
) -> tuple[tuple[RunConfig, ...], list[str]]:
    """The configs after live knobs were turned, all checked, and notices of what else had to change."""
    knobs = {name: listed(name, value) if _is_list(value) else value for name, value in knobs.items()}
    for name in knobs:
        if name not in KNOBS or not KNOBS[name].live:
            live = ", ".join(each.name for each in KNOBS.values() if each.live)
            raise ValueError(
                f"a knob that turns while training must be one of {live}: got {name}; start a new run for others"
            )
        if not KNOBS[name].per_run and isinstance(knobs[name], list):
            raise ValueError(f"{name} must be the same for all runs in lockstep: got {knobs[name]!r}; pass one value")
        value = knobs[name]
        if isinstance(value, list) and len(value) != len(configs):
            raise ValueError(
                f"{name} must be one value, or a list with one for each of the {len(configs)} runs: "
                f"got {len(value)} values; pass {len(configs)}"
            )
    after: list[RunConfig] = []
    notices: list[str] = []
    for run, config in enumerate(configs):
        values: dict[str, Any] = {
            name: value[run] if isinstance(value, list) else value for name, value in knobs.items()
        }
        new, complaints = config.nearest(keep=values, **values)
        after.append(new)
        notices += [each.notice for each in complaints]
    check_one_shape(after)
    return tuple(after), list(dict.fromkeys(notices))


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple, range)) or getattr(value, "ndim", 0) > 0  # or an array


def calmer(before: Sequence[RunConfig], after: Sequence[RunConfig]) -> bool:
    """Whether a knob that can make a run diverge was lowered."""
    return any(
        new.learning_rate < old.learning_rate or new.balance_coef < old.balance_coef
        for old, new in zip(before, after, strict=True)
    )


def too_high(configs: Sequence[RunConfig]) -> str:
    """The knob to lower where these runs diverge, with its value."""
    rate = max(config.learning_rate for config in configs)
    coef = max(config.balance_coef for config in configs)
    if coef > 10 and rate <= DEFAULT_RATE:
        return f"the balance weight λ ({coef:g})"
    return f"the learning rate ({rate:g})"


def knob_changes(before: Sequence[RunConfig], after: Sequence[RunConfig]) -> Changed:
    """What changed, by knob, and the runs in which it did."""
    changed: Changed = {}
    for name in KNOBS:
        for run, configs in enumerate(zip(before, after, strict=True)):
            old, new = (getattr(config, name) for config in configs)
            if old != new:
                what = KnobChange(SHORT_KNOBS.get(name, KNOBS[name].label), old, new)
                changed.setdefault(name, {}).setdefault(what, []).append(run)
    return changed


def differences(before: Setting, after: Setting) -> Changed:
    """What changed, by knob or treated expert."""
    same_number = [config.num_experts for config in before.configs] == [config.num_experts for config in after.configs]
    treated = treatment.treatments(before.treated, after.treated, same_number)
    return knob_changes(before.configs, after.configs) | treated


def with_change(changes: Sequence[Change], step: int, before: Setting, after: Setting) -> list[Change]:
    """The changes with one more; at one step there is one, so that a slider dragged on a paused run is one change."""
    earlier, order = list(changes), []
    if earlier and earlier[-1].step == step:
        last = earlier.pop()
        before, order = last.before, list(last.what)
    what = differences(before, after)
    in_order = {name: what[name] for name in (*order, *what) if name in what}
    return bounded([*earlier, Change(step, before, in_order)]) if what else earlier


def bounded(changes: list[Change]) -> list[Change]:
    """The changes; once they are more than `MOST`, every two that follow each other, but the newest, become one.

    It stands where the first of both was and says what came of both: λ 0→10 and λ 10→2 are λ 0→2. What was turned and
    turned back leaves none.
    """
    if len(changes) <= MOST:
        return changes
    old, newest = changes[: MOST // 2], changes[MOST // 2 :]
    pairs = zip(old[::2], [*(change.before for change in old[2::2]), newest[0].before], strict=True)
    joined = [Change(first.step, first.before, differences(first.before, after)) for first, after in pairs]
    return [change for change in joined if change.what] + newest
