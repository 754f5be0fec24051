"""What does λ do? Twins that differ in one knob, side by side."""

import streamlit as st

from moeviz import twins
from moeviz.config import KNOBS, TASK_INFO
from moeviz.ui import lab
from moeviz.ui.address import config_from_address, config_to_address
from moeviz.ui.asking import questions_about
from moeviz.ui.code import show_code
from moeviz.ui.knobs import turned
from moeviz.ui.live import stage
from moeviz.ui.panel import live_knobs
from moeviz.ui.visitor import live_run

base = turned(config_from_address("lab"))
left, right = st.columns([1, 3.6], gap="medium")
with left:
    name = lab.varied()
    values = lab.values(name, base)


def runs(config):
    """The twins that these knobs mean."""
    return twins.twins(config, name, values)


with right:
    configs = runs(base)
    token = live_run("lab", configs)
    config_to_address(base)
    if token:
        stage(
            token, "lab", charts=lab.charts(len(configs)), titles=[twins.title(each, name, base) for each in configs],
            knob=KNOBS[name].label,
            on_recovered=lambda: lab.show_lowered(name), on_asked=lambda what: lab.do(name, what),
        )  # fmt: skip
    st.markdown(f"**{TASK_INFO[base.task].label}.** {TASK_INFO[base.task].story}")
    questions_about("balance")
    show_code(f"moeviz.losses:{base.balance_loss}", "moeviz.metrics:load", "moeviz.metrics:cv")
with left:
    live_knobs("lab", *lab.shared_knobs(name), runs=runs)
    more = st.expander("More", key="more", on_change="rerun")
    if more.open:
        with more:
            lab.other_knobs(base, name)
