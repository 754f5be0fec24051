"""What did Switch, GShard and the others change?"""

from urllib.parse import urlencode

import streamlit as st

from moeviz.config.router_facts import BALANCED_VALUES, ROUTER_INFO, ROUTER_NAMES
from moeviz.content.methods import OPENING_SEATS, SEATS, compared
from moeviz.figures import curves, side_by_side
from moeviz.ui.page_parts import routers
from moeviz.ui.run.address import config_to_address
from moeviz.ui.run.first_visit import opens_with
from moeviz.ui.run.knobs import knobs, turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets import notes
from moeviz.ui.widgets.code import show_code
from moeviz.ui.widgets.questions import questions_about

st.markdown("##### Ways to choose: the same sixteen tokens through two routers. Play trains both, from the same start.")
opens_with("routers", **OPENING_SEATS)
asked = routers.base_config("routers")
boxes, chance = st.columns([3, 1])
with boxes:
    left, right = routers.routers()
with chance:
    noise = routers.noise()


def both(config):
    """The two runs that these knobs mean."""
    return compared(config, (left, right), noise)


base = turned(asked, both)
configs = both(base)
token = live_run("routers", configs, play=False)
config_to_address(base)
with st.container(key="knob_row"):
    live_knobs("routers", "num_experts", "top_k", *SEATS, "gate_skew", runs=both)
routers.say_what_is_fixed(base, configs)
if token:
    names = ("left", "right")
    charts = {
        "loss": side_by_side(curves.loss_figure, names), "metric": side_by_side(curves.metric_figure, names),
        "uneven": side_by_side(curves.uneven_figure, names), "dropped": side_by_side(curves.dropped_figure, names),
    }  # fmt: skip
    stage(
        token, "routers", charts=charts,
        titles=[f"{ROUTER_INFO[each.router].name}, k = {each.top_k}" for each in configs],
        losses=notes.balanced_values(), on_recovered=routers.show_lowered,
    )  # fmt: skip
links = (f"[{ROUTER_INFO[each.router].name}](playground?{urlencode(each.to_url())})" for each in configs)
st.markdown(
    "**Try next:** drag the skew up: who runs out of seats? · +50, then noise 0: which second choices come back? · "
    f"“expert choice” on one side: who gets nobody? · open in the Playground: {' · '.join(links)}."
)
notes.cards([left, right])
st.markdown("##### All routers")
notes.table()
questions_about("routers")
code = notes.router_code((left, right, *ROUTER_NAMES))
show_code(*code, "moeviz.metrics:random_drop", *(notes.CODE[name] for name in BALANCED_VALUES))
with st.expander("More", key="more", on_change="rerun") as more:
    if more.open:
        knobs(base, "balance_coef", "balance_loss", "seed", "task", "learning_rate", "batch_prioritized")
        knobs(base, "hidden_width", "batch_size", "noise")
