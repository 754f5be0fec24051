"""Turning knobs of runs that are training: what may change, what must follow, and what to write beside the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moeviz.config import KNOBS, RunConfig, Value
from moeviz.config.knob import Knob, listed
from moeviz.config.names import SHORT_KNOBS
from moeviz.training import treatment
from moeviz.training.treatment import Labels, Treated

RECORD_EVERY = Knob(
    name="record_every", kind=int, default=10, low=1, high=10**9, label="Record every", help="Steps between records.",
)  # fmt: skip
DEFAULT_RATE = RunConfig().learning_rate
MOST = 64  # turns that are kept of a run: every frame tells them


@dataclass(frozen=True)
class Setting:
    """All that is set by hand: the knobs of every run, and which experts are treated."""

    configs: tuple[RunConfig, ...]
    treated: Treated


@dataclass(frozen=True)
class Turn:
    """All that was turned at one step: from which setting, and what has changed since."""

    step: int
    before: Setting
    labels: Labels


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


def labels(before: Sequence[RunConfig], after: Sequence[RunConfig]) -> Labels:
    """What changed, by knob, as marks for the time charts: "λ 0→10" of the runs in which it did."""
    found: Labels = {}
    for name in KNOBS:
        for run, configs in enumerate(zip(before, after, strict=True)):
            old, new = (getattr(config, name) for config in configs)
            if old != new:
                text = f"{SHORT_KNOBS.get(name, KNOBS[name].label)} {_short(old)}→{_short(new)}"
                found.setdefault(name, {}).setdefault(text, []).append(run)
    return found


def changes(before: Setting, after: Setting) -> Labels:
    """What changed, by knob or treated expert."""
    sizes = [[config.num_experts for config in each.configs] for each in (before, after)]
    return labels(before.configs, after.configs) | treatment.labels(before.treated, after.treated, sizes[0] == sizes[1])


def turned(turns: Sequence[Turn], step: int, before: Setting, after: Setting) -> list[Turn]:
    """The turns with one more; those of one step become one, so that a slider dragged on a paused run is one change."""
    earlier, order = list(turns), []
    if earlier and earlier[-1].step == step:
        last = earlier.pop()
        before, order = last.before, list(last.labels)
    found = changes(before, after)
    in_order = {name: found[name] for name in (*order, *found) if name in found}
    return bounded([*earlier, Turn(step, before, in_order)]) if found else earlier


def bounded(turns: list[Turn]) -> list[Turn]:
    """The turns; once they are more than `MOST`, every two that follow each other, but the newest, become one.

    It stands where the first of both was and says what came of both: λ 0→10 and λ 10→2 are λ 0→2. What was turned and
    turned back leaves none.
    """
    if len(turns) <= MOST:
        return turns
    old, newest = turns[: MOST // 2], turns[MOST // 2 :]
    pairs = zip(old[::2], [*(turn.before for turn in old[2::2]), newest[0].before], strict=True)
    joined = [Turn(first.step, first.before, changes(first.before, after)) for first, after in pairs]
    return [turn for turn in joined if turn.labels] + newest


def _short(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
