"""Who draws each picture of a snapshot, and whether its task has it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from moeviz.frames.pictures import PICTURES
from moeviz.training.history import Record
from moeviz.training.state import State
from moeviz.training.views import gallery, journey, maps, pairs, rows, seating, skill, text, time_charts
from moeviz.training.views.bytes import Arrays

XY = tuple[float, float]
Given = str | tuple[float, ...]  # a visitor's own text, or picture
GIVEN: dict[str, type[Any]] = {"text": str, "drawing": tuple}
DRAW: dict[str, Callable[..., Arrays]] = {
    "first_choice": maps.first_choice, "confidence": maps.confidence, "prediction": maps.prediction, "gate": maps.gate,
    "expert_output": maps.expert_output, "choices": maps.choices, "points": maps.points, "batch": maps.batch,
    "groups": maps.groups, "curve": maps.curve, "history": time_charts.time_charts, "journey": journey.journey,
    "rows": rows.rows, "seating": seating.seating, "trails": time_charts.trails, "skill": skill.skill,
    "text": text.text, "text_tables": text.text_tables, "samples": text.samples, "own_text": text.own_text,
    "items": pairs.items, "pairs": pairs.pairs, "found": pairs.found, "gallery": gallery.gallery,
    "liked": gallery.liked, "drawn": gallery.drawn,
}  # fmt: skip
"""Who draws each picture, from a State and what it is `of`; its arrays stand in moeviz.frames.pictures."""


def drawn(name: str, state: State, newest: Record, probe: XY | None, given: Given | None) -> Arrays:
    """The arrays of a picture; none while the visitor has given nothing that it could be of."""
    draw, of = DRAW[name], PICTURES[name].of
    if of == "probe":
        return draw(state, probe)
    if of == "history":
        return draw(state, newest)
    if of == "run":
        return draw(state)
    return draw(state, given) if given and isinstance(given, GIVEN[of]) else {}


def sorted_out(want: Collection[str], view: str) -> tuple[list[str], list[str]]:
    """The wanted pictures that tasks of this view have, and the others; ValueError for unknown names."""
    unknown = sorted(set(want) - set(PICTURES))
    if unknown:
        raise ValueError(f"a picture must be one of {', '.join(PICTURES)}: got {', '.join(unknown)}")
    there = [name for name in want if view in PICTURES[name].views]
    return there, [name for name in want if name not in there]
