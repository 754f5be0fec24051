"""Does the article say what is so? Each of its sentences beside the experiment that tests it."""

import streamlit as st

from moeviz.ui.page_parts import article
from moeviz.ui.widgets.code import show_code

st.markdown(
    "##### What the article says, checked: every testable sentence, the experiment that tests it, and its numbers."
)
article.controls()
article.results()
st.caption(
    "The sentences are in our words and in the article’s order. Each trial trains or measures anew, on this machine, "
    "with three seeds; a verdict quotes means over the seeds. Times are measured while other programs run too."
)
show_code(*(f"moeviz.experiments.claims.trials:{name}" for name in ("inactive", "balance", "counts", "cost")))
