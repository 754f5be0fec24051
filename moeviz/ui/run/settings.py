"""What a visitor sets for the page rather than for the run: the gray ghost, and whether keys act."""

from __future__ import annotations

from typing import Any

import streamlit as st

from moeviz.engine.protocol import DEFAULT_GHOST, GHOSTS

GHOST_LABELS = dict(zip(GHOSTS, ("the run without the last change", "the run before", "nothing"), strict=True))
KEYS = (
    "Space: play or pause. Period: one step. R: reset. 1 to 9 and 0: the first ten presets. P: present. "
    "H: hide the outcome until the class has voted. Arrows on the map: move the probe."
)
DEFAULTS: dict[str, Any] = {"ghost": DEFAULT_GHOST, "keys": True}


def setting(name: str) -> Any:
    """What is set; unlike a widget's own state it outlives the widget, which is there only while "More" is open."""
    return st.session_state.get(f"set_{name}", DEFAULTS[name])


def settings() -> None:
    """The widgets."""
    st.selectbox(
        "Gray ghost", GHOSTS, GHOSTS.index(setting("ghost")), key="ghost", format_func=GHOST_LABELS.__getitem__,
        on_change=_keep, args=["ghost"],
        help="A twin with the same seed that trains on without your last change (for 500 steps; not "
        "while the server is busy), or the run before.",
    )  # fmt: skip
    st.toggle("Keys", setting("keys"), key="keys", on_change=_keep, args=["keys"], help=KEYS)


def _keep(name: str) -> None:
    st.session_state[f"set_{name}"] = st.session_state[name]
