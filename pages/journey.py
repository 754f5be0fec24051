"""How is one output made?"""

from urllib.parse import urlencode

import streamlit as st

from moeviz.config import TASK_INFO
from moeviz.ui.page_parts.journey import every_expert_first, keep_best_or_all
from moeviz.ui.run.address import config_from_address, config_to_address, probe_from_address, probe_to_address
from moeviz.ui.run.knobs import knobs, router_knobs, show_present, turned
from moeviz.ui.run.live import stage
from moeviz.ui.run.panel import live_knobs
from moeviz.ui.run.settings import setting
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets.code import sources
from moeviz.ui.widgets.questions import questions_about
from moeviz.ui.widgets.single import SINGLE, single_token

PARTS = {  # what balance losses are made of, by functions of their own
    "gshard": ("first_share",), "importance": ("weight_sums",), "load": ("likely_counts",),
    "importance_load": ("importance", "weight_sums", "load", "likely_counts"),
}  # fmt: skip
WARM = 100  # steps: enough for experts that differ, soon enough to be there at once

words, action = st.columns([4, 1.3], vertical_alignment="center")
words.markdown("##### How is one output made? Follow one token from left to right.")
every_expert_first("journey")
config = turned(single_token(config_from_address("journey")))
task = TASK_INFO[config.task]
plays = st.query_params.get("play")
token = live_run("journey", [config], play=plays == "1")
config_to_address(config)
with action:
    keep_best_or_all(config)
with st.container(key="knob_row"):
    live_knobs("journey", "num_experts", "top_k", "balance_coef")
if token:
    loss = "cross_entropy" if task.kind == "classification" else "squared_error"
    own_way = config.weights in ("sigmoid", "table")  # gate probabilities that are no softmax
    code = {
        "x": ["moeviz.training.views.probe:routed_probe"],
        "logits": ["moeviz.models.moe_layer:_route"],
        "softmax": [f"moeviz.routers:{config.router if own_way else 'softmax'}"],
        "top_k": [f"moeviz.routers:{config.router}", "moeviz.routers:rank"],
        "weights": [f"moeviz.routers:{config.router}", "moeviz.routers:softmax"],
        "experts": [f"moeviz.models.experts:{config.expert}", "moeviz.models.dispatch:every_output"],
        "sum": ["moeviz.models.dispatch:dense", "moeviz.models.dispatch:sparse"],
        "task_loss": [f"moeviz.training.objective:{loss}"],
        "balance_loss": [
            f"moeviz.losses:{name}" for name in (config.balance_loss, *PARTS.get(config.balance_loss, ()))
        ],
        "slopes": ["moeviz.training.views.journey:learned", "moeviz.training.views.journey:alone"],
    }
    place = stage(
        token, "journey", probe=probe_from_address(), view=task.view, keys=setting("keys"), code=sources(code),
        warm=0 if plays in ("0", "1") else WARM, on_recovered=show_present,
    )  # fmt: skip
    probe_to_address(place)
probe = st.session_state.get("probe", st.query_params.get("probe"))
run = {"0": "The run waits at step 0; Play trains it", "1": "The run trains"}.get(
    plays or "", f"The run waits at step {WARM}; Play trains on"
)
link = urlencode(config.to_url() | ({"probe": probe} if probe else {}))
st.markdown(
    f"{run}, and the numbers follow. **At inference no loss is computed: only "
    "x → y.** Try next: Reset and see the same token before training · press “renormalized” and “k = 1” · "
    f"[open this in the Playground](playground?{link})."
)
questions_about("journey")
with st.expander("More", key="more", on_change="rerun") as more:
    if more.open:
        knobs(config, "seed")
        knobs(config, "task", only=SINGLE)
        knobs(config, "router", *router_knobs(config), "balance_loss", "learning_rate", "noise")
        knobs(config, "expert", "num_shared_experts", "hidden_width", "gate_bias", "gate_skew", "batch_size")
        knobs(config, "num_classes", "train_share")
