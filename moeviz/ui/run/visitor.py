"""The one live run (or group of twins) that each visitor has, kept in step with the page's configs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import streamlit as st

from moeviz.config import KNOBS, RunConfig
from moeviz.engine.errors import EngineBusy, EngineFull, RunGone
from moeviz.engine.server.engine import Engine
from moeviz.ui.run.notices import play_notices, say_changed
from moeviz.ui.run.waiting_room import wait_for_place


@cache
def engine() -> Engine:
    """The engine of this server process."""
    return Engine()


@dataclass
class Visit:
    """What a visitor's session remembers: which page opened the run, its configs, and those it was last asked for."""

    page: str
    token: str
    configs: tuple[RunConfig, ...]
    asked: tuple[RunConfig, ...]


def live_run(page: str, configs: Sequence[RunConfig], *, play: bool = True) -> str | None:
    """The token of this visitor's run with these configs, or None (and a notice on the page) when there is no place.

    Opened if there is none, turned live where all changed knobs allow it, else started again from step 0. It plays at
    once unless the address or `play` says that it waits.
    """
    configs = tuple(configs)
    visit: Visit | None = st.session_state.get("visit")
    preset: str | None = st.session_state.get("restart")
    if visit is not None:
        visit.asked = configs
    try:
        if visit is None or visit.page != page or not engine().alive(visit.token):
            visit = _open(page, configs, visit, play)
        elif preset is not None:
            _restart(visit, configs, f"Started “{preset}” from step 0.")
        elif visit.configs != configs:
            _change(visit, configs)
        st.session_state.pop("restart", None)  # after a failure it is still to be done
    except EngineFull:
        wait_for_place(engine())
        return None
    except EngineBusy as busy:
        st.warning(f"The server is busy: {busy}.")
        st.button("Try again")
        return None
    except RunGone:  # freed between two lines of this script
        visit = _open(page, configs, None, play)
        st.session_state.pop("restart", None)
    except (TimeoutError, ValueError, RuntimeError) as error:  # the worker's own words; the run goes on as it was
        st.warning(f"The run did not take this change: {error}.")
        st.button("Try again")
    st.session_state.visit = visit
    st.session_state.pop("waiting_since", None)
    return visit.token if visit else None


def present_config() -> RunConfig | None:
    """The knobs of the visitor's (first) run as they really are, after it changed some itself to recover."""
    visit: Visit | None = st.session_state.get("visit")
    if visit is None or not engine().alive(visit.token):
        return None
    visit.configs = tuple(engine().info(visit.token)["configs"])
    return visit.configs[0]


def _open(page: str, configs: tuple[RunConfig, ...], previous: Visit | None, play: bool) -> Visit:
    say_changed(play_notices())  # on a page without knobs
    play = play and st.query_params.get("play") != "0"
    token = engine().open(configs, play=play, replaces=previous.token if previous else None)
    return Visit(page, token, configs, configs)


def _change(visit: Visit, configs: tuple[RunConfig, ...]) -> None:
    """Turn live knobs without a break; anything else starts the run again, and a toast says what did."""
    before, after = ({name: [getattr(c, name) for c in each] for name in KNOBS} for each in (visit.configs, configs))
    changed = [name for name in KNOBS if before[name] != after[name]]
    if len(configs) == len(visit.configs) and all(KNOBS[name].live for name in changed):
        one = {name: not KNOBS[name].per_run and len(set(after[name])) == 1 for name in changed}
        values = {name: after[name][0] if one[name] else after[name] for name in changed}
        for notice in engine().set(visit.token, **values):
            st.toast(notice)
    else:
        fixed = [KNOBS[name].label for name in changed if not KNOBS[name].live]
        other = f"with {len(configs)} runs instead of {len(visit.configs)}"
        why = f"as a new {' or '.join(fixed)} needs" if fixed else other
        _restart(visit, configs, f"Started again from step 0, {why}.")
    visit.configs = configs


def _restart(visit: Visit, configs: tuple[RunConfig, ...], said: str) -> None:
    engine().reset(visit.token, configs)
    visit.configs = configs
    st.toast(said)
