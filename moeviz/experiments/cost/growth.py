"""More experts at the same cost: the runs that show what it brings, and the plain networks to compare them with."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moeviz.config import RunConfig
from moeviz.content.twins import dense_twin
from moeviz.experiments.sweep import Result

BASE = RunConfig(task="linear_clusters", expert="mlp", hidden_width=16, top_k=1, balance_coef=3.0, learning_rate=0.01)
SIZES = (1, 2, 4, 8, 16)
SEEDS, STEPS = 3, 600
ROWS = {"experts": "N experts, k = 1", "network": "one network, N times as wide"}


@dataclass(frozen=True)
class SizeResult:
    """What the runs of one size came to: cost, and the mean of the measure with its ends over the seeds."""

    size: int
    active_flops: int
    parameters: int
    mean: float
    low: float
    high: float


def configs(row: str, size: int) -> list[RunConfig]:
    """The runs of one size, one for each seed; of one expert, both rows have the same."""
    runs = [BASE.with_(num_experts=size, seed=seed) for seed in range(SEEDS)]
    return runs if row == "experts" or size == 1 else [dense_twin(each, "total") for each in runs]


def all_configs() -> list[RunConfig]:
    """All of them, each once."""
    return list(dict.fromkeys(each for row in ROWS for size in SIZES for each in configs(row, size)))


def size_results(row: str, known: Mapping[RunConfig, Result | None]) -> list[SizeResult]:
    """The sizes of which all runs are finished."""
    finished = []
    for size in SIZES:
        results = [known.get(each) for each in configs(row, size)]
        metrics = [each.test_metric for each in results if each is not None and each.test_metric is not None]
        if len(metrics) == SEEDS and (one := results[0]) is not None:
            ends = statistics.fmean(metrics), min(metrics), max(metrics)
            finished.append(SizeResult(size, one.active_flops, one.parameters, *ends))
    return finished


def in_words(experts: Sequence[SizeResult], network: Sequence[SizeResult]) -> str:
    """What the finished runs say: by how much the experts are better than networks of equal active and equal total."""
    if not experts or not network:
        return ""
    most = experts[-1]
    same = next((each for each in network if each.size == most.size), None)
    plain = network[0]
    said = [
        f"{most.size} experts reach R² {most.mean:.3f} at {most.active_flops:,} operations a token; one network of "
        f"equal active parameters reaches {plain.mean:.3f} ({most.mean - plain.mean:+.3f}) at {plain.active_flops:,}"
    ]
    if same is not None and same is not plain:
        said.append(
            f"one of equal total parameters reaches {same.mean:.3f} ({most.mean - same.mean:+.3f}), with "
            f"{same.active_flops / most.active_flops:.0f} times the operations"
        )
    return "; ".join(said) + "."
