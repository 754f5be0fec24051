"""What a page says about its address: what had to be changed in it, as text that is no more than text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from moeviz.config.knob import shown

PLAYS = ("0", "1")


def say_changed(notices: Sequence[str]) -> None:
    """One warning with a line for each notice; nothing without any."""
    if notices:
        st.warning("The address was changed:\n" + "".join(f"\n- {plain(notice)}" for notice in notices))


def play_notices() -> list[str]:
    """A notice if the address says `play` in words that mean nothing; it is then taken out of the address."""
    play = st.query_params.get("play", PLAYS[0])
    if play in PLAYS:
        return []
    del st.query_params["play"]
    return [
        f"play must be {' or '.join(PLAYS)}: got {shown(play)}; left out, so that the page plays as it usually does"
    ]


def plain(text: str) -> str:
    """Text without Markdown's signs, so that nothing from an address is more than text."""
    # icons, emoji and addresses that become links by themselves ignore the backslash; a word joiner parts them
    parted = re.sub(r"(?i)www(?=\.)|(?=@)|:", lambda match: f"{match[0]}\u2060", " ".join(text.split()))
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()<>#+-.!|~$:&@=" else sign for sign in parted)
