"""The page's address: it starts the run with the knobs it names, and follows every knob that is turned."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import streamlit as st

from moeviz.config import KNOBS, TASK_INFO, RunConfig
from moeviz.config.knob import shown
from moeviz.content.methods import SEATS
from moeviz.content.presets import LEARNS_PAIRS, LEARNS_TEXT
from moeviz.content.vision_ways import BASE as VISION
from moeviz.engine.browser_messages import MAX_COORDINATE, check_probe
from moeviz.ui.run.knobs import chosen, show
from moeviz.ui.run.notices import play_notices, say_changed
from moeviz.ui.run.visitor import Visit

OTHERS = {  # parameters that are not knobs
    "play", "probe", "present", "left", "right", "draws", "strength", "vary", "values", "dense", "section",
    "experts", "x", "y", "each", "seeds", "steps", "measure", "swept", "embed", "embed_options", "lang",
}  # fmt: skip
OPENS = {  # knobs that a page opens with values of its own
    "journey": ("top_k",), "routers": SEATS, "language": tuple(LEARNS_TEXT.to_url()), "vision": tuple(VISION.to_url()),
    "image_text": tuple(LEARNS_PAIRS.to_url()),
}  # fmt: skip
MANY = 5  # unknown parameters that a notice names
HEARD = 2.0  # seconds until a browser surely knows an address that was written for it


def config_from_address(page: str, opened: RunConfig | None = None) -> RunConfig:
    """The visitor's config: what was turned in this session, else what the address says, else the defaults.

    A page of one task opens with a config of its own, `opened`, instead of the defaults; not if another task is asked.

    The address says it again after the browser's Back or Forward. Values in it that are not allowed are replaced by the
    nearest allowed one, with a notice on the page.
    """
    params = st.query_params.to_dict()
    _arrive(page)
    if "config" not in st.session_state or _went_back(page, params):
        usual = opened if opened is not None and params.get("task", opened.task) == opened.task else RunConfig()
        config, notices = RunConfig.from_url(params, usual)
        show(config)
        st.session_state.config_is_from = "address"
        st.session_state.setdefault("shared", config)
        strange = sorted(set(params) - set(KNOBS) - OTHERS)
        notices += [f"the address names {shown(name)}, which is no knob: left out" for name in strange[:MANY]]
        notices += [f"and {len(strange) - MANY} more: left out"] if len(strange) > MANY else []
        if "probe" in params and probe_from_address() is None:
            rule = f"probe must be two numbers within ±{MAX_COORDINATE:,.0f}, as probe=0.5,-1"
            notices.append(f"{rule}: got {shown(params['probe'])}; put where the page likes")
        say_changed([*_repeated(), *notices, *play_notices()])
    if not is_shown(st.session_state.config, page):
        info, usual = TASK_INFO[st.session_state.config.task], opened or RunConfig()
        instead = TASK_INFO[usual.task].label
        st.warning(f"{info.label} has [a page of its own]({info.page}), so this page shows {instead} instead.")
        show(usual)
    return st.session_state.config


def is_shown(config: RunConfig, page: str) -> bool:
    """Whether a page shows the config's task: some tasks have a page of their own."""
    return TASK_INFO[config.task].page in ("", page)


def _repeated() -> list[str]:
    """A notice for each parameter that the address names more than once."""
    given = {name: st.query_params.get_all(name) for name in sorted({*KNOBS, *OTHERS} & set(st.query_params))}
    return [
        f"{name} must be named once: got {shown(values)}; the last one counts, {shown(values[-1])}"
        for name, values in given.items()
        if len(values) > 1
    ]


def _arrive(page: str) -> None:
    """From another page with knobs: its widgets are drawn anew, or Streamlit would show them at their lowest values.

    What that page had opened with for a new visitor, who then turned nothing, is not for this page.
    """
    if st.session_state.get("knobs_of", page) != page:
        config = st.session_state.config
        lender, asked, opened = st.session_state.pop("lent", (page, config, config))
        is_lent = lender != page and (config == opened or not is_shown(config, page))
        show(asked if is_lent else config)
    st.session_state.knobs_of = page


def _went_back(page: str, params: dict[str, str]) -> bool:
    """Whether the browser's Back or Forward changed the address: not the one written last, though no knob was turned.

    For a moment after it was written, an old address only means that the browser has not heard of the new one. And a
    page that is opened again finds an empty one.
    """
    visit: Visit | None = st.session_state.get("visit")
    written, at = st.session_state.get("address", (None, 0.0))
    if visit is None or visit.page != page or written is None:
        return False
    if _knobs_in(params) == written or time.monotonic() - at < HEARD:
        return False
    return chosen(st.session_state.config) == st.session_state.config


def config_to_address(config: RunConfig) -> None:
    """Remember the config and write it into the address, beside the other parameters that the page knows."""
    st.session_state.config = config
    params, knobs = st.query_params.to_dict(), config.to_url() | _named(config)
    wanted = {name: value for name, value in params.items() if name in OTHERS} | knobs
    written, at = st.session_state.get("address", (None, 0.0))
    if wanted != params or _repeated():
        moved = {"probe": st.session_state.probe} if "probe" in st.session_state else {}
        st.query_params.from_dict(wanted | moved)
        at = time.monotonic()
    elif written != knobs:
        at = -math.inf  # it was the browser that wrote it
    st.session_state.address = knobs, at


def _named(config: RunConfig) -> dict[str, str]:
    """Knobs that are named even where they have the default, on a page that opens with other values of them."""
    visit: Visit | None = st.session_state.get("visit")
    names = OPENS.get(visit.page, ()) if visit is not None else ()
    return {name: KNOBS[name].write(getattr(config, name)) for name in names}


def probe_to_address(place: Sequence[float] | None) -> None:
    """Remember where the visitor put the probe; the browser's address has it, but would lose it with the next knob."""
    if place is not None:
        st.session_state.probe = ",".join(f"{each:g}" for each in place)


def _knobs_in(params: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name in KNOBS}


def probe_from_address() -> list[float] | None:
    """The probe's place, where the visitor put it or else as `?probe=x,y`, if it is a pair of numbers."""
    text = st.session_state.get("probe", st.query_params.get("probe", ""))
    try:
        return check_probe([float(each) for each in text.split(",")])
    except ValueError:
        return None
