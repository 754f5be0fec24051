"""Time charts of a run: filled from a history, or empty as the templates that the live stage fills from its frames.

A template's trace names in `meta` the arrays it draws: `{"x": "history_step", "y": "history_task_loss", "run": 0}`.
`"times"` names an array to multiply by, `"z"` the matrix of a heatmap; `"ink": True` asks for the theme's text color.
A ghost is the run without its last change, or the run before: gray, and there only while a frame brings it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from moeviz.config.changes import Mark
from moeviz.figures.palette import DASHES, SHADES, letter_ticks
from moeviz.figures.traces import MARK_ROW_HEIGHT, MARK_ROWS, History, filled

# outside the stage, where no script sets the theme's own text color: readable on white and on black
INK_COLOR = "#4A4E57"
GHOST_COLOR = "#8A8F98"  # between white and black: seen on both
GRID_COLOR = "rgba(128,128,128,0.28)"
FONT_SIZE = 16
LINE_WIDTH = 3
STEP_TITLE = "training step"
TASK_FILL, BALANCE_FILL = "rgba(128,128,128,0.3)", "rgba(128,128,128,0.75)"  # the two bands of what is minimized
STACKED = (  # their names, each with its band's color
    f'<span style="color:{TASK_FILL}">■</span> task loss + <span style="color:{BALANCE_FILL}">■</span> λ · balance loss'
)
HEADING, LEGEND = 20, 38  # pixels above a plot that these take
LEGEND_ABOVE = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
BESIDE_HEADING, BESIDE_LEGEND = 150, 190  # pixels of that from the left: what is gray is named beside it
FEW_DEAD = 4  # so many experts always have room, so that the ticks are whole
CAME_BACK = "(†)"
DEATH = {"text": "†", "showarrow": False, "xanchor": "left", "font": {"size": 22}}
LEAST_SHARE = 0.01  # the axis of shares reaches at least so far
FAIR_SHARES_SHOWN = 3.0  # load over time: this many fair shares and more are drawn fully dark


def loss_figure(
    history: History | None = None, *, runs: int = 1, names: Sequence[str] = (), marks: Sequence[Mark] = ()
) -> go.Figure:
    """The raw balance loss in its own strip, and below it what training minimizes: task loss + λ · balance loss.

    Args:   history: see `History`; None makes the live template.  runs: how many runs to draw.  names: one per run.
            marks: knob changes as `Training.marks`, drawn as labeled vertical lines where their runs are.
    Units:  losses have none; x is the number of training steps.
    """
    figure = go.Figure(layout=_layout(y_title="", marks=True, heading=HEADING))
    for run in range(runs):
        name = _run_name(names, run)
        figure.add_scatter(yaxis="y2", **_line("history_balance_loss", run, f"{name}balance loss, before λ"))
        task = _line("history_task_loss", run, f"{name}task loss")
        penalty = _line("history_balance_loss", run, f"{name}λ · balance loss", times="history_balance_coef")
        if runs == 1:  # stacked: the upper edge is what training minimizes
            task |= {"stackgroup": "minimized", "fillcolor": TASK_FILL}
            penalty |= {"stackgroup": "minimized", "fillcolor": BALANCE_FILL}
            penalty["line"] = penalty["line"] | {"dash": "dot"}
        figure.add_scatter(**task)
        if runs == 1:
            figure.add_scatter(**penalty)
    for run in _with_ghosts(history, runs, names):
        figure.add_scatter(yaxis="y2", **_ghost("balance_loss", run, "balance loss, before λ"))
        figure.add_scatter(**_ghost("task_loss", run, "task loss"))
    strip = _axis("") | {"domain": [0.8, 1.0], "nticks": 2, "rangemode": "tozero", "anchor": "x"}
    figure.update_layout(yaxis={"domain": [0.0, 0.52], "rangemode": "tozero", "nticks": 3}, yaxis2=strip)
    minimized = STACKED if runs == 1 else "task loss"
    figure.update_layout(meta=figure.layout.meta | {"ghost_beside": BESIDE_HEADING})
    headings = [_heading("balance loss, before λ", 1.0), _heading(minimized, 0.52) | {"name": "minimized"}]
    figure.update_layout(annotations=headings)
    filled(figure, history, marks)
    if any(trace.visible is False for trace in figure.data):  # the heading must not promise what is not drawn
        figure.update_annotations(text="task loss", selector={"name": "minimized"})
    return figure


def metric_figure(
    history: History | None = None, *, metric_name: str = "accuracy", runs: int = 1, names: Sequence[str] = (),
    marks: Sequence[Mark] = (),
) -> go.Figure:  # fmt: skip
    """Accuracy (or R²) on the training and on the test set: the test set was never trained on.

    Args:   as `loss_figure`.  metric_name: "accuracy" or "R²"; the live stage takes it from the frame.
    Units:  accuracy is a share from 0 to 1; R² is at most 1.
    """
    figure = go.Figure(layout=_layout(y_title=metric_title(metric_name), marks=True, heading=LEGEND))
    for run in range(runs):
        name = _run_name(names, run)
        test = _line("history_test_metric", run, f"{name}test")
        train = _line("history_train_metric", run, f"{name}train")
        train["line"] = train["line"] | {"dash": "dot"}
        figure.add_scatter(**test)
        if runs == 1:  # of several, the lines would be too many to tell apart
            figure.add_scatter(**train)
    for run in _with_ghosts(history, runs, names):
        figure.add_scatter(**_ghost("test_metric", run, "test"))
    figure.update_layout(showlegend=runs == 1 or bool(names), legend=LEGEND_ABOVE)
    figure.update_layout(meta=figure.layout.meta | {"y_title_from": "metric_name", "ghost_beside": BESIDE_LEGEND})
    return filled(figure, history, marks)


def uneven_figure(
    history: History | None = None, *, runs: int = 1, names: Sequence[str] = (), marks: Sequence[Mark] = ()
) -> go.Figure:
    """How uneven the load is over time, one line for each run.

    Args:   as `loss_figure`.
    Units:  CV = standard deviation / mean; 0 = even.
    """
    figure = _lines("cv_load", "CV of load (0 = even)", history, runs, names)
    figure.update_yaxes(rangemode="tozero")
    return filled(figure, history, marks)


def dropped_figure(
    history: History | None = None, *, runs: int = 1, names: Sequence[str] = (), marks: Sequence[Mark] = ()
) -> go.Figure:
    """How many choices of test inputs find no seat, over time; gray, what a gate that chooses at random would lose.

    Args:   as `loss_figure`; the history also needs `history_random_drop`. Without a limit of seats there
            is no gray line.
    Units:  share of choices, 0 to 1; the line of chance is the mean of a binomial queue's overflow.
    """
    figure = go.Figure(layout=_layout(y_title="share of choices", marks=True, heading=LEGEND))
    for run in range(runs):
        name = _run_name(names, run)
        by_chance = _line("history_random_drop", run, f"{name}chance")
        by_chance["line"] = by_chance["line"] | {"color": GHOST_COLOR}
        by_chance |= {"meta": by_chance["meta"] | {"ink": False}, "cliponaxis": False}  # often nearly 0
        figure.add_scatter(**_line("history_dropped_share", run, f"{name}dropped"))
        figure.add_scatter(**by_chance)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"})
    # with seats enough, chance drops next to nothing: an axis of that would have no tick but 0
    figure.update_yaxes(rangemode="tozero", autorangeoptions={"include": LEAST_SHARE})
    return filled(figure, history, marks)


def load_figure(
    history: History | None = None, *, run: int = 0, died: Mapping[int, Sequence[float]] | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:  # fmt: skip
    """Who got the work over time: one strip per expert, darkness = its load ÷ the fair share 1/N.

    Args:   history: needs the array `history_load`; None makes the live template.  run: which run to draw.
            died: expert id -> steps at which it fell idle and died of it, each marked †, or (†) where it came back;
            None takes them from the history's array `deaths`, where it has one, as the live stage does.
            marks: as `loss_figure`.
    Units:  1 = exactly the fair share; gaps are times when the expert did not exist.
    """
    figure = go.Figure(layout=_layout(y_title="expert", marks=True))
    figure.add_heatmap(
        meta={"x": "history_step", "z": "history_load", "run": run, "ink": True, "per": "fair share"},
        x=[], y=[], z=[], zmin=0, zmax=FAIR_SHARES_SHOWN, ygap=3, hoverongaps=False,
        colorscale=[[0, "rgba(128,128,128,0.08)"], [1, INK_COLOR]],
        colorbar={
            "title": {"text": "load ÷<br>fair share", "font": {"size": FONT_SIZE}}, "thickness": 14, "outlinewidth": 0,
            "tickvals": [0, 1, 2, 3], "ticktext": ["0", "1", "2", "3+"],
        },
        hovertemplate="expert %{y}, step %{x}: %{z:.2f} × the fair share<extra></extra>",
    )  # fmt: skip
    figure.update_layout(yaxis={"autorange": "reversed", "showgrid": False, "zeroline": False})
    figure.update_layout(xaxis={"showgrid": False}, meta=figure.layout.meta | {"death": DEATH})
    filled(figure, history, marks)
    expert_ids = range(len(figure.data[0].z))
    figure.update_layout(yaxis={"tickvals": list(expert_ids), "ticktext": letter_ticks(expert_ids)})
    for expert_id, steps in sorted((_deaths(history, run) if died is None else died).items()):
        for step in steps:
            came_back = step < max(steps) or _works_after(figure.data[0], expert_id, step)
            figure.add_annotation(x=step, y=expert_id, **DEATH | ({"text": CAME_BACK} if came_back else {}))
    return figure


def dead_figure(
    history: History | None = None, *, runs: int = 1, names: Sequence[str] = (), marks: Sequence[Mark] = ()
) -> go.Figure:
    """How many experts are dead over time, one line for each run.

    Args:   as `loss_figure`.
    Units:  experts that no test token chose in three measurements on end.
    """
    figure = _lines("dead_experts", "dead experts (†)", history, runs, names)
    figure.update_yaxes(rangemode="tozero", autorangeoptions={"include": [0, FEW_DEAD]}, nticks=FEW_DEAD + 1)
    return filled(figure, history, marks)


def match_figure(
    history: History | None = None, *, runs: int = 1, names: Sequence[str] = (), marks: Sequence[Mark] = ()
) -> go.Figure:
    """How well first choices match the true groups over time, one line for each run.

    Args:   as `loss_figure`.
    Units:  normalized mutual information, 0 to 1.
    """
    return filled(_lines("specialization", "match with true groups (0-1)", history, runs, names), history, marks)


def match_by_layer_figure(history: History | None = None, *, layers: int = 2, marks: Sequence[Mark] = ()) -> go.Figure:
    """How well first choices match the true groups over time, one line for each layer of the first run.

    Args:   as `loss_figure`.  layers: how many the model has; the history has `specialization_1`, ….
    Units:  normalized mutual information, 0 to 1.
    """
    figure = go.Figure(layout=_layout(y_title="match with true groups (0-1)", marks=True, heading=LEGEND))
    for layer in range(layers):
        looks = _line("", layer, f"layer {layer + 1}")
        meta = looks["meta"] | {"y": f"history_specialization_{layer + 1}", "run": 0}
        figure.add_scatter(**looks | {"meta": meta})
    figure.update_layout(showlegend=True, legend=LEGEND_ABOVE)
    return filled(figure, history, marks)


def metric_title(metric_name: str) -> str:
    """The metric with its range; the stage writes the same."""
    return f"{metric_name} (at most 1)" if metric_name == "R²" else f"{metric_name} (0-1)"


def _deaths(history: History | None, run: int) -> dict[int, list[float]]:
    """The steps of each expert's deaths, where the history has them."""
    if history is None or "deaths" not in history:
        return {}
    steps_Z8 = np.asarray(history["deaths"], dtype=float)[run]
    return {expert_id: own_8[np.isfinite(own_8)].tolist() for expert_id, own_8 in enumerate(steps_Z8)}


