"""Twins: runs of one seed, with the same weights and data, that differ in one knob. Which knobs, and how they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moeviz.config import KNOBS, TASK_INFO, RunConfig
from moeviz.config.knob import Value
from moeviz.config.names import SHORT_KNOBS
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.content.regimes import REGIMES

FEWEST, MOST = 2, 6  # twins that a page shows
VARIED: dict[str, tuple[Value, ...]] = {
    "balance_coef": (0.0, 1.0, 10.0), "top_k": (1, 2, 4), "capacity_factor": (None, 2.0, 1.0),
    "balance_loss": ("squared", "switch", "importance"), "gate_form": ("plain", "renormalized"),
    "router": ("top_k", "switch", "expert_choice"), "learning_rate": (0.003, 0.03, 0.3),
}  # fmt: skip
"""The knobs that may differ, each with the values that it opens with."""
DENSE = {"active": "Dense, equal active", "total": "Dense, equal total"}
"""Networks of one expert, by which of their parameters are as many as the base's."""


KEPT_WITHOUT_CHOICE = (
    "task", "seed", "noise", "num_classes", "train_share", "expert", "route_by", "batch_size", "learning_rate",
    "device", "dispatch",
)  # fmt: skip
"""What a network without a gate has in common with its twin."""


@dataclass(frozen=True)
class Start:
    """A named start: twins of one knob, and the question (a section of the page) that they answer."""

    label: str
    story: str
    base: RunConfig
    knob: str
    values: tuple[Value, ...]
    section: str


SECTIONS = {"collapse": "collapse", "healthy": "learners", "too_much": "tradeoff", "useless": "specialists"}
"""The question that the twins of each regime answer."""
STARTS: dict[str, Start] = {
    name: Start(
        regime.label, regime.story, regime.twins[0], "balance_coef",
        tuple(config.balance_coef for config in regime.twins), SECTIONS[name],
    )
    for name, regime in REGIMES.items()
}  # fmt: skip
STARTS["three"] = Start(
    "Three experts", "The gate starts off center, where its scores favor A. λ pulls it to the middle; 0 does not.",
    RunConfig(task="clusters_unequal", num_experts=3, top_k=1, gate_skew=1.0), "balance_coef", (0.0, 1.0, 10.0),
    "simplex",
)  # fmt: skip


def write(name: str, values: Sequence[Value]) -> str:
    """A knob's values as one text, which `read` reads back."""
    return ",".join(KNOBS[name].write(value) for value in values)


def read(name: str, text: str) -> tuple[tuple[Value, ...], list[str]]:
    """The values that a text names, as far as a page takes them, and a notice for each that had to be changed."""
    numbers = [KNOBS[name].clamp(each) for each in text.split(",")[:MOST]]
    values, notices = tuple(value for value, _ in numbers), [notice for _, notice in numbers if notice]
    if len(values) < FEWEST:
        usual = VARIED[name]
        notices.append(f"values must name {FEWEST} to {MOST} twins: got {len(values)}; using {write(name, usual)}")
        return usual, notices
    return values, notices


def twins(base: RunConfig, name: str, values: Sequence[Value]) -> list[RunConfig]:
    """One run for each value of the knob; what must follow from a value does: a router of one choice has k = 1."""
    return [base.nearest(keep=(), **{name: value})[0] for value in values]


def dense(base: RunConfig, sizes: Sequence[str]) -> tuple[list[RunConfig], list[str]]:
    """Networks without a gate beside them, as far as there can be any, and for each of the others why not."""
    partners, complaints = [], []
    for size in sizes:
        try:
            partners.append(dense_twin(base, size))
        except ValueError as error:
            complaints.append(str(error))
    return partners, complaints


def titles(base: RunConfig, name: str, values: Sequence[Value], sizes: Sequence[str]) -> list[str]:
    """What a page calls the twins and the dense networks beside them; equal twins are numbered."""
    named = [title(config, name, base) for config in twins(base, name, values)]
    named = [f"{each}, twin {place + 1}" if named.count(each) > 1 else each for place, each in enumerate(named)]
    return named + [DENSE[size] for size in sizes if dense(base, [size])[0]]


def title(config: RunConfig, name: str, base: RunConfig) -> str:
    """A twin's: the value of its knob, and a k that had to follow from it."""
    also = f", k = {config.top_k}" if name != "top_k" and config.top_k != base.top_k else ""
    return f"{words(name, getattr(config, name))}{also}"


def words(name: str, value: Value) -> str:
    """A value of one of these knobs, as a title: λ = 10, Switch, no seat limit."""
    if name == "router":
        return ROUTER_INFO[str(value)].name
    if name in SHORT_KNOBS:
        return "no seat limit" if value is None else f"{SHORT_KNOBS[name]} = {value:g}"
    labels = dict(zip(KNOBS[name].choices, KNOBS[name].choice_labels, strict=True))
    return labels[str(value)].partition(":")[0]


def dense_twin(config: RunConfig, equal: str) -> RunConfig:
    """A plain network on the same data: one expert, without a choice, as large as several of the run's together.

    Its hidden units are those of the k experts and the shared ones (`active`), or of all N and the shared ones
    (`total`). So its weights are as many; the gate's, and all output biases but one expert's, are apart. A Transformer
    layer has attention, which does not grow with it: more hidden units make up for that of the others, to half a unit.
    """
    counts = {"active": config.top_k, "total": config.num_experts}
    if equal not in counts:
        raise ValueError(f"a dense twin must have equal active or total parameters: got {equal!r}; pass one of the two")
    if config.expert == "linear":
        raise ValueError("a dense twin must have hidden units: got expert=linear, which has none; use expert=mlp")
    num_experts = counts[equal] + config.num_shared_experts
    width = num_experts * config.hidden_width
    if config.expert == "transformer":
        width += round((num_experts - 1) * attention_in_units(TASK_INFO[config.task].width))
    most = KNOBS["hidden_width"].high or 0
    if width > most:
        raise ValueError(
            f"a dense twin may have at most {most} hidden units: got {width} for equal {equal} parameters; "
            "lower hidden_width or have fewer experts"
        )
    kept: dict[str, Any] = {name: getattr(config, name) for name in KEPT_WITHOUT_CHOICE}
    return RunConfig(num_experts=1, top_k=1, hidden_width=width, **kept)


def attention_in_units(width: int) -> float:
    """A Transformer layer's four matrices of attention as hidden units, each of which has a weight to
    and from every number of the hidden state, and a bias."""
    return 4 * width**2 / (2 * width + 1)
