"""What a visitor sweeps: the knobs and values, kept in the session and in the address, and the job that trains them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import streamlit as st

from moeviz.config import KNOBS, TASK_INFO, RunConfig, Value, workload
from moeviz.config.knob import Knob, shown
from moeviz.experiments.sweep import MEASURES, Job, Memory, Plan, SweepBusy, plan, read_values, shared_pool
from moeviz.experiments.sweep.plan import SEEDS, STEPS
from moeviz.ui.run.notices import plain
from moeviz.ui.run.presence import adopt, hold

USUAL = {
    "x": "num_experts:2,4,8", "y": "balance_coef:0,1,10", "each": "top_k:1,2", "seeds": "2", "steps": "300",
    "measure": "test_metric",
}  # fmt: skip
PLACES = {"x": "Across", "y": "Upward", "each": "A map for each"}
NOTHING = "nothing"
NEVER = ("seed", "device", "dispatch", "num_classes", "train_share")
FIRST_VALUES = {  # that a knob is offered with
    "num_experts": "2,4,8", "top_k": "1,2,4", "balance_coef": "0,1,10", "learning_rate": "0.01,0.03,0.1",
    "hidden_width": "4,8,16", "batch_size": "64,256", "noise": "0,0.2,0.4", "capacity_factor": "none,1,1.25",
    "num_shared_experts": "0,1", "gate_skew": "0,1,2",
}  # fmt: skip
VISITOR_RUNS, LONGEST = 200, 300.0  # of a visitor's sweep: runs, and seconds that it may take by the estimate


@dataclass
class Started:
    """A visitor's sweep: what was asked for, and the job that trains it."""

    plan: Plan
    axes: dict[str, str]  # place -> knob
    task: str
    job: Job


@cache
def kept() -> Memory:
    """Finished runs of all visitors: what one has trained, the next one sees at once."""
    return Memory()


def started() -> Started | None:
    """The visitor's sweep, which survives reruns and other pages."""
    sweep: Started | None = st.session_state.get("sweep")
    return sweep


# ---- what to sweep --------------------------------------------------------------------------------------------------


def choice(name: str) -> str:
    """What was chosen in this session, else what the address says, else the usual."""
    return str(st.session_state.get(f"sweep_{name}", st.query_params.get(name, USUAL[name])))


def choose(name: str, value: str) -> None:
    """Remember a choice, and write it into the address."""
    st.session_state[f"sweep_{name}"] = value
    st.query_params[name] = value


def axes(config: RunConfig) -> dict[str, tuple[str, str]]:
    """Two select boxes and a third one that may be empty, each with its values: place -> (knob, values as text)."""
    names = [name for name, knob in KNOBS.items() if name not in NEVER and knob.used_by(config.router)]
    chosen: dict[str, tuple[str, str]] = {}
    for column, place in zip(st.columns(3), PLACES, strict=True):
        with column:
            taken = [name for name, _ in chosen.values()]
            free = [name for name in names if name not in taken]
            chosen[place] = _axis(place, free if place != "each" else [NOTHING, *free])
            choose(place, ":".join(chosen[place]))
    return {place: each for place, each in chosen.items() if each[0] != NOTHING}


def _axis(place: str, names: list[str]) -> tuple[str, str]:
    name, _, text = choice(place).partition(":")
    if name not in names:
        if name not in (*KNOBS, NOTHING, ""):
            known = f"{place} must name a knob and its values, as {place}={USUAL[place]}"
            st.warning(plain(f"{known}: got {shown(choice(place))}; using another"))
        name, text = (NOTHING, "") if NOTHING in names else (names[0], "")
    picked = st.selectbox(
        PLACES[place], names, names.index(name), key=f"pick_{place}",
        format_func=lambda each: KNOBS[each].label if each in KNOBS else "(no third knob)",
    )  # fmt: skip
    if picked == NOTHING:
        return NOTHING, ""
    text = text if picked == name and text else _offered(KNOBS[picked])
    return picked, _values(KNOBS[picked], text, f"values_{place}_{picked}")