def _works_after(strips: go.Heatmap, expert_id: int, step: float) -> bool:
    """Whether a later load of this expert was recorded."""
    return bool((np.asarray(strips.z)[expert_id][np.asarray(strips.x) > step] > 0).any())


def _line(array: str, run: int, name: str, times: str | None = None) -> dict[str, Any]:
    meta = {"x": "history_step", "y": array, "run": run, "ink": True} | ({"times": times} if times else {})
    return {
        "meta": meta, "x": [], "y": [], "name": name, "mode": "lines", "opacity": SHADES[run % len(SHADES)],
        "line": {"width": LINE_WIDTH, "color": INK_COLOR, "dash": DASHES[run % len(DASHES)]},
        "hovertemplate": f"{name}: %{{y:.4g}} at step %{{x}}<extra></extra>",
    }  # fmt: skip


def _ghost(column: str, run: int, name: str) -> dict[str, Any]:
    line = _line(f"ghost_{column}", run, f"gray: {name}")
    line["line"] = line["line"] | {"color": GHOST_COLOR}
    return line | {"meta": {"x": "ghost_step", "y": f"ghost_{column}", "run": run}, "showlegend": False}


def _with_ghosts(history: History | None, runs: int, names: Sequence[str]) -> range:
    """The runs beside which a ghost may be drawn: in live charts, if no legend takes the room where it is named."""
    return range(runs if history is None and not names else 0)


