"""Plotly figures: the one place that decides how a chart looks, on a page, in a notebook and in the live stage."""

from moeviz.figures.curves import load_figure, loss_figure, metric_figure, side_by_side, uneven_figure
from moeviz.figures.palette import HUES, hue, striped
from moeviz.letters import letter

__all__ = [
    "HUES",
    "hue",
    "letter",
    "load_figure",
    "loss_figure",
    "metric_figure",
    "side_by_side",
    "striped",
    "uneven_figure",
]
