"""Plotly figures, on a page, in a notebook and in the live picture."""

from moeviz.config.letters import letter
from moeviz.figures.curves import (
    dead_figure,
    dropped_figure,
    load_figure,
    loss_figure,
    match_figure,
    metric_figure,
    uneven_figure,
)
from moeviz.figures.palette import HUES, hue
from moeviz.figures.templates import load_of, overlaid, side_by_side

__all__ = [
    "HUES",
    "dead_figure",
    "dropped_figure",
    "hue",
    "letter",
    "load_figure",
    "load_of",
    "loss_figure",
    "match_figure",
    "metric_figure",
    "overlaid",
    "side_by_side",
    "uneven_figure",
]
