"""The entry script of every page: title, navigation, then the page that was asked for."""

from pathlib import Path

import streamlit as st

PAGES = Path(__file__).parents[2] / "pages"  # absolute, and not beside this file: see st.navigation on cold deep links

st.set_page_config(page_title="moeviz: watch a mixture of experts learn", layout="wide")
st.navigation(
    [
        st.Page(PAGES / "home.py", title="Home", default=True),
        st.Page(PAGES / "playground.py", title="Playground", url_path="playground"),
    ],
    position="top",
).run()
