"""What page Vision trains: experts of one kind on pictures, another way to route them, and a network without a gate."""

from __future__ import annotations

from dataclasses import dataclass

from moeviz.config import RunConfig
from moeviz.content.twins import dense


@dataclass(frozen=True)
class Way:
    """Experts of one kind, what the gate sees, and how both are called."""

    label: str
    story: str
    expert: str
    route_by: str
    hidden_width: int


DENSE = "Dense: no gate, as many parameters used"
WHOLE = "The gate sends every picture as a whole to one of them."
WAYS: dict[str, Way] = {
    "conv": Way("convolutions", f"Each expert is a small convolution. {WHOLE}", "conv", "input", 16),
    "mlp": Way(
        "patches through MLPs (V-MoE)",
        "Each picture is cut into 16 patches. The gate sends every patch by itself to one of the experts, small MLPs.",
        "mlp", "token", 64,
    ),
    "transformer": Way(
        "Transformer layers", f"Each expert is a whole Transformer layer. {WHOLE}", "transformer", "input", 32
    ),
}  # fmt: skip
# Seed 2 shows it at its plainest; with others an expert or two may serve more than one domain.
BASE = RunConfig(
    task="pictures", num_experts=6, top_k=1, balance_coef=0.2, batch_size=96, learning_rate=0.002, train_share=0.8,
    seed=2,
)  # fmt: skip


def runs(way: str, base: RunConfig = BASE) -> dict[str, RunConfig]:
    """Three runs by name: these experts, the other way to route, and the dense network of equal active parameters, if
    there can be one."""
    chosen = config_of(WAYS[way], base)
    other = WAYS["conv" if way == "mlp" else "mlp"]
    configs = {f"Experts: {WAYS[way].label}": chosen, f"For comparison: {other.label}": config_of(other, base)}
    beside, _ = dense(chosen, ["active"])
    return configs | dict(zip([DENSE], beside, strict=False))


def why_not_dense(way: str, base: RunConfig) -> list[str]:
    """Why there can be no dense network beside them; nothing where there is one."""
    return dense(config_of(WAYS[way], base), ["active"])[1]


def config_of(way: Way, base: RunConfig = BASE) -> RunConfig:
    """The run with experts of this kind."""
    return base.with_(expert=way.expert, route_by=way.route_by, hidden_width=way.hidden_width)
