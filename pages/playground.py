"""What happens when I turn N, k, λ?"""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.figures import curves
from moeviz.presets import PRESETS
from moeviz.ui.address import config_from_address, config_to_address, probe_from_address, probe_to_address
from moeviz.ui.code import show_code
from moeviz.ui.knobs import knobs, show_present, start, turned
from moeviz.ui.live import stage
from moeviz.ui.panel import live_knobs
from moeviz.ui.visitor import live_run

config = turned(config_from_address("playground"))
left, right = st.columns([1, 3.6], gap="medium")

with right:  # first, so that the picture comes before the rest of the page is written
    token = live_run("playground", [config])
    config_to_address(config)
    if token:
        charts = {"loss": curves.loss_figure, "metric": curves.metric_figure, "load": curves.load_figure}
        view = TASK_INFO[config.task].view
        probe_to_address(
            stage(token, "playground", charts=charts, probe=probe_from_address(), view=view, on_recovered=show_present)
        )
    st.markdown(
        f"**{TASK_INFO[config.task].label}.** {TASK_INFO[config.task].story} "
        "λ acts on a router that is already trained; Reset to see it from the start. "
        "The address starts a run with these knobs and this seed from step 0."
    )
    st.markdown(
        "**Try next:** wait for idle experts (†), then drag λ to 10 · set k to 1 and drag the probe across a border · "
        "drag N down while it runs: who leaves?"
    )
    code = ("moeviz.routers:top_k", f"moeviz.losses:{config.balance_loss}")
    show_code(*code, "moeviz.dispatch:sparse", "moeviz.dispatch:dense")

with left:
    live_knobs("playground", "num_experts", "top_k", "balance_coef", "seed")
    with st.container(horizontal=True, gap="small"):
        for preset in PRESETS.values():
            st.button(preset.label, help=preset.story, on_click=start, args=[preset])
    more = st.expander("More", key="more", on_change="rerun")
    if more.open:  # what nobody sees would only slow the page down
        with more:
            knobs(config, "task", "learning_rate", "noise", "gate_form", "balance_loss", "capacity_factor")
            knobs(config, "expert", "hidden_width", "gate_bias", "batch_size", "num_classes", "train_share")
