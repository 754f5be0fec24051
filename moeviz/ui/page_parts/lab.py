"""The Balance lab's twins: which knob differs, with which values, in widgets and in the page's address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from moeviz.config import KNOBS, TASK_INFO, RunConfig
from moeviz.config.knob import Value, shown
from moeviz.content import twins
from moeviz.figures import curves, load_of, overlaid
from moeviz.ui.page_parts import routers
from moeviz.ui.run.knobs import knobs, router_knobs, show, stops
from moeviz.ui.run.notices import plain
from moeviz.ui.widgets.beside import say_why_not

LAMBDA_ON = 10.0  # what "turn λ on" turns it to
SHARED = ("num_experts", "top_k", "balance_coef")  # knobs that all twins share, unless they differ in one of them
ABOUT_DENSE = (
    "One network without a gate, on the same data: what the same work, or the same memory, does without experts."
)
CURVES = {
    "metric": curves.metric_figure, "uneven": curves.uneven_figure, "dead": curves.dead_figure,
    "match": curves.match_figure, "loss": curves.loss_figure,
}  # fmt: skip


def charts(count: int) -> dict[str, Any]:
    """Time charts of so many twins: overlaid curves, and the load of each."""
    strips = {f"load-{run}": load_of(run) for run in range(count)}
    return {name: overlaid(figure, count) for name, figure in CURVES.items()} | strips


def varied() -> str:
    """A select box: the knob that differs."""
    name = _asked()
    st.session_state.set_vary = st.session_state.choose_vary = name
    chosen = st.selectbox(
        "What differs", list(twins.VARIED), key="choose_vary",
        format_func=lambda each: KNOBS[each].label, on_change=_vary,
        help="All else is the same: seed, first weights, data. Another choice starts all twins again.",
    )  # fmt: skip
    st.query_params["vary"] = chosen
    return chosen


def values(name: str, config: RunConfig, present: Sequence[Value]) -> None:
    """A select box for each twin's value of that knob, and buttons for more twins or fewer."""
    with st.container(horizontal=True, gap="xsmall", key="twin_values_row"):
        for twin, value in enumerate(present):
            key = f"twin_{name}_{twin}"
            st.session_state[key] = value
            st.selectbox(
                f"Twin {twin + 1}", _options(name, config, value), key=key, width=118,
                format_func=partial(twins.words, name), on_change=_keep, args=[name, twin],
            )  # fmt: skip
    with st.container(horizontal=True, gap="xsmall", key="twin_count"):
        st.button("Add a twin", on_click=_set_count, args=[name, 1], disabled=len(present) == twins.MOST)
        st.button("Remove one", on_click=_set_count, args=[name, -1], disabled=len(present) == twins.FEWEST)
    if name == "balance_loss" and config.balance_coef == 0:
        st.caption("λ = 0: no balance loss acts. Turn λ up.")
    st.query_params["values"] = twins.write(name, present)


def asked(name: str) -> tuple[tuple[Value, ...], tuple[str, ...]]:
    """Each twin's value of that knob, and the networks without a gate, as far as there is room beside so many twins."""
    present = _values(name)
    sizes: list[str] = st.session_state.get("set_dense", st.query_params.get("dense", "").split(","))
    return present, tuple(size for size in twins.DENSE if size in sizes)[: twins.MOST - len(present)]


def dense(base: RunConfig, wanted: Sequence[str], count: int) -> None:
    """Toggles for networks without a gate, or why there can be none.

    Args:   count: of the twins.
    """
    room = twins.MOST - count
    for size, label in twins.DENSE.items():
        full = size not in wanted and len(wanted) == room
        st.session_state[f"dense_{size}"] = size in wanted
        st.toggle(label, key=f"dense_{size}", on_change=_keep_dense, disabled=full, help=ABOUT_DENSE)
    say_why_not(twins.dense(base, wanted)[1])
    st.query_params["dense"] = ",".join(wanted)


def shared_knobs(name: str) -> list[str]:
    """The knobs that a class turns most, without the one that differs."""
    return [each for each in SHARED if each != name]


def other_knobs(config: RunConfig, name: str) -> None:
    """Widgets for all others, without the one that differs."""
    wanted = [
        "seed", "task", "router", *router_knobs(config), "balance_loss", "learning_rate", "noise", "expert",
        "route_by", "num_shared_experts", "hidden_width", "gate_bias", "gate_skew", "batch_size", "num_classes",
        "train_share",
    ]  # fmt: skip
    knobs(config, *(each for each in wanted if each != name))


