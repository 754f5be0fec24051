"""Turning knobs of runs that are training: what may change, what must follow, and what to write beside the curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moeviz.config import KNOBS, RunConfig, Value

SHORT_NAMES = {
    "num_experts": "N",
    "top_k": "k",
    "balance_coef": "λ",
    "learning_rate": "rate",
    "capacity_factor": "seats",
}


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
    for name in knobs:
        if name not in KNOBS or not KNOBS[name].live:
            live = ", ".join(each.name for each in KNOBS.values() if each.live)
            raise ValueError(
                f"a knob that turns while training must be one of {live}: got {name}; start a new run for others"
            )
        if not KNOBS[name].per_run and isinstance(knobs[name], (list, tuple)):
            raise ValueError(f"{name} must be the same for all runs in lockstep: got {knobs[name]!r}; pass one value")
        value = knobs[name]
        if isinstance(value, (list, tuple)) and len(value) != len(configs):
            raise ValueError(
                f"{name} must be one value, or a list with one for each of the {len(configs)} runs: "
                f"got {len(value)} values; pass {len(configs)}"
            )
    after, notices = [], []
    for run, config in enumerate(configs):
        values: dict[str, Any] = {
            name: value[run] if isinstance(value, (list, tuple)) else value for name, value in knobs.items()
        }
        experts = values.get("num_experts", config.num_experts)
        if "top_k" not in values and isinstance(experts, int) and config.top_k > experts:
            values["top_k"] = experts
            notices.append(f"top_k lowered from {config.top_k} to {experts}: it must be at most num_experts={experts}")
        after.append(config.with_(**values))
    return tuple(after), list(dict.fromkeys(notices))


def calmer(before: Sequence[RunConfig], after: Sequence[RunConfig]) -> bool:
    """Whether a knob that can make a run diverge was lowered."""
    return any(
        new.learning_rate < old.learning_rate or new.balance_coef < old.balance_coef
        for old, new in zip(before, after, strict=True)
    )


def labels(before: Sequence[RunConfig], after: Sequence[RunConfig]) -> list[str]:
    """What changed, as marks for the time charts: "λ 0→10"."""
    found = []
    for name in KNOBS:
        pairs = [(getattr(old, name), getattr(new, name)) for old, new in zip(before, after, strict=True)]
        if any(old != new for old, new in pairs):
            changes = dict.fromkeys(f"{_short(old)}→{_short(new)}" for old, new in pairs)
            found.append(f"{SHORT_NAMES.get(name, KNOBS[name].label)} {', '.join(changes)}")
    return found


def _short(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
