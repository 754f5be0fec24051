"""What has been measured so far, over time: of each run, and of each expert."""

from __future__ import annotations

import numpy as np

from moeviz.training import history
from moeviz.training.history import Record
from moeviz.training.state import State
from moeviz.training.views.bytes import Arrays


def time_charts(state: State, newest: Record) -> Arrays:
    """The history so far, thinned, the newest measurement included, and every death, not thinned."""
    records = history.charted(state.records, newest)
    arrays = {f"history_{name}": value_RS for name, value_RS in history.charts(records).items()}
    arrays["history_step"] = history.steps(records)
    arrays["history_load"] = history.by_id(records)
    arrays["deaths"] = history.deaths_by_id(records[-1], arrays["history_load"].shape[-2])
    return {name: value.astype("f4") for name, value in arrays.items()}


def trails(state: State, newest: Record) -> dict[str, np.ndarray]:
    """Each expert's mean gate probability and share of all weights over time, with the steps of the time charts."""
    records = history.charted(state.records, newest)
    names = {"history_mean_prob": "mean_prob_RE", "history_importance": "importance_RE"}
    values = {name: history.by_id(records, field).astype("f4") for name, field in names.items()}
    return {"history_step": history.steps(records)} | values
