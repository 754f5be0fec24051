"""Which experts page Vision shows: chosen on the page, kept in its address."""

from __future__ import annotations

import streamlit as st

from moeviz.config import RunConfig
from moeviz.knob import shown
from moeviz.ui.notices import plain
from moeviz.vision import BASE, WAYS, runs

USUAL = "conv"  # what the page opens with
OPENS = {"num_experts": BASE.num_experts, "balance_coef": BASE.balance_coef, "seed": BASE.seed}
TURNED = tuple(OPENS)  # the knobs of this page


def way() -> str:
    """A row of buttons: what the experts are, and with it what the gate sends to them."""
    asked = str(st.session_state.get("set_experts", st.query_params.get("experts", USUAL)))
    if asked not in WAYS:
        st.warning(plain(f"experts must be one of {', '.join(WAYS)}: got {shown(asked)}; using {USUAL}"))
        asked = USUAL
    st.session_state.choose_experts = asked
    found = st.segmented_control(
        "Experts", list(WAYS), key="choose_experts", required=True, on_change=_keep,
        format_func=lambda name: WAYS[name].label, label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    st.query_params["experts"] = str(found)
    return str(found)


def trained(way: str, config: RunConfig) -> list[RunConfig]:
    """The runs that these knobs mean."""
    return list(runs(way, BASE.with_(**{name: getattr(config, name) for name in TURNED})).values())


def _keep() -> None:
    st.session_state.set_experts = st.session_state.choose_experts
