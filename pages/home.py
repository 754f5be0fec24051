"""What is a mixture of experts? Two live runs that differ in one number."""

import streamlit as st

from moeviz.config import RunConfig, expand
from moeviz.ui.run.live import stage
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets.questions import questions_about

words, action = st.columns([5, 1.4], vertical_alignment="center")
words.markdown(
    "##### A mixture of experts: a gate sends each input to one of eight small networks, the experts. "
    "Both runs start alike and learn live; only the run with λ = 10 is punished for uneven use."
)
if action.button("Turn the knobs yourself", type="primary", width="stretch"):
    st.switch_page("../../pages/playground.py")
# Seed 7 shows it at its plainest; with some others one expert wavers at λ = 10 too, as the Playground lets you see.
token = live_run("home", expand(RunConfig(top_k=1, seed=7), balance_coef=[0.0, 10.0]))
if token:
    stage(token, "twins", titles=["No balance loss", "Balance loss, λ = 10"])
questions_about("home")
