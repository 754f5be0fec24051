"""Do experts specialize on pictures? Digits, textures and photographs, and a drawing of the visitor's own."""

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.content.vision_ways import BASE, WAYS, runs, why_not_dense
from moeviz.figures import curves, side_by_side
from moeviz.ui.page_parts import vision
from moeviz.ui.run.address import config_to_address
from moeviz.ui.run.first_visit import opens_as
from moeviz.ui.run.knobs import turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets.beside import say_why_not
from moeviz.ui.widgets.code import show_code

TASK = TASK_INFO["pictures"]

st.markdown("##### Who looks at what? Experts share out digits, textures and photographs; nobody tells them how.")
asked = opens_as("vision", BASE)
boxes, knobs = st.columns([1.2, 1], gap="medium")
with boxes:
    way = vision.way()


def trained(config):
    """The runs that these knobs mean."""
    return list(runs(way, config).values())


config = turned(asked, trained)
token = live_run("vision", trained(config))
config_to_address(config)
with boxes:
    say_why_not(why_not_dense(way, config))
with knobs, st.container(key="knob_row"):
    live_knobs("vision", "num_experts", "balance_coef", "seed", runs=trained)
if token:
    names = tuple(runs(way, config))
    figures = {"metric": curves.metric_figure, "match": curves.match_figure}
    charts = {name: side_by_side(figure, names) for name, figure in figures.items()}
    stage(
        token, "vision", charts=charts, titles=names, names={"classes": TASK.class_names, "groups": TASK.segments},
        story=WAYS[way].story,
    )  # fmt: skip
st.markdown(
    "**Look:** which experts serve digits only? A gate that sees the whole picture learns domains; one that sees "
    "single patches learns strokes and grays, so its match with the domains is lower. **Try next:** draw a digit that "
    "two experts quarrel about · draw a brick wall · λ = 0: who is left? · N = 12: do digits get finer experts?"
)
st.caption(
    "Real pictures, read from installed packages: digits and two photographs (temple by danielbuechele, flower by "
    "vultilion, CC BY 2.0) from scikit-learn, textures and the cat (CC0) from scikit-image; 16 by 16 pixels each, "
    "four fifths to train on, the rest to test."
)
show_code(
    "moeviz.tasks.pictures:pictures", "moeviz.tasks.pictures:patches", "moeviz.models.experts:conv",
    "moeviz.models.experts:mlp", "moeviz.models.experts:transformer", "moeviz.models.moe_layer:MoE",
    "moeviz.models.transformer:Transformer", "moeviz.metrics:specialization",
)  # fmt: skip
