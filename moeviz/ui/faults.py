"""What a visitor sees when a page's script fails, and how the page comes back."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

SORRY = (
    "This page has met an error ({kind}) and was put back to its start. Reload it to go on; if it comes again, "
    "whoever runs this server finds the reason in its log."
)


def explain(error: Exception) -> bool:
    """Say a sentence in the place of the error, and forget what the session has set: it may be what failed.

    A browser can send any value for a widget, also one of another kind, and each further run would fail at it too.
    """
    context = get_script_run_ctx()
    if context is not None:
        kept = context.session_state._state
        kept._new_widget_state.states.clear()  # first, since to clear the whole reads each value, which is what fails
        kept.clear()
    st.error(SORRY.format(kind=type(error).__name__))
    return True
