"""Named starting points of the Playground: one story each, told by a config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moeviz.config import TASK_INFO, RunConfig
from moeviz.config.router_facts import ROUTER_INFO


@dataclass(frozen=True)
class Preset:
    """A name for the menu, a one-line story, the run that tells it, and what to try then."""

    label: str
    story: str
    config: RunConfig
    then: str = ""  # said below the Playground alone


ANYTHING: tuple[tuple[str, Callable[[RunConfig], bool]], ...] = (
    ("drag N down while it runs: who leaves?", lambda config: config.num_experts > 1),
    (
        "choose “Sure” above the map: where does the gate hesitate?",
        lambda config: _is_map(config) and _has_gate(config),
    ),
    ("choose “Experts” above the map: what does each answer by itself?", lambda config: _is_map(config)),
    ("drag the probe: where does another expert take over?", lambda config: _view(config) in ("curve", "projection")),
    ("click another row: who serves it?", lambda config: _view(config) == "rows"),
    ("open “Experts and true groups” below: who serves whom?", lambda config: not _is_map(config)),
    ("choose “Slow” and watch a batch travel to its experts", lambda config: _view(config) != "rows"),
)
"""What can be tried with a run that is no preset's, each where there is such a thing."""


def _view(config: RunConfig) -> str:
    return TASK_INFO[config.task].view


def _is_map(config: RunConfig) -> bool:
    return _view(config) == "map"


def _has_gate(config: RunConfig) -> bool:
    return ROUTER_INFO[config.router].choice not in ("table", "nobody")


def try_next(config: RunConfig, preset: Preset | None) -> str:
    """What to try with the run on screen: what its preset asks for, else what the task and the router have."""
    if preset is not None:
        return preset.then
    return " · ".join([text for text, fits in ANYTHING if fits(config)][:3]) + "."


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
    "idle": Preset("Idle experts", "Without a balance loss, at least one expert soon gets no work (†).", RunConfig(),
        then="drag N down while it runs: who leaves? · choose “Sure” above the map: where does the gate hesitate? "
        "· choose “Slow” and watch a batch travel to its experts.",
    ),
    "healthy": Preset(
        "Healthy", "Started with λ = 10: every expert gets work, and the load is more even.",
        RunConfig(balance_coef=10.0),
        then="drag λ to 0 while it runs: does anybody fall idle? · open “Balance loss as squares” below: how far "
        "is each expert from its fair share? · drag N to 12: does everybody still get work?",
    ),
    "too_much": Preset(
        "Too much balance",
        "A λ of 20 makes work less uneven and answers worse than none. Drag λ to 0: accuracy climbs.",
        RunConfig(task="clusters_unequal", expert="linear", top_k=1, balance_coef=20.0, learning_rate=0.02),
        then="drag λ to 0 and open “Accuracy” below · open “Experts and true groups”: does even load mean that "
        "each expert has a group of its own?",
    ),
    "more": Preset(
        "More experts", "Two experts cannot learn eight rules. Drag N to 8 and watch accuracy climb.",
        RunConfig(expert="linear", num_experts=2, top_k=1, balance_coef=1.0, learning_rate=0.1),
        then="drag N to 8 and open “Accuracy” below · choose “Experts” above the map: what does each answer by "
        "itself?",
    ),
    "one": Preset(
        "One expert is enough", "Drag N down to 1: a moment later one expert answers as well as eight did.",
        RunConfig(task="plane", expert="linear"),
        then="drag N down to 1 and open “R²” below: is anything lost? · choose “Experts” above the map first: do "
        "they all answer the same?",
    ),
    "spiral": Preset(
        "Spiral", "The experts cut two wound arms into slices: see who answers where.",
        RunConfig(task="spiral", hidden_width=32, learning_rate=0.01),
        then="choose “Top k” above the map: who is second where? · choose “Answer”: does the model see two arms? · "
        "drag k to 1: do the slices change?",
    ),
    "digits": Preset(
        "Digits", "Real handwriting: 8×8 pixels, ten classes, drawn on two principal components.",
        RunConfig(task="digits", hidden_width=32, learning_rate=0.003, balance_coef=1.0),
        then="drag the probe from one color to the next: who takes over? · open “Experts and true groups” below: "
        "which digits does each expert serve? · drag λ to 0: who falls idle?",
    ),
    "pieces": Preset(
        "Cut into pieces", "A W on a line: each of four straight-line experts takes one piece of it.",
        RunConfig(
            task="piecewise", expert="linear", num_experts=4, top_k=1, balance_coef=1.0, learning_rate=0.05,
        ),
        then="drag the probe along the line: where does another expert take over? · drag N to 2: which pieces "
        "share an expert? · drag k to 2: what becomes of the corners?",
    ),
    "switch": Preset(
        "Switch", "Few seats: an input that finds none is dropped (✕). Drag λ to 1: nearly all find one.",
        RunConfig(
            router="switch", num_experts=12, top_k=1, capacity_factor=1.25, eval_capacity_factor=2.0,
            gate_jitter=0.01, balance_loss="switch",
        ),
        then="drag λ to 1 and open “Load over time” below · choose “Slow”: which inputs find no seat (✕)? · drag N "
        "down: do the seats suffice?",
    ),
    "gshard": Preset(
        "GShard", "Two experts, seats counted in four groups. Drag λ to 1: few choices are still dropped.",
        RunConfig(router="gshard", capacity_factor=1.25, token_groups=4, balance_loss="gshard"),
        then="drag λ to 1 and open “Load over time” below · choose “Top k” above the map: who is asked second? · "
        "choose “Slow” and watch the seats fill.",
    ),
    "switch_rows": Preset(
        "Switch Transformer",
        "Each row of a digit goes to one expert: over 85 % of digits are read, hardly a row is dropped.",
        RunConfig(
            task="digit_rows", router="switch", top_k=1, capacity_factor=1.25, eval_capacity_factor=2.0,
            gate_jitter=0.01, balance_loss="switch", balance_coef=0.01, hidden_width=32, batch_size=64,
            learning_rate=0.01,
        ),
        then="click another row: who serves it, with what weight? · drag λ to 0: are rows dropped (hatched)? · "
        "open “Load over time” below.",
    ),
    "gshard_rows": Preset(
        "GShard Transformer", "Two experts for each row, seats counted in four groups: over 85 % of digits are read.",
        RunConfig(
            task="digit_rows", router="gshard", capacity_factor=1.25, token_groups=4, balance_loss="gshard",
            balance_coef=0.01, hidden_width=32, batch_size=64, learning_rate=0.01,
        ),
        then="click another row: which two serve it? · drag λ to 0: are choices dropped? · open “Experts and true "
        "groups” below: who serves which digits?",
    ),
}  # fmt: skip
