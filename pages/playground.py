"""What happens when I turn N, k, λ?"""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.figures import curves
from moeviz.presets import PRESETS
from moeviz.ui.address import config_from_address, config_to_address, probe_from_address, probe_to_address
from moeviz.ui.code import show_code
from moeviz.ui.knobs import cautions, knobs, show, show_present
from moeviz.ui.live import stage
from moeviz.ui.visitor import live_run

config = config_from_address()
left, right = st.columns([1, 3.6], gap="medium")

with left:
    config = knobs(config, "num_experts", "top_k", "balance_coef", "seed")
    with st.container(horizontal=True, gap="small"):
        for preset in PRESETS.values():
            st.button(preset.label, help=preset.story, on_click=show, args=[preset.config])
    with st.expander("More"):
        config = knobs(config, "task", "learning_rate", "noise", "gate_form", "balance_loss", "capacity_factor")
        config = knobs(config, "expert", "hidden_width", "gate_bias", "batch_size", "num_classes", "train_share")

config_to_address(config)
with right:
    for caution in cautions(config):
        st.info(caution)
    token = live_run("playground", [config])
    if token:
        charts = {"loss": curves.loss_figure, "metric": curves.metric_figure, "load": curves.load_figure}
        view = TASK_INFO[config.task].view
        probe_to_address(
            stage(token, "playground", charts=charts, probe=probe_from_address(), view=view, on_recovered=show_present)
        )
    st.caption(TASK_INFO[config.task].story + " The address above always starts this very run again.")
    show_code("moeviz.routers:top_k", f"moeviz.losses:{config.balance_loss}", "moeviz.dispatch:sparse")
