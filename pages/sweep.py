"""Where does it work? A map of any two or three knobs, made of runs that are trained now."""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.ui import sweeping, swept
from moeviz.ui.address import config_from_address, config_to_address
from moeviz.ui.asking import questions_about
from moeviz.ui.code import show_code
from moeviz.ui.knobs import knobs, router_knobs, turned

st.markdown("##### Where does it work? A map of N, k and λ: every cell is some runs that are trained for it now.")
config = turned(config_from_address("sweep"))
config_to_address(config)
axes = sweeping.axes(config)
numbers, action = st.columns([2, 1], vertical_alignment="bottom")
with numbers:
    seeds, steps = sweeping.amounts()
with action:
    place = st.empty()
plan = sweeping.planned(config, axes, seeds, steps)
sweeping.start_if_known(plan, axes, config.task, steps)
sweep = sweeping.started()
with place:
    if sweep is not None and not sweep.job.over:
        st.button("Cancel", on_click=sweeping.cancel, width="stretch")
    else:
        arguments = [plan, axes, config.task, steps]
        st.button(
            "Start", type="primary", disabled=plan is None, on_click=sweeping.start, args=arguments, width="stretch"
        )
sweeping.say_busy()
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
