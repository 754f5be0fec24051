"""Why? Questions that learners ask, each with a short answer and a live run that shows it."""

import streamlit as st

from moeviz.content.questions import QUESTIONS
from moeviz.figures import curves
from moeviz.ui.run.live import stage
from moeviz.ui.run.visitor import live_run
from moeviz.ui.widgets import questions
from moeviz.ui.widgets.code import show_code

words, picture = st.columns([1, 2.6], gap="medium")
with words:
    questions.search()
    key = questions.asked()
    question = QUESTIONS[key]
    st.markdown(f"#### {question.text}")
    st.markdown(question.answer)
    example = questions.choose_example(key, question)
    if example.titles:  # else said above the picture
        st.markdown(f"**Look:** {question.look}")

with picture:
    token = live_run(f"questions {key} {example.label}", example.configs)
    if token and example.titles:
        stage(token, "twins", titles=example.titles, numbers=questions.numbers(question))
    elif token:
        charts = {"loss": curves.loss_figure, "metric": curves.metric_figure, "load": curves.load_figure}
        stage(token, "playground", charts=charts, story=question.look, numbers=questions.numbers(question))

with words, st.container(horizontal=True, gap="xsmall", key="open"):
    questions.open_in_playground(example)
with picture:
    st.caption(f"Source: {question.source}")
    show_code(*question.code)

st.markdown("##### All questions")
with st.container(key="all_questions"):
    questions.links(list(QUESTIONS))
