"""Pictures of cost: counted lines with measured points, quality against cost, and what a model's parameters are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from moeviz.figures.curves import FONT_SIZE, GHOST_COLOR, INK_COLOR
from moeviz.figures.maps import plain_axis, plain_layout
from moeviz.figures.palette import DASHES

HEIGHT, BARS_HEIGHT = 380, 260
MARKER, LINE = 11, 2
SYMBOLS = ("circle", "square-open", "triangle-up", "diamond-open", "x")
ROOM = 1.5  # beyond the ends of a logarithmic axis
SHADES = (1.0, 0.7, 0.5, 0.35, 0.22, 0.12)  # of the parts of a bar
PATTERNS = ("", "/", "", "x", "", ".")
ABOVE = {"orientation": "h", "x": 0, "y": 1.03, "yanchor": "bottom"}


@dataclass(frozen=True)
class Points:
    """Numbers at some places of a chart, each with the ends of its spread."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()  # none = without a spread
    high: Sequence[float] = ()


def cost_figure(
    x_title: str, y_title: str, lines: Sequence[Points], points: Sequence[Points], *, mark: tuple[float, str] | None,
    ink: str = INK_COLOR,
) -> go.Figure:  # fmt: skip
    """Counted lines, and beside them what was measured, as points with their spread.

    Args:   lines, points: those of one name share sign and dash.  mark: a place on the x axis, and what begins there.
    Units:  those of the titles; both axes begin at 0.
    """
    figure = go.Figure()
    names = list(dict.fromkeys(each.name for each in [*lines, *points]))
    with_points = {each.name for each in points}  # once in the legend is enough
    for each in lines:
        figure.add_scatter(
            x=each.x, y=each.y, name=each.name, mode="lines", legendgroup=each.name,
            showlegend=each.name not in with_points,
            line={"width": LINE, "color": ink, "dash": DASHES[names.index(each.name) % len(DASHES)]},
            hovertemplate=f"{each.name}, counted: %{{y:.4~g}} at %{{x}}<extra></extra>",
        )  # fmt: skip
    for each in points:
        figure.add_scatter(
            x=each.x, y=each.y, name=each.name, mode="markers", legendgroup=each.name,
            marker=_marker(names.index(each.name), ink), error_y=_spread(each, ink),
            hovertemplate=f"{each.name}, measured: %{{y:.4~g}} at %{{x}}<extra></extra>",
        )  # fmt: skip
    if mark is not None:
        right = mark[0] > max(x for each in lines for x in each.x) / 2
        figure.add_vline(
            x=mark[0], line={"width": LINE, "dash": "dot", "color": GHOST_COLOR}, annotation_text=mark[1],
            annotation_font={"size": FONT_SIZE, "color": ink}, annotation_position="top left" if right else "top right",
        )  # fmt: skip
    figure.update_layout(
        plain_layout("", ink, HEIGHT), showlegend=True, legend=ABOVE | {"font": {"size": FONT_SIZE, "color": ink}},
        xaxis=plain_axis(x_title, ink) | {"rangemode": "tozero"},
        yaxis=plain_axis(y_title, ink) | {"rangemode": "tozero"},
    )  # fmt: skip
    return figure


def quality_figure(
    x_title: str, y_title: str, rows: Sequence[Points], labels: Sequence[Sequence[str]], *, ink: str = INK_COLOR
) -> go.Figure:
    """Quality against a cost: a line through the means over seeds, with their spread, and what each point is.

    Units:  those of the titles; the cost on a logarithmic axis.
    """
    figure = go.Figure()
    for row, (each, texts) in enumerate(zip(rows, labels, strict=True)):
        figure.add_scatter(
            x=each.x, y=each.y, name=each.name, mode="lines+markers+text", text=texts,
            textposition=_beside(row, len(each.x)), textfont={"size": FONT_SIZE, "color": ink},
            line={"width": LINE, "color": ink, "dash": DASHES[row % len(DASHES)]}, marker=_marker(row, ink),
            error_y=_spread(each, ink), cliponaxis=False,
            hovertemplate=f"{each.name}, %{{text}}: %{{y:.3f}} at %{{x:,}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        plain_layout("", ink, HEIGHT), showlegend=True, legend=ABOVE | {"font": {"size": FONT_SIZE, "color": ink}},
        xaxis=plain_axis(x_title, ink) | _logarithmic([x for each in rows for x in each.x]),
        yaxis=plain_axis(y_title, ink),
    )  # fmt: skip
    return figure


def parts_figure(bars: Mapping[str, Mapping[str, float]], x_title: str, *, ink: str = INK_COLOR) -> go.Figure:
    """A bar for each of a few sums, made of its parts, which are told apart by shade and pattern.

    Units:  that of the title.
    """
    figure = go.Figure()
    names = list(bars)
    for place, part in enumerate(next(iter(bars.values()))):
        if not any(bars[name][part] for name in names):
            continue
        figure.add_bar(
            y=names, x=[bars[name][part] for name in names], name=part, orientation="h", opacity=SHADES[place],
            marker={"color": ink, "line": {"width": 1, "color": ink}, "pattern": {"shape": PATTERNS[place]}},
            hovertemplate=f"{part}: %{{x:.4~g}}<extra>%{{y}}</extra>",
        )  # fmt: skip
    figure.update_layout(
        plain_layout("", ink, BARS_HEIGHT), barmode="stack", showlegend=True,
        legend=ABOVE | {"traceorder": "normal", "font": {"size": FONT_SIZE, "color": ink}},
        xaxis=plain_axis(x_title, ink), yaxis=plain_axis("", ink) | {"autorange": "reversed"},
    )  # fmt: skip
    return figure


def _beside(row: int, count: int) -> list[str]:
    """Where labels stand: of the first row above the line, of the second one beneath it."""
    return ["bottom right"] * count if row else [*["top left"] * (count - 1), "top right"]


def _logarithmic(numbers: Sequence[float]) -> dict[str, object]:
    """A logarithmic axis around these numbers, with room for what is written beside them; ticks at 1, 2, 5, 10, …"""
    low, high = min(numbers) / ROOM, max(numbers) * ROOM
    ticks = [digit * 10**power for power in range(13) for digit in (1, 2, 5) if low <= digit * 10**power <= high]
    text = [f"{each:,}" for each in ticks]
    return {"type": "log", "range": [math.log10(low), math.log10(high)], "tickvals": ticks, "ticktext": text}


def _marker(row: int, ink: str) -> dict[str, object]:
    return {"size": MARKER, "symbol": SYMBOLS[row % len(SYMBOLS)], "color": ink, "line": {"width": LINE, "color": ink}}


def _spread(each: Points, ink: str) -> dict[str, object]:
    """The line through a point, from the low to the high end of its spread."""
    up = [high - y for high, y in zip(each.high, each.y, strict=False)]
    down = [y - low for low, y in zip(each.low, each.y, strict=False)]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": ink, "visible": bool(up)}
