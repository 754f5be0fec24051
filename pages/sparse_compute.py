"""Why is it cheap? Cost counted from the sizes, measured on this machine, and what more experts bring at one cost."""

import streamlit as st

from moeviz.ui.page_parts import sparse_compute
from moeviz.ui.page_parts.calculator import calculator
from moeviz.ui.page_parts.growth import growth
from moeviz.ui.widgets.code import show_code
from moeviz.ui.widgets.questions import questions_about

st.markdown("##### Sparse compute: why it is cheap. Only k of N experts work on each token, so N may grow.")
st.markdown(
    "**Sparse:** each expert computes only the tokens that chose it. **Dense:** all N compute every token, and weights "
    "of 0 remove what was not chosen; the result is the same. **Plain:** one network without a gate."
)
layer = sparse_compute.chosen()
sparse_compute.button(layer)
sparse_compute.show(layer)
st.markdown("##### More experts, same cost: does it help?")
st.markdown(
    "Eight groups of inputs, each with a linear map of its own. N grows, but k = 1 expert works on each input; beside "
    "it, one network that grows instead. Both start as the same single network."
)
growth()
st.markdown("##### Published models: how many parameters, and how many work?")
calculator()
st.markdown(
    "**Try next:** k = N: what is left of the gain? · n = 128: from which N on does sparse pay now? · D and H at their "
    "smallest: why is the sparse form slower than its operations? · Mixtral with k = 1: how much of it still works on "
    "each token?"
)
questions_about("sparse")
show_code(
    *(f"moeviz.experiments.cost.counted:{name}" for name in ("flops", "kept", "parameters")),
    *(f"moeviz.models.dispatch:{name}" for name in ("sparse", "dense")),
    *(f"moeviz.experiments.cost.measured:{name}" for name in ("forward", "step_seconds", "kept_numbers")),
    "moeviz.experiments.cost.growth:configs", "moeviz.content.published_models:parts",
    "moeviz.content.published_models:attention",
)  # fmt: skip
