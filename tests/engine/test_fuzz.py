"""Visitors who turn any knob and say anything: seeded walks over a worker's runs, bounded in steps.

A failure names its seed; `MOEVIZ_SEEDS=500-600` walks others than those of the slow suite.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
import random
from typing import Any

import numpy as np
import pytest

from moeviz.config import KNOBS, RunConfig
from moeviz.config.knob import Knob
from moeviz.config.router_facts import TREATMENTS
from moeviz.config.task_facts import TASK_INFO
from moeviz.engine.browser_messages import CLIENT_OPS, MAX_TEXT, check_client
from moeviz.engine.protocol import GHOSTS, PERIODS
from moeviz.engine.worker.host import Host
from moeviz.frames import PICTURES, unpack
from moeviz.training import opened, step_together
from tests.training.test_views import MAY_LACK, all_known

pytestmark = pytest.mark.slow
FIRST, LAST = map(int, os.environ.get("MOEVIZ_SEEDS", "0-15").split("-"))
EVENTS = 40  # of one walk
TICK = 0.003  # seconds that each look at the clock takes: slices of few steps
SMALL = {"hidden_width": 8, "batch_size": 32, "num_experts": 12, "num_shared_experts": 2}  # at most
MEASURES = ("task_loss", "balance_loss_value", "train_metric", "test_loss", "test_metric", "cv_load")
JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 3, 51, 1e308, 10**40, 0.5, "", "gate", "\ud83d", "x" * (MAX_TEXT + 1), [], {}, [None], [[1, 2]],
    {"op": "reset"}, [1e9, 0], [0.5] * 2000, math.nan, math.inf, ["gate"] * 99, "__proto__", {"a": [{}]},
)  # fmt: skip
GIVEN: tuple[Any, ...] = (
    "",
    " \n",
    "a",
    "Zürich 東京 🦊",
    "ß" * MAX_TEXT,
    "a\ud83d",
    [0.0] * 256,
    [1.0] * 1024,
    [0.3] * 7,
    [],
)


# ---- what can be turned and said -----------------------------------------------------------------------------------


def value_of(knob: Knob, chance: random.Random) -> Any:
    """Any value that the knob can have, often one of its ends."""
    if knob.optional and chance.random() < 0.3:
        return None
    if knob.choices:
        return chance.choice(knob.choices)
    if knob.kind is bool:
        return chance.random() < 0.5
    low, high = knob.low or 0, min(knob.high or 0, SMALL.get(knob.name, math.inf))
    if chance.random() < 0.4:
        return knob.kind(chance.choice((low, high)))
    if knob.scale.startswith("log") and chance.random() < 0.7:
        least = low or high * 1e-20  # a scale that has 0 comes as near to it as one likes
        return min(max(knob.kind(least * (high / least) ** chance.random()), low), high)
    return knob.kind(low + (high - low) * chance.random())


def some_knobs(chance: random.Random, live: bool) -> dict[str, Any]:
    """A few knobs with any values."""
    names = [each.name for each in KNOBS.values() if (each.live or not live) and each.name not in ("device", "task")]
    return {name: value_of(KNOBS[name], chance) for name in chance.sample(names, chance.randint(1, 3 if live else 9))}


def config_of(chance: random.Random, task: str) -> RunConfig:
    """Any run of a task, but a small one."""
    knobs = {"batch_size": 16, "hidden_width": 4, "num_experts": 5} | some_knobs(chance, live=False)
    if TASK_INFO[task].tokens_per_input > 1:
        knobs["batch_size"] = 8
    return RunConfig(task=task, device="cpu").nearest(**knobs)[0]


def configs_of(chance: random.Random) -> list[RunConfig]:
    """A run, or a few beside each other: twins in one knob, or runs of several shapes on the same data."""
    base = config_of(chance, chance.choice(list(TASK_INFO)))
    if (kind := chance.choice(("one", "twins", "shapes"))) == "one":
        return [base]
    if kind == "twins":
        return [base.with_(balance_coef=each) for each in (0.0, 10.0)]
    routers = chance.sample(KNOBS["router"].choices, 2)
    return [base.nearest(router=router)[0] for router in routers] + [base]


def said(chance: random.Random) -> dict[str, Any]:
    """A message that a page may send."""
    op = chance.choice(list(CLIENT_OPS))
    probe = chance.choice((None, [0, 0], [chance.uniform(-3, 3), chance.uniform(-3, 3)], [-1e6, 1e6]))
    fields: dict[str, dict[str, Any]] = {
        "view": {"credit": chance.randint(0, 4), "probe": probe,
                 "want": chance.choice((None, chance.sample(list(PICTURES), chance.randint(0, 6))))},
        "step": {"n": chance.randint(1, 12)}, "speed": {"value": chance.choice(list(PERIODS))},
        "hidden": {"value": chance.random() < 0.3}, "ghost": {"value": chance.choice(GHOSTS)},
        "treat": {"expert": chance.randint(0, 12), "how": chance.choice(list(TREATMENTS)),
                  "twin": chance.choice((None, 0, 1, 3))},
        "rewind": {"step": chance.choice((0, 7, 10, 25, 10**9))}, "give": {"value": chance.choice(GIVEN)},
    }  # fmt: skip
    return {"op": op, **fields.get(op, {})}


def forged(chance: random.Random) -> Any:
    """A message of which something is not as it should be."""
    message: Any = said(chance)
    kind = chance.randrange(4)
    if kind == 0:
        return chance.choice(JUNK)
    if kind == 1:
        return message | {"op": chance.choice(("set", "open", "close", "history", "watch", "unwatch", *map(str, JUNK)))}
    name = chance.choice([*message, "credit", "want", "probe", "value", "viewer", "run", "call", "n", "configs"])
    return message | {name: chance.choice(JUNK)}


def turned(chance: random.Random, num_runs: int) -> dict[str, Any]:
    """Knobs as a page of this server sets them; now and then one that cannot be."""
    knobs = some_knobs(chance, live=True)
    for name in knobs:
        if KNOBS[name].per_run and chance.random() < 0.3:
            knobs[name] = [value_of(KNOBS[name], chance) for _ in range(num_runs if chance.random() < 0.9 else 7)]
    if chance.random() < 0.15:
        knobs[chance.choice(list(KNOBS))] = chance.choice(JUNK[:9])
    return knobs


# ---- the walk ------------------------------------------------------------------------------------------------------


class Walk:
    """A worker with a few runs, each with viewers that take every frame; all that it sends is looked at."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.host = Host(
            self.look, opened, step_together, clock=itertools.count(100.0, TICK).__next__, idle_pause=1e9, idle_free=1e9
        )
        self.refused = self.frames = 0
        self.replies: list[dict[str, Any]] = []
        self.runs = [f"run {number}" for number in range(self.chance.randint(1, 3))]
        for run in self.runs:
            while run not in self.host._runs:  # too much work is refused
                self.open(run)

    def open(self, run: str) -> None:
        configs = [vars(each) for each in configs_of(self.chance)]
        play = self.chance.random() < 0.7
        self.host.handle({"op": "open", "run": run, "configs": configs, "play": play, "speed": "fast", "probe": None})
        for viewer in "ab":
            self.tell(run, viewer=viewer, op="watch", credit=1, want=None, probe=None, hidden=False)

    def tell(self, run: str, **message: Any) -> None:
        said: Any = {**message, "run": run}
        self.host.handle(said)

    def event(self) -> Any:
        """Something is said or turned, and the worker goes on for a moment; returns what it was."""
        chance, run = self.chance, self.chance.choice(self.runs)
        kind = chance.choices(("said", "forged", "set", "reset", "history"), (10, 5, 6, 1, 1))[0]
        hosted = self.host._runs[run]
        if kind in ("said", "forged"):
            message = said(chance) if kind == "said" else forged(chance)
            try:
                clean = check_client(message)
            except ValueError as error:
                assert kind == "forged" and "must" in str(error) and len(str(error)) < 400, (message, error)
                self.refused += 1
                return message
            json.dumps(clean, allow_nan=False)
            message = {**clean, "viewer": chance.choice("ab")}
        elif kind == "set":
            message = {"op": "set", "call": 1, "knobs": turned(chance, len(hosted.playing.training.configs))}
        elif kind == "reset":
            message = {"op": "reset", "call": 1, "configs": [vars(each) for each in configs_of(chance)]}
        else:
            message = {"op": "history", "call": 1}
        before, answers = self.state(run), len(self.replies)
        self.tell(run, **message)
        if any("error" in reply for reply in self.replies[answers:]):
            assert self.state(run) == before, "a refusal must change nothing"
        for viewer in "ab":
            self.tell(run, viewer=viewer, op="view", credit=2, want=None, probe=None)
        for _ in range(3):
            self.host.advance()
        return run, message

    def state(self, run: str) -> Any:
        training: Any = self.host._runs[run].playing.training
        return training.configs, training.current_step, [part.treated for part in training.parts]

    def look(self, message: Any, payload: bytes) -> None:
        """What the worker sends: no fault, and no number that is none without a run that diverged."""
        text = json.dumps(message, allow_nan=False)
        assert "fault" not in message and "an error" not in text, text[:500]
        if message["op"] == "reply":
            self.replies.append(message)
        if message["op"] == "status" and message["state"] == "diverged":
            assert self.host._runs[message["run"]].playing.training.stuck
        if message["op"] == "frame":
            self.frames += 1
            self.check(message["run"], *unpack(payload))

    def check(self, run: str, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        training: Any = self.host._runs[run].playing.training
        parts = training.parts
        placed = getattr(training, "runs", [range(len(training.configs))])
        healthy = {
            each: bool(health)
            for part, runs in zip(parts, placed, strict=True)
            for each, health in zip(runs, part.step_state.healthy_R.tolist(), strict=True)
        }
        for each in range(header["num_runs"]):
            if healthy[each]:
                assert all(header[name][each] is not None for name in MEASURES), (each, header)
                for name, values in arrays.items():
                    fits = values.dtype.kind == "f" and len(values) == header["num_runs"]
                    if fits and not name.startswith(MAY_LACK) and header["experts"][each] == header["num_experts"]:
                        assert all_known(name, values[each]), (name, each)


@pytest.mark.parametrize("seed", range(FIRST, LAST + 1))
def test_whatever_is_turned_and_said_the_runs_go_on(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    walk = Walk(seed)
    lately: list[Any] = []
    try:
        for _ in range(EVENTS):
            lately.append(walk.event())
        for run in walk.runs:  # and each of them still starts again
            for message in ({"op": "reset"}, {"op": "pause"}, {"op": "step", "n": 3}):
                walk.tell(run, viewer="a", **message)
        for _ in range(40):
            walk.host.advance()
        assert [walk.host._runs[run].step for run in walk.runs] == [3] * len(walk.runs)
    except Exception as error:
        error.add_note(f"seed {seed}, after {len(lately)} events; the last of them: {lately[-3:]!r}"[:1500])
        raise
    assert walk.frames > EVENTS / 2
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]  # tracebacks
