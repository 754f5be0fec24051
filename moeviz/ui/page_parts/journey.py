"""From "every expert answers" to "only the best k": how a page opens dense for who is new, and lowers k at a button."""

from __future__ import annotations

import streamlit as st

from moeviz.config import RunConfig
from moeviz.ui.run.first_visit import opens_with
from moeviz.ui.run.knobs import show

DEFAULT_K = RunConfig.top_k


def every_expert_first(page: str) -> None:
    """For a visitor who is new and whose address names no k, the page opens with k = N."""
    asked, _ = RunConfig.from_url(st.query_params.to_dict())
    opens_with(page, top_k=asked.num_experts)


def keep_best_or_all(config: RunConfig) -> None:
    """The button that goes on to the sparse layer, or back to the dense one."""
    if len(config.choices_now("top_k")) < 2:
        return
    dense = config.top_k == config.num_experts
    k = min(DEFAULT_K, config.num_experts - 1) if dense else config.num_experts
    label = f"Now keep only the best {k}" if dense else "Let every expert answer"
    st.button(
        label, type="primary" if dense else "secondary", on_click=_show_k, args=[config, k], key="dense_or_sparse"
    )


def _show_k(config: RunConfig, k: int) -> None:
    show(config.with_(top_k=k))
