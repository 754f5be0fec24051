"""A worker: many runs in fair time slices. `python -m moeviz.engine.worker` serves them on its stdin and stdout."""

from __future__ import annotations

import argparse
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from moeviz.config import RunConfig
from moeviz.engine.hosted import MAX_PENDING, HostedRun, Seat
from moeviz.engine.wire import Message, read_message, write_message

SLICE = 0.008
ROUND = 0.1  # in a crowd slices get shorter, so that each run moves, and has a new frame to show, this often
BATCH = 256  # messages handled between two slices, so that a chatterbox cannot stop the training
QUEUE = 4096

logger = logging.getLogger(__name__)
Emit = Callable[[Message, bytes], None]
Inbox = queue.Queue  # of Message, or None at the end


class Host:
    """Runs, their viewers and whose turn it is; knows no pipes, and its clock can be replaced."""

    def __init__(
        self,
        emit: Emit,
        training: Callable[[list[RunConfig]], Any],
        *,
        idle_pause: float = 10.0,
        idle_free: float = 120.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._emit = emit
        self._training = training
        self._idle_pause = idle_pause
        self._idle_free = idle_free
        self._clock = clock
        self._runs: dict[str, HostedRun] = {}
        self._floor = 0.0  # time used by the run that had the last turn: nobody may save up turns below it
        self._frames_took = 0.0  # in the last round: the next slice is not shorter
        self._ops: dict[str, Callable[[HostedRun, Message], list[str] | None]] = {
            "watch": self._watch, "unwatch": self._unwatch, "view": self._view, "hidden": self._hidden,
            "set": self._set, "reset": self._reset, "recover": self._recover,
            "play": self._play, "pause": self._pause, "step": self._step, "speed": self._speed,
        }  # fmt: skip

    def handle(self, message: Message) -> None:
        """Carry out one message of the server; what goes wrong is told to whoever asked."""
        if message["op"] == "open":
            return self._open(message)
        run = self._runs.get(message["run"])
        if run is None:
            return None  # freed a moment ago; the server has been told and has answered everybody
        if message["op"] == "close":
            del self._runs[run.token]
            return None
        answer: Message = {}
        try:
            answer["notices"] = self._ops[message["op"]](run, message) or []
        except ValueError as error:
            answer["error"] = str(error)
        except Exception as error:  # the boundary of one run: its fault must not end the others
            logger.exception("an op failed inside a run: %s", message["op"])
            answer["fault"] = self._fault(run, error)
        return self._answer(run, message, answer)

    def _answer(self, run: HostedRun, message: Message, answer: Message) -> None:
        if "call" in message:
            self._emit(run.status(self._clock()), b"")  # so that `info` is up to date when the call returns
            self._emit({"op": "reply", "call": message["call"], **answer}, b"")
            return
        if "error" in answer:
            self._tell(run.token, message.get("viewer"), {"op": "error", "message": answer["error"]})
        for notice in answer.get("notices", []):
            self._tell(run.token, None, {"op": "notice", "message": notice})

    def _tell(self, token: str, viewer: str | None, body: Message) -> None:
        self._emit({"op": "tell", "run": token, "viewer": viewer, "body": body}, b"")

    def _open(self, message: Message) -> None:
        token, began = message["run"], self._clock()
        try:
            training = self._training([RunConfig(**each) for each in message["configs"]])
        except Exception as error:  # the boundary of one run: whatever its configs set off, the others go on
            logger.exception("a run could not be opened")
            self._emit({"op": "freed", "run": token, "reason": f"this run could not be opened: {error}"}, b"")
            return
        now = self._clock()
        run = HostedRun(token, training, message, now, self._idle_pause)
        run.used = min((each.used for each in self._runs.values()), default=self._floor) + now - began
        self._runs[token] = run

    def _watch(self, run: HostedRun, message: Message) -> None:
        run.join(message["viewer"], message, self._clock())

    def _unwatch(self, run: HostedRun, message: Message) -> None:
        run.leave(message["viewer"], self._clock())

    def _view(self, run: HostedRun, message: Message) -> None:
        run.look(message["viewer"], message, self._clock())

    def _hidden(self, run: HostedRun, message: Message) -> None:
        run.hide(message["viewer"], message["value"], self._clock())

    def _set(self, run: HostedRun, message: Message) -> list[str]:
        stood_still = run.training.diverged
        notices = run.training.set(**message["knobs"])
        if stood_still and not run.training.diverged:
            run.revive()
        run.drawable = True
        run.changed(self._clock(), knobs=True)
        for viewer, seat in list(run.seats.items()):
            if run.may_answer(seat):
                self._send_frame(run, viewer, seat)
        return notices or []

    def _reset(self, run: HostedRun, message: Message) -> None:
        configs = message.get("configs")
        if configs is None:
            run.training.reset()
        else:
            run.training = self._training([RunConfig(**each) for each in configs])
        run.revive()
        run.changed(self._clock(), knobs=configs is not None)

    def _recover(self, run: HostedRun, message: Message) -> list[str]:
        if run.reason is None:
            raise ValueError(f"recover must follow a divergence: got step={run.step}, which is fine; use reset instead")
        notices = run.training.recover()
        run.revive()
        run.changed(self._clock(), knobs=True)
        return notices or []

    def _play(self, run: HostedRun, message: Message) -> None:
        run.playing, run.pending = True, 0
        run.changed(self._clock())

    def _pause(self, run: HostedRun, message: Message) -> None:
        run.playing, run.pending = False, 0
        run.changed(self._clock())

    def _step(self, run: HostedRun, message: Message) -> None:
        run.playing = False
        run.pending = min(run.pending + message["n"], MAX_PENDING) if run.reason is None else 0
        run.changed(self._clock())

    def _speed(self, run: HostedRun, message: Message) -> None:
        run.speed = message["value"]
        run.changed(self._clock())

    def advance(self) -> None:
        """One slice of training for the run that has had the least, then what is due to be sent."""
        self._train()
        self._send_frames()
        for run in list(self._runs.values()):
            now = self._clock()
            if run.status_at(now) <= now:
                self._emit(run.status(now), b"")
            if self._free_at(run) <= now:
                self._free(run)

    def wait(self) -> float | None:
        """Seconds until something is due; 0 = now, None = nothing before the next message."""
        now, earliest = self._clock(), math.inf
        for run in self._runs.values():
            step_at = run.step_at(now)
            if step_at <= now:
                return 0.0
            frames = [run.frame_at(seat, now) for seat in run.seats.values()]
            earliest = min([earliest, step_at, run.status_at(now), self._free_at(run), *frames, *run.turns_at(now)])
        return None if earliest == math.inf else max(0.0, earliest - now)

    def _train(self) -> None:
        now = self._clock()
        ready = [run for run in self._runs.values() if run.step_at(now) <= now]
        if ready:
            run = min(ready, key=lambda each: each.used)
            run.used = self._floor = max(run.used, self._floor)
            budget = max(min(SLICE, ROUND / len(ready)), self._frames_took)
            self._charged(run, lambda: run.train(budget, self._clock))

    def _send_frames(self) -> None:
        """Send due frames, answers first and then the longest overdue, in no more than about a slice.

        What is left stays due; so a crowded worker spends at most about half of its time on frames, and hears
        messages soon.
        """
        began = self._clock()
        due = []
        for run in self._runs.values():
            for viewer, seat in run.seats.items():
                at = run.frame_at(seat, began)
                if at <= began:
                    due.append((not run.awaited(seat, began), at, viewer, run, seat))
        for _, _, viewer, run, seat in sorted(due, key=lambda each: each[:2]):
            self._send_frame(run, viewer, seat)
            if self._clock() - began >= SLICE:
                break
        self._frames_took = self._clock() - began

    def _charged(self, run: HostedRun, work: Callable[[], Any]) -> Any:
        """Do work for one run, on its account; a fault inside it stops this run alone."""
        began = self._clock()
        try:
            return work()
        except Exception as error:  # the boundary of one run
            logger.exception("a run failed while it had its turn")
            self._fault(run, error)
            return None
        finally:
            run.used += self._clock() - began

    def _fault(self, run: HostedRun, error: Exception) -> str:
        reason = f"an error inside this run stopped it ({type(error).__name__}: {error}); press Reset to start again"
        run.stop(reason)
        self._tell(run.token, None, {"op": "error", "message": reason})
        return reason

    def _send_frame(self, run: HostedRun, viewer: str, seat: Seat) -> None:
        now = self._clock()
        frame = self._charged(run, lambda: run.frame(seat, now))
        if frame is None:
            run.drawable = False  # or the same fault would come back at every turn
        else:
            self._emit({"op": "frame", "run": run.token, "viewer": viewer}, frame)

    def _free_at(self, run: HostedRun) -> float:
        return math.inf if run.seats else run.empty_since + self._idle_free

    def _free(self, run: HostedRun) -> None:
        del self._runs[run.token]
        reason = f"nobody watched this run for {self._idle_free:g} s, so it was freed"
        self._emit({"op": "freed", "run": run.token, "reason": reason}, b"")


def serve(host: Host, inbox: Inbox) -> None:
    """Handle what waits, advance, sleep until something is due; ends at a None."""
    while True:
        wait = host.wait()
        for _ in range(BATCH):
            try:
                message = inbox.get(timeout=wait)
            except queue.Empty:
                break
            if message is None:
                return
            host.handle(message)
            wait = 0
        host.advance()


def _read_into(stream: IO[bytes], inbox: Inbox) -> None:
    """Feed the inbox until the pipe closes, which is how a worker learns that its parent is gone.

    Then it ends at once, also in the middle of a step or of importing torch: it keeps nothing that must be saved.
    """
    status = 0
    try:
        while (received := read_message(stream)) is not None:
            inbox.put(received[0])
    except ValueError:
        logger.exception("the server's messages could not be read")
        status = 1
    os._exit(status)


def main() -> None:
    """Serve runs on this process's pipes until stdin closes."""
    parser = argparse.ArgumentParser(prog="python -m moeviz.engine.worker", description=__doc__)
    parser.add_argument("--idle-pause", type=float, default=10.0, help="seconds until an unwatched run pauses")
    parser.add_argument("--idle-free", type=float, default=120.0, help="seconds until a run without viewers is freed")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s moeviz worker: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not land between two messages
    inbox: Inbox = queue.Queue(QUEUE)
    stdin = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    threading.Thread(target=_read_into, args=(stdin, inbox), name="moeviz-stdin", daemon=True).start()

    from moeviz.training import Training  # imports torch, while messages are already collected

    host = Host(
        lambda message, payload: write_message(out, message, payload), Training,
        idle_pause=arguments.idle_pause, idle_free=arguments.idle_free,
    )  # fmt: skip
    write_message(out, {"op": "ready"})
    try:
        serve(host, inbox)
    except BrokenPipeError:
        return  # the parent is gone


if __name__ == "__main__":
    main()
