"""The grade of a prediction, by the run's own data: readings of its history, what they come to, and the words for it.

A reading is written as one of
    dead_experts of 0            a column of the history, of run 0, at the step at which the run ended
    dead_experts of 0 at 300     the same at step 300
    flops of 1                   a number of the newest frame's header, of run 1
    after - before               of two readings, or a reading and a number; also * and /
A condition as
    idle >= 1 and free > 1.2 * even
"""

from __future__ import annotations

import csv
import io
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moeviz.config.names import HISTORY
from moeviz.lessons.lesson import Lesson, Prediction

NUMBER = r"\d+(?:\.\d+)?"
MEASURE = re.compile(r"(?P<name>\w+) of (?P<run>\d+)(?: at (?P<step>\d+))?")
COMBINED = re.compile(rf"(?P<left>\w+) (?P<sign>[-*/]) (?P<right>[A-Za-z_]\w*|{NUMBER})")
COMPARED = re.compile(
    rf"(?P<left>\w+) (?P<sign>>=|<=|>|<) (?:(?P<times>{NUMBER}) \* )?(?P<right>[A-Za-z_]\w*|{NUMBER})"
)
SIGNS: dict[str, Callable[[float, float], Any]] = {
    "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
SAME = 1e-9  # a number that is as far off as the tolerance is right
Readings = dict[str, float]


@dataclass(frozen=True)
class Grade:
    """Whether the prediction was right, what the run came to, and why, in the run's own numbers."""

    right: bool
    outcome: str | float  # in the terms of the prediction: a choice's key, or a number
    said: str  # prediction and outcome in words
    because: str
    readings: Readings


def grade(lesson: Lesson, answer: str | float, history: str, header: Mapping[str, Any]) -> Grade:
    """The grade of a prediction.

    Args:   history: the run's history as CSV.  header: of a frame of the step at which the run ended.
    """
    asked, readings = lesson.prediction, read(lesson, history, header)
    if not asked.choices:
        measured = readings[asked.value]
        right = abs(float(answer) - measured) <= asked.tolerance + SAME
        said = f"You said {float(answer):g}; it is {measured:.3g}."
        return Grade(right, measured, said, asked.because.format(**readings), readings)
    chosen, came_to = str(answer), str(answer) if asked.sets_knobs else outcome_of(asked, readings)
    right = holds(asked.goal, readings) and chosen == came_to
    said = f"You said: {asked.choices[chosen].text}"
    if chosen != came_to:
        said += f" It came to: {asked.choices[came_to].text}"
    return Grade(right, came_to, said, asked.choices[came_to].because.format(**readings), readings)


def outcome_of(asked: Prediction, readings: Readings) -> str:
    """The first choice whose condition holds; the last one needs none."""
    return next(key for key, choice in asked.choices.items() if holds(choice.when, readings))


def read(lesson: Lesson, history: str, header: Mapping[str, Any]) -> Readings:
    """Every reading of the lesson, in its order; ValueError if the run has not come to the step that it needs."""
    rows = {(int(row["run"]), int(row["step"])): row for row in csv.DictReader(io.StringIO(history))}
    readings: Readings = {}
    for name, text in lesson.readings.items():
        if combined := COMBINED.fullmatch(text):
            left, right = readings[combined["left"]], _value(combined["right"], readings)
            readings[name] = SIGNS[combined["sign"]](left, right)
            continue
        measure = MEASURE.fullmatch(text)
        assert measure is not None, text  # checked when the lesson was read
        run, step = int(measure["run"]), int(measure["step"] or lesson.run.end)
        if measure["name"] not in HISTORY:
            readings[name] = float(_at_the_end(header, lesson.run.end)[measure["name"]][run])
        elif (run, step) in rows:
            readings[name] = float(rows[run, step][measure["name"]])
        else:
            raise ValueError(f"the run must have reached step {step}: its history does not say so; let it run on")
    return readings


def holds(condition: str, readings: Readings) -> bool:
    """Whether all comparisons of a condition are true; nothing is asked by an empty one."""
    return all(_compared(each, readings) for each in condition.split(" and ") if each)


def _compared(text: str, readings: Readings) -> bool:
    match = COMPARED.fullmatch(text)
    assert match is not None, text  # checked when the lesson was read
    right = float(match["times"] or 1) * _value(match["right"], readings)
    return bool(SIGNS[match["sign"]](readings[match["left"]], right))


def _value(text: str, readings: Readings) -> float:
    return readings[text] if text in readings else float(text)


def _at_the_end(header: Mapping[str, Any], end: int) -> Mapping[str, Any]:
    if header["step"] != end:
        raise ValueError(f"numbers must be of step {end}: got step={header['step']}; run the lesson again")
    return header
