"""Where does it work? A map of any two or three knobs, made of runs that are trained now."""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.ui.page_parts import sweep, swept
from moeviz.ui.run.address import config_from_address, config_to_address
from moeviz.ui.run.knobs import knobs, router_knobs, turned
from moeviz.ui.widgets.code import show_code
from moeviz.ui.widgets.questions import questions_about

st.markdown("##### Where does it work? A map of N, k and λ: every cell is some runs that are trained for it now.")
config = turned(config_from_address("sweep"))
config_to_address(config)
axes = sweep.axes(config)
numbers, action = st.columns([2, 1], vertical_alignment="bottom")
with numbers:
    seeds, steps = sweep.amounts()
with action:
    place = st.empty()
plan = sweep.planned(config, axes, seeds, steps)
sweep.start_if_known(plan, axes, config.task, steps)
started = sweep.started()
with place:
    if started is not None and not started.job.over:
        st.button("Cancel", on_click=sweep.cancel, width="stretch")
    else:
        arguments = [plan, axes, config.task, steps]
        st.button("Start", type="primary", disabled=plan is None, on_click=sweep.start, args=arguments, width="stretch")
sweep.say_busy()
swept.show()
st.markdown(
    f"**{TASK_INFO[config.task].label}.** {TASK_INFO[config.task].story} **Try next:** the measure “Unevenness of load "
    "(CV)”: from which λ on is the load even? · “Dead experts”: how many can N be? · steps 1000: do the borders stay?"
)
questions_about("sweep")
show_code(
    "moeviz.experiments.sweep.piece:train_piece",
    "moeviz.experiments.sweep.pieces:cut",
    "moeviz.experiments.sweep.plan:plan",
)
with st.expander("More", key="more", on_change="rerun") as more:
    if more.open:
        st.caption(
            "What is the same for all runs. The seed is the first one; each further run of a cell takes the next."
        )
        varied = {name for name, _ in axes.values()}
        names = ("seed", "task", "num_experts", "top_k", "balance_coef", "router", *router_knobs(config))
        more_names = ("balance_loss", "learning_rate", "noise", "expert", "num_shared_experts", "hidden_width")
        last = ("gate_bias", "gate_skew", "batch_size", "num_classes", "train_share")
        knobs(config, *(name for name in (*names, *more_names, *last) if name not in varied))
