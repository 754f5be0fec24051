"""Every picture of a snapshot, declared once: how it is drawn, of which tasks, and from what beside the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from moeviz.config.task_facts import TASK_INFO
from moeviz.training.history import Record
from moeviz.training.state import State
from moeviz.training.views import gallery, journey, maps, pairs, rows, seating, skill, text, time_charts
from moeviz.training.views.bytes import Arrays
from moeviz.training.views.maps import PLANE

XY = tuple[float, float]
Given = str | tuple[float, ...]  # a visitor's own text, or picture
VIEWS = tuple(dict.fromkeys(info.view for info in TASK_INFO.values()))
MAP, CURVE, ROWS, TEXT, DRAWINGS, PAIRS = (("map",), ("curve",), ("rows",), ("text",), ("pictures",), ("pairs",))
PROBED = (*PLANE, *ROWS)  # the views in which a probe points at a token


@dataclass(frozen=True)
class Picture:
    """How it is drawn, from a State and what it is `of`; names and units of its arrays stand in moeviz.frames."""

    draw: Callable[..., Arrays]
    views: tuple[str, ...] = VIEWS  # of the tasks that have it
    of: str = "run"  # | history | probe | text | drawing: the visitor's own

    def drawn(self, state: State, newest: Record, probe: XY | None, given: Given | None) -> Arrays:
        """Its arrays; none while the visitor has given nothing that it could be of."""
        if self.of == "probe":
            return self.draw(state, probe)
        if self.of == "history":
            return self.draw(state, newest)
        if self.of == "run":
            return self.draw(state)
        return self.draw(state, given) if given and isinstance(given, GIVEN[self.of]) else {}


GIVEN: dict[str, type[Any]] = {"text": str, "drawing": tuple}
PICTURES: dict[str, Picture] = {
    "first_choice": Picture(maps.first_choice, MAP),
    "confidence": Picture(maps.confidence, MAP),
    "prediction": Picture(maps.prediction, MAP),
    "gate": Picture(maps.gate, MAP),
    "expert_output": Picture(maps.expert_output, MAP),
    "choices": Picture(maps.choices, PLANE),
    "points": Picture(maps.points, PLANE),
    "batch": Picture(maps.batch, PLANE),
    "groups": Picture(maps.groups),
    "curve": Picture(maps.curve, CURVE),
    "history": Picture(time_charts.time_charts, of="history"),
    "journey": Picture(journey.journey, PLANE, of="probe"),
    "rows": Picture(rows.rows, ROWS, of="probe"),
    "seating": Picture(seating.seating, (*PLANE, *ROWS, *DRAWINGS)),  # of others an input has more tokens than it shows
    "trails": Picture(time_charts.trails, of="history"),
    "skill": Picture(skill.skill, PLANE),
    "text": Picture(text.text, TEXT),
    "text_tables": Picture(text.text_tables, TEXT),
    "samples": Picture(text.samples, TEXT),
    "own_text": Picture(text.own_text, TEXT, of="text"),
    "items": Picture(pairs.items, PAIRS),
    "pairs": Picture(pairs.pairs, PAIRS, of="probe"),
    "found": Picture(pairs.found, PAIRS, of="text"),
    "gallery": Picture(gallery.gallery, DRAWINGS),
    "liked": Picture(gallery.liked, DRAWINGS),
    "drawn": Picture(gallery.drawn, DRAWINGS, of="drawing"),
}


def sorted_out(want: Sequence[str], view: str) -> tuple[list[Picture], list[str]]:
    """The wanted pictures that tasks of this view have, and the names of the others; ValueError for unknown names."""
    unknown = sorted(set(want) - set(PICTURES))
    if unknown:
        raise ValueError(f"a picture must be one of {', '.join(PICTURES)}: got {', '.join(unknown)}")
    there = [PICTURES[name] for name in want if view in PICTURES[name].views]
    return there, [name for name in want if view not in PICTURES[name].views]
