"""More experts at the same cost, on a page: the runs, trained at a button, and what they came to."""

from __future__ import annotations

import streamlit as st

from moeviz.experiments.cost.growth import ROWS, STEPS, SizeResult, all_configs, in_words, size_results
from moeviz.experiments.sweep import Job, SweepBusy, shared_pool
from moeviz.figures.costs import Points, quality_figure
from moeviz.ui.page_parts.sweep import kept
from moeviz.ui.page_parts.swept import STILL, ink
from moeviz.ui.run.notices import plain
from moeviz.ui.run.presence import adopt, hold

POLL = 1.0


def growth() -> None:
    """The button and the two charts; while runs are trained, this part of the page looks again every second."""
    job: Job | None = st.session_state.get("growth")
    if job is None and (job := adopt(Job, lambda each: each.configs == tuple(all_configs()))) is not None:
        st.session_state.growth = job
    if job is None and all(kept().get(each, STEPS) for each in all_configs()):
        _start()  # another visitor has trained all of them
        job = st.session_state.get("growth")
    training = job is not None and not job.over
    if training and job is not None:
        st.button("Cancel training", on_click=job.cancel, key="grow")
    elif job is None or None in job.results:
        seconds = max(1, round(shared_pool().seconds_for(all_configs(), STEPS)))
        st.button(f"Train {len(all_configs())} runs, about {seconds} s", type="primary", on_click=_start, key="grow")
    if busy := st.session_state.pop("growth_busy", None):
        st.warning(plain(f"The server is busy: {busy}."), icon=":material/hourglass_top:")
    st.fragment(_show, run_every=POLL if training else None)()


def _start() -> None:
    try:
        st.session_state.growth = Job(all_configs(), STEPS, store=kept())
        hold(st.session_state.growth)
    except SweepBusy as busy:
        st.session_state.growth_busy = str(busy)


def _show() -> None:
    job: Job | None = st.session_state.get("growth")
    if job is None:
        return
    if job.over and st.session_state.get("finished_growth") is not job:
        st.session_state.finished_growth = job
        st.rerun()  # the whole page once more: it polls no longer
    if not job.over:
        st.progress(min(job.progress.share, 1.0), text=job.progress.counted)
    for error in job.errors:
        st.error(plain(error))
    known = dict(zip(job.configs, job.results, strict=True))
    rows = {row: size_results(row, known) for row in ROWS}
    if not any(rows.values()):
        return
    titles = {"active_flops": "Operations for one token, forward", "parameters": "Parameters"}
    for column, (cost, title) in zip(st.columns(2), titles.items(), strict=True):
        points = [_points(ROWS[row], each, cost) for row, each in rows.items()]
        labels = [[_label(row, result) for result in each] for row, each in rows.items()]
        figure = quality_figure(title, "R² on the test set (at most 1)", points, labels, ink=ink())
        about = f"R² against {title}: more experts, and one wider and wider network."
        column.plotly_chart(figure, key=f"growth_{cost}", alt=about, config=STILL)
    st.markdown(in_words(rows["experts"], rows["network"]))


def _points(name: str, each: list[SizeResult], cost: str) -> Points:
    costs = [getattr(result, cost) for result in each]
    means = [result.mean for result in each]
    return Points(name, costs, means, [result.low for result in each], [result.high for result in each])


def _label(row: str, result: SizeResult) -> str:
    if row == "experts":
        return f"N = {result.size}"
    return "" if result.size == 1 else f"{result.size}×"
