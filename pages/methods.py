"""Which way to balance does what? Eight runs from one start, one for each."""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.content.methods import METHODS, all_methods
from moeviz.ui.page_parts import routers
from moeviz.ui.run.address import config_to_address
from moeviz.ui.run.knobs import knobs, turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets import notes
from moeviz.ui.widgets.code import show_code
from moeviz.ui.widgets.questions import questions_about

st.markdown("##### Ways to balance: one data set, one start, eight ways. Play trains all of them.")
asked = routers.base_config("methods")
rows, beside = st.columns([3, 1])
with beside:
    times = routers.strength()


def ways(config):
    """The runs that these knobs mean."""
    return all_methods(config, times)


base = turned(asked, ways)
token = live_run("methods", ways(base), play=False)
config_to_address(base)
with rows, st.container(key="knob_row"):
    live_knobs("methods", "num_experts", "top_k", "seed", runs=ways)
if token:
    metric = "Accuracy" if TASK_INFO[base.task].kind == "classification" else "R²"
    stage(
        token, "methods", measures=notes.measures(metric), on_recovered=routers.show_lowered,
        titles=[each.label for each in METHODS.values()], whys=[each.why_at(times) for each in METHODS.values()],
    )  # fmt: skip
st.markdown(
    f"**{TASK_INFO[base.task].label}.** {TASK_INFO[base.task].story} **Look:** who evens out the load, and what does "
    "it do to accuracy and to the match with the true groups? Balance is neither of them. **Try next:** strength 0.1 "
    "and 10 · k = 1: which loss stops working, and why? · the task Unequal clusters, under More. Two losses "
    "have a card but no row, GShard’s and the entropy loss: choose them in the Playground."
)
notes.method_cards()
questions_about("balance")
show_code(*notes.CODE.values())
with st.expander("More", key="more", on_change="rerun") as more:
    if more.open:
        knobs(base, "task", "learning_rate", "noise", "hidden_width", "batch_size")