def do(name: str, what: str) -> None:
    """What the picture asks of the page: "lambda 2" turns λ on while the runs train.

    That of the third twin where they differ in λ, else of all.
    """
    action, _, twin = what.partition(" ")  # what a browser sends need not come from our script
    if action in twins.STARTS:
        start(action)
    elif action == "lambda" and name != "balance_coef":
        show(st.session_state.config.with_(balance_coef=LAMBDA_ON))
    elif action == "lambda":
        _store(name, [LAMBDA_ON if str(each) == twin else value for each, value in enumerate(_values(name))])


def start(which: str) -> None:
    """A named start: other twins from step 0, with the question that they answer open."""
    chosen = twins.STARTS[which]
    show(chosen.base)
    _store(chosen.knob, chosen.values)
    st.session_state.set_vary, st.session_state.set_dense = chosen.knob, []
    st.session_state.lab_start, st.session_state.restart = which, chosen.label


def starts() -> None:
    """A button for each named start."""
    with st.container(horizontal=True, gap="xsmall", key="presets"):
        for name, each in twins.STARTS.items():
            st.button(each.label, help=each.story, on_click=start, args=[name], key=f"scene_{name}")


def story(base: RunConfig, name: str) -> str:
    """What is to be seen: the story of the start that was chosen, as long as its twins are there; else of the task."""
    chosen = twins.STARTS.get(st.session_state.get("lab_start", ""))
    if chosen is not None and chosen.base.bucket() == base.bucket() and chosen.knob == name:
        return f"**{chosen.label}.** {chosen.story}"
    return f"**{TASK_INFO[base.task].label}.** {TASK_INFO[base.task].story}"


def section() -> str:
    """The question that is open first: that of the start that was chosen, else as the address says."""
    chosen = twins.STARTS.get(st.session_state.get("lab_start", ""))
    return chosen.section if chosen else st.query_params.get("section", "")


def show_lowered(name: str) -> None:
    """Let the widgets show the learning rates of runs that have lowered them themselves to recover."""
    routers.show_lowered()
    if name == "learning_rate":
        _store(name, [config.learning_rate for config in st.session_state.visit.configs])


def _asked() -> str:
    """The knob chosen in this session, else what the address says, else λ."""
    usual = next(iter(twins.VARIED))
    name = str(st.session_state.get("set_vary", st.query_params.get("vary", usual)))
    if name in twins.VARIED:
        return name
    rule = f"vary must be one of {', '.join(twins.VARIED)}"
    st.warning(plain(f"{rule}: got {shown(name)}; using {usual}"))
    return usual


def _values(name: str) -> tuple[Value, ...]:
    """What was chosen for this knob in this session, else what the address says, else what it opens with."""
    known: dict[str, tuple[Value, ...]] = st.session_state.setdefault("twin_values", {})
    if name not in known:
        text = st.query_params.get("values") if st.query_params.get("vary", name) == name else None
        known[name], notices = twins.read(name, text) if text is not None else (twins.VARIED[name], [])
        for notice in notices:
            st.warning(plain(notice))
    return known[name]


def _options(name: str, config: RunConfig, value: Value) -> list[Any]:
    knob = KNOBS[name].on_page
    if knob.choices:
        return list(knob.choices)
    if name == "top_k":
        return sorted({*range(1, config.num_experts + 1), int(value or 1)})
    return stops(knob, config, value)


def _store(name: str, values: Any) -> None:
    st.session_state.twin_values = {**st.session_state.get("twin_values", {}), name: tuple(values)}


def _keep(name: str, twin: int) -> None:
    chosen = st.session_state[f"twin_{name}_{twin}"]
    _store(name, [chosen if each == twin else value for each, value in enumerate(_values(name))])
    if not (KNOBS[name].live and KNOBS[name].per_run):
        st.session_state.restart = f"twins of {KNOBS[name].label}"


def _keep_dense() -> None:
    st.session_state.set_dense = [size for size in twins.DENSE if st.session_state[f"dense_{size}"]]
    st.session_state.restart = "other twins"


def _vary() -> None:
    name = st.session_state.set_vary = st.session_state.choose_vary
    _store(name, st.session_state.twin_values.get(name, twins.VARIED[name]))
    st.session_state.restart = f"twins of {KNOBS[name].label}"


def _set_count(name: str, more: int) -> None:
    present = _values(name)
    _store(name, [*present, present[-1]] if more > 0 else present[:-1])
    st.session_state.restart = f"{len(_values(name))} twins"
