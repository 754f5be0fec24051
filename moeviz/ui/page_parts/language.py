"""What the page Language has beside its picture: named starts and what the gate sees."""

from __future__ import annotations

from typing import Any

import streamlit as st

from moeviz.config import KNOBS, RunConfig
from moeviz.content.presets import LANGUAGE
from moeviz.figures import curves, side_by_side
from moeviz.ui.run.knobs import show

BOTH = ("experts", "dense network")
SEEN = {"token": "each character", "context": "its context so far"}  # what the gate sees
SLOWER = "It takes turns with the experts, so both train at half the speed."
STORY = """
**Look:** each character stands above the expert that reads it. While the gate sees *each character*, experts share out
kinds of characters: digits here, spaces there. When it sees *its context so far*, the mean of all it has read in this
window, they take over whole kinds of text. Nobody tells the model which text is which.

**Does it pay?** After 300 steps, over three seeds, the model whose gate sees each character needs 0.05 to 0.10 bits per
character less than the dense network of equal active parameters. With the context it needs as many, within 0.02: a
clear division of labor is not yet a better guess.

**Try next:** switch what the gate sees · type a word that no text here has · λ to 0: who falls idle? · Switch, then
seats down to 0.5 under More: whose characters are dropped (✕)?

**Text:** prose and code from Python’s own documentation and library (PSF License), names from Unicode CLDR through
Babel (BSD), sums made here.
"""


def starts() -> None:
    """A button for each named start."""
    with st.container(horizontal=True, gap="xsmall", key="presets"):
        for name, each in LANGUAGE.items():
            st.button(each.label, help=each.story, on_click=_start, args=[name], key=f"start_{name}")


def _start(name: str) -> None:
    """Its knobs from step 0; what the gate sees stays as it was chosen."""
    config = LANGUAGE[name].config.with_(route_by=st.session_state.config.route_by)
    show(config)
    st.session_state.restart = LANGUAGE[name].label


def gate_sees(config: RunConfig) -> None:
    """The switch of the lesson: the gate sees each character alone, or the mean of its window so far."""
    st.session_state.setdefault("knob_route_by", config.route_by)
    st.radio(
        "The gate sees", list(SEEN), format_func=lambda each: SEEN[each], key="knob_route_by", horizontal=True,
        help=KNOBS["route_by"].help,
    )  # fmt: skip


def charts(dense: bool) -> dict[str, Any]:
    """The time charts: losses of one run, or of both, and the match in each layer of the first."""
    loss = side_by_side(curves.loss_figure, BOTH) if dense else curves.loss_figure
    return {"loss": loss, "match": curves.match_by_layer_figure}
