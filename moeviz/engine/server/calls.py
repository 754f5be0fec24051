"""Questions to workers, and the wait for their answers."""

from __future__ import annotations

import itertools
from concurrent.futures import Future

from moeviz.engine.messages import Op, Reply
from moeviz.engine.server.run_record import RunRecord

ANSWER_SECONDS = 30.0  # a cold worker imports torch first


class Calls:
    """Questions to workers that somebody waits for; not locked, since the engine's lock is held around each use."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[RunRecord, Op, Future[Reply]]] = {}

    def numbered(self, message: Op) -> Op:
        """The message with a number that its reply will bear."""
        question = message.copy()
        question["call"] = next(self._numbers)
        return question

    def expect(self, run: RunRecord, question: Op) -> Future[Reply]:
        """Where the reply to a numbered message will be."""
        future: Future[Reply] = Future()
        self._open[question["call"]] = (run, question, future)
        return future

    def answer(self, reply: Reply) -> None:
        if reply["call"] in self._open:  # else nobody waits any more
            self._open.pop(reply["call"])[2].set_result(reply)

    def forget(self, question: Op) -> None:
        self._open.pop(question["call"], None)

    def about(self, run: RunRecord) -> list[Op]:
        """The questions to ask again when the run has got a new worker."""
        return [message for each, message, _ in self._open.values() if each is run]

    def fail(self, run: RunRecord, error: Exception) -> None:
        """Tell everybody who waits for this run that no reply will come."""
        for message in self.about(run):
            _, _, future = self._open.pop(message["call"])
            future.set_exception(error)


def answered(future: Future[Reply], question: Op) -> list[str]:
    """Wait for the answer to a question and return its notices, or raise what the worker says was wrong."""
    try:
        answer = future.result(ANSWER_SECONDS)
    except TimeoutError:
        limit = f"a worker must answer within {ANSWER_SECONDS:g} s"
        raise TimeoutError(f"{limit}: {question['op']} got no answer; it may be overloaded, so try again") from None
    if "fault" in answer:
        raise RuntimeError(answer["fault"])
    if "error" in answer:
        raise ValueError(answer["error"])
    return list(answer["notices"])
