"""What happens when I turn N, k, λ?"""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.content.presets import PRESETS, try_next
from moeviz.figures import curves
from moeviz.ui.run import keep, present
from moeviz.ui.run.address import config_from_address, config_to_address, probe_from_address, probe_to_address
from moeviz.ui.run.knobs import knobs, router_knobs, running_preset, show_present, start, story, turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.settings import setting, settings
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets import notes
from moeviz.ui.widgets.code import show_code
from moeviz.ui.widgets.questions import questions_about

config = turned(config_from_address("playground"))
task = TASK_INFO[config.task]
left, right = st.columns([1, 3.6], gap="medium")

with right:  # first, so that the picture comes before the rest of the page is written
    token = live_run("playground", [config])
    config_to_address(config)
    if token:
        charts = {"loss": curves.loss_figure, "metric": curves.metric_figure, "load": curves.load_figure}
        place = stage(
            token, "playground", charts=charts, probe=probe_from_address(), view=task.view, story=story(config),
            presets=list(PRESETS), keys=setting("keys"), ghost=setting("ghost"),
            save=st.session_state.get("saves", 0),
            on_recovered=show_present, on_present=present.toggle, on_preset=start,
        )  # fmt: skip
        probe_to_address(place)
    if not present.presenting():
        st.markdown(
            f"**{task.label}.** {task.story} "
            "A λ that is turned acts on a gate that is already trained; Reset to see it from the start. "
            "The address starts a run with these knobs and this seed from step 0."
        )
        if "swept" in st.query_params:
            st.info(
                "This run is from a sweep, where it trained beside others. Alone it may part from that one by rounding:"
                " the same start and data, but now and then another choice."
            )
        st.markdown(f"**Try next:** {try_next(config, running_preset(config))}")
        notes.chosen_cards(config)
        questions_about("playground")
        code = (*notes.router_code([config.router]), notes.CODE[config.balance_loss])
        around = ("Transformer", "attention") if task.tokens_per_input > 1 else ()
        block = [f"moeviz.models.transformer:{part}" for part in around]
        seen = () if config.route_by == "token" else ("moeviz.models.moe_layer:seen",)
        expert = f"moeviz.models.experts:{config.expert}"
        show_code(*code, *seen, expert, "moeviz.models.dispatch:sparse", "moeviz.models.dispatch:dense", *block)

with left:
    live_knobs("playground", "num_experts", "top_k", "balance_coef")
    if present.presenting():
        st.button("Leave (P)", on_click=present.toggle)
    else:
        with st.container(horizontal=True, gap="xsmall", key="tools"):
            st.button("Present", on_click=present.toggle, help="Large type, and only the picture and its knobs. Key P.")
            keep.share(config)
            if token:
                keep.save(token, config)
        with st.container(horizontal=True, gap="xsmall", key="presets"):
            for name, preset in PRESETS.items():
                st.button(preset.label, help=preset.story, on_click=start, args=[name], key=f"preset_{name}")
        more = st.expander("More", key="more", on_change="rerun")
        if more.open:  # what nobody sees would only slow the page down
            with more:
                knobs(config, "seed", "task", "router", *router_knobs(config), "balance_loss", "learning_rate", "noise")
                knobs(config, "expert", "route_by", "num_shared_experts", "hidden_width", "gate_bias", "gate_skew")
                knobs(config, "batch_size", "num_classes", "train_share")
                settings()
