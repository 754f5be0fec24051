"""What a layer costs, on a page: counted at once, and measured on this machine at a button."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache

import streamlit as st

from moeviz.engine.server.printed_lines import Busy
from moeviz.experiments.cost.counted import (
    CHARTS,
    FORMS,
    LAYER_KNOBS,
    MOST_KEPT,
    NETWORKS,
    Case,
    Layer,
    active_parameters,
    along,
    flops,
    kept,
    parameters,
    too_large,
)
from moeviz.experiments.cost.process import Measurement, Seconds, pays_at, sentences
from moeviz.figures.costs import Points, cost_figure
from moeviz.ui.page_parts.swept import STILL, ink
from moeviz.ui.run.notices import plain
from moeviz.ui.run.presence import adopt, hold
from moeviz.ui.widgets.sizes import boxes, sizes

POLL = 1.0
REMEMBERED = 8  # measurements, for all visitors of the server
COLLAPSED = "sparse, collapsed"
TITLES = {"num_experts": "More experts, same k", "top_k": "More active experts, same N", "num_tokens": "More tokens"}
FORMULA = (
    r"$3 \cdot 2n\,(N D + k \cdot 2 D H) = 3 \cdot 2 \cdot %(num_tokens)s\,(%(num_experts)s \cdot %(width)s + "
    r"%(top_k)s \cdot 2 \cdot %(width)s \cdot %(hidden_width)s) = %(flops)s$"
)


@cache
def measured() -> dict[Layer, Measurement]:
    """The newest measurements: what one visitor has measured, the next one sees at once."""
    return {}


def chosen() -> Layer:
    """The layer that the sliders mean."""
    usual = asdict(Layer())
    numbers = sizes("layer", LAYER_KNOBS, usual)
    boxes("layer", LAYER_KNOBS, numbers, list(LAYER_KNOBS), len(LAYER_KNOBS))
    return Layer(**numbers)


def button(layer: Layer) -> None:
    """Measure this size, or stop the visitor's own measurement."""
    own: Measurement | None = st.session_state.get("measurement")
    if own is None and (own := adopt(Measurement, lambda each: each.layer == layer)) is not None:
        st.session_state.measurement = own
    if own is not None and not own.over and own.layer == layer:
        st.button("Stop measuring", on_click=own.cancel, key="measure")
    else:
        again = " again" if layer in measured() else ""
        st.button(f"Measure here{again}", type="primary", on_click=_start, args=[layer], key="measure")
    if busy := st.session_state.pop("measuring_busy", None):
        st.warning(plain(f"The server is busy: {busy}."), icon=":material/hourglass_top:")


def _start(layer: Layer) -> None:
    own: Measurement | None = st.session_state.get("measurement")
    if own is not None:
        own.cancel()
        own.wait(5)
    try:
        new = Measurement(layer)
    except Busy as busy:
        st.session_state.measuring_busy = str(busy)
        return
    hold(new)  # at once: a page that is loaded anew before it is drawn finds it
    known = measured()
    known.pop(layer, None)
    known[layer] = st.session_state.measurement = new
    for oldest in list(known)[:-REMEMBERED]:
        del known[oldest]


def show(layer: Layer) -> None:
    """Counts and charts; while this size is being measured, this part of the page looks again every second."""
    measurement = measured().get(layer)
    if measurement is not None and not measurement.over:
        hold(measurement)
    st.fragment(_show, run_every=POLL if measurement is not None and not measurement.over else None)(layer, measurement)


def _show(layer: Layer, measurement: Measurement | None) -> None:
    if measurement is not None and measurement.over and st.session_state.get("finished_measurement") is not measurement:
        st.session_state.finished_measurement = measurement
        st.rerun()  # the whole page once more: it polls no longer, and the button says "again"
    seconds = measurement.seconds if measurement is not None else {}
    really_kept = measurement.kept if measurement is not None else {}
    _say(layer, measurement, seconds)
    charts = [st.columns(2), st.columns(2)]
    for place, name in zip([*charts[0], *charts[1]], CHARTS, strict=False):
        with place:
            _time_chart(layer, name, seconds)
    with charts[1][1]:
        _memory_chart(layer, really_kept)
    _table(layer, seconds, really_kept)


# ---- words ----------------------------------------------------------------------------------------------------------


def _say(layer: Layer, measurement: Measurement | None, seconds: Seconds) -> None:
    """How the measurement goes, what it says, and what it leaves out."""
    if left_out := too_large(layer):
        largest = max(kept(case.layer, case.form) for case in left_out)
        st.caption(
            f"{len(left_out)} of the largest points are counted but not measured: they would keep up to "
            f"{largest / 1e6:.0f} million numbers for the backward pass, and a server measures up to "
            f"{MOST_KEPT / 1e6:.0f} million. Lower n, N or H to measure them."
        )
    if measurement is None:
        st.markdown("Lines are **counted** from the sizes. Press the button, and points are **measured** beside them.")
        return
    if measurement.error:
        st.error(plain(f"{measurement.error[0].upper()}{measurement.error[1:]}. Press the button again."))
    elif measurement.cancelled:
        st.caption("The measurement was stopped; what it has measured is shown.")
    if not measurement.over:
        st.caption(f"Measuring: round {int(measurement.rounds) + 1} over all sizes, each form in turn.")
    said = sentences(layer, seconds)
    if said:
        rounds = max(1, int(measurement.rounds))
        times = "1 round" if rounds == 1 else f"medians of {rounds} rounds, bars from the first to the third quarter"
        st.markdown(" ".join(said))
        st.caption(
            f"Measured on this machine ({measurement.machine}), forward and backward pass of the layer with its gate, "
            f"without an optimizer: {times}; on a CPU, the time that it works for this alone. Lines: counted "
            "operations at the speed of the plain network of equal active parameters; what lies above its line is "
            "other work than products: memory, the gate, sorting."
        )


