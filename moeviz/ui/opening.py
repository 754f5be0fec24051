"""How a page opens for who is new: with other knobs than the usual ones, which are not for the page visited next."""

from __future__ import annotations

from typing import Any

import streamlit as st

from moeviz.config import KNOBS, RunConfig


def opens_with(page: str, **changes: Any) -> None:
    """For a visitor who is new and whose address does not name these knobs, the page opens with these values."""
    if "config" in st.session_state or set(changes) & set(st.query_params):
        return
    asked, _ = RunConfig.from_url(st.query_params.to_dict())
    opened, complaints = asked.nearest(**changes)
    if complaints:
        return  # as with a router of one k only
    for name, value in changes.items():
        st.query_params[name] = KNOBS[name].write(value)
    st.session_state.lent = page, asked, opened
