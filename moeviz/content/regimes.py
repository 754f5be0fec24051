"""Starting points of the Balance lab: twins that end in a named regime, and the measures by which it is known. Data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moeviz.config import RunConfig

Measures = Mapping[str, float]  # by column of Training.history


@dataclass(frozen=True)
class Bound:
    """What one measure must be: from `low` to `high`; `beside` the first twin: the difference from that."""

    measure: str  # dead_experts | cv_load | test_metric
    low: float = -float("inf")
    high: float = float("inf")
    beside: bool = False

    def holds(self, run: Measures, first: Measures) -> bool:
        """Whether a run, beside the first twin, is inside."""
        value = run[self.measure] - (first[self.measure] if self.beside else 0)
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Regime:
    """A name, a one-line story, the twins that tell it, and how to know that the run at `place` is in the regime."""

    label: str
    story: str
    twins: tuple[RunConfig, ...]
    place: int
    steps: int  # after which the bounds hold
    bounds: tuple[Bound, ...]

    def holds(self, measured: tuple[Measures, ...]) -> bool:
        """Whether the twins, measured after `steps` steps, are in the regime."""
        return all(bound.holds(measured[self.place], measured[0]) for bound in self.bounds)


def _twins(config: RunConfig, *coefs: float) -> tuple[RunConfig, ...]:
    return tuple(config.with_(balance_coef=coef) for coef in coefs)


# Beside each: what ten seeds showed.
REGIMES: dict[str, Regime] = {
    "collapse": Regime(
        "Collapse", "Without a balance loss the gate keeps choosing few experts: at least two get no work (†).",
        _twins(RunConfig(top_k=1), 0.0, 10.0), 0, 300,
        (Bound("dead_experts", low=2), Bound("cv_load", low=0.75)),  # 2-4 dead, CV .85-1.08
    ),
    "healthy": Regime(
        "Healthy", "With λ = 10 from the start every expert works, and the answers are good.",
        _twins(RunConfig(), 0.0, 10.0), 1, 300,
        (Bound("dead_experts", high=0), Bound("cv_load", high=0.5), Bound("test_metric", low=0.75)),
        # none dead, CV .07-.47, accuracy .78-.93
    ),
    "too_much": Regime(
        "Too much balance", "One group holds half the inputs: λ = 20 tears it apart, and answers get worse.",
        _twins(RunConfig(task="clusters_unequal", expert="linear", top_k=1, learning_rate=0.02), 0.0, 20.0), 1, 600,
        (Bound("cv_load", high=-0.2, beside=True), Bound("test_metric", high=-0.05, beside=True)),
        # CV lower by .38-.66, accuracy by .09-.23
    ),
    "useless": Regime(
        "Balanced but useless", "Four straight-line experts share the spiral evenly, and answer no better than a coin.",
        _twins(RunConfig(task="spiral", expert="linear", num_experts=4, top_k=1), 0.0, 10.0), 1, 300,
        (Bound("dead_experts", high=0), Bound("cv_load", high=0.5), Bound("test_metric", high=0.6)),
        # none dead, CV .06-.48, accuracy .44-.57, where chance gives .5
    ),
}  # fmt: skip
