"""Do experts divide two modalities? Pictures and words through one mixture of experts."""

import streamlit as st

from moeviz.content.presets import LEARNS_PAIRS
from moeviz.ui import pairs
from moeviz.ui.address import config_to_address
from moeviz.ui.beside import dense_beside, dense_wanted
from moeviz.ui.code import show_code
from moeviz.ui.knobs import knobs, show_present, turned
from moeviz.ui.live import stage
from moeviz.ui.opening import opens_as
from moeviz.ui.panel import live_knobs
from moeviz.ui.settings import setting
from moeviz.ui.visitor import live_run


def runs(config):
    """The twins that these knobs mean: without entropy losses, with them, and the dense network if it is asked for."""
    return pairs.runs(config, dense_wanted())


config = turned(opens_as("image_text", LEARNS_PAIRS), runs)
dense = len(runs(config)) > len(pairs.titles(False))
left, right = st.columns([1, 4.4], gap="medium")
with left, st.container(key="first_knobs"):
    st.markdown("##### One mixture of experts, two kinds of input: who serves pictures, who serves words?")
    dense_beside(config, pairs.SLOWER)

with right:  # first, so that the picture comes before the rest of the page is written
    token = live_run("image_text", runs(config))
    config_to_address(config)
    if token:
        stage(
            token, "pairs", charts=pairs.charts(dense), titles=pairs.titles(dense), view="pairs", ghost="none",
            keys=setting("keys"), on_recovered=show_present,
        )  # fmt: skip
    st.markdown(pairs.STORY)
    show_code(
        "moeviz.models.two_modalities:TwoModalities", "moeviz.training.objective:contrastive", "moeviz.losses:entropy",
        "moeviz.training.objective:found", "moeviz.training.pairing:owners", "moeviz.tasks.pairs:pairs",
        "moeviz.tasks.pairs:letter_groups",
    )  # fmt: skip
with left:
    live_knobs("image_text", "balance_coef", "num_experts", "top_k", runs=runs)
    more = st.expander("More", key="more", on_change="rerun")
    if more.open:
        with more:
            knobs(config, "seed", "learning_rate", "hidden_width", "batch_size", "train_share", "noise")
