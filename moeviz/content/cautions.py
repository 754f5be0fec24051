"""What a reader should know of a setting before wondering at the picture: data, one sentence for each case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moeviz.config import RunConfig


@dataclass(frozen=True)
class Caution:
    """A sentence, and the settings that it is said of."""

    applies: Callable[[RunConfig], bool]
    sentence: str


def single_weight_of_one(config: RunConfig) -> bool:
    """The one chosen expert weighs 1 whatever the gate says."""
    return config.top_k == 1 and config.renormalized and config.router not in ("hash", "soft")


def in_loss(config: RunConfig, *losses: str) -> bool:
    """One of these losses is added to what training minimizes."""
    return config.balance_coef > 0 and config.balance_loss in losses


CAUTIONS = (
    Caution(
        single_weight_of_one,
        "With k = 1 every renormalized weight is 1, whatever the gate says: the task teaches the gate nothing.",
    ),
    Caution(
        lambda config: config.top_k == 1 and config.num_experts > 1 and config.router in ("top_k", "switch")
        and not config.renormalized,
        "With k = 1 the weight is the gate probability itself: so the task can teach the gate.",
    ),
    Caution(
        lambda config: config.top_k == config.num_experts > 1 and config.router != "soft",
        "With k = N every expert works on every input: nothing is sparse, and the load is always even.",
    ),
    Caution(
        lambda config: config.router == "hash",
        "The table is fixed: there is no gate to train, and no balance loss can change who gets what.",
    ),
    Caution(
        lambda config: config.router == "soft",
        "Every expert computes one mixture of the whole batch: the load is even by construction, "
        "and no balance loss is needed.",
    ),
    Caution(
        lambda config: config.router == "expert_choice",
        "Every expert takes equally many inputs: the load is even by construction, but some inputs get no expert.",
    ),
    Caution(
        lambda config: in_loss(config, "load", "importance_load") and config.router != "noisy_top_k",
        "The load loss counts choices where the router has no noise, and a count teaches nothing: choose noisy top-k.",
    ),
    Caution(
        lambda config: in_loss(config, "load") and config.router == "noisy_top_k"
        and config.top_k == config.num_experts,
        "With k = N no draw of the noise changes who is chosen: the load loss teaches nothing.",
    ),
    Caution(
        lambda config: in_loss(config, "importance", "importance_load") and single_weight_of_one(config),
        "Importance adds up weights, and all of them are 1: this loss teaches the gate nothing.",
    ),
)  # fmt: skip


def cautions(config: RunConfig) -> list[str]:
    """All that is to be said of this setting."""
    return [each.sentence for each in CAUTIONS if each.applies(config)]
