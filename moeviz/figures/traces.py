"""A history's numbers put into the traces of a chart, and what was turned as its marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from moeviz.config.changes import Mark, in_words

MARK_ROWS = 3  # labels of knob changes are stacked in so many rows
MARK_ROW_HEIGHT = 20  # pixels
FEWEST_STEPS = 10  # the time axis is at least so long, so that its ticks are whole steps

History = Any  # a mapping of the frame's history arrays, or a pandas table with the columns of Training.history


def per_fair_share(load_ZS: np.ndarray) -> np.ndarray:
    """Load ÷ (1/N) at each step, where N is how many experts exist then (NaN: this one does not)."""
    return load_ZS * np.isfinite(load_ZS).sum(axis=0, keepdims=True)


def arrays(history: History) -> dict[str, np.ndarray]:
    """A history as the frame's arrays, `[S]` for the steps and `[R, S]` for the rest, whatever form it came in."""
    if not hasattr(history, "columns"):
        return {name: np.asarray(values, dtype=float) for name, values in dict(history).items()}
    steps = np.unique(np.asarray(history["step"], dtype=float))
    runs = np.unique(np.asarray(history["run"]))
    columns = {"history_step": steps}
    for column in history.columns:
        values = np.asarray(history[column])
        if column in ("run", "step") or values.dtype.kind not in "fiub":
            continue
        table = np.full((len(runs), len(steps)), np.nan)
        table[np.searchsorted(runs, history["run"]), np.searchsorted(steps, history["step"])] = values
        columns[f"history_{column}"] = table
    return columns


def filled(figure: go.Figure, history: History | None, marks: Sequence[Mark]) -> go.Figure:
    """Put a history's numbers into a template's traces; without a history the template stays as it is."""
    if history is not None:
        columns = arrays(history)
        for trace in figure.data:
            _fill(trace, columns)
        last = max(columns["history_step"], default=0)
        figure.update_xaxes(range=[0, max(last, FEWEST_STEPS)])
    about, drawn = figure.layout.meta, {trace.meta["run"] for trace in figure.data}
    by_step: dict[int, list[str]] = {}
    for mark in marks:
        if drawn & set(mark.runs):
            by_step.setdefault(mark.step, []).append(in_words(mark.what))
    for index, (step, texts) in enumerate(by_step.items()):  # rows in turn, so that neighbors do not meet
        figure.add_vline(x=step, **about["mark"])
        shift = about["mark_offset"] + index % MARK_ROWS * MARK_ROW_HEIGHT
        figure.add_annotation(x=step, text=", ".join(texts), yshift=shift, **about["mark_label"])
    figure.layout.margin.t += min(len(by_step), MARK_ROWS) * MARK_ROW_HEIGHT
    return figure


def _fill(trace: Any, columns: Mapping[str, np.ndarray]) -> None:
    about = trace.meta
    wanted = about.get("y", about.get("z"))
    missing = [name for name in ("history_step", wanted) if name not in columns]
    if missing:
        raise ValueError(
            f"a history must hold {' and '.join(missing)} for this figure: got {', '.join(sorted(columns))}"
        )
    values = columns[wanted]
    if not 0 <= about["run"] < len(values):
        raise ValueError(
            f"run must be from 0 to {len(values) - 1}: got run={about['run']}; draw as many runs as recorded"
        )
    values = values[about["run"]]
    trace.x = columns["history_step"]
    if "z" in about:
        trace.z, trace.y = per_fair_share(values), list(range(len(values)))
    elif "times" not in about:
        trace.y, trace.visible = values, bool(np.isfinite(values).any())
    elif about["times"] in columns:
        trace.y = values * columns[about["times"]][about["run"]]
    else:  # λ over time is not recorded: the part cannot be drawn, and is not made up
        trace.visible = False
    if len(trace.x) == 1 and "z" not in about:
        trace.mode = "lines+markers"  # a line needs two