def _values(knob: Knob, text: str, key: str) -> str:
    """A box for the values of a knob."""
    if not knob.choices and knob.kind is not bool:
        about = f"Separated by commas. Each {knob.on_page.rule}."
        return st.text_input(f"Values of “{knob.label}”", text, key=key, max_chars=200, help=about)
    options = knob.on_page.choices or ("false", "true")
    labels = dict(zip(knob.choices, knob.choice_labels, strict=False)) or {n: i.label for n, i in TASK_INFO.items()}
    present = [each for each in text.split(",") if each in options]
    picked = st.multiselect(
        f"Values of “{knob.label}”", options, present, key=key, format_func=lambda each: labels.get(each, each)
    )
    return ",".join(picked)


def _offered(knob: Knob) -> str:
    return FIRST_VALUES.get(knob.name) or ",".join((knob.choices or (knob.write(knob.default),))[:3])


def amounts() -> tuple[int, int]:
    """Boxes for seeds and steps."""
    numbers = []
    for column, (name, knob, high, step) in zip(
        st.columns(2), (("seeds", SEEDS, 10, 1), ("steps", STEPS, 2000, 50)), strict=True
    ):
        try:
            present = int(knob.parse(choice(name)))  # type: ignore[arg-type]
        except ValueError as error:
            st.warning(plain(f"{error}; using {USUAL[name]}"))
            present = int(USUAL[name])
        number = column.number_input(
            knob.label, 1, high, min(present, high), step=step, key=f"number_{name}", help=knob.help
        )
        choose(name, str(number))
        numbers.append(int(number))
    return numbers[0], numbers[1]


def planned(config: RunConfig, axes: dict[str, tuple[str, str]], seeds: int, steps: int) -> Plan | None:
    """The sweep that is meant, or None and the reason on the page."""
    try:
        vary: dict[str, Sequence[Value]] = {name: read_values(name, text, on_page=True) for name, text in axes.values()}
        asked = plan(vars(config), vary, seeds, most_runs=VISITOR_RUNS)
        for each in asked.configs:
            workload.check([each])
        new = [each for each in asked.configs if kept().get(each, steps) is None]
        if (seconds := shared_pool().seconds_for(new, steps)) > LONGEST:
            raise ValueError(
                f"a sweep on a page may take at most {LONGEST / 60:.0f} minutes: this one would take about "
                f"{seconds / 60:.0f}; take fewer steps, values or seeds, or sweep on the command line"
            )
    except ValueError as error:
        st.error(plain(f"{error}."))
        return None
    known = len(asked.configs) - len(new)
    if not new:
        st.caption(f"{len(asked.configs)} runs: all of them are known already, and there is nothing to train.")
    else:
        runs = f"{len(asked.configs)} runs{f', {known} of them known already' if known else ''}"
        st.caption(f"{runs}: about {max(1, round(seconds))} s here.")
    return asked


# ---- the job --------------------------------------------------------------------------------------------------------


def start(asked: Plan, axes: dict[str, tuple[str, str]], task: str, steps: int) -> None:
    """A button's callback: train this sweep in the place of the visitor's last one."""
    cancel()
    try:
        job = Job(asked.configs, steps, store=kept())
    except SweepBusy as busy:
        st.session_state.sweep_busy = str(busy)
        return
    hold(job)
    st.session_state.pop("sweep_busy", None)
    st.session_state.pop("sweep_cell", None)
    _show(asked, axes, task, job)


def _show(asked: Plan, axes: dict[str, tuple[str, str]], task: str, job: Job) -> None:
    st.session_state.sweep = Started(asked, {place: name for place, (name, _) in axes.items()}, task, job)


def start_if_known(asked: Plan | None, axes: dict[str, tuple[str, str]], task: str, steps: int) -> None:
    """For a visitor who has no sweep yet: show at once what others have trained, or his own, after a reload."""
    if asked is None or started() is not None:
        return
    own = adopt(Job, lambda job: job.configs == tuple(asked.configs) and job.steps == steps)
    if own is not None:
        _show(asked, axes, task, own)
    elif all(kept().get(each, steps) for each in asked.configs):
        start(asked, axes, task, steps)


def cancel() -> None:
    """A button's callback; finished runs stay."""
    sweep = started()
    if sweep is not None:
        sweep.job.cancel()


def measure() -> str:
    """The measure to show."""
    asked = choice("measure")
    return asked if asked in MEASURES else USUAL["measure"]


def say_busy() -> None:
    """Where Start found no place: why, and that it may be pressed again."""
    busy = st.session_state.pop("sweep_busy", None)
    if busy is not None:
        st.warning(
            plain(f"The server is busy: {busy}. Nothing waits for you until then."), icon=":material/hourglass_top:"
        )
