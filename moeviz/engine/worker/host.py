"""The runs of one worker: what they are told, what goes wrong in them, and when they are freed."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from moeviz.config import RunConfig, workload
from moeviz.engine import messages
from moeviz.engine.messages import FromWorker, Knobs, Op, Outcome, ToBrowser, ToWorker
from moeviz.engine.worker.op_budget import AT_ONCE, MOST_WAITING
from moeviz.engine.worker.run import HostedRun
from moeviz.engine.worker.schedule import Schedule, StepTogether

if TYPE_CHECKING:
    from moeviz.engine.worker.hosted import Hosted

MOST_WITH_GHOSTS = 8  # viewers of one worker whose runs train: a ghost doubles the work of a run
logger = logging.getLogger(__name__)
Emit = Callable[[FromWorker, bytes], None]
CHANGING = ("set", "treat", "reset", "recover", "rewind", "branch")  # ops after whose fault a training may be anything


class Host:
    """Runs and their viewers; knows no pipes, and its clock can be replaced."""

    def __init__(
        self,
        emit: Emit,
        training: Callable[[list[RunConfig]], Hosted],
        step_together: StepTogether | None = None,
        *,
        idle_pause: float = 10.0,
        idle_free: float = 120.0,
        clock: Callable[[], float] = time.perf_counter,
        on_empty: Callable[[], object] = lambda: None,
    ) -> None:
        self._emit = emit
        self._training = training
        self._idle_pause = idle_pause
        self._idle_free = idle_free
        self._clock = clock
        self._on_empty = on_empty  # called when the last run has gone
        self._runs: dict[str, HostedRun] = {}
        self._schedule = Schedule(self._runs, step_together, self._emit_frame, self._fault, self._excuse, clock)
        self._ops: dict[str, Callable[[HostedRun, Any], list[str] | None]] = {
            "watch": self._watch, "unwatch": self._unwatch, "view": self._view, "hidden": self._hidden,
            "set": self._set, "reset": self._reset, "recover": self._recover,
            "play": self._play, "pause": self._pause, "step": self._step, "speed": self._speed,
            "ghost": self._ghost, "history": self._history, "treat": self._treat, "rewind": self._rewind,
            "branch": self._branch, "give": self._give,
        }  # fmt: skip

    def handle(self, message: ToWorker) -> None:
        """Carry out one message of the server; what goes wrong is told to whoever asked."""
        if message["op"] == "open":
            return self._open(message)
        run = self._runs.get(message["run"])
        if run is None:
            return None  # freed a moment ago; the server has been told and has answered everybody
        if message["op"] == "close":
            self._forget(run)
            return None
        if not run.budget.must_wait(message):
            return self._carry_out(run, message)
        if not run.budget.add(message):
            rule = "a run can be changed as fast as its share of the worker allows"
            error = f"{rule}: {MOST_WAITING} changes of this one wait; try again in a moment"
            return self._answer(run, message, {"error": error})
        return None

    def _carry_out(self, run: HostedRun, message: Op) -> None:
        """Do what a message asks, at the cost of its run."""
        answer: Outcome = {}
        began = self._clock()
        try:
            answer["notices"] = self._ops[message["op"]](run, message) or []
        except ValueError as error:
            answer["error"] = str(error)
        except Exception as error:  # the boundary of one run: its fault must not end the others
            logger.exception("an op failed inside a run: %s", message["op"])
            if message["op"] in CHANGING:
                answer["fault"] = self._fault(run, error)
            else:
                answer["fault"] = self._excuse(run, message.get("viewer"), error)
        if message["op"] not in AT_ONCE:
            run.spend(self._clock() - began)
        return self._answer(run, message, answer)

    def _answer(self, run: HostedRun, message: Op, answer: Outcome) -> None:
        if "call" in message:
            self._emit(run.status(self._clock()), b"")  # so that `info` is up to date when the call returns
            self._emit({"op": "reply", "call": message["call"], **answer}, b"")
            return
        if "error" in answer:
            self._tell(run.token, message.get("viewer"), {"op": "error", "message": answer["error"]})
        for notice in answer.get("notices", []):
            self._tell(run.token, None, {"op": "notice", "message": notice})

    def _tell(self, token: str, viewer: str | None, body: ToBrowser) -> None:
        self._emit({"op": "tell", "run": token, "viewer": viewer, "body": body}, b"")

    def _open(self, message: messages.Open) -> None:
        token, began = message["run"], self._clock()
        try:
            training = self._made(message["configs"])
        except ValueError as error:  # a rule that only a worker can check
            logger.warning("a run was refused: %s", error)
            return self._refuse(token, str(error))
        except Exception as error:  # the boundary of one run: whatever its configs set off, the others go on
            logger.exception("a run could not be opened")
            return self._refuse(token, f"an error in its worker ({type(error).__name__}: {error}); use other knobs")
        now = self._clock()
        run = HostedRun(token, training, message, now, self._idle_pause)
        self._schedule.admit(run, now - began)
        self._runs[token] = run
        return None

    def _made(self, configs: Iterable[Knobs]) -> Hosted:
        """A training of these runs; ValueError, before anything is made, where they would take too much."""
        runs = [RunConfig(**each) for each in configs]
        workload.check(runs)
        return self._training(runs)

    def _refuse(self, token: str, why: str) -> None:
        reason = f"This run could not be opened: {why}"
        self._emit({"op": "freed", "run": token, "reason": reason, "refused": True}, b"")

    def _watch(self, run: HostedRun, message: messages.Watch) -> None:
        run.audience.join(message["viewer"], message, self._clock())

    def _unwatch(self, run: HostedRun, message: messages.Unwatch) -> None:
        run.audience.leave(message["viewer"], self._clock())

    def _view(self, run: HostedRun, message: messages.View) -> None:
        run.audience.look(message["viewer"], message, self._clock())

    def _give(self, run: HostedRun, message: messages.Give) -> None:
        run.audience.give(message["viewer"], message["value"], self._clock())

    def _hidden(self, run: HostedRun, message: messages.Hidden) -> None:
        run.audience.hide(message["viewer"], message["value"], self._clock())

    def _set(self, run: HostedRun, message: messages.Set) -> list[str]:
        training = run.playing.training
        workload.check(training.would_set(**message["knobs"]))
        return self._turn(run, message["knobs"], lambda: training.set(**message["knobs"])) or []

    def _treat(self, run: HostedRun, message: messages.Treat) -> None:
        treated = message["expert"], message["how"], message["twin"]
        self._turn(run, ["treat"], lambda: run.playing.training.treat(*treated))

    def _turn(self, run: HostedRun, knobs: Iterable[str], act: Callable[[], list[str] | None]) -> list[str] | None:
        """Change what is set by hand, and show it at once; a ghost that goes on without it must not cost too much."""
        configs = run.playing.training.configs
        crowded = self._schedule.num_attentive(self._clock()) > MOST_WITH_GHOSTS or not workload.fits(
            [*configs, *configs]
        )
        notices = run.playing.turn(knobs, act, self._clock(), crowded)
        run.changed(self._clock(), knobs=True)
        self._schedule.answer(run)
        return notices

    def _reset(self, run: HostedRun, message: messages.Reset) -> None:
        configs = message.get("configs")
        run.playing.reset(None if configs is None else self._made(configs))
        run.changed(self._clock(), knobs=configs is not None)

    def _recover(self, run: HostedRun, message: messages.Recover) -> list[str] | None:
        notices = run.playing.recover()
        run.changed(self._clock(), knobs=True)
        return notices

    def _rewind(self, run: HostedRun, message: messages.Rewind) -> None:
        run.playing.rewind(message["step"])
        run.changed(self._clock(), knobs=True)
        self._schedule.answer(run)

    def _branch(self, run: HostedRun, message: messages.Branch) -> None:
        run.playing.branch()
        run.changed(self._clock())

    def _history(self, run: HostedRun, message: messages.History) -> list[str]:
        return [run.playing.training.history.to_csv(index=False)]

    def _ghost(self, run: HostedRun, message: messages.Ghost) -> None:
        run.playing.show_ghost(message["value"])

    def _play(self, run: HostedRun, message: messages.Play) -> None:
        run.playing.play()
        if "until" in message:
            run.playing.wait_at(message["until"])
        run.changed(self._clock())

    def _pause(self, run: HostedRun, message: messages.Pause) -> None:
        run.playing.pause()
        run.changed(self._clock())

    def _step(self, run: HostedRun, message: messages.Step) -> None:
        run.playing.take(message["n"])
        run.changed(self._clock())

    def _speed(self, run: HostedRun, message: messages.Speed) -> None:
        run.playing.hurry(message["value"], self._clock())

    def advance(self) -> None:
        """Ops that waited, a slice of training for the run that has had the least, then what is due to be sent."""
        self._schedule.begin()
        now = self._clock()
        for run in list(self._runs.values()):
            if run.budget.due_at(now, self._schedule.share) <= now:
                self._carry_out(run, run.budget.next())
        self._schedule.train()
        self._schedule.send_frames()
        for run in list(self._runs.values()):
            self._report(run)
            if self._free_at(run) <= self._clock():
                self._free(run)

    def wait(self) -> float | None:
        """Seconds until something is due; 0 = now, None = nothing before the next message."""
        now, earliest = self._clock(), math.inf
        for run in self._runs.values():
            due_at = min(self._schedule.due_at(run, now), run.budget.due_at(now, self._schedule.share))
            if due_at <= now:
                return 0.0
            earliest = min([earliest, due_at, run.status_at(now), self._free_at(run), *run.turns_at(now)])
        return None if earliest == math.inf else max(0.0, earliest - now)

    def _fault(self, run: HostedRun, error: Exception) -> str:
        reason = f"an error inside this run stopped it ({_described(error)}); press Reset to start again"
        run.playing.stop(reason)
        self._tell(run.token, None, {"op": "error", "message": reason})
        return reason

    def _excuse(self, run: HostedRun, viewer: str | None, error: Exception) -> str:
        """Say that something could not be shown; whatever it was, the training is as it was."""
        reason = f"an error kept this from being shown ({_described(error)}); the run goes on: choose another picture"
        if viewer is not None:
            self._tell(run.token, viewer, {"op": "error", "message": reason})
        return reason

    def _report(self, run: HostedRun) -> None:
        now = self._clock()
        if run.status_at(now) <= now:
            self._emit(run.status(now), b"")

    def _emit_frame(self, run: HostedRun, viewer: str, frame: bytes) -> None:
        self._report(run)  # first: a page that asks about what its visitor sees must not hear of an older state
        self._emit({"op": "frame", "run": run.token, "viewer": viewer}, frame)

    def _free_at(self, run: HostedRun) -> float:
        return run.audience.empty_since + self._idle_free

    def _free(self, run: HostedRun) -> None:
        self._forget(run)
        reason = f"nobody watched this run for {self._idle_free:g} s, so it was freed"
        self._emit({"op": "freed", "run": run.token, "reason": reason}, b"")

    def _forget(self, run: HostedRun) -> None:
        del self._runs[run.token]
        if not self._runs:
            self._on_empty()


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
