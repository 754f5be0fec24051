"""Widgets for knobs, drawn from their one declaration in `moeviz.config`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import streamlit as st

from moeviz.config import KNOBS, TASK_INFO, RunConfig, workload
from moeviz.config.knob import Knob, Value
from moeviz.config.router_facts import ROUTER_INFO, SEATED
from moeviz.config.rules import Complaint
from moeviz.content.presets import PRESETS, Preset
from moeviz.ui.run.notices import say_changed
from moeviz.ui.run.visitor import present_config

FIRST = "idle"  # the preset that the Playground opens with


def chosen(config: RunConfig) -> RunConfig:
    """The config with what the widgets say, which know it before they are drawn again, and with what must follow."""
    return _followed(config)[0]


def turned(config: RunConfig, runs: workload.Runs = lambda config: [config]) -> RunConfig:
    """The config as `chosen`, within what a page's runs may take; widgets that had to follow are set, and a toast says
    so; what an address asked too much of, a warning says.

    Args:   runs: those that the page makes of a config.
    """
    config, complaints = _followed(config)
    config, too_much = workload.lowered(config, runs)
    if st.session_state.pop("config_is_from", None) == "address":
        say_changed([each.notice for each in too_much])
    else:
        complaints += too_much
    for each in too_much:
        _set_widget(each.name, getattr(config, each.name))
    for each in complaints:
        _set_widget(each.name, getattr(config, each.name))
        if each.name != "num_classes":  # another task is a new start anyhow
            st.toast(f"{KNOBS[each.name].label} set to {_words(KNOBS[each.name], each.value)}: {each.why}.")
    if config.num_classes is None and _key("num_classes") in st.session_state:
        st.session_state[_key("num_classes")] = None
    return config


def _set_widget(name: str, value: Value) -> None:
    if _key(name) in st.session_state:
        st.session_state[_key(name)] = value


def _followed(config: RunConfig) -> tuple[RunConfig, list[Complaint]]:
    """What the widgets say, mended by the rules between knobs; another task starts with its own number of classes."""
    values = {name: st.session_state[_key(name)] for name in KNOBS if _key(name) in st.session_state}
    if values.get("task", config.task) != config.task:
        values["num_classes"] = None
    return config.nearest(**values)


def knobs(config: RunConfig, *names: str, captions: bool = False, only: Collection[str] = ()) -> None:
    """Draw a widget for each named knob that the router uses, its caption beneath it if asked for.

    Args:   only: the choices that this page offers; empty = all.
    """
    for name in names:
        if KNOBS[name].used_by(config.router) and len(of_task(config, name)) != 1:
            _widget(KNOBS[name], config, only)
            if captions and KNOBS[name].caption:
                st.caption(KNOBS[name].caption)


def of_task(config: RunConfig, name: str) -> tuple[str, ...]:
    """The choices of a knob that the task leaves."""
    info, shared = TASK_INFO[config.task], tuple(task for task, each in TASK_INFO.items() if not each.page)
    return {"expert": info.experts, "route_by": info.levels, "task": shared}.get(name, KNOBS[name].choices)


def router_knobs(config: RunConfig) -> list[str]:
    """The knobs that only some routers use, this one among them."""
    return [name for name, knob in KNOBS.items() if knob.routers and knob.used_by(config.router)]


def start(name: str) -> None:
    """A preset's button or key: its knobs, and its story from step 0 (a trained router would tell another)."""
    if name not in PRESETS:  # what a browser sends need not come from our script
        return
    show(PRESETS[name].config)
    st.session_state.preset = name
    st.session_state.restart = PRESETS[name].label


def running_preset(config: RunConfig) -> Preset | None:
    """The preset that was pressed last, or the opening state, while only live knobs have been turned since."""
    preset = PRESETS[st.session_state.get("preset") or FIRST]
    same = (knob.live or getattr(preset.config, name) == getattr(config, name) for name, knob in KNOBS.items())
    return preset if all(same) else None