# ---- pictures -------------------------------------------------------------------------------------------------------


def _time_chart(layer: Layer, name: str, seconds: Seconds) -> None:
    reference = seconds.get(Case(layer, "active"))
    # until there is a speed, the lines are operations
    unit = 1e-9 if reference is None else reference.median * 1e3 / flops(layer, "active")
    layers = along(layer, name)
    at = [getattr(each, name) for each in layers]
    lines = [Points(FORMS[form], at, [flops(each, form) * unit for each in layers]) for form in ("sparse", "dense")]
    groups = {FORMS[form]: [(getattr(each, name), Case(each, form)) for each in layers] for form in ("sparse", "dense")}
    if name == "num_experts":
        own = layer.num_experts
        groups |= {FORMS[form]: [(own, Case(layer, form))] for form in ("active", "total")}
        groups[COLLAPSED] = [(own, Case(layer, "sparse", collapsed=True))]
    points = [_points(title, group, seconds) for title, group in groups.items()] if reference is not None else []
    pays = pays_at(layer, name, seconds)
    begins = "sparse pays up to here" if name == "top_k" else "sparse pays from here"
    y_title = "10⁹ operations a step, counted" if reference is None else "ms a step"
    figure = cost_figure(
        LAYER_KNOBS[name].label, y_title, lines, [each for each in points if each.x],
        mark=None if pays is None else (pays, begins), ink=ink(),
    )  # fmt: skip
    st.markdown(f"**{TITLES[name]}**")
    about = f"{y_title} against {LAYER_KNOBS[name].label}: counted lines and measured points, sparse and dense."
    st.plotly_chart(figure, key=f"cost_{name}", alt=about, config=STILL)


def _points(name: str, group: list[tuple[int, Case]], seconds: Seconds) -> Points:
    there = [(x, seconds[case]) for x, case in group if case in seconds]
    ends = [[1e3 * getattr(spread, end) for _, spread in there] for end in ("median", "low", "high")]
    return Points(name, [x for x, _ in there], *ends)


def _memory_chart(layer: Layer, really_kept: dict[Case, int]) -> None:
    layers = along(layer, "num_experts")
    at = [each.num_experts for each in layers]
    lines, points = [], []
    for form in ("sparse", "dense"):
        name = f"kept for backward, {form}"
        lines.append(Points(name, at, [kept(each, form) / 1e6 for each in layers]))
        there = [each for each in layers if Case(each, form) in really_kept]
        if there:
            counted = [really_kept[Case(each, form)] / 1e6 for each in there]
            points.append(Points(name, [each.num_experts for each in there], counted))
    lines.append(Points("parameters, both", at, [parameters(each, "sparse") / 1e6 for each in layers]))
    figure = cost_figure(LAYER_KNOBS["num_experts"].label, "10⁶ numbers in memory", lines, points, mark=None, ink=ink())
    st.markdown("**Memory**")
    about = "Numbers in memory against N: kept for the backward pass, sparse and dense, and parameters."
    st.plotly_chart(figure, key="cost_memory", alt=about, config=STILL)


def _table(layer: Layer, seconds: Seconds, really_kept: dict[Case, int]) -> None:
    """All counts of this size, with what was measured beneath them."""
    cases = {form: Case(layer, form) for form in FORMS}
    rows = {
        "Parameters, all in memory": [f"{parameters(layer, form):,}" for form in FORMS],
        "… that one token uses": [f"{active_parameters(layer, form):,}" for form in FORMS],
        "Operations of a step": [f"{flops(layer, form):,}" for form in FORMS],
        "Numbers kept for the backward pass": [f"{kept(layer, form):,}" for form in FORMS],
    }
    if any(case in really_kept for case in cases.values()):
        counted = [really_kept.get(case) for case in cases.values()]
        rows["… by autograd, measured"] = ["" if each is None else f"{each:,}" for each in counted]
    if any(case in seconds for case in cases.values()):
        times = [seconds.get(case) for case in cases.values()]
        rows["Time of a step, measured"] = ["" if each is None else f"{each.median * 1e3:.1f} ms" for each in times]
    head = ["Count", f"sparse: {layer.top_k} of {layer.num_experts}", f"dense: all {layer.num_experts}"]
    head += [f"{FORMS[form]} parameters" for form in NETWORKS]
    lines = [head, ["---", *["---:"] * len(FORMS)], *([name, *row] for name, row in rows.items())]
    with st.container(key="cost_table"):
        st.markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))
    st.markdown(
        "**Does choosing few experts save memory?** It saves numbers that training keeps: "
        f"{kept(layer, 'sparse'):,} instead of {kept(layer, 'dense'):,}. It does not save parameters: one token uses "
        f"{active_parameters(layer, 'sparse'):,}, but all {parameters(layer, 'sparse'):,} stay in memory, since the "
        "next token may choose any expert."
    )
    if really_kept:
        st.caption(
            "In the sparse form autograd keeps a little more than backward needs: it also keeps the weighted outputs "
            "which it adds up, and where experts are small, copies of their weights and padding."
        )
    numbers = asdict(layer) | {"flops": f"{flops(layer, 'sparse'):,}".replace(",", "{,}")}
    st.caption(
        f"Operations of a sparse step: {FORMULA % numbers}. A backward pass takes two products for each of the forward "
        "pass: hence the 3."
    )
