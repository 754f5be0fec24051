"""What a page shows of a sweep: how far it is, maps, lines, a table, and the way from a cell to its runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from moeviz.config import KNOBS, RunConfig, Value
from moeviz.config.names import LETTERS
from moeviz.experiments.sweep import (
    DIVERGED,
    MEASURES,
    NO_RUN,
    Cells,
    cells,
    ends,
    ends_of_means,
    measure_label,
    runs,
    table,
)
from moeviz.figures import maps
from moeviz.figures.maps import Axis, Scale
from moeviz.ui.page_parts.sweep import Started, choose, measure, started
from moeviz.ui.run.notices import plain

PICTURES = ("Map", "Lines", "All runs", "Table")
DIGITS = {"dead_experts": ".1f", "active_flops": ",.0f", "parameters": ",.0f", "active_parameters": ",.0f"}
USUAL_DIGITS = ".2f"
MOST_COLUMNS = 3  # maps beside each other
INK = {"dark": "#F3F4F6", "light": "#111827"}  # of the theme
ON_AXES = ("test_metric", "cv_load", "dead_experts", "specialization")
POLL = 1.0


def show() -> None:
    """The visitor's sweep; while it trains, this part of the page looks again every second."""
    sweep = started()
    if sweep is not None:
        with st.container(key="sweep_shown"):
            st.fragment(_show, run_every=None if sweep.job.over else POLL)(sweep)


def _show(sweep: Started) -> None:
    job = sweep.job
    if job.over and st.session_state.get("finished_sweep") != id(job):
        st.session_state.finished_sweep = id(job)
        st.rerun()  # the whole page once more: it polls no longer, and Start takes the place of Cancel
    _progress(sweep)
    left, right = st.columns([1, 2.4], vertical_alignment="bottom")
    picture = left.segmented_control("Picture", PICTURES, default=PICTURES[0], key="picture", required=True)
    names = list(MEASURES)
    name = right.selectbox(
        "Measure", names, names.index(measure()), key="pick_measure",
        format_func=lambda each: measure_label(each, sweep.task),
    )  # fmt: skip
    choose("measure", name)
    if picture == "Table":
        _table(sweep)
    elif picture == "All runs":
        _all_runs(sweep)
    else:
        _panels(sweep, name, picture)
    _downloads(sweep)


def _progress(sweep: Started) -> None:
    job, at = sweep.job, sweep.job.progress
    if not job.over:
        st.progress(min(at.share, 1.0), text=f"{at.counted}, about {max(1, round(at.seconds_left))} s left")
    elif at.done < at.total:
        said = f"{at.done} of {at.total} runs are finished{f', {at.failed} failed' if at.failed else ''}"
        st.info(f"{said}{'; the rest was cancelled' if job.cancelled else ''}. Start trains what is missing.")
    for error in job.errors:
        st.error(plain(error))


# ---- pictures -------------------------------------------------------------------------------------------------------


def _panels(sweep: Started, name: str, picture: str) -> None:
    """One map, or one chart of lines, for each value of the third knob."""
    third = sweep.axes.get("each")
    fixed: list[dict[str, Value]] = [{third: value} for value in sweep.plan.vary[third]] if third else [{}]
    x, y = sweep.axes["x"], sweep.axes["y"]
    panels = [cells(sweep.plan, sweep.job.results, name, x, y, each) for each in fixed]
    scale = _scale(sweep, name, ends_of_means(panels))  # one for all maps, so that equal numbers are equally dark
    across = min(len(fixed), MOST_COLUMNS)
    for first in range(0, len(fixed), across):
        for column, place in zip(st.columns(across), range(first, len(fixed)), strict=False):
            with column:
                _panel(sweep, scale, picture, fixed[place], panels[place])
    if picture == "Map":
        st.caption(
            f"Each cell: the mean over its seeds, ± their standard deviation. {NO_RUN} no such run (as k > N) · "
            f"{DIVERGED} a run has diverged · empty: not finished. Click a cell to open its runs."
        )
        _cell(sweep, name)


def _panel(sweep: Started, scale: Scale, picture: str, fixed: dict[str, Value], content: Cells) -> None:
    x, y = sweep.axes["x"], sweep.axes["y"]
    title = ", ".join(f"{_short(knob)} = {_written(knob, value)}" for knob, value in fixed.items())
    across, upward = _axis(sweep, x), _axis(sweep, y)
    key = "-".join([picture, x, y, *map(str, fixed.values())])
    about = f"{scale.label} against {across.label} and {upward.label}{f', {title}' if title else ''}"
    if picture == "Lines":
        figure = maps.sweep_lines(
            across, upward, scale, content.mean_YX, content.spread_YX, title=title, ink=ink()
        )  # fmt: skip
        st.plotly_chart(figure, key=key, alt=f"Lines of {about}. The numbers stand in the table.", config=STILL)
        return
    figure = maps.phase_map(
        across, upward, scale, content.mean_YX, content.spread_YX, content.note_YX, title=title, ink=ink(),
        marked=_marked(sweep, fixed),
    )  # fmt: skip
    st.plotly_chart(
        figure, key=key, alt=f"Map of {about}. The numbers stand in the table.", config=STILL,
        on_select=_clicked(sweep, key, fixed), selection_mode="points",
    )  # fmt: skip


