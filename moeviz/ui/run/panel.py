"""The knobs that a class turns most, in a part of the page of their own."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from moeviz.config import KNOBS, RunConfig
from moeviz.content.cautions import cautions
from moeviz.ui.run.address import config_from_address, config_to_address
from moeviz.ui.run.knobs import knobs, turned
from moeviz.ui.run.visitor import Visit, live_run


@st.fragment
def live_knobs(page: str, *names: str, runs: Callable[[RunConfig], list[RunConfig]] = lambda config: [config]) -> None:
    """Widgets whose turning reruns nothing but this part of the page, so that the picture answers at once.

    They turn the run that the page has opened; where that does not succeed, or where more must follow than these
    widgets, the whole page runs again.

    Args:   runs: the configs that the knobs mean, where the page shows more than one run.
    """
    before = config_from_address(page)
    config = turned(before, runs)
    visit: Visit | None = st.session_state.get("visit")
    if visit is not None and visit.page == page and visit.asked != tuple(runs(config)):
        count = len(visit.configs)
        if live_run(page, runs(config)) != visit.token or visit.configs != tuple(runs(config)):
            st.rerun()
        config_to_address(config)
        others = [name for name in KNOBS if getattr(config, name) != getattr(before, name) and name not in names]
        if others or len(visit.configs) != count:
            st.rerun()  # what stands elsewhere on the page had to follow
    with st.container(key="live_knobs"):
        knobs(config, *names, captions=True)
    if len(runs(config)) == 1:  # of several, it would not be clear which is meant
        for caution in cautions(config):
            st.caption(caution)
