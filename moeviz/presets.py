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


PRESETS: dict[str, Preset] = {
    "idle": Preset("Idle experts", "Without a balance loss, some experts soon get no work.", RunConfig()),
    "healthy": Preset("Healthy", "The same run with λ = 10: everyone works.", RunConfig(balance_coef=10.0)),
    "spiral": Preset(
        "Spiral", "Eight experts share two arms; each learns a slice.",
        RunConfig(task="spiral", hidden_width=32, learning_rate=0.01),
    ),
    "digits": Preset(
        "Digits", "Real handwriting: 8×8 pixels, ten classes, drawn on two principal components.",
        RunConfig(task="digits", hidden_width=32, learning_rate=0.003, balance_coef=1.0),
    ),
}  # fmt: skip
