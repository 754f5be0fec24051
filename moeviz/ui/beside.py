"""The dense network of equal active parameters, which a page trains beside its own runs where a visitor wants it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from moeviz.config import RunConfig
from moeviz.twins import dense_twin


def dense_beside(slower: str) -> bool:
    """The toggle for it, kept in the address.

    Args:   slower: what it costs the page's own runs, in words.
    """
    st.session_state.setdefault("dense_beside", st.query_params.get("dense") == "active")
    on = st.toggle(
        "Dense network beside", key="dense_beside",
        help=f"One expert as large as those that work on each token: the same work, without a choice. {slower}",
    )  # fmt: skip
    if on:
        st.query_params["dense"] = "active"
    else:
        st.query_params.pop("dense", None)
    return bool(on)


def with_dense(runs: Sequence[RunConfig], dense: bool) -> list[RunConfig]:
    """The page's runs, and the dense network that is as large as the experts of the last one which one token uses."""
    return [*runs, dense_twin(runs[-1], "active")] if dense else list(runs)
