"""Every lesson as it is run: on five seeds through the engine, graded again by separate code; on ten at once."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas
import pytest

from moeviz.config import expand
from moeviz.engine import Engine
from moeviz.lessons import lessons
from moeviz.lessons.grade import grade
from moeviz.lessons.lesson import Lesson
from moeviz.lessons.newest_frame import newest_header
from moeviz.training import Training

pytestmark = pytest.mark.slow
SEEDS = list(range(5))
MANY = list(range(10))
PATIENCE = 600.0  # seconds: other programs may be at work
History = Callable[..., float]  # column, run and step (else the last one)


def by_difference(difference: float, least: float, names: tuple[str, str, str]) -> str:
    """More by at least so much, less by as much, or neither."""
    more, less, same = names
    return more if difference > least else less if difference < -least else same


# What each lesson asks, computed anew from the history `h` and the header `n` of the run's last step.
ORACLES: dict[str, Callable[[History, dict[str, Any]], Any]] = {
    "mixture": lambda h, n: 100 * h("test_metric"),
    "softmax": lambda h, n: h("dead_experts"),
    "top_k": lambda h, n: by_difference(
        h("test_metric", 1) - h("test_metric", 0), 0.1, ("better", "worse", "same")
    ),
    "weights": lambda h, n: {
        (True, True): "both", (True, False): "plain", (False, True): "renormalized", (False, False): "neither",
    }[tuple(slope > 0 for slope in n["gate_gradient"])],
    "specialize": lambda h, n: by_difference(
        h("test_metric", 1) - h("test_metric", 0), 0.02, ("gate", "table", "same")
    ),
    "collapse": lambda h, n: h("dead_experts"),
    "balance": lambda h, n: h("dead_experts"),
    "too_much": lambda h, n: by_difference(
        h("test_metric", 1) - h("test_metric", 0), 0.03, ("rises", "falls", "same")
    ),
    "capacity": lambda h, n: 100 * n["dropped_share"][0],
    # one expert: 2·(2·32 + 32·2) = 256 operations; the gate: 2·2·8 = 32
    "cost": lambda h, n: (32 + 4 * 256) / (32 + 256),
    "more_experts": lambda h, n: by_difference(
        h("test_metric", 1) - h("test_metric", 0), 0.1, ("eight", "two", "same")
    ),
    "summary": lambda h, n: {
        (True, True): "both", (True, False): "left", (False, True): "right", (False, False): "neither",
    }[h("dead_experts", 0) == 0, h("dead_experts", 1) == 0],
}  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Engine]:
    """An engine in this process, whose runs need nobody to watch them."""
    with Engine(in_process=True, idle_pause=600, idle_free=600) as engine:
        yield engine


Run = tuple[str, dict[str, Any]]  # its history as CSV, and the header of its last step


def runs_of(engine: Engine, lesson: Lesson, answer: str | float) -> list[Run]:
    """The run of a prediction on each seed, as the page has it carried out; all train at once."""
    tokens = [
        engine.open(lesson.asked_group(seed, answer).configs, play=False, speed="fast") for seed in SEEDS
    ]  # fmt: skip
    play(engine, tokens, lesson.run.wait)
    for token in tokens if lesson.run.turn else []:
        engine.set(token, **lesson.run.turn)
    play(engine, tokens, lesson.run.end)
    found = [(engine.history(token), newest_header(engine, token)) for token in tokens]
    for token in tokens:
        engine.close(token)
    return found


def play(engine: Engine, tokens: list[str], until: int) -> None:
    """Let the runs train up to this step, where all must wait."""
    for token in tokens if until else []:
        engine.play(token, until=until)
    deadline = time.monotonic() + PATIENCE
    while any(engine.info(token)["step"] != until for token in tokens):
        assert time.monotonic() < deadline, [engine.info(token)["step"] for token in tokens]
        time.sleep(0.02)
    assert all(engine.info(token)["state"] == "paused" for token in tokens)


def reader(history: str, end: int) -> History:
    table = pandas.read_csv(io.StringIO(history)).set_index(["run", "step"])
    return lambda column, run=0, step=end: float(table.loc[(run, step), column])


@pytest.mark.parametrize("key", ORACLES)
def test_a_lesson_passes_on_five_seeds_and_every_other_answer_is_wrong(running: Engine, key: str) -> None:
    lesson = lessons()[key]
    asked = lesson.prediction
    others = [each for each in asked.choices if each != asked.expected]
    for seed, (history, header) in enumerate(runs_of(running, lesson, asked.expected)):
        found = grade(lesson, asked.expected, history, header)
        outcome = ORACLES[key](reader(history, lesson.run.end), header)
        assert found.right and found.outcome == (outcome if asked.choices else pytest.approx(outcome)), seed
        for answer in others or [outcome - asked.tolerance - 0.1, outcome + asked.tolerance + 0.1]:
            assert not grade(lesson, answer, history, header).right


def test_of_the_settings_only_one_meets_all_three_goals(running: Engine) -> None:
    lesson = lessons()["together"]
    for answer, choice in lesson.prediction.choices.items():
        for seed, (history, header) in enumerate(runs_of(running, lesson, answer)):
            h = reader(history, lesson.run.end)
            used = {"few": 10 / 16, "dense": 1.0}.get(answer, 22 / 64)  # experts of 6 numbers, gate columns of 2
            meets = h("test_metric") >= 0.7 and h("dead_experts") == 0 and used <= 0.5
            found = grade(lesson, answer, history, header)
            assert found.right == meets == (answer == lesson.prediction.expected), (seed, answer)
            assert choice.because.split("}")[-1] in found.because and f"{used:.0%}" in found.because


# ---- ten seeds at once ------------------------------------------------------------------------------------------


def trained(lesson: Lesson) -> list[Run]:
    """History and header of the run that the lesson expects, for each of many seeds: trained in lockstep."""
    parts = []
    for config in lesson.asked_group(0, lesson.prediction.expected).configs:
        training = Training(expand(config, seed=MANY))
        training.step(lesson.run.wait)
        if lesson.run.turn:
            training.set(**lesson.run.turn)
        training.step(lesson.run.end - lesson.run.wait)
        parts.append((training.history, training.snapshot().header))
    found = []
    for place in range(len(MANY)):
        rows = [table[table["run"] == place].assign(run=run) for run, (table, _) in enumerate(parts)]
        header = {
            name: [header[name][place] for _, header in parts]
            for name, value in parts[0][1].items()
            if isinstance(value, list) and len(value) == len(MANY)
        }
        found.append((pandas.concat(rows).to_csv(index=False), {**header, "step": lesson.run.end}))
    return found


@pytest.mark.parametrize("lesson", [pytest.param(each, id=key) for key, each in lessons().items()])
def test_what_is_expected_happens_in_nine_of_ten_seeds(lesson: Lesson) -> None:
    grades = [grade(lesson, lesson.prediction.expected, *run) for run in trained(lesson)]
    assert np.sum([each.right for each in grades]) >= 9, [each.outcome for each in grades]
