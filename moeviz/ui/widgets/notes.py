"""What is known of routers and ways to balance, as pages show it: cards, a table, and what measures mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from moeviz.config import KNOBS, LOSS_NAMES, RunConfig
from moeviz.config.router_facts import BALANCED_VALUES, SEATED
from moeviz.content.methods import METHODS
from moeviz.content.router_notes import BALANCE_NOTES, ROUTER_NOTES, Note

COLUMNS = {
    "Choice": "choice", "Weight of a choice": "weight", "Seats": "capacity", "Noise": "noise", "Loss": "loss",
    "Gradient": "gradient", "Used by": "used_by",
}  # fmt: skip
CODE = {name: f"moeviz.losses:{name}" for name in LOSS_NAMES} | {
    "bias": "moeviz.routers:bias_step", "expert_choice": "moeviz.routers:expert_choice",
    "drops": "moeviz.routers:queue",
}  # fmt: skip
"""The function behind each way to balance; not balancing has none."""
ROUTER_PARTS = {  # what a router's formula speaks of besides, by functions of their own
    "noisy_top_k": ("moeviz.routers.decide:noise_size",), "deepseek_v3": ("moeviz.routers:bias_step",),
    "hash": ("moeviz.routers:balanced_table", "moeviz.routers:token_ids"),
    "soft": ("moeviz.routers:slot_inputs", "moeviz.routers:mix_back"),
} | dict.fromkeys(SEATED, ("moeviz.routers:capacity", "moeviz.routers:queue"))  # fmt: skip


def router_code(routers: Iterable[str]) -> list[str]:
    """The functions behind these routers' formulas, each once."""
    return list(dict.fromkeys(place for name in routers for place in router_places(name)))


def router_places(router: str) -> tuple[str, ...]:
    """The router itself, and the parts of it that are functions of their own."""
    return f"moeviz.routers:{router}", *ROUTER_PARTS.get(router, ())


def balanced_values() -> list[tuple[str, float]]:
    """The losses that measure balance: what a page calls each, and its value where all is even."""
    labels = dict(zip(KNOBS["balance_loss"].choices, KNOBS["balance_loss"].choice_labels, strict=True))
    return [(f"Loss: {labels[name]}", value) for name, value in BALANCED_VALUES.items()]


def measures(metric: str) -> list[dict[str, Any]]:
    """What is drawn of each way to balance: its name, the history's array for each run, its scale and digits."""
    lost = [f"history_{method.lost}" for method in METHODS.values()]
    same = {
        metric: ("history_test_metric", 0.0, 1.0), "Unevenness of load (CV)": ("history_cv_load", 0.0, None),
        "Match with true groups": ("history_specialization", 0.0, 1.0),
    }  # fmt: skip
    rows = [
        {"label": label, "arrays": [name] * len(METHODS), "low": low, "high": high, "digits": 2}
        for label, (name, low, high) in same.items()
    ]
    return [*rows, {"label": "Share lost (dropped)", "arrays": lost, "low": 0.0, "high": 1.0, "digits": 2}]


def cards(routers: Sequence[str]) -> None:
    """One card for each router, side by side."""
    for column, router in zip(st.columns(len(routers)), routers, strict=True):
        with column:
            card(ROUTER_NOTES[router])


def card(note: Note) -> None:
    """The idea, the formula, what it fixed and what it cost, and the paper."""
    with st.container(border=True):
        st.markdown(f"**{note.name}.** {note.idea}")
        st.latex(note.formula)
        said = {"Fixed": note.fixed, "Cost": note.cost, "Used by": f"{note.used_by}.", "Source": paper(note)}
        st.markdown("\n\n".join(f"**{name}:** {text}" for name, text in said.items()))


def method_cards() -> None:
    """What each way to balance is, two beside each other: those with a row first, then losses that have none."""
    with_a_row = [key for method in METHODS.values() for key in method.notes]
    with st.container(key="method_cards"):
        for key in dict.fromkeys([*with_a_row, *BALANCE_NOTES]):
            card(BALANCE_NOTES[key])


def chosen_cards(config: RunConfig) -> None:
    """An expander with the cards of the router and the loss that a run has."""
    with st.expander("This router and this loss", key="chosen_cards", on_change="rerun") as chosen:
        if chosen.open:
            losses = ("importance", "load") if config.balance_loss == "importance_load" else (config.balance_loss,)
            with st.container(key="method_cards"):
                card(ROUTER_NOTES[config.router])
                for key in losses:
                    card(BALANCE_NOTES[key])


def paper(note: Note) -> str:
    """Where it comes from, with a link where the source is on arXiv."""
    if note.arxiv == "–":
        return f"{note.paper[0].upper()}{note.paper[1:]}."
    return f"{note.paper} ({note.year}, [arXiv {note.arxiv}](https://arxiv.org/abs/{note.arxiv}))."


def table() -> None:
    """All routers in one table."""
    head = ["Router", *COLUMNS, "Source"]
    rows = [
        [
            f"**{note.name}**",
            *(getattr(note, field) for field in COLUMNS.values()),
            paper(note),
        ]
        for note in ROUTER_NOTES.values()
    ]
    lines = [head, ["---"] * len(head), *rows]
    with st.container(key="router_table"):
        st.markdown("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
