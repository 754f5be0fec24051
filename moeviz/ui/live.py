"""The live picture as a Streamlit component: mounted once, it then speaks with the run over its own socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import streamlit as st

from moeviz.stage import LOADER_HTML, LOADER_JS


def stage(
    token: str,
    layout: str,
    *,
    charts: Mapping[str, Any] | None = None,
    titles: Sequence[str] = (),
    probe: Sequence[float] | None = None,
    view: str = "map",
    on_recovered: Callable[[], None] = lambda: None,
) -> list[float] | None:
    """Draw the run live; returns where the visitor last put the probe.

    Args:   layout: `playground` (one map, probe, load, charts) or `twins` (maps side by side).  charts: the functions
            of `moeviz.figures` that make the templates.  titles: one for each run.  probe: where the probe starts, in
            view coordinates.  view: of the task, map | curve | projection.  on_recovered: called after a diverged run
            has gone back.
    """
    component = st.components.v2.component("moeviz_stage", html=LOADER_HTML, js=LOADER_JS, isolate_styles=False)
    data = {
        "token": token, "layout": layout, "titles": list(titles), "probe": probe, "view": view,
        "autoplay": st.query_params.get("play") != "0",
        "charts": {name: _template(figure) for name, figure in (charts or {}).items()},
    }  # fmt: skip
    key = f"stage_{layout}"
    result = component(data=data, key=key, on_probe_change=lambda: None, on_recovered_change=on_recovered)
    return result.get("probe")


@cache
def _template(figure: Callable[[], Any]) -> dict[str, Any]:
    """A chart without data; made once, since making it takes longer than all the rest of a rerun."""
    made: dict[str, Any] = figure().to_plotly_json()
    return made
