"""Which experts page Vision shows: chosen on the page, kept in its address."""

from __future__ import annotations

import streamlit as st

from moeviz.config.knob import shown
from moeviz.content.vision_ways import WAYS
from moeviz.ui.run.notices import plain

USUAL = "conv"  # what the page opens with


def way() -> str:
    """A row of buttons: what the experts are, and with it what the gate sends to them."""
    asked = str(st.session_state.get("set_experts", st.query_params.get("experts", USUAL)))
    if asked not in WAYS:
        st.warning(plain(f"experts must be one of {', '.join(WAYS)}: got {shown(asked)}; using {USUAL}"))
        asked = USUAL
    st.session_state.choose_experts = asked
    chosen = st.segmented_control(
        "Experts", list(WAYS), key="choose_experts", required=True, on_change=_keep,
        format_func=lambda name: WAYS[name].label, label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    st.query_params["experts"] = str(chosen)
    return str(chosen)


def _keep() -> None:
    st.session_state.set_experts = st.session_state.choose_experts
