"""What the page Image and text has beside its picture: its twins, and what they show."""

from __future__ import annotations

from typing import Any

from moeviz.config import RunConfig
from moeviz.content.twins import DENSE
from moeviz.figures import curves, side_by_side
from moeviz.ui.widgets.beside import with_dense

SLOWER = "It takes turns with the twins, so all train more slowly."
STORY = """
**Look:** each patch of the picture and each word goes to one of the same experts. Nothing tells them which is which.
The entropy losses want each token to be sure of its expert, and pictures and words each to use several. After 300 steps
pictures and words then both have an expert of their own, in three of three seeds; two others serve both, and one or two
are nearly idle. Without these losses that is luck: in one seed of three, words had none. A picture and its name should
point the same way; every name in all five languages learns that at once.

**Does it pay?** Of 200 emoji that no run has trained on, the right one is among the nearest five for 7 to 12 % after
300 steps, over three seeds; by chance for 2.5 %, with the dense network of equal active parameters for 10 %. So the
mixture is about as good, not better.

**Try next:** choose another emoji · ask for its Chinese name · type a word of your own, in any of the languages · λ
down to 0.01: who is left?

**Pictures:** OpenMoji, CC BY-SA 4.0. **Names:** Unicode CLDR, through the package emoji.
"""


def runs(config: RunConfig, dense: bool) -> list[RunConfig]:
    """Twins that differ in λ: 0, and the page's own; and the dense network of equal active parameters."""
    config = config.with_(balance_loss="entropy")
    twins = [config.with_(balance_coef=0.0), config]
    return with_dense(twins, dense)


def titles(dense: bool) -> tuple[str, ...]:
    """What the page calls them."""
    return ("Without entropy losses", "With entropy losses", *([DENSE["active"]] if dense else []))


def charts(dense: bool) -> dict[str, Any]:
    """The time charts of all runs."""
    figures = {"metric": curves.metric_figure, "loss": curves.loss_figure}
    return {name: side_by_side(each, titles(dense)) for name, each in figures.items()}
