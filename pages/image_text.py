"""Do experts divide two modalities? Pictures and words through one mixture of experts."""

import streamlit as st

from moeviz.content.presets import LEARNS_PAIRS
from moeviz.ui.page_parts import image_text
from moeviz.ui.run.address import config_to_address
from moeviz.ui.run.first_visit import opens_as
from moeviz.ui.run.knobs import knobs, show_present, turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.settings import setting
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets.beside import dense_beside, dense_wanted
from moeviz.ui.widgets.code import show_code


def runs(config):
    """The twins that these knobs mean: without entropy losses, with them, and the dense network if it is asked for."""
    return image_text.runs(config, dense_wanted())


config = turned(opens_as("image_text", LEARNS_PAIRS), runs)
dense = len(runs(config)) > len(image_text.titles(False))
left, right = st.columns([1, 4.4], gap="medium")
with left, st.container(key="first_knobs"):
    st.markdown("##### One mixture of experts, two kinds of input: who serves pictures, who serves words?")
    dense_beside(config, image_text.SLOWER)

with right:  # first, so that the picture comes before the rest of the page is written
    token = live_run("image_text", runs(config))
    config_to_address(config)
    if token:
        stage(
            token, "pairs", charts=image_text.charts(dense), titles=image_text.titles(dense), view="pairs",
            ghost="none", keys=setting("keys"), on_recovered=show_present,
        )  # fmt: skip
    st.markdown(image_text.STORY)
    show_code(
        "moeviz.models.two_modalities:TwoModalities", "moeviz.training.objective:contrastive", "moeviz.losses:entropy",
        "moeviz.training.objective:found", "moeviz.training.views.pairs:owners", "moeviz.tasks.pairs:pairs",
        "moeviz.tasks.pairs:letter_groups",
    )  # fmt: skip
with left:
    live_knobs("image_text", "balance_coef", "num_experts", "top_k", runs=runs)
    more = st.expander("More", key="more", on_change="rerun")
    if more.open:
        with more:
            knobs(config, "seed", "learning_rate", "hidden_width", "batch_size", "train_share", "noise")
