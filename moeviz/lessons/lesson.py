"""What a lesson is: steps that say what to look at, a run, a prediction of it, and the readings that grade it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moeviz.config import RunConfig
from moeviz.config.knob import Value


@dataclass(frozen=True)
class RunGroup:
    """Runs that are shown: one, or twins with a title each."""

    configs: tuple[RunConfig, ...]
    titles: tuple[str, ...]

    def with_(self, **knobs: Value) -> RunGroup:
        """The same with some knobs changed in all runs."""
        return RunGroup(tuple(config.with_(**knobs) for config in self.configs), self.titles)


@dataclass(frozen=True)
class Look:
    """A step before the prediction: what it says, what to look at, and a run group that has trained so far."""

    say: str
    look: str
    group: RunGroup
    train: int


@dataclass(frozen=True)
class Asked:
    """The run that is predicted: it waits at step `wait`, is turned by the knobs of `turn`, and ends at step `end`."""

    group: RunGroup
    wait: int
    turn: Mapping[str, Value]
    end: int
    layout: str
    numbers: tuple[str, ...]  # of `moeviz.content.questions.MEASURED`, shown live beside each run


@dataclass(frozen=True)
class Choice:
    """One answer: the run came to it if `when` holds; `because` then says why, with the run's numbers.

    Where the choices are settings, `knobs` are those of the run, which has to meet the prediction's `goal`.
    """

    text: str
    because: str
    when: str
    knobs: Mapping[str, Value]


@dataclass(frozen=True)
class Prediction:
    """What is asked before the run: one of some choices, or a number."""

    ask: str
    expected: str | float
    choices: Mapping[str, Choice]  # empty for a number
    goal: str = ""
    value: str = ""  # the reading that a number predicts
    low: float = 0.0
    high: float = 0.0
    tolerance: float = 0.0
    because: str = ""

    @property
    def sets_knobs(self) -> bool:
        """Whether the choices are settings of the run."""
        return bool(self.goal)


@dataclass(frozen=True)
class Point:
    """One of the article's points, with a number of this very run beside it."""

    claim: str
    number: str
    about: str


@dataclass(frozen=True)
class Lesson:
    """A lesson as its data file tells it."""

    key: str
    title: str
    term: str  # the article's Chinese term
    source: str
    steps: tuple[Look, ...]
    run: Asked
    prediction: Prediction
    readings: Mapping[str, str]  # name -> what it reads (see moeviz.lessons.grade)
    points: tuple[Point, ...]
    code: tuple[str, ...]  # functions to show, as "module:name"

    @property
    def num_steps(self) -> int:
        """Those before the prediction, and the one of prediction, run and grade."""
        return len(self.steps) + 1

    def asked_group(self, seed: int, answer: str | float | None) -> RunGroup:
        """The run that waits for the prediction, or with the setting that was chosen."""
        group = self.run.group.with_(seed=seed)
        if answer is None or not self.prediction.sets_knobs:
            return group
        choice = self.prediction.choices[str(answer)]
        return RunGroup(group.with_(**choice.knobs).configs, (choice.text,))
