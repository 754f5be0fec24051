"""Twins: runs of one seed, with the same weights and data, that differ in one knob. Which knobs, and how they read."""

from __future__ import annotations

from collections.abc import Sequence

from moeviz.config import KNOBS, RunConfig
from moeviz.knob import Value
from moeviz.rules import ROUTER_INFO

FEWEST, MOST = 2, 6  # twins that a page shows
VARIED: dict[str, tuple[Value, ...]] = {
    "balance_coef": (0.0, 1.0, 10.0), "top_k": (1, 2, 4), "capacity_factor": (None, 2.0, 1.0),
    "balance_loss": ("squared", "switch", "importance"), "gate_form": ("plain", "renormalized"),
    "router": ("top_k", "switch", "expert_choice"), "learning_rate": (0.003, 0.03, 0.3),
}  # fmt: skip
"""The knobs that may differ, each with the values that it opens with."""
SIGNS = {"balance_coef": "λ", "top_k": "k", "capacity_factor": "seats", "learning_rate": "rate"}


def write(name: str, values: Sequence[Value]) -> str:
    """A knob's values as one text, which `read` reads back."""
    return ",".join(KNOBS[name].write(value) for value in values)


def read(name: str, text: str) -> tuple[tuple[Value, ...], list[str]]:
    """The values that a text names, as far as a page takes them, and a notice for each that had to be changed."""
    found = [KNOBS[name].clamp(each) for each in text.split(",")[:MOST]]
    values, notices = tuple(value for value, _ in found), [notice for _, notice in found if notice]
    if len(values) < FEWEST:
        usual = VARIED[name]
        notices.append(f"values must name {FEWEST} to {MOST} twins: got {len(values)}; using {write(name, usual)}")
        return usual, notices
    return values, notices


def twins(base: RunConfig, name: str, values: Sequence[Value]) -> list[RunConfig]:
    """One run for each value of the knob, all with as many experts as the one that needs most.

    What must follow from a value does: a router of one choice has k = 1.
    """
    configs = [base.nearest(**{name: value})[0] for value in values]
    most = max(config.num_experts for config in configs)
    return configs if most == base.num_experts else twins(base.with_(num_experts=most), name, values)


def title(config: RunConfig, name: str, base: RunConfig) -> str:
    """What a page calls this twin: the value of its knob, and a k that had to follow from it."""
    also = f", k = {config.top_k}" if name != "top_k" and config.top_k != base.top_k else ""
    return f"{words(name, getattr(config, name))}{also}"


def words(name: str, value: Value) -> str:
    """A value of one of these knobs, as a title: λ = 10, Switch, no seat limit."""
    if name == "router":
        return ROUTER_INFO[str(value)].name
    if name in SIGNS:
        return "no seat limit" if value is None else f"{SIGNS[name]} = {value:g}"
    labels = dict(zip(KNOBS[name].choices, KNOBS[name].choice_labels, strict=True))
    return labels[str(value)].partition(":")[0]
