"""A run that is watched for long: what a step and a frame cost, counted in calls, rows and bytes, does not grow."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from moeviz.config import RunConfig
from moeviz.config.changes import in_words
from moeviz.engine.worker.host import Host
from moeviz.engine.worker.run import HostedRun
from moeviz.frames import unpack
from moeviz.training import Training, settings
from moeviz.training.settings import Change, Setting
from tests.shapes import unexecuted

SMALL = RunConfig(batch_size=16, hidden_width=2, num_experts=4)
WANTS = (("first_choice",), ("first_choice", "history"), ("trails",))
YOUNG, OLD = 250, 650  # records: more than a chart shows (240), and far more


def calls(work: Callable[[], Any]) -> int:
    """How many functions are called meanwhile, Python's and C's."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    with unexecuted():  # the check of shapes calls, too
        sys.setprofile(note)
        try:
            work()
        finally:
            sys.setprofile(None)
    return count


def watched(**message: Any) -> HostedRun:
    """A run with a viewer whose λ is turned every 8 steps; it has a record of every step."""
    host = Host(lambda message, payload: None, lambda configs: Training(configs, record_every=1), clock=lambda: 0.0)
    run: Any = {"run": "r", "play": True, "speed": "watch", "probe": None, **message}
    host.handle(run | {"op": "open", "configs": [vars(SMALL)]})
    host.handle({"op": "watch", "run": "r", "viewer": "v", "credit": 4, "want": [], "probe": None})
    return host._runs["r"]


def stay(run: HostedRun, until: int, turn: bool) -> None:
    while run.step < until:
        run.playing.training.step(8)
        if turn:
            run.playing.training.set(balance_coef=float(run.step % 7))
            run.changed(0.0, knobs=True)


def costs(run: HostedRun) -> dict[str, int]:
    """Calls of one step, and calls and bytes of each kind of frame."""
    found = {"calls of a step": calls(lambda: run.playing.training.step(1))}
    (watcher,) = run.audience.watchers.values()
    for want in WANTS:
        watcher.credit, watcher.want = 4, want
        found[f"bytes of {want}"] = len(
            run.frame(watcher, 0.0)
        )  # the first after a step looks at what has come with it
        found[f"calls of {want}"] = calls(lambda: run.frame(watcher, 0.0))
    return found


@pytest.mark.parametrize("turn", [True, False], ids=["knobs turned", "left alone"])
def test_a_frame_costs_as_much_after_many_records_as_after_250(turn: bool) -> None:
    run = watched()
    stay(run, YOUNG, turn)
    young = costs(run)
    stay(run, OLD, turn)
    old = costs(run)
    grown = {name: (young[name], old[name]) for name in young if old[name] > 1.1 * young[name]}
    assert not grown
    (watcher,) = run.audience.watchers.values()
    watcher.want = ("history",)
    header, arrays = unpack(run.frame(watcher, 0.0))
    assert len(arrays["history_step"]) == 240 and len(header["marks"]) <= settings.MOST


def test_whether_a_run_has_settled_is_looked_at_once_for_each_record() -> None:
    run = watched()
    stay(run, 80, turn=False)  # 60 records and more: enough to judge by
    first = calls(lambda: run.playing.training.settled(0))
    assert calls(lambda: run.playing.training.settled(0)) < first / 10
    run.playing.training.step()
    assert calls(lambda: run.playing.training.settled(0)) == first


def test_many_turns_are_joined_into_fewer_that_are_still_true() -> None:
    """λ goes 0, 1, 2, …, 65, one turn more than are kept: the older half becomes 0→2, 2→4, …, 30→32."""
    chosen = [Setting((SMALL.with_(balance_coef=float(each)),), ({},)) for each in range(66)]
    changes: list[Change] = []
    for step, (before, after) in enumerate(itertools.pairwise(chosen)):
        changes = settings.with_change(changes, step, before, after)
    told = [(change.step, *map(in_words, change.what["balance_coef"])) for change in changes]
    assert told[:2] == [(0, "λ 0→2"), (2, "λ 2→4")] and told[15:17] == [(30, "λ 30→32"), (32, "λ 32→33")]
    assert told[-1] == (64, "λ 64→65") and len(told) == 16 + 33


def test_what_was_turned_and_turned_back_long_ago_leaves_no_mark() -> None:
    chosen = [Setting((SMALL.with_(balance_coef=float(each % 2)),), ({},)) for each in range(66)]
    changes: list[Change] = []
    for step, (before, after) in enumerate(itertools.pairwise(chosen)):
        changes = settings.with_change(changes, step, before, after)
    assert [change.step for change in changes] == list(range(32, 65))
