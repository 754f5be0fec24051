"""The functions that make live templates: one function for each set of arguments, so that a stage makes each once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import plotly.graph_objects as go

from moeviz.figures.curves import load_figure


@cache
def side_by_side(figure: Callable[..., go.Figure], names: tuple[str, ...]) -> Callable[[], go.Figure]:
    """The function that makes this figure's live template for several runs, one function for each set of names."""
    return partial(figure, runs=len(names), names=names)


@cache
def overlaid(figure: Callable[..., go.Figure], runs: int) -> Callable[[], go.Figure]:
    """The same for runs that are named elsewhere on the page."""
    return partial(figure, runs=runs)


@cache
def load_of(run: int) -> Callable[[], go.Figure]:
    """The function that makes the live template of one run's load over time."""
    return partial(load_figure, run=run)
