"""The dense network of equal active parameters, which a page trains beside its own runs where a visitor wants it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from moeviz.config import RunConfig
from moeviz.content import twins
from moeviz.ui.run.notices import plain


def dense_wanted() -> bool:
    """Whether the toggle is on, which knows it before it is drawn; at first as the address says."""
    on: bool = st.session_state.setdefault("dense_beside", st.query_params.get("dense") == "active")
    return on


def dense_beside(run: RunConfig, slower: str) -> None:
    """The toggle for it, kept in the address, and why there can be none where it is on.

    Args:   run: whose twin it is.  slower: what it costs the page's own runs, in words.
    """
    on = st.toggle(
        "Dense network beside", key="dense_beside",
        help=f"One expert as large as those that work on each token: the same work, without a choice. {slower}",
    )  # fmt: skip
    if on:
        st.query_params["dense"] = "active"
    else:
        st.query_params.pop("dense", None)
    say_why_not(twins.dense(run, ["active"])[1] if on else [])


def say_why_not(complaints: Sequence[str]) -> None:
    """Why there can be no dense network beside a page's runs."""
    for complaint in complaints:
        st.caption(f"{plain(complaint[0].upper() + complaint[1:])}.")


def with_dense(runs: Sequence[RunConfig], dense: bool) -> list[RunConfig]:
    """The page's runs, and the dense network that is as large as the experts of the last one which one token uses.

    Without it where there can be none.
    """
    return [*runs, *twins.dense(runs[-1], ["active"] if dense else [])[0]]
