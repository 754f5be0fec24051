"""The workers that train sweeps: few processes, shared by all jobs of this process in fair turns, piece by piece."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial

from moeviz.config import RunConfig
from moeviz.engine.server.worker_process import OnExit, OnMessage, ProcessWorker, Worker
from moeviz.experiments.sweep import pieces
from moeviz.experiments.sweep.messages import FromWorker, ToWorker
from moeviz.experiments.sweep.result import Result
from moeviz.experiments.sweep.store import Store

MOST_JOBS = 12
IDLE = 60.0  # seconds until workers that have nothing to do leave: a class presses Start again and again
TRIES = 2  # for a piece whose worker died
START = 3.0  # seconds that a new worker takes to import torch
TELLING = 0.05  # share of a job from which on its own speed says more than the estimate
NEWEST = 0.3  # weight of the newest piece in the measured speed
MODULE = "moeviz.experiments.sweep.worker"

logger = logging.getLogger(__name__)
StartWorker = Callable[[OnMessage, OnExit], Worker]


def start_process(on_message: OnMessage, on_exit: OnExit) -> Worker:
    """A worker process for pieces of sweeps."""
    return ProcessWorker([], on_message, on_exit, module=MODULE)


class SweepBusy(RuntimeError):
    """The workers have as many jobs as they take; the message says how many, and what to do."""


@dataclass(eq=False)
class Piece:
    """Runs that one worker trains in lockstep."""

    work: Work
    configs: list[RunConfig]
    seconds: float  # that it should take
    step: int = 0
    tries: int = 0


@dataclass(eq=False)
class Work:
    """What the pool knows of a job."""

    steps: int
    store: Store | None
    results: dict[RunConfig, Result] = field(default_factory=dict)
    waiting: list[Piece] = field(default_factory=list)
    running: list[Piece] = field(default_factory=list)
    failed: dict[RunConfig, str] = field(default_factory=dict)  # what could not be trained, and why
    unkept: str = ""  # why finished runs are not in the store, while it is so
    cancelled: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    began: float | None = None  # when the first piece was handed out
    given: float = 0.0  # seconds of training handed out: who was given least is next
    done: float = 0.0  # ... and finished
    total: float = 0.0  # ... and of all its pieces
    known: float = 0.0  # ... and of runs that were in the store before it began

    @property
    def left(self) -> float:
        """Seconds of training that are still to be done, as estimated."""
        begun = sum(piece.seconds * (1 - piece.step / self.steps) for piece in self.running)
        return begun + sum(piece.seconds for piece in self.waiting)

    @property
    def trained(self) -> float:
        """Seconds of training that are done: what failed is not, and what was begun when it was cancelled is lost."""
        begun = 0.0 if self.cancelled else sum(piece.seconds * piece.step / self.steps for piece in self.running)
        return self.done + begun

    @property
    def share(self) -> float:
        """Of all its training, how much is done."""
        return (self.known + self.trained) / (self.known + self.total) if self.total else 1.0

    def fail(self, why: str, piece: Piece) -> None:
        """Give up a piece, and say why."""
        self.failed |= dict.fromkeys(piece.configs, why)


@dataclass(eq=False)
class Hand:
    """One worker process and what it has in hand."""

    worker: Worker | None = None
    piece: Piece | None = None

    def tell(self, message: ToWorker) -> None:
        assert self.worker is not None
        self.worker.send(message)


class Pool:
    """At most one worker for each core; they start when there is work and leave when there has been none for a while.

    Every method may be called from any thread.
    """

    def __init__(
        self, num_workers: int | None = None, max_jobs: int = MOST_JOBS, *, idle: float = IDLE,
        start: StartWorker = start_process,
    ) -> None:  # fmt: skip
        self.num_workers, self.max_jobs = num_workers or os.cpu_count() or 1, max_jobs
        self._idle, self._start = idle, start
        self._lock = threading.RLock()
        self._hands: list[Hand] = []
        self._works: list[Work] = []
        self._rate = 1.0  # measured seconds for each estimated one
        self._leave: threading.Timer | None = None
        atexit.register(self.shutdown)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    # ---- jobs -----------------------------------------------------------------------------------------------------

    @property
    def num_jobs(self) -> int:
        """Jobs that are not over."""
        with self._lock:
            return len(self._works)

    def add(self, work: Work, configs: Sequence[RunConfig]) -> None:
        """Begin to train these runs as soon as it is their turn."""
        with self._lock:
            if configs and len(self._works) >= self.max_jobs:
                raise SweepBusy(
                    f"the workers train at most {self.max_jobs} sweeps at once: {len(self._works)} are under way; "
                    "start again when one has ended"
                )
            for each in pieces.cut(configs, work.steps, self.num_workers):
                work.waiting.append(Piece(work, each, pieces.seconds(each, work.steps)))
            before = pieces.cut(list(work.results), work.steps, self.num_workers)
            work.total, work.known = work.left, sum(pieces.seconds(each, work.steps) for each in before)
            work.given = min((each.given for each in self._works), default=0.0)
            self._works.append(work)
            self._advance()

    def cancel(self, work: Work) -> None:
        """Train no more of it; what is finished stays."""
        with self._lock:
            work.cancelled = True
            self._advance()

    def seconds_for(self, configs: Sequence[RunConfig], steps: int) -> float:
        """About how long these runs will take here, with the jobs that are under way."""
        with self._lock:
            each = [pieces.seconds(piece, steps) for piece in pieces.cut(configs, steps, self.num_workers)]
            before = sum(min(work.left, sum(each)) for work in self._works)
            start = START if each and not self._hands else 0.0
            return start + self._rate * max((sum(each) + before) / self.num_workers, max(each, default=0.0))

    def seconds_left(self, work: Work) -> float:
        """About how long this job still takes: by its own speed, once there is one."""
        with self._lock:
            left = work.left
            if work.began is not None and work.trained > TELLING * work.total:
                return (time.monotonic() - work.began) * left / work.trained
            return self._rate * left / self.num_workers + (START if left and not work.results else 0.0)

    def shutdown(self) -> None:
        """End all workers; jobs under way are cancelled."""
        with self._lock:
            for work in self._works:
                work.cancelled = True
                work.waiting.clear()
                work.over.set()
            self._works.clear()
            hands = self._dismiss()
        for hand in hands:
            assert hand.worker is not None
            hand.worker.join()

    # ---- turns ----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Stop what was cancelled, give work to whoever has none, and send workers away when there is none."""
        for work in [each for each in self._works if each.cancelled]:
            work.waiting.clear()
            for hand in self._hands:
                if hand.piece is not None and hand.piece.work is work:
                    hand.tell({"op": "stop"})
        while (piece := self._next()) is not None and (free := self._free_hand()) is not None:
            self._give(free, piece)
        for work in [each for each in self._works if not each.waiting and not each.running]:
            self._works.remove(work)
            work.over.set()
        self._wait_for_work()

    def _next(self) -> Piece | None:
        waiting = [work for work in self._works if work.waiting]
        return min(waiting, key=lambda work: work.given).waiting[0] if waiting else None

    def _free_hand(self) -> Hand | None:
        """A worker with nothing to do, started if there may be one more."""
        free = next((hand for hand in self._hands if hand.piece is None), None)
        if free is not None or len(self._hands) >= self.num_workers:
            return free
        new = Hand()
        try:
            new.worker = self._start(partial(self._receive, new), partial(self._ended, new))
        except OSError as error:
            logger.exception("a worker process could not be started")
            if not self._hands:
                self._give_up(f"a worker process must be able to start: {error}; free some memory and start again")
            return None
        self._hands.append(new)
        return new

    def _give_up(self, why: str) -> None:
        for work in self._works:
            for piece in work.waiting:
                work.fail(why, piece)
            work.waiting.clear()

    def _give(self, hand: Hand, piece: Piece) -> None:
        work = piece.work
        work.waiting.remove(piece)
        work.running.append(piece)
        work.given += piece.seconds
        work.began = work.began or time.monotonic()
        hand.piece, piece.step = piece, 0
        hand.tell({"op": "train", "configs": [asdict(each) for each in piece.configs], "steps": work.steps})

    def _wait_for_work(self) -> None:
        """Let the workers leave after a while without any."""
        if self._leave is not None:
            self._leave.cancel()
            self._leave = None
        if self._hands and not self._works:
            self._leave = threading.Timer(self._idle, self._leave_idle)
            self._leave.name, self._leave.daemon = "moeviz-sweep-idle", True
            self._leave.start()

    def _leave_idle(self) -> None:
        with self._lock:
            if not self._works:
                self._dismiss()

    def _dismiss(self) -> list[Hand]:
        if self._leave is not None:
            self._leave.cancel()
        hands, self._hands = self._hands, []
        for hand in hands:
            assert hand.worker is not None
            hand.worker.close()
        return hands

    # ---- what workers say, on their threads -------------------------------------------------------------------------

    def _receive(self, hand: Hand, message: FromWorker, payload: bytes) -> None:
        with self._lock:
            piece = hand.piece
            if hand not in self._hands or piece is None or message["op"] == "ready":
                return
            if message["op"] == "at":
                piece.step = message["step"]
            else:
                hand.piece = None
                piece.work.running.remove(piece)
                if message["op"] == "results":
                    self._keep(piece, [Result(**each) for each in message["results"]])
                elif message["op"] == "failed":
                    piece.work.fail(message["why"], piece)
            self._advance()

    def _keep(self, piece: Piece, results: Sequence[Result]) -> None:
        work = piece.work
        own = dict(zip(piece.configs, results, strict=True))
        work.results |= own
        work.done += piece.seconds
        measured = sum(result.seconds for result in results) / piece.seconds
        self._rate += NEWEST * (measured - self._rate)
        if work.store is None:
            return
        try:
            work.store.put(own, work.steps)
            work.unkept = ""
        except OSError as error:
            work.unkept = f"finished runs must be written to a file: {error}; make room and start again"

    def _ended(self, hand: Hand, how: str) -> None:
        """A worker has died: another one tries what it had in hand once more."""
        with self._lock:
            if hand not in self._hands:
                return
            self._hands.remove(hand)
            logger.error("a worker process of sweeps stopped (%s)", how)
            piece, hand.piece = hand.piece, None
            if piece is not None:
                piece.work.running.remove(piece)
                piece.tries += 1
                if piece.tries < TRIES:
                    piece.work.waiting.insert(0, piece)
                else:
                    sizes = f"N={piece.configs[0].num_experts}, {len(piece.configs)} runs"
                    piece.work.fail(f"a worker process stopped twice ({how}) while it trained {sizes}", piece)
            self._advance()


@cache
def shared_pool() -> Pool:
    """The pool of this process."""
    return Pool()