def story(config: RunConfig) -> str:
    """What the page says above the picture: the story of the preset that runs, of the task, or of the router.

    Empty for the opening state, which has three first steps instead, until its preset is pressed: with another router
    experts need not idle, and k may be fixed.
    """
    preset = running_preset(config)
    if preset is not None:
        return preset.story if st.session_state.get("preset") else ""
    if config.task != RunConfig.task:
        return TASK_INFO[config.task].story
    return "" if config.router == RunConfig.router else ROUTER_INFO[config.router].story


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


def _widget(knob: Knob, config: RunConfig, only: Collection[str] = ()) -> None:
    value, key = getattr(config, knob.name), _key(knob.name)
    st.session_state.setdefault(key, value)
    if knob.name == "gate_bias" and config.biased_gate and not config.gate_bias:
        st.toggle(knob.label, value=True, disabled=True, help=knob.help, key=f"{key}_fixed")
        st.caption(f"On for {TASK_INFO[config.task].label}: its regions are not cones through the origin.")
    elif knob.kind is bool:
        st.toggle(knob.label, help=knob.help, key=key)
    elif knob.choices:
        labels = dict(zip(knob.choices, knob.choice_labels, strict=False)) or {n: i.label for n, i in TASK_INFO.items()}
        choices = [choice for choice in of_task(config, knob.name) if choice in (only or knob.choices)]
        _keep_value(key, choices)
        st.selectbox(
            knob.label, choices, help=knob.help, key=key, format_func=lambda choice: labels.get(choice, choice)
        )
        if knob.name == "router":
            st.caption(ROUTER_INFO[value].story)
    elif knob.scale in ("log", "log0") or knob.optional or (knob.kind is int and knob.routers):
        present = st.session_state.get(key, value)
        st.select_slider(knob.label, stops(knob, config, present), help=knob.help, key=key, format_func=_number_label)
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
        fixed = only or (knob.name == "top_k" and ROUTER_INFO[config.router].k != "any")
        st.slider(knob.label, int(low or 0), int(high or 0) + only, help=knob.help, key=key, disabled=fixed)
    else:
        st.slider(knob.label, float(low or 0), float(high or 0), step=0.05, help=knob.help, key=key)


def _keep_value(key: str, bounds: object) -> None:
    """Streamlit takes a widget with other bounds for a new one, at its lowest value: set what it showed again."""
    if st.session_state.get(f"{key}_bounds", bounds) != bounds:
        st.session_state[key] = st.session_state[key]
    st.session_state[f"{key}_bounds"] = bounds


def stops(knob: Knob, config: RunConfig, present: Value) -> list[Any]:
    """The values that a logarithmic slider stops at, the present one among them (an address may name any)."""
    low, high = knob.low or 0, knob.page_high or knob.high or 0
    if knob.name == "num_classes":
        low, high = TASK_INFO[config.task].classes
        return [None, *range(low, min(high, 8) + 1)] if low else [None]
    if knob.kind is int and knob.routers:
        return config.choices_now(knob.name)
    digits = (1, 2, 4, 8) if knob.kind is int else (1, 2, 5) if knob.scale == "log0" else (1, 3)
    if knob.kind is int:
        stops: list[Any] = [2**power for power in range(13)]
    else:
        stops = [float(f"{digit}e{power}") for power in range(-5, 2) for digit in digits]
        stops += [1.25, 1.5, 2.0] if knob.routers == SEATED else []
    usual = knob.default if isinstance(knob.default, float) and knob.default else 1.0
    first = max(low, min(0.01, usual / 10) if knob.scale == "log0" else 0)
    inside = {stop for stop in [*stops, high] if first <= stop <= high} | ({0.0} if knob.scale == "log0" else set())
    if present is not None:  # two stops that read the same would be taken for one
        inside = {stop for stop in inside if _number_label(stop) != _number_label(present)} | {present}
    return [None, *sorted(inside)] if knob.optional else sorted(inside)


def _words(knob: Knob, value: Value) -> str:
    """A value in the words of its widget."""
    return dict(zip(knob.choices, knob.choice_labels, strict=False)).get(str(value), _number_label(value))


def _number_label(value: Value) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value).lower()
