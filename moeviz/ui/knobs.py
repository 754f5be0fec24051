"""Widgets for knobs, drawn from their one declaration in `moeviz.config`."""

from __future__ import annotations

from typing import Any

import streamlit as st

from moeviz.config import KNOBS, TASK_INFO, RunConfig
from moeviz.knob import Knob
from moeviz.presets import Preset
from moeviz.ui.visitor import present_config


def chosen(config: RunConfig) -> RunConfig:
    """The config with what the widgets say, which know it before they are drawn again, and with what must follow.

    k is at most N, and another task starts with its own number of classes.
    """
    values = {name: st.session_state[_key(name)] for name in KNOBS if _key(name) in st.session_state}
    if values.get("task", config.task) != config.task:
        values["num_classes"] = None
    experts = values.get("num_experts", config.num_experts)
    return config.with_(**values | {"top_k": min(values.get("top_k", config.top_k), experts)})


def turned(config: RunConfig) -> RunConfig:
    """The config as `chosen`; widgets that had to follow are set, and a toast says so."""
    config = chosen(config)
    for name in KNOBS:
        value = getattr(config, name)
        if st.session_state.get(_key(name), value) != value:
            st.session_state[_key(name)] = value
            if name == "top_k":
                st.toast(f"Active experts (k) lowered to {value}: it must be at most N.")
    return config


def knobs(config: RunConfig, *names: str) -> None:
    """Draw a widget for each named knob."""
    for name in names:
        _widget(KNOBS[name], config)


def cautions(config: RunConfig) -> list[str]:
    """What a reader should know of this setting before wondering at the picture."""
    said = []
    if config.top_k == 1 and config.renormalized:
        said.append(
            "With k = 1 every renormalized weight is 1, whatever the gate says: the task teaches the router nothing."
        )
    if config.top_k == config.num_experts and config.num_experts > 1:
        said.append("With k = N every expert works on every input: nothing is sparse, and the load is always even.")
    return said


def start(preset: Preset) -> None:
    """A preset's button: its knobs, and its story from step 0 (a router that is trained already would tell another)."""
    show(preset.config)
    st.session_state.restart = preset.label


def show(config: RunConfig) -> None:
    """Let the widgets show this config when they are drawn next (in a callback, or before they are drawn)."""
    st.session_state.config = config
    for name in KNOBS:
        st.session_state.pop(_key(name), None)


def show_present() -> None:
    """Let the widgets show the knobs of the visitor's run, which has lowered one itself to recover."""
    config = present_config()
    if config is not None:
        show(config)


def _key(name: str) -> str:
    return f"knob_{name}"


def _widget(knob: Knob, config: RunConfig) -> None:
    value, key = getattr(config, knob.name), _key(knob.name)
    st.session_state.setdefault(key, value)
    if knob.name == "gate_bias" and config.biased_gate and not config.gate_bias:
        st.toggle(knob.label, value=True, disabled=True, help=knob.help, key=f"{key}_fixed")
        st.caption(f"On for {TASK_INFO[config.task].label}: its regions are not cones through the origin.")
    elif knob.kind is bool:
        st.toggle(knob.label, help=knob.help, key=key)
    elif knob.choices:
        labels = dict(zip(knob.choices, knob.choice_labels, strict=False)) or {n: i.label for n, i in TASK_INFO.items()}
        st.selectbox(
            knob.label, knob.choices, help=knob.help, key=key, format_func=lambda choice: labels.get(choice, choice)
        )
    elif knob.scale in ("log", "log0") or knob.optional:
        st.select_slider(knob.label, _stops(knob, config), help=knob.help, key=key, format_func=_number_label)
    else:
        _linear(knob, config, key)


def _linear(knob: Knob, config: RunConfig, key: str) -> None:
    low, high = knob.low, knob.page_high or knob.high
    if knob.name == "top_k":
        high = config.num_experts
        _keep_value(key, high)
    if knob.name == "seed":
        st.number_input(knob.label, int(low or 0), int(high or 0), step=1, help=knob.help, key=key)
    elif knob.kind is int:
        only = high == low  # a slider needs two ends
        st.slider(knob.label, int(low or 0), int(high or 0) + only, help=knob.help, key=key, disabled=only)
    else:
        st.slider(knob.label, float(low or 0), float(high or 0), step=0.05, help=knob.help, key=key)


def _keep_value(key: str, high: int) -> None:
    """Streamlit takes a slider with another end for a new one, at its lowest value: set what it showed again."""
    if st.session_state.get(f"{key}_high", high) != high:
        st.session_state[key] = st.session_state[key]
    st.session_state[f"{key}_high"] = high


def _stops(knob: Knob, config: RunConfig) -> list[Any]:
    """The values that a logarithmic slider stops at, the present one among them (an address may name any)."""
    low, high = knob.low or 0, knob.high or 0
    if knob.name == "num_classes":
        low, high = TASK_INFO[config.task].classes
        return [None, *range(low, min(high, 8) + 1)] if low else [None]
    digits = (1, 2, 4, 8) if knob.kind is int else (1, 2, 5) if knob.scale == "log0" else (1, 3)
    if knob.kind is int:
        stops: list[Any] = [2**power for power in range(13)]
    else:
        stops = [float(f"{digit}e{power}") for power in range(-5, 2) for digit in digits]
        stops += [1.25, 1.5, 2.0] if knob.name == "capacity_factor" else []
    first = max(low, 0.01 if knob.scale == "log0" else 0)
    inside = {stop for stop in [*stops, high] if first <= stop <= high} | ({0.0} if knob.scale == "log0" else set())
    present = st.session_state.get(_key(knob.name), getattr(config, knob.name))
    numbers = sorted(inside | ({present} if present is not None else set()))
    return [None, *numbers] if knob.optional else numbers


def _number_label(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
