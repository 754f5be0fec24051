"""Which runs a sweep is made of: every combination of the varied knobs, with every seed."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moeviz.config import KNOBS, RULES, RunConfig, Value, rules
from moeviz.config.knob import Knob, listed, shown

MOST_RUNS = 2000
MOST_STEPS = 20_000_000  # of all runs together: with the opening state's sizes about three hours of one core
STEPS = Knob(name="steps", kind=int, default=500, low=1, high=1_000_000, label="Steps", help="Training steps of a run.")
SEEDS = Knob(name="seeds", kind=int, default=3, low=1, high=100, label="Seeds", help="Runs of each combination.")


@dataclass(frozen=True)
class LeftOut:
    """A combination that no run can have, and the rule that it breaks."""

    values: dict[str, Value]
    reason: str


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, in the order of the combinations, the seeds of each next to each other."""

    vary: dict[str, tuple[Value, ...]]
    configs: tuple[RunConfig, ...]
    left_out: tuple[LeftOut, ...]


def plan(
    base: Mapping[str, Value], vary: Mapping[str, Iterable[Value]], seeds: int = 3, *, most_runs: int = MOST_RUNS
) -> Plan:
    """Every combination of the listed values with the seeds `base["seed"]`, the next one, …, the last knob fastest.

    A combination that breaks a rule between knobs (k > N) is left out; nothing is changed to make it fit.

    Args:   base: the other knobs, as `vars(RunConfig())`; knobs that are varied need not fit there.
    """
    varied = _varied(vary)
    seeds = int(SEEDS.check(seeds) or 0)
    first, last = int(base["seed"] or 0), KNOBS["seed"].high or 0
    if first + seeds - 1 > last:
        raise ValueError(f"the last seed must be at most {last:.0f}: got {first + seeds - 1}; start with a lower seed")
    count = seeds
    for values in varied.values():
        count *= len(values)
    if count > most_runs:
        raise ValueError(
            f"a sweep must have at most {most_runs} runs: got {count}; list fewer values, or take fewer seeds"
        )
    configs: list[RunConfig] = []
    left_out: list[LeftOut] = []
    for combination in itertools.product(*varied.values()):
        here: dict[str, Value] = dict(zip(varied, combination, strict=True))
        complaint = rules.complaint({**base, **here}, RULES)
        if complaint is not None:
            left_out.append(LeftOut(here, str(complaint)))
            continue
        configs += [RunConfig(**{**base, **here, "seed": first + each}) for each in range(seeds)]  # type: ignore[arg-type]
    if not configs:
        raise ValueError(f"a sweep must have a combination that fits: {left_out[0].reason}")
    return Plan(varied, tuple(configs), tuple(left_out))


def _varied(vary: Any) -> dict[str, tuple[Value, ...]]:
    if not isinstance(vary, Mapping):
        remedy = 'write {"num_experts": [2, 4, 8]}'
        raise ValueError(f"what is varied must be knobs with their values: got {shown(vary)}; {remedy}")
    if not vary:
        raise ValueError("a sweep must vary at least one knob: got none; name one with its values")
    return {name: _checked(name, values) for name, values in vary.items()}


def check_work(configs: Sequence[RunConfig], steps: int) -> int:
    """The steps of each run; raises ValueError (rule, value, remedy) where this is more than one sweep may train."""
    steps = int(STEPS.check(steps) or 0)
    if not configs:
        raise ValueError("a sweep needs at least one run: got none; pass a config")
    if len(configs) > MOST_RUNS:
        raise ValueError(f"a sweep must have at most {MOST_RUNS} runs: got {len(configs)}; make two of it")
    if len(configs) * steps > MOST_STEPS:
        got = f"{len(configs)} runs × {steps} steps = {len(configs) * steps:,}"
        raise ValueError(f"runs × steps must be at most {MOST_STEPS:,}: got {got}; take fewer steps, values or seeds")
    return steps


def check_devices(configs: Sequence[RunConfig]) -> None:
    """Raise ValueError (rule, value, remedy) where one of them asks for a device that is not here."""
    for name in {config.device for config in configs} - {"auto", "cpu"}:
        from moeviz.tensors.device import resolve  # brings torch: only when it is really asked for

        resolve(name)


def read_values(name: str, text: str, *, on_page: bool = False) -> tuple[Value, ...]:
    """The values written as "2, 4, 8", with a page's bounds if asked for; raises ValueError (rule, value, remedy)."""
    _check_name(name)
    knob = KNOBS[name].on_page if on_page else KNOBS[name]
    return _checked(name, [knob.parse(part) for part in text.split(",") if part.strip()])


def _checked(name: str, values: Iterable[Value]) -> tuple[Value, ...]:
    """The values without repetitions, each allowed for the knob by itself."""
    _check_name(name)
    listed_values = listed(name, values)
    if not listed_values:
        raise ValueError(f"{name} must have at least one value to vary: got none; list some")
    return tuple(dict.fromkeys(map(KNOBS[name].check, listed_values)))


def _check_name(name: str) -> None:
    if name == "seed":
        raise ValueError("a sweep must not vary seed as a knob: got seed; say how many seeds each combination gets")
    if name not in KNOBS:
        near = difflib.get_close_matches(str(name), KNOBS, n=1)
        remedy = f"did you mean {near[0]}?" if near else "python -m moeviz sweep --help lists them"
        raise ValueError(f"what is varied must be a knob: got {shown(name)}; {remedy}")
