"""The entry script of every page: title, navigation, then the page that was asked for."""

from pathlib import Path

import streamlit as st

from moeviz.ui.run.presence import presence, session
from moeviz.ui.run.present import style

PAGES = Path(__file__).parents[2] / "pages"  # absolute, and not beside this file: see st.navigation on cold deep links
LOOK = Path(__file__).with_name("look.css")

presence().comes(session())
st.set_page_config(page_title="moeviz: watch a mixture of experts learn", layout="wide")
st.html(LOOK)
style()
st.navigation(
    [
        st.Page(PAGES / "home.py", title="Home", default=True),
        st.Page(PAGES / "lessons.py", title="Lessons", url_path="lessons"),
        st.Page(PAGES / "journey.py", title="One token's journey", url_path="journey"),
        st.Page(PAGES / "playground.py", title="Playground", url_path="playground"),
        st.Page(PAGES / "lab.py", title="Balance lab", url_path="lab"),
        st.Page(PAGES / "routers.py", title="Routers", url_path="routers"),
        st.Page(PAGES / "sparse_compute.py", title="Sparse compute", url_path="sparse_compute"),
        st.Page(PAGES / "methods.py", title="Ways to balance", url_path="methods"),
        st.Page(PAGES / "language.py", title="Language", url_path="language"),
        st.Page(PAGES / "vision.py", title="Vision", url_path="vision"),
        st.Page(PAGES / "image_text.py", title="Image and text", url_path="image_text"),
        st.Page(PAGES / "article.py", title="The article, checked", url_path="article"),
        st.Page(PAGES / "questions.py", title="Ask a question", url_path="questions"),
        st.Page(PAGES / "sweep.py", title="Sweep", url_path="sweep"),
    ],
    position="top",
).run()
