"""The live picture as a Streamlit component: mounted once, it then speaks with the run over its own socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import streamlit as st

from moeviz.engine.browser_messages import check_probe
from moeviz.stage import LOADER_HTML, LOADER_JS
from moeviz.ui.run.present import presenting


def stage(
    token: str,
    layout: str,
    *,
    charts: Mapping[str, Any] | None = None,
    titles: Sequence[str] = (),
    probe: Sequence[float] | None = None,
    view: str = "map",
    story: str = "",
    lesson: str = "",
    on_go: Callable[[int], None] = lambda by: None,
    presets: Sequence[str] = (),
    keys: bool = True,
    save: int = 0,
    warm: int = 0,
    code: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    ghost: str | None = None,
    numbers: Sequence[tuple[str, str, int]] = (),
    losses: Sequence[tuple[str, float]] = (),
    measures: Sequence[Mapping[str, Any]] = (),
    whys: Sequence[str] = (),
    knob: str = "",
    section: str = "",
    names: Mapping[str, Sequence[str]] | None = None,
    on_recovered: Callable[[], None] = lambda: None,
    on_present: Callable[[], None] = lambda: None,
    on_preset: Callable[[str], None] = lambda name: None,
    on_asked: Callable[[str], None] = lambda what: None,
) -> list[float] | None:
    """Draw the run live; returns where the visitor last put the probe.

    Args:   layout: `playground` (one map, probe, load, charts), `twins` (maps side by side), `journey` (the way of one
            token), `routers` (a few tokens through two routers), `methods` (runs as rows of curves), `lab` (twins,
            and one question about them at a time), `language` (text in the colors of its experts), `vision` (pictures,
            their experts, and a pad to draw on) or `pairs` (pictures and words).
            charts: the functions of `moeviz.figures` that make the templates.  titles: one for each run.
            probe: where the probe starts, in view coordinates.  view: of the task, map | curve | projection | rows.
            story: said above the picture, in place of the first three steps.
            lesson: what may be done in one: `asking` (nothing yet), `running` (no Reset), `told` (everything).
            on_go: called for the arrow keys there, with 1 for on and -1 for back.
            presets: names that the keys 1, 2, … stand for.  keys: whether keys act at all.
            save: when it grows, the browser saves the whole picture as a file.
            warm: steps that a fresh run trains before it waits.
            code: the functions behind each formula, by its name (`journey` only).
            ghost: what is drawn gray beside the run, one of `moeviz.engine.protocol.GHOSTS`.
            numbers: shown live beside each run, as label, name in a frame's header and digits.
            losses: those that measure balance, with their balanced value (`routers` only).
            measures, whys: what each row draws, and what it says (`methods` only).
            knob: what differs between the twins.  section: the question that is open (`lab` only, both).
            names: of kinds of text and of characters, or of classes and true groups (`language`, `vision`).
            on_recovered: called after a diverged run has gone back.  on_present, on_preset: called for their keys.
            on_asked: called for what only the page can do (`lab` only): "lambda 2" turns λ on for the third twin.
    """
    component = st.components.v2.component("moeviz_stage", html=LOADER_HTML, js=LOADER_JS, isolate_styles=False)
    data = {
        "token": token, "layout": layout, "titles": list(titles), "probe": probe, "view": view,
        "present": presenting(), "keys": keys, "lesson": lesson,
        "story": story, "presets": list(presets), "save": save, "ghost": ghost,
        "warm": warm, "code": code or {}, "numbers": [list(each) for each in numbers],
        "losses": [list(each) for each in losses], "measures": [dict(each) for each in measures], "whys": list(whys),
        "knob": knob, "section": section, "names": {key: list(each) for key, each in (names or {}).items()},
        "charts": {name: _template(figure) for name, figure in (charts or {}).items()},
    }  # fmt: skip
    key = f"stage_{layout}"
    result = component(
        data=data, key=key, on_probe_change=lambda: None,
        on_go_change=lambda: on_go(1 if st.session_state[key]["go"] == 1 else -1),
        on_recovered_change=on_recovered, on_present_change=on_present,
        on_preset_change=lambda: on_preset(str(st.session_state[key]["preset"])),
        on_asked_change=lambda: on_asked(str(st.session_state[key]["asked"])),
    )  # fmt: skip
    try:
        return check_probe(result.get("probe"))
    except ValueError:  # what a browser sends need not come from our script
        return None


@cache
def _template(figure: Callable[[], Any]) -> dict[str, Any]:
    """A chart without data; made once, since making it takes longer than all the rest of a rerun."""
    # Streamlit imports pandas a moment later anyhow. Plotly looks into it wherever it is loaded, also while another
    # visitor's thread has loaded only half of it; an import waits for the whole.
    import pandas  # noqa: F401

    made: dict[str, Any] = figure().to_plotly_json()
    return made
