"""The article's claims on a page: buttons that run their trials, and verdicts as they come."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import streamlit as st

from moeviz.engine.server.printed_lines import Busy
from moeviz.experiments.claims import CLAIMS, STATES, Claim, Measured
from moeviz.experiments.claims.process import Check, verdict
from moeviz.ui.run.presence import adopt, hold
from moeviz.ui.widgets.questions import PLAYGROUND, show_config

POLL = 1.0  # seconds between two looks at what has come
UNTESTED = "– not tested here"


def controls() -> None:
    """Start or stop all trials."""
    if "checked" not in st.session_state:  # a new visitor, or one who has loaded the page anew
        st.session_state.checked = {}
        st.session_state.check = adopt(Check, lambda each: True)
    running = _running()
    with st.container(horizontal=True, key="check_controls"):
        st.button(
            "Check all, live", type="primary", on_click=_start, args=[_trials()], disabled=running, key="check_all"
        )
        st.button("Stop", on_click=_stop, disabled=not running, key="check_stop")


def results() -> None:
    """The claims by chapter, each with its verdict; looks again by itself while trials run."""
    st.fragment(_results, run_every=POLL if _running() else None)()


def _results() -> None:
    check: Check | None = st.session_state.get("check")
    if check is not None:
        st.session_state.checked |= {name: list(measured) for name, measured in check.measured.items() if measured}
    over = False
    if check is not None and check.over:
        over = True
        st.session_state.check_error = check.error
        st.session_state.check_stopped = check.cancelled
        del st.session_state.check
    elif check is not None:
        st.progress(check.progress, f"{check.progress:.0%} of {len(check.trials)} trials, {check.seeds} seeds each")
    if error := st.session_state.get("check_error"):
        st.error(f"Not all trials could run: {error}. Press the button again.")
    elif st.session_state.get("check_stopped"):
        st.info("The trials were stopped. What has come of them is kept; press a button to run more.")
    _summary()
    for chapter, keys in itertools.groupby(CLAIMS, key=lambda key: CLAIMS[key].chapter):
        st.markdown(f"###### {chapter}")
        for key in keys:
            _row(key, CLAIMS[key], st.session_state.checked.get(CLAIMS[key].trial, []))
    if over:
        st.rerun()  # the whole page; at the end, or a button that was pressed at this moment would be lost


def _row(key: str, claim: Claim, measured: Sequence[Measured]) -> None:
    """One claim: the sentence, what is done, what came of it, and where to see it."""
    with st.container(border=True, key=f"claim_{key}"):
        says, says_so, does = st.columns([3, 4, 1.6])
        says.markdown(f"**{claim.says}**")
        says.caption(claim.test)
        judged = verdict(key, measured)
        if claim.trial is None:
            says_so.markdown(UNTESTED)
        elif judged is None:
            says_so.markdown("Not run yet.")
        else:
            says_so.markdown(f"**{STATES[judged.state]}.** {judged.words}")
            says_so.caption(f"{len(measured)} {'seed' if len(measured) == 1 else 'seeds'}")
        with does, st.container(horizontal=True, gap="small"):
            if claim.trial is not None:
                label = "Run again" if measured else "Run"
                if st.button(label, key=f"run_{key}", disabled=_running()):
                    _start([claim.trial])
                    st.rerun()  # the whole page, whose fragment then looks again by itself
            if claim.config is not None and st.button(
                "See it", key=f"see_{key}", on_click=show_config, args=[claim.config], help="Opens it in the Playground"
            ):
                st.switch_page(PLAYGROUND)


def _summary() -> None:
    """How many hold, so far."""
    checked = st.session_state.checked
    judged = [verdict(key, checked.get(claim.trial, [])) for key, claim in CLAIMS.items()]
    counted = {state: sum(each is not None and each.state == state for each in judged) for state in STATES}
    untested = sum(claim.trial is None for claim in CLAIMS.values())
    left = len(CLAIMS) - untested - sum(counted.values())
    said = [f"{STATES[state]}: {count}" for state, count in counted.items() if count]
    said += [f"not run yet: {left}"] if left else []
    st.markdown(" · ".join([f"**{len(CLAIMS)} sentences.**", *said, f"not tested here: {untested}"]))


def _running() -> bool:
    return st.session_state.get("check") is not None


def _trials() -> list[str]:
    return [claim.trial for claim in CLAIMS.values() if claim.trial is not None]


def _start(trials: Sequence[str]) -> None:
    st.session_state.pop("check_error", None)
    st.session_state.pop("check_stopped", None)
    try:
        st.session_state.check = Check(trials)
        hold(st.session_state.check)
    except Busy as busy:
        st.session_state.check_error = str(busy)


def _stop() -> None:
    if _running():
        st.session_state.check.cancel()
