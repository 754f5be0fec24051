"""What does λ do? Twins that differ in one knob, side by side."""

import streamlit as st

from moeviz.config import KNOBS
from moeviz.content import twins
from moeviz.ui.page_parts import lab
from moeviz.ui.run.address import config_from_address, config_to_address
from moeviz.ui.run.knobs import turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.settings import setting
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets.code import show_code
from moeviz.ui.widgets.questions import questions_about

asked = config_from_address("lab")
notices = st.container()
left, right = st.columns([1, 3.6], gap="medium")
with left:
    st.markdown("##### What does λ do? Twins: one seed, one start, one knob different.")
    lab.starts()
    name = lab.varied()
    values, sizes = lab.asked(name)


def runs(config):
    """The twins that these knobs mean."""
    return twins.twins(config, name, values) + twins.dense(config, sizes)[0]


with notices:  # in front of the twins, which are known only now
    base = turned(asked, runs)
with left:
    lab.values(name, base, values)
    lab.dense(base, sizes, len(values))
with right:
    configs = runs(base)
    token = live_run("lab", configs)
    config_to_address(base)
    if token:
        stage(
            token, "lab", charts=lab.charts(len(configs)), keys=setting("keys"), knob=KNOBS[name].label,
            titles=twins.titles(base, name, values, sizes), section=lab.section(),
            on_recovered=lambda: lab.show_lowered(name), on_asked=lambda what: lab.do(name, what),
        )  # fmt: skip
    st.markdown(
        f"{lab.story(base, name)} A value that you change acts on twins that are already trained; Reset starts them "
        "again. **Try next:** kill the busiest expert under “Collapse and revival”: who takes over? · press “Too much "
        "balance” and look under “Too much?” · let k differ, or the router · rewind, turn a knob, compare with gray."
    )
    questions_about("balance")
    losses = ("squared", "switch") if base.balance_loss == "squared" else ("squared", base.balance_loss)
    show_code(
        *(f"moeviz.losses:{each}" for each in losses), "moeviz.metrics:load", "moeviz.metrics:cv",
        "moeviz.metrics:gradient_norm", "moeviz.metrics:update_share", "moeviz.training.views.skill:wanted_loss",
        "moeviz.metrics:specialization", "moeviz.content.twins:dense_twin", "moeviz.training.step:stepped",
    )  # fmt: skip
with left:
    live_knobs("lab", *lab.shared_knobs(name), runs=runs)
    more = st.expander("More", key="more", on_change="rerun")
    if more.open:
        with more:
            lab.other_knobs(base, name)
