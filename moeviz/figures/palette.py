"""The one place of colors, letters and shapes in Python; `stage/component/kit/palette.js` agrees (a test compares)."""

from __future__ import annotations

from collections.abc import Sequence

from moeviz.config.letters import letter

# Okabe-Ito without black, plus gray: told apart by color-blind readers. Hue belongs to experts alone.
HUES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F")
# What is drawn across a hue from the ninth expert on: white on dark hues, ink on light ones.
STRIPES = ("#FFFFFF", "#111111", "#FFFFFF", "#111111", "#111111", "#FFFFFF", "#111111", "#FFFFFF")
# A square for each eight experts, filled as the stage fills their pictures: plain, then seven kinds of stripes.
SQUARES = ("■", "▨", "▧", "▥", "▤", "▩", "▦", "◧")
INK = "#111111"
# Class c is this marker (plotly's names), filled white when c is even and black when it is odd.
CLASS_SYMBOLS = (
    "circle", "square", "triangle-up", "diamond", "triangle-down",
    "cross", "pentagon", "star", "hexagon", "x",
)  # fmt: skip
# Runs of one figure are told apart by dash, and from the fourth on by a lighter shade too; never by hue.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SHADES = (1.0, 1.0, 1.0, 0.62, 0.62, 0.62)


def hue(expert_id: int) -> str:
    """The color of an expert; from the ninth on the hues come again, told apart by stripes and letters."""
    return HUES[expert_id % len(HUES)]


def square(expert_id: int) -> str:
    """A square filled as its pictures are: with its hue it tells an expert from all others of the first 64."""
    return SQUARES[expert_id // len(HUES) % len(SQUARES)]


def letter_ticks(expert_ids: Sequence[int]) -> list[str]:
    """Axis labels of experts: a square in the expert's hue and stripes before its letter."""
    return [f'<span style="color:{hue(each)}">{square(each)}</span> {letter(each)}' for each in expert_ids]
