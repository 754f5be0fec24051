"""Two routers to compare, and how strongly chance acts on them: chosen on the page, kept in its address."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from moeviz.config import KNOBS, RunConfig
from moeviz.config.knob import shown
from moeviz.config.router_facts import ROUTER_INFO, ROUTER_NAMES
from moeviz.ui.run.address import config_from_address
from moeviz.ui.run.knobs import show
from moeviz.ui.run.notices import plain
from moeviz.ui.run.visitor import present_config

LEFT, RIGHT = "switch", "gshard"  # what the page opens with
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)


def base_config(page: str) -> RunConfig:
    """The knobs that both runs share; a router that the address names, or that was chosen elsewhere, is on the left."""
    config = config_from_address(page)
    if config.router == "top_k":
        return config
    if "left" not in st.query_params:
        st.session_state.set_left = config.router
    config, _ = config.nearest(router="top_k")
    show(config)
    return config


def say_what_is_fixed(base: RunConfig, configs: Sequence[RunConfig]) -> None:
    """Where a slider cannot turn one of the routers, or where one of them needs more experts than were asked for."""
    infos = {config.router: ROUTER_INFO[config.router] for config in configs}
    said = [f"{info.name} always has k = {info.k}" for info in infos.values() if info.k != "any"]
    if configs[0].num_experts != base.num_experts:
        said.append(f"one of these routers needs more experts, so both have N = {configs[0].num_experts}")
    if said:
        st.caption(f"{'; '.join(said)}.")


def show_lowered() -> None:
    """Let the widgets show the learning rate of runs that have lowered it themselves to recover."""
    config = present_config()
    if config is not None:
        show(st.session_state.config.with_(learning_rate=config.learning_rate))


def routers() -> tuple[str, str]:
    """Two select boxes."""
    left, right = st.columns(2)
    with left:
        first = _router("left", "Router on the left", LEFT)
    with right:
        second = _router("right", "Router on the right", RIGHT)
    return first, second


def _router(name: str, label: str, usual: str) -> str:
    asked = _asked(name, ROUTER_NAMES, usual)
    chosen = st.selectbox(
        label, ROUTER_NAMES, ROUTER_NAMES.index(asked), key=f"choose_{name}", on_change=_keep, args=[name],
        format_func=lambda router: ROUTER_INFO[router].label, help=KNOBS["router"].help,
    )  # fmt: skip
    st.query_params[name] = chosen
    return chosen


def noise() -> float:
    """How many times what its paper draws at random each router gets."""
    return _times(
        "draws", "Noise", (0.0, 0.5, 1.0, 2.0, 4.0),
        "Noisy top-k adds noise to scores, Switch jitters the gate's input, GShard skips second choices: 1 = as in the "
        "paper, 0 = nothing is random. The other routers have none.",
    )  # fmt: skip


def strength() -> float:
    """How many times as strongly each way to balance acts."""
    return _times("strength", "Strength", STRENGTHS, "Multiplies the λ of every loss, and DeepSeek's γ.")


def _times(name: str, label: str, values: Sequence[float], about: str) -> float:
    names = tuple(f"{each:g}" for each in values)
    chosen = _asked(name, names, "1")
    times = st.select_slider(label, names, chosen, key=f"choose_{name}", on_change=_keep, args=[name], help=about)
    st.query_params[name] = times
    return float(times)


def _asked(name: str, names: Sequence[str], usual: str) -> str:
    """What was chosen in this session, else what the address says, else the usual."""
    chosen = str(st.session_state.get(f"set_{name}", st.query_params.get(name, usual)))
    if chosen in names:
        return chosen
    st.warning(plain(f"{name} must be one of {', '.join(names)}: got {shown(chosen)}; using {usual}"))
    return usual


def _keep(name: str) -> None:
    st.session_state[f"set_{name}"] = st.session_state[f"choose_{name}"]
