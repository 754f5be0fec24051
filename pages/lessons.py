"""Can you predict it? Short lessons, each graded by a run that trains on the page."""

import streamlit as st

from moeviz.figures import curves
from moeviz.lessons import lessons
from moeviz.ui.page_parts import lessons as way
from moeviz.ui.run import present
from moeviz.ui.run.live import stage
from moeviz.ui.widgets.code import show_code

CHARTS = {
    "twins": {},
    "playground": {"loss": curves.loss_figure, "metric": curves.metric_figure, "load": curves.load_figure},
}

at = way.place()
lesson, attempt = at.lesson, way.attempt_at(at)
words, picture = st.columns([1, 2], gap="medium")
with picture:
    group, token = way.group_at(at)
    if token:
        stage(
            token, lesson.run.layout, charts=CHARTS[lesson.run.layout], titles=group.titles, story=lesson.title,
            numbers=way.numbers(at), warm=way.waits_at(at), lesson=way.state(at),
            on_present=present.toggle, on_go=way.move,
        )  # fmt: skip
with words:
    number = list(lessons()).index(lesson.key) + 1
    st.caption(f"Lesson {number} of {len(lessons())} · step {at.step} of {lesson.num_steps}")
    st.markdown(f"#### {lesson.title}", help=f"In Chinese: {lesson.term}. From {lesson.source}.")
    if not at.predicts:
        st.markdown(lesson.steps[at.step - 1].say)
        st.markdown(f"**Look:** {lesson.steps[at.step - 1].look}")
    elif attempt.answer is None:
        way.ask(at)
    elif attempt.grade is None:
        st.markdown(way.running(at))
    else:
        way.answered(at, attempt.grade)
    way.buttons(at)
if not present.presenting():
    with picture:
        show_code(*lesson.code)
    st.markdown("##### All lessons")
    way.overview()