def _all_runs(sweep: Started) -> None:
    """Parallel axes of all runs that are finished and did not diverge."""
    pairs = [
        (config, result)
        for config, result in zip(sweep.job.configs, sweep.job.results, strict=True)
        if result is not None and not result.diverged
    ]
    names = list(sweep.plan.vary)
    rows = [
        [*(sweep.plan.vary[name].index(getattr(config, name)) for name in names),
         *(getattr(result, each) for each in ON_AXES)]
        for config, result in pairs
    ]  # fmt: skip
    scales = [_scale(sweep, each, ends(sweep.job.results, each)) for each in ON_AXES]
    figure = maps.parallel_axes([_axis(sweep, name) for name in names], scales, rows, ink=ink())
    st.plotly_chart(
        figure, key="parallel", config=STILL,
        alt="Every run as a line over its knobs and its measures. The numbers stand in the table.",
    )  # fmt: skip
    st.caption(
        f"One line for each run, from its knobs to what became of it; the stronger, the higher its {scales[0].label}."
    )


def _table(sweep: Started) -> None:
    """All finished runs; a click on a column's head sorts."""
    names = list(sweep.plan.vary)
    frame = table(sweep.job, names)
    if frame.empty:
        st.caption("No run is finished yet.")
        return
    finished = [c for c, result in zip(sweep.job.configs, sweep.job.results, strict=True) if result is not None]
    frame.insert(0, "open", [_link(config) for config in finished])
    heads: dict[str, Any] = {name: _short(name) for name in names} | {"seed": "Seed", "diverged": "Diverged"}
    heads |= {each: measure_label(each, sweep.task) for each in MEASURES}
    digits = {
        each: st.column_config.NumberColumn(heads[each], format="%.3f") for each in MEASURES if each not in DIGITS
    }
    opens = st.column_config.LinkColumn("Playground", display_text="open")
    st.dataframe(frame, hide_index=True, column_config=heads | digits | {"open": opens}, key="runs")


# ---- a cell and its runs --------------------------------------------------------------------------------------------


def _clicked(sweep: Started, key: str, fixed: dict[str, Value]) -> Any:
    """The callback of one map: it remembers the values of the cell that was clicked."""

    def remember() -> None:
        points = st.session_state[key].selection.points
        if points:
            x, y = sweep.axes["x"], sweep.axes["y"]
            column, row = round(points[0]["x"]), round(points[0]["y"])
            values = {x: sweep.plan.vary[x][column], y: sweep.plan.vary[y][row]}
            st.session_state.sweep_cell = {**fixed, **values}

    return remember


def _marked(sweep: Started, fixed: dict[str, Value]) -> tuple[int, int] | None:
    chosen = st.session_state.get("sweep_cell")
    if chosen is None or any(chosen.get(name) != value for name, value in fixed.items()):
        return None
    x, y = sweep.axes["x"], sweep.axes["y"]
    return sweep.plan.vary[x].index(chosen[x]), sweep.plan.vary[y].index(chosen[y])


def _cell(sweep: Started, name: str) -> None:
    """The runs of the cell that was clicked, each a link to the Playground."""
    chosen = st.session_state.get("sweep_cell")
    if chosen is None:
        return
    here = runs(sweep.plan, sweep.job.results, chosen)
    where = ", ".join(f"{_short(knob)} = {_written(knob, value)}" for knob, value in chosen.items())
    if not here:
        why = next((each.reason for each in sweep.plan.left_out if each.values == chosen), "")
        st.markdown(plain(f"{where}: no run can have these values. {why}"))
        return
    digits, links = DIGITS.get(name, USUAL_DIGITS), []
    for config, result in here:
        number = getattr(result, name) if result is not None else None
        said = "" if number is None else f" ({number:{digits}})"
        links.append(f"[seed {config.seed}]({_link(config)}){said}")
    st.markdown(
        f"**{plain(where)}.** Open in the Playground, from step 0: {' · '.join(links)}. A run that trains alone may "
        "part from the one in the map by rounding: the same start and data, but now and then another choice."
    )


def _link(config: RunConfig) -> str:
    return f"playground?{urlencode(config.to_url() | {'swept': '1'})}"  # which makes that page say where it is from


def _downloads(sweep: Started) -> None:
    with st.container(horizontal=True, gap="xsmall", key="sweep_files"):
        st.download_button("Runs (CSV)", lambda: _csv(sweep), "moeviz-sweep.csv", "text/csv", on_click="ignore")
        st.download_button(
            "Runs (JSON)", lambda: _json(sweep), "moeviz-sweep.json", "application/json", on_click="ignore"
        )


def _csv(sweep: Started) -> str:
    return str(table(sweep.job, list(sweep.plan.vary)).to_csv(index=False))


def _json(sweep: Started) -> str:
    pairs = zip(sweep.job.configs, sweep.job.results, strict=True)
    rows = [{"config": vars(config), "result": asdict(result)} for config, result in pairs if result is not None]
    written = {"vary": sweep.plan.vary, "steps": sweep.job.steps, "runs": rows}
    return json.dumps(written, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


# ---- words and colors -----------------------------------------------------------------------------------------------

STILL = {"displayModeBar": False, "scrollZoom": False}


def ink() -> str:
    """The text color of the theme."""
    return INK.get(str(st.context.theme.type), INK["light"])


def _scale(sweep: Started, name: str, between: tuple[float, float]) -> Scale:
    return Scale(measure_label(name, sweep.task), DIGITS.get(name, USUAL_DIGITS), *between)


def _axis(sweep: Started, name: str) -> Axis:
    return Axis(KNOBS[name].label, [_written(name, value) for value in sweep.plan.vary[name]], _short(name))


def _short(name: str) -> str:
    return LETTERS.get(name, KNOBS[name].label)


def _written(name: str, value: Value) -> str:
    return KNOBS[name].write(value)
