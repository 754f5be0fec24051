"""Named starting points of the Playground: one story each, told by a config."""

from __future__ import annotations

from dataclasses import dataclass

from moeviz.config import RunConfig


@dataclass(frozen=True)
class Preset:
    """A name for the menu, a one-line story, and the run that tells it."""

    label: str
    story: str
    config: RunConfig


LEARNS_TEXT = RunConfig(
    task="languages", num_experts=6, top_k=1, hidden_width=64, batch_size=16, learning_rate=0.005, route_by="context",
    balance_loss="switch", balance_coef=0.05,
)  # fmt: skip
SEATS = 1.25  # GShard's and Switch's own choice is between 1 and 2
LANGUAGE: dict[str, Preset] = {
    "top1": Preset("One expert each", "Top-1 without a limit of seats, balanced by Switch’s loss.", LEARNS_TEXT),
    "switch": Preset(
        "Switch", "One expert each, with seats: who finds none passes the layer unchanged (✕).",
        LEARNS_TEXT.with_(router="switch", capacity_factor=SEATS),
    ),
    "gshard": Preset(
        "GShard",
        "Two experts each, with seats; a second choice that would weigh little is often skipped. First choices queue "
        "first, so a later character can take the seat of an earlier one’s second expert.",
        LEARNS_TEXT.with_(router="gshard", top_k=2, balance_loss="gshard", capacity_factor=SEATS),
    ),
}  # fmt: skip
"""Those of the page Language, by the paper whose router they use."""
LEARNS_PAIRS = RunConfig(
    task="pairs", num_experts=6, top_k=1, hidden_width=32, batch_size=64, learning_rate=0.005, train_share=0.85,
    balance_loss="entropy", balance_coef=0.5,
)  # fmt: skip
"""How the page Image and text opens."""
PRESETS: dict[str, Preset] = {
    "idle": Preset("Idle experts", "Without a balance loss, at least one expert soon gets no work (†).", RunConfig()),
    "healthy": Preset(
        "Healthy", "Started with λ = 10: every expert gets work, and the load is more even.",
        RunConfig(balance_coef=10.0),
    ),
    "too_much": Preset(
        "Too much balance",
        "A λ of 20 makes work less uneven and answers worse than none. Drag λ to 0: accuracy climbs.",
        RunConfig(task="clusters_unequal", expert="linear", top_k=1, balance_coef=20.0, learning_rate=0.02),
    ),
    "more": Preset(
        "More experts", "Two experts cannot learn eight rules. Drag N to 8 and watch accuracy climb.",
        RunConfig(expert="linear", num_experts=2, top_k=1, balance_coef=1.0, learning_rate=0.1),
    ),
    "one": Preset(
        "One expert is enough", "Drag N down to 1: a moment later one expert answers as well as eight did.",
        RunConfig(task="plane", expert="linear"),
    ),
    "spiral": Preset(
        "Spiral", "The experts cut two wound arms into slices: see who answers where.",
        RunConfig(task="spiral", hidden_width=32, learning_rate=0.01),
    ),
    "digits": Preset(
        "Digits", "Real handwriting: 8×8 pixels, ten classes, drawn on two principal components.",
        RunConfig(task="digits", hidden_width=32, learning_rate=0.003, balance_coef=1.0),
    ),
    "pieces": Preset(
        "Cut into pieces", "A W on a line: each of four straight-line experts takes one piece of it.",
        RunConfig(
            task="piecewise", expert="linear", num_experts=4, top_k=1, balance_coef=1.0, learning_rate=0.05,
        ),
    ),
    "switch": Preset(
        "Switch", "Few seats: an input that finds none is dropped (✕). Drag λ to 1: nearly all find one.",
        RunConfig(
            router="switch", num_experts=12, top_k=1, capacity_factor=1.25, eval_capacity_factor=2.0,
            gate_jitter=0.01, balance_loss="switch",
        ),
    ),
    "gshard": Preset(
        "GShard", "Two experts, seats counted in four groups. Drag λ to 1: few choices are still dropped.",
        RunConfig(router="gshard", capacity_factor=1.25, token_groups=4, balance_loss="gshard"),
    ),
    "switch_rows": Preset(
        "Switch Transformer",
        "Each row of a digit goes to one expert: over 85 % of digits are read, hardly a row is dropped.",
        RunConfig(
            task="digit_rows", router="switch", top_k=1, capacity_factor=1.25, eval_capacity_factor=2.0,
            gate_jitter=0.01, balance_loss="switch", balance_coef=0.01, hidden_width=32, batch_size=64,
            learning_rate=0.01,
        ),
    ),
    "gshard_rows": Preset(
        "GShard Transformer", "Two experts for each row, seats counted in four groups: over 85 % of digits are read.",
        RunConfig(
            task="digit_rows", router="gshard", capacity_factor=1.25, token_groups=4, balance_loss="gshard",
            balance_coef=0.01, hidden_width=32, batch_size=64, learning_rate=0.01,
        ),
    ),
}  # fmt: skip
