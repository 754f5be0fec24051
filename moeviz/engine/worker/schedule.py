"""Whose turn it is in a worker: training in fair slices, runs of one shape together, and frames in between."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from moeviz.engine.worker.run import FRAME_PERIOD, HostedRun
from moeviz.engine.worker.watcher import Watcher

SLICE = 0.008
ROUND = 0.1  # in a crowd slices get shorter, so that each run moves, and has a new frame to show, this often
LONGEST = 0.03  # seconds of a common step, or of frames on end: so long may a knob have to wait for its answer
SIMILAR = 6.0  # a step that takes up to so many times what the usual one takes is charged like it
FRAME_SHARE = 0.45  # of a worker's time goes to frames at most; where viewers are many, each gets fewer
DEAR = 3.0  # a viewer whose frames take up to so many times what the usual ones take gets as many; then fewer

logger = logging.getLogger(__name__)
StepTogether = Callable[[list[Any]], None]  # of parts of one kind


class Schedule:
    """Decides which runs train next and which viewers get a frame; the clock can be replaced.

    Every run may train for the same time: the one that has used least has the next turn, and those that are due and can
    step with it come along, each for its share of the time. So a run with long steps makes few of them. But steps that
    take about as long as others' cost the same as theirs, or a run of a rare shape would be slow for lack of company.
    """

    def __init__(
        self,
        runs: Mapping[str, HostedRun],
        step_together: StepTogether | None,
        send: Callable[[HostedRun, str, bytes], None],
        failed: Callable[[HostedRun, Exception], object],
        excuse: Callable[[HostedRun, str, Exception], object],
        clock: Callable[[], float],
    ) -> None:
        self._runs = runs
        self._step_together, self._send, self._clock = step_together, send, clock
        self._failed, self._excuse = failed, excuse
        self._floor = 0.0  # time used by the run that had the last turn: nobody may save up turns below it
        self._training_seconds = self._frame_seconds = 0.0  # in the last round: the other's next slice is not shorter
        self._owed = 0.0  # to frames that wait: what a long step took beyond what they have had since
        self._usual = 0.0  # seconds of a frame, in the middle of all runs that train while somebody looks
        self._parts = 0.0  # of the time for frames: one for each such run, more for those with long frames
        self.share = 1.0  # of the time, for each run that somebody watches
        self._answers_first = False  # in every second round

    def admit(self, run: HostedRun, seconds: float) -> None:
        """A new run, which took so long to open, is owed no turns of the past."""
        run.used = min((each.used for each in self._runs.values()), default=self._floor) + seconds

    def begin(self) -> None:
        """A new round: how many share the worker's time, and what each has earned since the last one."""
        now = self._clock()
        watched = [run for run in self._runs.values() if _attended(run, now)]
        lengths = [run.audience.frame_seconds for run in watched]
        self._usual = statistics.median_low(lengths) if lengths else 0.0
        self._parts = sum(seconds / self._price_of_frame(seconds) if seconds else 1.0 for seconds in lengths)
        self.share = 1 / max(1, sum(run.audience.awake(now) for run in self._runs.values()))
        for run in self._runs.values():
            run.budget.earn(now, self.share)

    def due_at(self, run: HostedRun, now: float) -> float:
        """When the run's next step or frame is due."""
        watchers = run.audience.watchers.values()
        frames = (run.frame_at(watcher, now, self._period(run, watcher)) for watcher in watchers)
        return min(run.step_at(now), *frames, float("inf"))

    # --- training ------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """One slice of training for the run that has had the least, and for those that can step with it.

        After a long step frames go first until they have had as long, or none is left.
        """
        now = self._clock()
        ready = [run for run in self._runs.values() if run.step_at(now) <= now]
        if ready and self._owed <= SLICE:
            self._train(ready, now)
        self._training_seconds = self._clock() - now

    def _train(self, ready: list[HostedRun], now: float) -> None:
        first = min(ready, key=lambda each: each.used)
        self._floor = max(first.used, self._floor)
        budget = max(min(SLICE, ROUND / len(ready)), min(self._frame_seconds, LONGEST))
        company = self._company(first, ready)
        for run in company:
            run.used = max(run.used, self._floor)
        if len(company) == 1:
            self._steps_alone(first, budget)
            return
        until = now + budget
        while len(company) > 1 and now < until:
            self._one_step(company)
            now = self._clock()
            company = [run for run in company if run.step_at(now) <= now]

    def _company(self, first: HostedRun, ready: list[HostedRun]) -> list[HostedRun]:
        """The run and others that can step with it, those that have used least first, as many as time allows."""
        if self._step_together is None:
            return [first]
        lockstep, seconds, company = first.playing.training.lockstep, first.playing.step_seconds, [first]
        for run in sorted(ready, key=lambda each: each.used):
            own = run.playing.step_seconds
            if run is not first and run.playing.training.lockstep == lockstep and seconds + own <= LONGEST:
                company.append(run)
                seconds += own
        return company

    def _steps_alone(self, run: HostedRun, budget: float) -> None:
        began, step = self._clock(), run.step
        try:
            run.train(budget, self._clock)
        except Exception as error:  # the boundary of one run
            logger.exception("a run failed while it had its turn")
            self._failed(run, error)
        count = max(run.step - step, 1)
        run.used += count * self._price((self._clock() - began) / count)

    def _price(self, seconds: float) -> float:
        """What a run is charged for a step that took so long."""
        playing = [run.playing for run in self._runs.values() if run.playing.on]
        lengths = [each.step_seconds for each in playing if each.step_seconds > 0]
        usual = statistics.median_low(lengths) if lengths else seconds
        return usual if seconds <= SIMILAR * usual else seconds

    def _one_step(self, company: list[HostedRun]) -> None:
        """One step of several runs, on the account of each."""
        assert self._step_together is not None
        began = self._clock()
        shape = company[0].playing.training.lockstep
        trainings = [each for run in company for each in run.playing.trainings]
        try:
            self._step_together([each for each in trainings if each.lockstep == shape])
            for each in trainings:
                if each.lockstep != shape:  # a ghost with another number of experts
                    each.step()
        except Exception:  # the boundary of one run: which of them it was shows when each steps by itself
            logger.exception("a common step failed; each run steps by itself")
            for run in company:
                self._steps_alone(run, 0.0)
            return
        now = self._clock()
        num_runs = sum(run.playing.num_training for run in company)
        for run in company:
            run.playing.stepped((now - began) * run.playing.num_training / num_runs, now)
        price = self._price((now - began) / num_runs)
        for run in company:
            run.used += price * run.playing.num_training

    # --- frames --------------------------------------------------------------------------------------------------

    def send_frames(self) -> None:
        """Send due frames, the longest overdue first, for about as long as the last step took, a part at a time.

        What is left stays due; so a crowded worker hears messages soon. In every second round answers come first, but
        not in all of them: a probe that is dragged without end must not keep frames from the others.
        """
        began = self._clock()
        self._owed += self._training_seconds
        until = began + max(SLICE, min(self._owed, LONGEST))
        self._answers_first = not self._answers_first
        due = []
        for run in self._runs.values():
            for viewer, watcher in run.audience.watchers.items():
                at = run.frame_at(watcher, began, self._period(run, watcher))
                if at <= began:
                    due.append((self._answers_first and not watcher.awaits(run.shown(began)), at, viewer, run, watcher))
        due.sort(key=lambda each: each[:2])
        while due and self._clock() < until:
            _, _, viewer, run, watcher = due.pop(0)
            awaited, now = watcher.awaits(run.shown(self._clock())), self._clock()
            self._send_frame(run, viewer, watcher)
            if awaited:
                run.budget.spend(self._clock() - now)
        self._frame_seconds = self._clock() - began
        self._owed = max(0.0, self._owed - self._frame_seconds) if due else 0.0

    def answer(self, run: HostedRun) -> None:
        """Show at once what a knob has changed."""
        for viewer, watcher in list(run.audience.watchers.items()):
            if watcher.may_be_answered:
                self._send_frame(run, viewer, watcher)

    def num_attentive(self, now: float) -> int:
        """Viewers that take frames of runs which train."""
        return sum(_attended(run, now) for run in self._runs.values())

    def _period(self, run: HostedRun, watcher: Watcher) -> float:
        """Between two frames of one viewer: long pictures take up to DEAR times as long as others, and no more.

        Many viewers of a run share what is for one.
        """
        price = self._price_of_frame(watcher.frame_seconds)
        return max(FRAME_PERIOD, self._parts * len(run.audience.watchers) * price / FRAME_SHARE)

    def _price_of_frame(self, seconds: float) -> float:
        """What a viewer is charged for a frame that took so long."""
        return max(min(seconds, self._usual), seconds / DEAR)

    def _send_frame(self, run: HostedRun, viewer: str, watcher: Watcher) -> None:
        now = self._clock()
        try:
            frame = run.frame(watcher, now, self._period(run, watcher))
        except Exception as error:  # the boundary of one picture: the run trains on, for other viewers too
            logger.exception("a picture could not be drawn")
            watcher.go_blind(now)
            self._excuse(run, viewer, error)
            return
        self._send(run, viewer, frame)
        watcher.seconds.append(self._clock() - now)


def _attended(run: HostedRun, now: float) -> int:
    """How many viewers take frames of a run while it trains."""
    return run.audience.num_attentive(now) if run.state(now) == "running" else 0
