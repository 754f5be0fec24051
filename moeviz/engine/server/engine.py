"""The engine inside the server: opens runs on few workers, passes messages and frames, and brings dead workers back.

Every method may be called from any thread. Those that return notices, `rewind`, `branch`, and `reset` with configs wait
for the worker; so they must not be called on the thread that delivers a viewer's messages, nor on an event loop.
"""

from __future__ import annotations

import atexit
import itertools
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from functools import partial

from moeviz.config import RunConfig
from moeviz.config.groups import comparable
from moeviz.engine import browser_messages, protocol
from moeviz.engine.errors import EngineBusy, EngineFull, RunGone
from moeviz.engine.messages import FromBrowser, FromWorker, Op
from moeviz.engine.server import dead_worker
from moeviz.engine.server.calls import Calls, answered
from moeviz.engine.server.limits import most_runs
from moeviz.engine.server.refused_runs import Refusals, gone
from moeviz.engine.server.requests import Requests
from moeviz.engine.server.run_record import Info, RunRecord
from moeviz.engine.server.viewer import Viewer
from moeviz.engine.server.worker_process import ProcessWorker, StartWorker, ThreadWorker
from moeviz.engine.server.worker_slot import Slot


class Engine(Requests):
    """Runs of all visitors on few worker processes, which start when they are first needed."""

    def __init__(
        self,
        num_workers: int | None = None,
        max_runs: int | None = None,
        in_process: bool = False,
        idle_pause: float = 10.0,
        idle_free: float = 120.0,
    ) -> None:
        count = 1 if in_process else num_workers or os.cpu_count() or 1
        arguments = [f"--idle-pause={idle_pause}", f"--idle-free={idle_free}"]
        start: StartWorker = partial(ProcessWorker, arguments)
        if in_process:
            start = partial(ThreadWorker, idle_pause, idle_free)
        self.max_runs = max_runs or most_runs(count)
        self._lock = threading.RLock()
        self._slots = [Slot(start, self._receive, self._worker_died) for _ in range(count)]
        self._runs: dict[str, RunRecord] = {}
        self._calls, self._refusals = Calls(), Refusals()
        self._numbers = itertools.count(1)
        self._closed = False
        atexit.register(self.shutdown)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    def open(
        self,
        configs: Sequence[RunConfig],
        *,
        play: bool = True,
        speed: str = "watch",
        probe: Sequence[float] | None = None,
        replaces: str | None = None,
    ) -> str:
        """Start runs that train in lockstep and return their token; `replaces` names a group to close first."""
        configs, probe = comparable(configs), browser_messages.check_probe(probe)
        browser_messages.check_speed({"value": speed})
        if replaces is not None:
            self.close(replaces, "another run took this one's place")
        with self._lock:
            self._check_room()
            slot = min(self._slots, key=lambda each: (self._load(each), not each.ready, each.worker is None))
            if not slot.start():
                refused = "a run must have a worker process: the system refused to start one"
                raise EngineBusy(f"{refused}; free some memory, or allow more open files (ulimit -n)")
            run = RunRecord(secrets.token_urlsafe(16), slot, configs, play, speed, probe)
            run.post(run.opening())
            self._runs[run.token] = run
            self._start_spare()
        return run.token

    def reset(self, token: str, configs: Sequence[RunConfig] | None = None) -> None:
        """Begin again at step 0, with other configs if given; token, viewers and play state stay."""
        if configs is None:
            self._do(token, {"op": "reset"})
            return
        configs = comparable(configs)
        self._call(token, {"op": "reset", "configs": [dict(vars(each)) for each in configs]})
        with self._lock:  # after the answer: until then a status that was on its way could bring the old ones back
            self._find(token).configs = configs

    def close(self, token: str, reason: str = "this run was closed") -> None:
        """End a run and tell its viewers; an unknown token is fine, since runs also end by themselves."""
        with self._lock:
            run = self._runs.get(token)
            if run is None:
                return
            run.send({"op": "close"})
        self._drop(run, reason)

    def info(self, token: str) -> Info:
        """The run's step, state, revision, speed and configs as its worker last told them; cheap."""
        with self._lock:
            return self._find(token).info()

    def alive(self, token: str) -> bool:
        with self._lock:
            return token in self._runs

    @property
    def num_runs(self) -> int:
        """How many runs (or groups of twins) are open."""
        with self._lock:
            return len(self._runs)

    @property
    def has_room(self) -> bool:
        """Whether another run could be opened now, if need be in the place of one that nobody watches."""
        with self._lock:
            return len(self._runs) < self.max_runs or any(run.spare() >= 0 for run in self._runs.values())

    def watch(self, token: str, on_message: Callable[[bytes | str], None]) -> Viewer:
        """Attach a viewer; `on_message` gets frames and JSON texts on a thread of the engine, and must not block."""
        with self._lock:
            if (refused := self._refusals.viewer(token, on_message)) is not None:
                return refused
            run = self._find(token)
            forward, leave = partial(self._from_client, run), partial(self._leave, run)
            viewer = Viewer(str(next(self._numbers)), on_message, forward, leave, run.rate)
            run.post(viewer.joining())
            run.viewers[viewer.key] = viewer
            run.seen()
        return viewer

    def shutdown(self) -> None:
        """End every run and worker; returns when the processes and threads are gone."""
        with self._lock:
            self._closed = True
            runs = list(self._runs.values())
            workers = [slot.worker for slot in self._slots if slot.worker is not None]
        for run in runs:
            self._drop(run, "the server is shutting down")
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.join()
        atexit.unregister(self.shutdown)

    def _find(self, token: str) -> RunRecord:
        try:
            return self._runs[token]
        except KeyError:
            raise RunGone("a token must belong to a live run: this one is unknown or freed; open a new run") from None

    def _load(self, slot: Slot) -> int:
        return sum(run.slot is slot for run in self._runs.values())

    def _check_room(self) -> None:
        if self._closed:
            raise EngineBusy("an engine must be running to open a run: this one was shut down; make another Engine")
        longest = max(self._runs.values(), key=RunRecord.spare, default=None)
        if len(self._runs) >= self.max_runs and longest is not None and longest.spare() >= 0:
            self.close(longest.token, "nobody watched this run, and the server needed its place")
        if len(self._runs) >= self.max_runs:
            raise EngineFull(
                f"this server trains at most {self.max_runs} runs at once: {len(self._runs)} are open; "
                "close a tab that shows one, or try again in a few minutes"
            )

    def _start_spare(self) -> None:
        """Keep one warm worker ahead of the visitors: start the next when every started one is ready and has work."""
        started = [slot for slot in self._slots if slot.worker is not None]
        empty = next((slot for slot in self._slots if slot.worker is None), None)
        if empty is not None and not self._closed and all(slot.ready and self._load(slot) for slot in started):
            empty.start()

    def _do(self, token: str, message: Op) -> None:
        with self._lock:
            run = self._find(token)
            run.note(message)
            run.post(message)

    def _call(self, token: str, message: Op) -> list[str]:
        """Send a message and wait for its answer; a worker that dies meanwhile is asked again."""
        protocol.check_json(message)
        with self._lock:
            run = self._find(token)
            question = self._calls.numbered(message)
            run.note(message)
            run.post(question)
            future = self._calls.expect(run, question)
        try:
            return answered(future, question)
        finally:
            with self._lock:
                self._calls.forget(question)

    def _from_client(self, run: RunRecord, viewer: Viewer, message: FromBrowser) -> None:
        """Pass on a checked message of a browser."""
        with self._lock:
            if self._runs.get(run.token) is not run or viewer.key not in run.viewers:
                return  # it has been told
            run.note(message)
            viewer.note(message)
            if message["op"] == "hidden":
                run.seen()
            busy = not run.send(message, viewer)
        if busy:
            viewer.tell({"op": "busy", "message": "the server is far behind; wait a moment"})

    def _leave(self, run: RunRecord, viewer: Viewer) -> None:
        with self._lock:
            if run.viewers.pop(viewer.key, None) is not None:
                run.seen()
                run.send({"op": "unwatch"}, viewer)

    def _receive(self, slot: Slot, message: FromWorker, payload: bytes) -> None:
        """One message of a worker, on its thread."""
        with self._lock:
            if message["op"] == "reply":
                return self._calls.answer(message)
            if message["op"] == "ready":
                slot.ready = True
                return self._start_spare()
            run = self._runs.get(message["run"])
            if run is None:
                return None  # closed while this was on its way
            if message["op"] == "status":
                return run.learn(message)
            viewers = [] if message["op"] == "freed" else run.addressed(message)
            for viewer in viewers if message["op"] == "frame" else []:
                viewer.pay()
        if message["op"] == "freed":
            return self._drop(run, message["reason"], message.get("refused", False))
        for viewer in viewers:
            if message["op"] == "frame":
                viewer.show(payload)
            else:
                viewer.tell(message["body"])
        return None

    def _drop(self, run: RunRecord, reason: str, refused: bool = False) -> None:
        """Forget a run: its token is unknown from now on, and whoever watches or waits is told."""
        with self._lock:
            self._runs.pop(run.token, None)
            if refused:
                self._refusals.note(run.token, reason)
            viewers = list(run.viewers.values())
            run.viewers.clear()
            self._calls.fail(run, RunGone(f"a token must belong to a live run: {reason}; open a new run"))
        for viewer in viewers:
            viewer.tell(gone(reason, refused))

    def _worker_died(self, slot: Slot, ended: str) -> None:
        """On the worker's thread: its runs begin again in its successor, or end."""
        with self._lock:
            if self._closed:
                return slot.empty()  # it left when it was asked to
            runs = [run for run in self._runs.values() if run.slot is slot]
            viewers = [viewer for run in runs for viewer in run.viewers.values()]
            notice = dead_worker.replaced(slot, runs, self._calls, ended)
        if notice is None:
            for run in runs:
                self._drop(run, dead_worker.given_up(ended))
            return None
        for viewer in viewers:
            viewer.tell({"op": "notice", "message": notice})
        return None
