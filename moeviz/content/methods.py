"""Routers as their papers use them, and ways to keep experts busy, as knobs: what pages put side by side. Data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moeviz.config import RunConfig

PAPERS: dict[str, dict[str, Any]] = {
    "switch": {"capacity_factor": 1.25, "eval_capacity_factor": 2.0, "gate_jitter": 0.01},
    "gshard": {"capacity_factor": 2.0, "token_groups": 4},
}
"""What a router's paper uses beside it, where this is more than the router."""

SEATS = ("capacity_factor", "eval_capacity_factor")
"""Knobs that routers which are compared share: the base's, not each paper's."""
OPENING_SEATS = {name: PAPERS["switch"][name] for name in SEATS}
"""... and their values on a page that opens for who is new."""


@dataclass(frozen=True)
class Method:
    """A way to balance: what it is called, its notes in `router_notes`, its knobs, and why in a few words."""

    label: str
    notes: tuple[str, ...]
    knobs: dict[str, Any]
    why: str
    strength: str | None = None  # the knob that says how strongly it acts, whose value `why` names
    lost: str = "dropped_share"  # how inputs are lost where some are

    def why_at(self, times: float) -> str:
        """Why, with the value of its strength, which acts so many times."""
        return self.why.format(value=self.value_at(times)) if self.strength else self.why

    def value_at(self, times: float) -> float:
        """The value of the knob that says how strongly it acts."""
        return float(self.knobs[self.strength]) * times if self.strength else 0.0


METHODS: dict[str, Method] = {
    "none": Method("No balancing", ("none",), {}, "The gate follows the task alone."),
    "squared": Method(
        "The article’s loss", ("squared",), {"balance_coef": 10.0}, "λ = {value:g}: mean probabilities should be 1/N.",
        "balance_coef",
    ),
    "switch": Method(
        "Switch’s loss", ("switch",), {"balance_loss": "switch", "balance_coef": 1.0},
        "λ = {value:g}: busy experts lose probability.", "balance_coef",
    ),
    "importance_load": Method(
        "Importance + load", ("importance", "load"),
        {"router": "noisy_top_k", "balance_loss": "importance_load", "balance_coef": 0.3},
        "λ = {value:g}, with noise: even weights, even counts.", "balance_coef",
    ),
    "z": Method(
        "z-loss", ("z",), {"balance_loss": "z", "balance_coef": 0.01},
        "λ = {value:g}: small scores. It is not for balance.", "balance_coef",
    ),
    "bias": Method(
        "DeepSeek’s bias", ("bias",), {"router": "deepseek_v3", "bias_rate": 0.003},
        "γ = {value:g}: counted and corrected, without a loss.", "bias_rate",
    ),
    "expert_choice": Method(
        "Expert choice", ("expert_choice",), {"router": "expert_choice"},
        "Experts pick inputs. Lost: inputs that none picked.", lost="unserved_share",
    ),
    "drops": Method(
        "Seats and drops", ("drops",), {"capacity_factor": 1.0}, "Seats for a fair share; the rest is lost.",
    ),
}  # fmt: skip

PLAIN: dict[str, Any] = {"router": "top_k", "balance_loss": "squared", "balance_coef": 0.0, "capacity_factor": None}
"""What a run has that balances in no way."""


def as_in_its_paper(base: RunConfig, router: str, noise: float = 1.0) -> RunConfig:
    """The run with another router and what belongs to it; knobs of the base that this router has stay as they are.

    Args:   noise: times what its paper draws at random in training.
    """
    wanted = PAPERS.get(router, {}) | {"router": router, "router_noise": noise}
    return base.nearest(**wanted | {name: getattr(base, name) for name in SEATS})[0]


def compared(base: RunConfig, routers: Sequence[str], noise: float = 1.0) -> list[RunConfig]:
    """One run for each router as in its paper, all with as many experts as the one that needs most."""
    configs = [as_in_its_paper(base, router, noise) for router in routers]
    most = max(config.num_experts for config in configs)
    if most == base.num_experts:
        return configs
    return compared(base.with_(num_experts=most), routers, noise)


def all_methods(base: RunConfig, strength: float = 1.0) -> list[RunConfig]:
    """One run for each of METHODS: the base with the method's knobs, which act so many times as strongly."""
    configs = []
    for method in METHODS.values():
        knobs = dict(method.knobs)
        if method.strength is not None:
            knobs[method.strength] = method.value_at(strength)
        configs.append(base.nearest(**PLAIN | knobs)[0])
    return configs
