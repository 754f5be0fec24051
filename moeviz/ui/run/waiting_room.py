"""What a visitor sees when the server is full: how many runs are open, and the page itself once there is a place."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

import streamlit as st

POLL = 2.0  # seconds between two looks whether there is room
PATIENCE = 900.0  # seconds after which a page that was left open looks no more by itself


@runtime_checkable
class HasRoom(Protocol):
    """The part of the engine that says whether there is room."""

    @property
    def num_runs(self) -> int: ...
    @property
    def max_runs(self) -> int: ...
    @property
    def has_room(self) -> bool: ...


def wait_for_place(engine: HasRoom) -> None:
    """Say that the page waits, and run the whole page again as soon as a run can be opened."""
    st.session_state.setdefault("waiting_since", time.monotonic())
    looks = _patient()
    st.fragment(_look, run_every=POLL if looks else None)(engine, looks)


def _look(engine: HasRoom, looks: bool) -> None:
    open_runs, limit = engine.num_runs, engine.max_runs
    if engine.has_room or (looks and not _patient()):
        st.rerun()
    promise = "It starts by itself as soon as one is free." if looks else "It has stopped looking for one."
    st.info(
        f"This page waits for a place. The server trains at most {limit} {'run' if limit == 1 else 'runs'} at once, "
        f"and {open_runs} {'is' if open_runs == 1 else 'are'} open. {promise}",
        icon=":material/hourglass_top:",
    )
    if st.button("Try again", on_click=_look_again):
        st.rerun()


def _patient() -> bool:
    return time.monotonic() - st.session_state.get("waiting_since", 0.0) < PATIENCE


def _look_again() -> None:
    st.session_state.pop("waiting_since", None)
