"""What the successor of a dead worker is told, and when there is none; with workers that only note what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from moeviz.config import RunConfig, expand
from moeviz.engine.server import dead_worker
from moeviz.engine.server.calls import Calls
from moeviz.engine.server.run_record import RunRecord
from moeviz.engine.server.viewer import Viewer
from moeviz.engine.server.worker_slot import RESTARTS, Slot


class Noted:
    """A worker that does nothing."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def send(self, message: Any) -> bool:
        self.told.append(message)
        return True

    def close(self) -> None: ...
    def join(self) -> None: ...


def slot(workers: list[Noted]) -> Slot:
    """A place whose workers are taken from the list, one after the other; without any left none can be started."""

    def start(on_message: Any, on_exit: Any) -> Noted:
        if not workers:
            raise OSError("no memory")
        return workers.pop(0)

    place = Slot(start, lambda slot, message, payload: None, lambda slot, ended: None)
    place.start()
    return place


def watched(place: Slot, token: str, **axes: list[Any]) -> RunRecord:
    """A run with two viewers, one of them behind another tab."""
    run = RunRecord(token, place, expand(RunConfig(), **axes), True, "watch", None)
    for key, hidden in (("1", False), ("2", True)):
        viewer = Viewer(key, lambda data: None, lambda viewer, message: None, lambda viewer: None)
        viewer.note({"op": "view", "credit": 2, "want": ["gate"], "probe": None})
        viewer.note({"op": "hidden", "value": hidden})
        run.viewers[key] = viewer
    return run


def test_the_next_worker_gets_the_run_its_viewers_and_the_open_questions(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Noted(), Noted()
    place, calls = slot([first, second]), Calls()
    asked, quiet = watched(place, "secret", balance_coef=[0, 10]), watched(place, "other")
    asked.note({"op": "pause"})
    question = calls.numbered({"op": "set", "knobs": {"top_k": 1}})
    calls.expect(asked, question)
    notice = dead_worker.replaced(place, [asked, quiet], calls, "signal 9")
    assert notice == "the worker process stopped (signal 9), so this run started again from step 0"
    ops = ["open", "watch", "watch", "set", "open", "watch", "watch"]
    assert [message["op"] for message in second.told] == ops and not first.told
    assert [message["run"] for message in second.told] == ["secret"] * 4 + ["other"] * 3
    opening, shown, hidden, again = second.told[:4]
    assert [each["balance_coef"] for each in opening["configs"]] == [0, 10]
    # as it was left, and with another version of its data, so that its viewers load the points again
    assert (opening["play"], opening["data_version"], opening["notice"]) == (False, 1, notice)
    look = {"credit": 2, "want": ["gate"], "probe": None}
    assert shown == {"op": "watch", "run": "secret", "viewer": "1", "hidden": False, **look}
    assert hidden == {"op": "watch", "run": "secret", "viewer": "2", "hidden": True, **look}
    assert again == {**question, "run": "secret"}
    said = "a worker process stopped (signal 9) with 2 runs: "
    assert said + "clusters N=8 k=2 batch=256 x2, clusters N=8 k=2 batch=256 x1" in caplog.text
    assert "secret" not in caplog.text


def test_a_worker_without_runs_is_not_started_again() -> None:
    spare = Noted()
    place = slot([Noted(), spare])
    assert dead_worker.replaced(place, [], Calls(), "signal 9") is None
    assert place.worker is None


def test_one_that_dies_often_has_no_next() -> None:
    place = slot([Noted() for _ in range(RESTARTS + 2)])
    run = watched(place, "secret")
    deaths = [dead_worker.replaced(place, [run], Calls(), "signal 9") is not None for _ in range(RESTARTS + 1)]
    assert deaths == [True] * RESTARTS + [False] and place.worker is None
    assert dead_worker.given_up("signal 9").startswith("its worker process stopped again and again (signal 9)")


def test_where_no_process_can_be_started_the_runs_are_given_up() -> None:
    place = slot([Noted()])
    assert dead_worker.replaced(place, [watched(place, "secret")], Calls(), "exit status 1") is None
