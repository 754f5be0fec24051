"""What a visitor can take away: the link with its QR code, the way back to it, and files."""

from __future__ import annotations

import io
import json
from functools import partial
from urllib.parse import urlencode, urlsplit, urlunsplit

import segno
import streamlit as st

from moeviz.config import RunConfig
from moeviz.stage.addresses import EVERYWHERE, HERE, lan_address, url
from moeviz.ui.run.address import probe_from_address
from moeviz.ui.run.knobs import show
from moeviz.ui.run.visitor import engine


def link(config: RunConfig) -> str:
    """The address that starts a run with these knobs from step 0, with the probe where it is.

    Where the app listens on all networks, it is the one that others can open too.
    """
    here = urlsplit(st.context.url or "")
    if (
        here.hostname in HERE
        and (st.get_option("server.address") or EVERYWHERE[0]) in EVERYWHERE
        and (shared := lan_address())
    ):
        here = here._replace(netloc=urlsplit(url(shared, here.port or 80)).netloc)
    place = probe_from_address()
    extra = {"probe": ",".join(f"{each:g}" for each in place)} if place else {}
    return urlunsplit((here.scheme, here.netloc, here.path, urlencode(config.to_url() | extra), ""))


def share(config: RunConfig) -> None:
    """A button that shows the link, to copy or to scan, and leads back to the one that was opened."""
    opened = st.popover("Link", key="share", on_change="rerun")
    if not opened.open:
        return
    address = link(config)
    with opened:
        st.markdown("Copy link")
        st.code(address, language=None, wrap_lines=True)
        drawing = io.BytesIO()
        segno.make(address, micro=False).save(drawing, kind="svg", scale=4, border=3, light="white")
        st.image(drawing.getvalue().decode(), alt="QR code of the link above")
        if urlsplit(address).hostname in HERE:
            st.caption("It leads to this computer alone. For a class, start the app with `make app HOST=0.0.0.0`.")
        st.caption("It starts a run with these knobs and this seed from step 0.")
        st.button(
            "Back to the shared state", on_click=_back, help="The knobs of the link that was opened, from step 0."
        )


def _back() -> None:
    show(st.session_state.shared)
    st.session_state.pop("preset", None)
    st.session_state.restart = "the shared state"


def save(token: str, config: RunConfig) -> None:
    """A button that offers files."""
    opened = st.popover("Save", key="save", on_change="rerun")
    if opened.open:
        with opened:
            history = partial(engine().history, token)
            st.download_button("History (CSV)", history, "moeviz-history.csv", "text/csv", on_click="ignore")
            text = json.dumps(vars(config), indent=2) + "\n"
            st.download_button("Knobs (JSON)", text, "moeviz-config.json", "application/json", on_click="ignore")
            st.button("Picture (HTML)", on_click=_ask_picture, help="All pictures and charts of this moment, offline.")


def _ask_picture() -> None:
    """The picture is saved by the browser, which knows it; it looks at how often it was asked."""
    st.session_state.saves = st.session_state.get("saves", 0) + 1
