"""What is kept of a run that a sweep has trained, and what each number is called."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from moeviz.config import TASK_INFO, RunConfig


@dataclass(frozen=True)
class Result:
    """One finished run, measured on the test set; None where the run has diverged.

    Of a model with several layers the measures of `OF_EACH_LAYER` are lists with a number for each.
    """

    test_metric: float | None  # accuracy, or R² where the task is a regression
    test_loss: float | None
    cv_load: float | list[float] | None
    dead_experts: int | list[int] | None
    specialization: float | list[float] | None
    seconds: float  # of training: the run's share of the time that its lockstep took
    active_flops: int  # for one token
    parameters: int
    active_parameters: int
    diverged: bool


OF_EACH_LAYER = ("cv_load", "dead_experts", "specialization")

# name in `Result` -> what a page calls it, for the measures that a map can show
MEASURES = {
    "test_metric": "Accuracy",
    "test_loss": "Task loss (test set)",
    "cv_load": "Unevenness of load (CV)",
    "dead_experts": "Dead experts",
    "specialization": "Match with true groups",
    "seconds": "Seconds of training",
    "active_flops": "Active FLOPs per token",
    "parameters": "Parameters",
    "active_parameters": "Active parameters",
}


def measure_label(name: str, task: str) -> str:
    """What a page calls a measure, for a task; `cv_load_2` is that of layer 2."""
    of, _, layer = name.rpartition("_")
    if of in OF_EACH_LAYER and layer.isdigit():
        return f"{MEASURES[of]}, layer {layer}"
    return "R²" if name == "test_metric" and TASK_INFO[task].kind == "regression" else MEASURES[name]


def row(config: RunConfig, names: list[str], result: Result) -> dict[str, Any]:
    """A line of the table: the varied knobs, the seed, and all that was measured; of several layers `cv_load_1`, …"""
    layers, cells = TASK_INFO[config.task].layers, {name: getattr(config, name) for name in [*names, "seed"]}
    for name, value in asdict(result).items():
        if name in OF_EACH_LAYER and layers > 1:
            cells |= {f"{name}_{at}": each for at, each in enumerate(value or [None] * layers, start=1)}
        else:
            cells[name] = value
    return cells
