"""Do experts specialize? A small language model reads six kinds of text."""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.config.task_facts import CHARACTER_CLASSES
from moeviz.content.presets import LEARNS_TEXT
from moeviz.ui.page_parts import language
from moeviz.ui.run.address import config_to_address
from moeviz.ui.run.first_visit import opens_as
from moeviz.ui.run.knobs import knobs, router_knobs, show_present, turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.settings import setting
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets.beside import dense_beside, dense_wanted, with_dense
from moeviz.ui.widgets.code import show_code


def runs(config):
    """The run that these knobs mean, and the dense network beside it."""
    return with_dense([config], dense_wanted())


config = turned(opens_as("language", LEARNS_TEXT), runs)
count = len(runs(config))
left, right = st.columns([1, 3.6], gap="medium")
with left, st.container(key="first_knobs"):
    st.markdown("##### Do experts specialize? A language model learns to guess the next character.")
    language.gate_sees(config)
    language.starts()
    dense_beside(config, language.SLOWER)

with right:  # before the rest of the page
    token = live_run("language", runs(config))
    config_to_address(config)
    if token:
        stage(
            token, "language", charts=language.charts(count > 1), view="text", ghost="none", keys=setting("keys"),
            titles=language.BOTH[:count], on_recovered=show_present,
            names={"kinds": TASK_INFO[config.task].segments, "classes": CHARACTER_CLASSES},
        )  # fmt: skip
    st.markdown(language.STORY)
    show_code(
        "moeviz.models.language_model:Decoder", "moeviz.models.language_model:causal_attention",
        "moeviz.models.language_model:nearness", "moeviz.models.moe_layer:MoE", "moeviz.training.ngrams:ngram_losses",
        "moeviz.training.views.text:repeats", "moeviz.metrics:specialization", "moeviz.tasks.text:languages",
    )  # fmt: skip
with left:
    live_knobs("language", "balance_coef", "num_experts", "top_k", runs=runs)
    with st.expander("More", key="more", on_change="rerun") as more:
        if more.open:
            knobs(config, "seed", "router", *router_knobs(config), "balance_loss", "learning_rate", "hidden_width")
            knobs(config, "num_shared_experts", "batch_size", "train_share", "noise")
