"""Present mode: the picture, N, k, λ and Play in large type, and nothing else (`?present=1`, key P)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

STYLE = Path(__file__).with_name("present.css")


def presenting() -> bool:
    """Whether the address asks for it."""
    return st.query_params.get("present") == "1"


def toggle() -> None:
    """Begin or end it, for a button or a key."""
    if presenting():
        del st.query_params["present"]
    else:
        st.query_params["present"] = "1"


def style() -> None:
    """Larger type for the whole page, if it is presented."""
    if presenting():
        st.html(STYLE)
