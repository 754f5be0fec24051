"""Pictures of a sweep: a map with a number in each cell, lines with their spread, and every run as a line over axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from moeviz.figures.curves import FONT_SIZE, GRID_COLOR, INK_COLOR, LINE_WIDTH
from moeviz.figures.palette import DASHES

# One hue, light to dark, opaque: the same in both themes and in grayscale. (Colors with meaning belong to experts.)
LIGHT, DARK = (238, 241, 245), (38, 50, 68)
ON_LIGHT, ON_DARK = "#000000", "#FFFFFF"
TURNS = 0.643  # share of the scale from which white is the better to read on it: both have 4.5:1 there
BLANK = "rgba(128,128,128,0.10)"  # a cell without a number
CELL_HEIGHT, CELL_FONT, SPREAD_FONT = 64, 17, 14
MARGIN_Y = 92  # pixels for the title above a map and the axis beneath it
MOST_COLUMNS = 8  # with more, a cell is too narrow for the spread
LINES_HEIGHT, AXES_HEIGHT = 380, 420
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "x", "cross")
BAND = "rgba(128,128,128,0.22)"


@dataclass(frozen=True)
class Axis:
    """A varied knob: its label, and its values as a page writes them."""

    label: str
    ticks: Sequence[str]
    short: str = ""  # for legends; empty = the label

    @property
    def name(self) -> str:
        """What a legend calls it."""
        return self.short or self.label


@dataclass(frozen=True)
class Scale:
    """The measure that is shown: its label, how its numbers are written, and the ends of what is shown together."""

    label: str
    digits: str  # of a number, as in format(number, digits)
    low: float
    high: float

    def write(self, number: float) -> str:
        """The number as it stands in a cell."""
        return format(number, self.digits)


def phase_map(
    x: Axis, y: Axis, scale: Scale, mean_YX: np.ndarray, spread_YX: np.ndarray, note_YX: Sequence[Sequence[str]], *,
    title: str = "", marked: tuple[int, int] | None = None, ink: str = INK_COLOR,
) -> go.Figure:  # fmt: skip
    """The mean over seeds in each cell, dark = much, and beneath it the spread (the standard deviation).

    Args:   mean_YX: NaN where there is no number.  spread_YX: NaN for a single run.
            note_YX: a sign for why there is no number, or not all of them.
            marked: column and row of a cell with a frame around it.  ink: the theme's text color.
    Units:  those of the scale.
    """
    figure = go.Figure()
    colors = [[0, f"rgb{LIGHT}"], [1, f"rgb{DARK}"]]
    width = max(scale.high - scale.low, 1e-12)
    figure.add_heatmap(
        x=list(range(len(x.ticks))), y=list(range(len(y.ticks))), z=mean_YX, zmin=scale.low, zmax=scale.low + width,
        colorscale=colors, showscale=False, xgap=3, ygap=3, hoverinfo="skip", name="mean",
    )  # fmt: skip
    cells = [(column, row) for row in range(len(y.ticks)) for column in range(len(x.ticks))]
    texts, inks, hovers = [], [], []
    for column, row in cells:
        mean, spread = float(mean_YX[row, column]), float(spread_YX[row, column])
        where = f"{x.label} = {x.ticks[column]}, {y.label} = {y.ticks[row]}"
        if np.isnan(mean):
            texts.append(note_YX[row][column])
            inks.append(ink)
            hovers.append(f"{where}: {note_YX[row][column] or 'not finished'}")
            continue
        beside = [] if np.isnan(spread) else [f"±{scale.write(spread)}"]
        beside += [note_YX[row][column]] if note_YX[row][column] else []
        small = f'<br><span style="font-size:{SPREAD_FONT}px">{" ".join(beside)}</span>'
        texts.append(scale.write(mean) + (small if beside and len(x.ticks) <= MOST_COLUMNS else ""))
        inks.append(ON_DARK if (mean - scale.low) / width > TURNS else ON_LIGHT)
        hovers.append(f"{where}: {scale.label} {' '.join([scale.write(mean), *beside])}")
    figure.add_scatter(  # what a heat map has not: text with a color of its own for each cell, and clicks
        x=[column for column, _ in cells], y=[row for _, row in cells], mode="markers+text", text=texts,
        textfont={"size": CELL_FONT, "color": inks}, marker={"size": CELL_HEIGHT - 8, "symbol": "square", "opacity": 0},
        hovertext=hovers, hovertemplate="%{hovertext}<extra></extra>", name="cells",
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip
    shapes = [_frame(column, row, BLANK) for column, row in cells if np.isnan(mean_YX[row, column])]
    shapes += [_frame(*marked, "rgba(0,0,0,0)", ink, 4)] if marked else []
    figure.update_layout(
        plain_layout(title, ink, CELL_HEIGHT * len(y.ticks) + MARGIN_Y), shapes=shapes,
        xaxis=_ticks(x, ink) | {"showgrid": False}, yaxis=_ticks(y, ink) | {"showgrid": False},
        clickmode="event+select",
    )  # fmt: skip
    return figure


def sweep_lines(
    x: Axis,
    each: Axis,
    scale: Scale,
    mean_YX: np.ndarray,
    spread_YX: np.ndarray,
    *,
    title: str = "",
    ink: str = INK_COLOR,
) -> go.Figure:
    """The mean over seeds against one knob, a line for each value of another; the band is the spread on both sides.

    Args:   mean_YX, spread_YX: a row for each line; NaN where there is no number.
    Units:  those of the scale.
    """
    figure = go.Figure()
    columns = list(range(len(x.ticks)))
    for line, tick in enumerate(each.ticks):
        mean_X, spread_X = mean_YX[line], np.nan_to_num(spread_YX[line])
        there = np.isfinite(mean_X)
        if not there.any():
            continue
        at = [column for column in columns if there[column]]
        upper, lower = (mean_X + spread_X)[there], (mean_X - spread_X)[there]
        figure.add_scatter(
            x=[*at, *at[::-1]], y=[*upper, *lower[::-1]], fill="toself", fillcolor=BAND, line={"width": 0},
            mode="lines", hoverinfo="skip", showlegend=False, name=f"spread of {tick}",
        )  # fmt: skip
        name = f"{each.name} = {tick}"
        figure.add_scatter(
            x=at, y=mean_X[there], name=name, mode="lines+markers",
            line={"width": LINE_WIDTH, "color": ink, "dash": DASHES[line % len(DASHES)]},
            marker={"size": 9, "symbol": SYMBOLS[line % len(SYMBOLS)], "color": ink},
            text=[x.ticks[column] for column in at],
            hovertemplate=f"{x.label} = %{{text}}, {name}: %{{y:{scale.digits}}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        plain_layout(title, ink, LINES_HEIGHT), showlegend=True, xaxis=_ticks(x, ink),
        yaxis=plain_axis(scale.label, ink) | {"tickformat": "~g"},
        legend={"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top", "font": {"size": FONT_SIZE, "color": ink}},
    )  # fmt: skip
    return figure


def parallel_axes(
    axes: Sequence[Axis], scales: Sequence[Scale], rows: Sequence[Sequence[float]], *, ink: str = INK_COLOR
) -> go.Figure:
    """Every run as one line over parallel axes: the varied knobs, then what was measured.

    The stronger a line, the higher its value on the first measured axis.

    Args:   rows: for each run, the index of its value on each of `axes`, then its number on each of `scales`.
    Units:  each axis runs from its own lowest value at the bottom to its highest at the top.
    """
    figure = go.Figure()
    names = [axis.label for axis in axes] + [scale.label for scale in scales]
    for row in sorted(rows, key=lambda row: row[len(axes)]):
        heights = [_share(row[place], 0, len(axis.ticks) - 1) for place, axis in enumerate(axes)]
        heights += [_share(row[len(axes) + place], scale.low, scale.high) for place, scale in enumerate(scales)]
        said = [axis.ticks[int(row[place])] for place, axis in enumerate(axes)]
        said += [scale.write(row[len(axes) + place]) for place, scale in enumerate(scales)]
        lines = "<br>".join(f"{name}: {value}" for name, value in zip(names, said, strict=True))
        figure.add_scatter(
            x=list(range(len(names))), y=heights, mode="lines", opacity=0.25 + 0.75 * heights[len(axes)],
            line={"width": 2, "color": ink}, hovertemplate=f"{lines}<extra></extra>", showlegend=False,
        )  # fmt: skip
    for place, axis in enumerate(axes):
        for index, tick in enumerate(axis.ticks):
            _write(figure, place, _share(index, 0, len(axis.ticks) - 1), tick)
    for place, scale in enumerate(scales, start=len(axes)):
        for end in dict.fromkeys((scale.low, scale.high)):  # once, where all are equal
            _write(figure, place, _share(end, scale.low, scale.high), scale.write(end))
    hidden = {"visible": False, "range": [-0.08, 1.08], "fixedrange": True}
    ticks = {"tickvals": list(range(len(names))), "ticktext": [_wrapped(name) for name in names]}
    figure.update_layout(
        plain_layout("", ink, AXES_HEIGHT), yaxis=hidden,
        xaxis=plain_axis("", ink) | ticks | {"side": "top", "range": [-0.3, len(names) - 0.4], "gridwidth": 2},
    )  # fmt: skip
    return figure


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _write(figure: go.Figure, x: float, y: float, text: str) -> None:
    """A number beside an axis, on a ground of its own: lines run across it."""
    figure.add_annotation(
        x=x, y=y, text=text, showarrow=False, xanchor="left", xshift=5, bgcolor=f"rgb{LIGHT}",
        font={"size": FONT_SIZE, "color": ON_LIGHT},
    )  # fmt: skip


def _wrapped(name: str) -> str:
    """A long name on two lines."""
    words = name.split(" ")
    middle = (len(words) + 1) // 2
    return name if len(name) < 14 else "<br>".join(filter(None, (" ".join(words[:middle]), " ".join(words[middle:]))))


def _frame(column: int, row: int, fill: str, color: str = "rgba(128,128,128,0.5)", width: int = 1) -> dict[str, Any]:
    return {
        "type": "rect", "x0": column - 0.48, "x1": column + 0.48, "y0": row - 0.48, "y1": row + 0.48,
        "fillcolor": fill, "line": {"color": color, "width": width},
    }  # fmt: skip


def _ticks(axis: Axis, ink: str) -> dict[str, Any]:
    count = len(axis.ticks)
    own = {"tickvals": list(range(count)), "ticktext": list(axis.ticks), "range": [-0.5, count - 0.5]}
    return plain_axis(axis.label, ink) | own | {"zeroline": False}


def plain_axis(title: str, ink: str) -> dict[str, Any]:
    """An axis with its title in large type and in the theme's ink; it cannot be dragged."""
    return {
        "title": {"text": title, "standoff": 6, "font": {"size": FONT_SIZE, "color": ink}},
        "tickfont": {"size": FONT_SIZE, "color": ink},
        "gridcolor": GRID_COLOR, "zerolinecolor": GRID_COLOR, "automargin": True, "fixedrange": True,
    }  # fmt: skip


def plain_layout(title: str, ink: str, height: int) -> dict[str, Any]:
    """What the charts of numbers share: transparent, large type, no legend."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"size": FONT_SIZE, "color": ink},
        "title": {"text": title, "font": {"size": FONT_SIZE, "color": ink}, "x": 0, "xref": "paper"}, "height": height,
        "margin": {"l": 8, "r": 8, "t": 40 if title else 12, "b": 8}, "showlegend": False, "hovermode": "closest",
        "dragmode": False,
    }  # fmt: skip