def _lines(column: str, y_title: str, history: History | None, runs: int, names: Sequence[str]) -> go.Figure:
    """One column of a history over time, a line for each run, with a legend where several have names."""
    figure = go.Figure(layout=_layout(y_title=y_title, marks=True, heading=LEGEND))
    for run in range(runs):
        figure.add_scatter(**_line(f"history_{column}", run, names[run] if run < len(names) else y_title))
    for run in _with_ghosts(history, runs, names):
        figure.add_scatter(**_ghost(column, run, y_title))
    figure.update_layout(showlegend=len(names) > 1, legend=LEGEND_ABOVE)
    figure.update_layout(meta=figure.layout.meta | {"ghost_beside": 0})
    return figure


def _run_name(names: Sequence[str], run: int) -> str:
    return f"{names[run]}: " if run < len(names) else ""


def _axis(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 6, "font": {"size": FONT_SIZE}},
        "gridcolor": GRID_COLOR, "zerolinecolor": GRID_COLOR, "automargin": True, "fixedrange": True,
        "exponentformat": "none",
    }  # fmt: skip


def _heading(text: str, y: float) -> dict[str, Any]:
    return {
        "text": text, "x": 0, "y": y, "xref": "paper", "yref": "paper",
        "xanchor": "left", "yanchor": "bottom", "showarrow": False,
    }  # fmt: skip


def _layout(y_title: str, marks: bool, heading: int = 0) -> dict[str, Any]:
    """What all charts share: transparent, large type, and how a knob mark looks (the stage draws them likewise).

    Args:   heading: pixels above the plot that are taken; labels of marks stand above them.
    """
    label = {"y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": "left", "xshift": 4, "showarrow": False}
    mark = {"line": {"width": LINE_WIDTH, "dash": "dot", "color": "rgba(128,128,128,0.9)"}}
    rows = {"mark_rows": MARK_ROWS, "mark_row_height": MARK_ROW_HEIGHT, "mark_offset": heading}
    return {
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"size": FONT_SIZE},
        "margin": {"l": 8, "r": 8, "t": 6 + heading, "b": 8}, "showlegend": False,
        "uirevision": "keep", "hovermode": "closest",
        "xaxis": _axis(STEP_TITLE) | {"rangemode": "tozero", "nticks": 6, "tickformat": "d"},
        "yaxis": _axis(y_title), "meta": {"mark": mark, "mark_label": label, **rows} if marks else {},
    }  # fmt: skip
