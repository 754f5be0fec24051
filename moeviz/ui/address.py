"""The page's address: it starts the run with the knobs it names, and follows every knob that is turned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from moeviz.config import KNOBS, RunConfig

OTHERS = {"play", "probe", "present", "embed", "embed_options", "lang"}  # parameters that are not knobs


def config_from_address() -> RunConfig:
    """The visitor's config: what was turned in this session, else what the address says, else the defaults.

    Values in the address that are not allowed are replaced by the nearest allowed one, with a notice on the page.
    """
    if "config" not in st.session_state:
        params = st.query_params.to_dict()
        st.session_state.config, notices = RunConfig.from_url(params)
        strange = sorted(set(params) - set(KNOBS) - OTHERS)
        notices += [f"the address names {name}, which is no knob: left out" for name in strange]
        if "probe" in params and probe_from_address() is None:
            notices.append("probe must be two numbers, as probe=0.5,-1: put where the page likes")
        if notices:
            st.warning("The address was changed:\n" + "".join(f"\n- {_plain(notice)}" for notice in notices))
    return st.session_state.config


def config_to_address(config: RunConfig) -> None:
    """Remember the config and write it into the address, beside the other parameters that the page knows."""
    st.session_state.config = config
    others = {name: value for name, value in st.query_params.to_dict().items() if name in OTHERS}
    wanted = others | config.to_url()
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)


def probe_to_address(place: Sequence[float] | None) -> None:
    """Write where the visitor put the probe into the address."""
    if place is not None:
        st.query_params["probe"] = ",".join(f"{each:.3g}" for each in place)


def probe_from_address() -> list[float] | None:
    """The probe's place `?probe=x,y`, if it is a pair of numbers."""
    try:
        place = [float(each) for each in st.query_params.get("probe", "").split(",")]
    except ValueError:
        return None
    return place if len(place) == 2 and all(map(math.isfinite, place)) else None


def _plain(text: str) -> str:
    """Text without Markdown's signs, so that nothing from an address is more than text."""
    plain = "".join(f"\\{sign}" if sign in r"\`*_{}[]()<>#+-.!|~$:" else sign for sign in text)
    return plain.replace(":", ":\u2060")  # :icons: and :emoji: ignore the backslash; a word joiner parts them
