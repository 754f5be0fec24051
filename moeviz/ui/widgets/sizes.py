"""Boxes for whole numbers that are no knobs of a run: kept in the session and in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from moeviz.config.knob import Knob
from moeviz.ui.run.notices import say_changed

Sizes = dict[str, int]


def sizes(group: str, knobs: Mapping[str, Knob], usual: Mapping[str, int], prefix: str = "") -> Sizes:
    """What was chosen in this session, else what the address says, else the usual; k is at most N.

    Args:   prefix: of the names in the address.
    """
    kept: Sizes | None = st.session_state.get(f"sizes_{group}")
    if kept is None:
        kept, notices = {}, []
        for name, knob in knobs.items():
            text = st.query_params.get(prefix + name)
            value, notice = (usual[name], None) if text is None else knob.clamp(text)
            kept[name] = int(value or 0)
            notices += [notice] if notice else []
        say_changed(notices)
    values = {name: int(st.session_state.get(f"size_{group}_{name}", kept[name])) for name in knobs}
    values["top_k"] = min(values["top_k"], values["num_experts"])
    st.session_state[f"sizes_{group}"] = values
    for name, value in values.items():
        if value != usual[name]:
            st.query_params[prefix + name] = str(value)
        elif prefix + name in st.query_params:
            del st.query_params[prefix + name]
    return values


def boxes(group: str, knobs: Mapping[str, Knob], values: Sizes, names: Sequence[str], across: int) -> None:
    """A slider for each size with a logarithmic scale, a box for each other one; so many beside each other."""
    for first in range(0, len(names), across):
        for column, name in zip(st.columns(across), names[first : first + across], strict=False):
            with column:
                _box(knobs[name], f"size_{group}_{name}", values)


def forget(group: str, knobs: Mapping[str, Knob], prefix: str = "") -> None:
    """A callback: what was chosen counts no more, and the address names none of it."""
    for name in knobs:
        if prefix + name in st.query_params:
            del st.query_params[prefix + name]
    for key in (f"sizes_{group}", *(f"size_{group}_{name}" for name in knobs)):
        st.session_state.pop(key, None)


def _box(knob: Knob, key: str, values: Sizes) -> None:
    low, high, value = int(knob.low or 0), int(knob.high or 0), values[knob.name]
    st.session_state[key] = value  # also where it had to follow another
    if knob.scale == "log":
        stops = sorted({2**power for power in range(17) if low <= 2**power <= high} | {value})
        st.select_slider(knob.label, stops, help=knob.help, key=key)
    else:
        high = values["num_experts"] if knob.name == "top_k" else high
        st.number_input(knob.label, low, high, step=1, help=knob.help, key=key)
