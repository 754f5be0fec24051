"""The page's address: it starts the run with the knobs it names, and follows every knob that is turned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from moeviz.config import KNOBS, RunConfig


def config_from_address() -> RunConfig:
    """The visitor's config: what was turned in this session, else what the address says, else the defaults.

    Values in the address that are not allowed are replaced by the nearest allowed one, with a notice on the page.
    """
    if "config" not in st.session_state:
        st.session_state.config, notices = RunConfig.from_url(st.query_params.to_dict())
        for notice in notices:
            st.warning(f"The address was changed: {_plain(notice)}.")
    return st.session_state.config


def config_to_address(config: RunConfig) -> None:
    """Remember the config and write it into the address, leaving other parameters as they are."""
    st.session_state.config = config
    others = {name: value for name, value in st.query_params.to_dict().items() if name not in KNOBS}
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
