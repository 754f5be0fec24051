"""Tasks for a page that follows one input: those where it is one token."""

from __future__ import annotations

import streamlit as st

from moeviz.config import TASK_INFO, TASK_NAMES, RunConfig
from moeviz.ui.run.knobs import show

SINGLE = tuple(name for name in TASK_NAMES if TASK_INFO[name].tokens_per_input == 1)


def single_token(config: RunConfig) -> RunConfig:
    """The config; where an input of its task is several tokens, that of the default task, and a notice."""
    if config.task in SINGLE:
        return config
    label, instead = TASK_INFO[config.task].label, TASK_INFO[RunConfig.task].label
    st.warning(f"{label}: an input of this task is many tokens, so this page shows {instead} instead.")
    other, _ = config.nearest(task=RunConfig.task, num_classes=None)
    show(other)
    return other
