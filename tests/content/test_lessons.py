"""Lessons: their data files, the rules that these keep, and the grade, by histories made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from moeviz.config import RunConfig
from moeviz.config.names import HISTORY
from moeviz.lessons import lessons
from moeviz.lessons.grade import Grade, grade
from moeviz.lessons.lesson import Lesson
from moeviz.lessons.lesson_file import RECORDED, read_lesson
from moeviz.training import Training
from moeviz.ui.widgets import code

EACH = pytest.mark.parametrize("lesson", [pytest.param(each, id=key) for key, each in lessons().items()])
ORDER = [  # as the article tells it
    "mixture", "softmax", "top_k", "weights", "specialize", "collapse", "balance", "too_much", "capacity", "cost",
    "more_experts", "together", "summary",
]  # fmt: skip
HAND_MADE = """
title = "A"
term = "专家"
source = "the article"
code = []

[[steps]]
say = "Say."
look = "Look."

[run]
twins = [{ title = "left", balance_coef = 0.0 }, { title = "right", balance_coef = 1.0 }]
end = 20

[readings]
first = "cv_load of 0 at 0"
left = "cv_load of 0"
right = "cv_load of 1"
times = "right / left"
more = "left - first"
work = "flops of 1"

[prediction]
"""
CHOICES = """
ask = "Which?"
expected = "left"

[prediction.choices.left]
text = "Left."
when = "left > 1.5 * right and first < 0.5"
because = "{left:.1f} against {right:.1f}, at first {first:.1f}"

[prediction.choices.right]
text = "Right."
when = "right > left"
because = "{times:.1f} times, {work:.0f} operations"

[prediction.choices.same]
text = "Same."
because = "{more:+.1f}"
"""
A_NUMBER = """
ask = "How many?"
expected = 2
tolerance = 1
low = 0
high = 8
value = "times"
because = "{times:.2f}"
"""
SETTING = """
ask = "Which does it?"
expected = "few"
goal = "left <= 0.2"

[prediction.choices.few]
text = "N = 2."
knobs = { num_experts = 2 }
because = "few: {left:.1f}"

[prediction.choices.many]
text = "N = 9."
knobs = { num_experts = 9 }
because = "many: {left:.1f}"
"""


def written(tmp_path: Path, prediction: str = CHOICES, *changes: tuple[str, str]) -> Lesson:
    """The lesson of a hand-made file, some of whose words are others."""
    text = HAND_MADE + prediction
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    path = tmp_path / "01_made.toml"
    path.write_text(text, encoding="utf-8")
    return read_lesson(path)


def history(first: float, left: float, right: float) -> str:
    """A history whose unevenness of load is `first` at step 0 in both runs, and then as said."""
    rows = [(0, 0, first), (1, 0, first), (0, 10, 9.0), (1, 10, 9.0), (0, 20, left), (1, 20, right), (0, 30, 9.0)]
    head = f"run,step,{','.join(HISTORY)}"
    return "\n".join([head, *(f"{run},{step},0,0,0,0,{cv},0,0" for run, step, cv in rows)]) + "\n"


def graded(lesson: Lesson, answer: str | float, *values: float, step: int = 20) -> Grade:
    return grade(lesson, answer, history(*values), {"step": step, "flops": [96, 160]})


# ---- the data -------------------------------------------------------------------------------------------------------


def test_lessons_follow_the_article_and_names_are_their_own() -> None:
    assert list(lessons()) == ORDER
    assert len({lesson.title for lesson in lessons().values()}) == len(lessons())


@EACH
def test_a_lesson_is_short_and_whole(lesson: Lesson) -> None:
    assert 1 <= len(lesson.steps) <= 3 and lesson.term and lesson.source
    for step in lesson.steps:
        assert len(step.say) <= 330 and len(step.look) <= 260, (len(step.say), len(step.look))
        assert step.say.endswith((".", "?")) and step.look.endswith((".", "?"))
    assert lesson.prediction.ask.endswith("?") and len(lesson.prediction.ask) <= 200
    reasons = [each.because for each in lesson.prediction.choices.values()] or [lesson.prediction.because]
    assert all(len(reason) <= 520 for reason in reasons), [len(reason) for reason in reasons]
    for place in lesson.code:
        assert code.source(place) and code.caption(place)


def test_the_last_lesson_has_the_articles_three_points() -> None:
    *others, last = lessons().values()
    assert len(last.points) == 3 and not any(lesson.points for lesson in others)


def test_what_is_recorded_is_what_lessons_may_read() -> None:
    training = Training([RunConfig()])
    assert tuple(training.history.columns) == ("run", "step", *HISTORY)
    assert training.record_every == RECORDED


# ---- what a file must keep -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "before", "after", "said"),
    [
        (CHOICES, 'title = "A"', "", "01_made.toml: title must be there, as text: got nothing; add it"),
        (CHOICES, 'title = "A"', "title = 3", "01_made.toml: title must be text: got 3; write it so"),
        (CHOICES, 'title = "A"', 'title = " "', "title must say something: got an empty text; write it"),
        (CHOICES, 'title = "A"', 'title = "A"\nextra = 1', "must have known fields only: got extra; check the"),
        (CHOICES, 'say = "Say."', 'says = "Say."', "01_made.toml.steps[0]: say must be there"),
        (CHOICES, 'term = "专家"', "term = ", "01_made.toml: a lesson must be TOML: got"),
        (CHOICES, "end = 20", "end = 25", "run: end must be a multiple of 10 from 10 to 500: got 25; round it"),
        (CHOICES, "end = 20", "end = 900", "end must be a multiple of 10 from 10 to 500: got 900"),
        (CHOICES, "end = 20", "wait = 20\nend = 20", "end must be a multiple of 10 from 30 to 500: got 20"),
        (CHOICES, "end = 20", 'end = 20\nlayout = "x"', "layout must be one of twins, playground: got x; choose one"),
        (CHOICES, "end = 20", 'end = 20\nnumbers = ["x"]', "numbers must be among test_metric,"),
        (CHOICES, "end = 20", 'end = 20\nturn = {task = "xor"}', "turn must name knobs that may turn while a run"),
        (CHOICES, "end = 20", "end = 20\nturn = {top_k = 9}", "01_made.toml.run: top_k must be at most num_experts"),
        (CHOICES, "balance_coef = 1.0", "lambda = 1.0", "run.twins[1]: a knob must be one of task, num_experts,"),
        (
            CHOICES, "balance_coef = 1.0", "num_experts = 4, seed = 5",
            "01_made.toml.run: runs of several shapes must share task, seed",
        ),
        (CHOICES, "cv_load of 0 at 0", "cv of 0", "readings: first must name one of task_loss, balance_loss,"),
        (CHOICES, "cv_load of 0 at 0", "cv_load", "first must read as `column of run`, `column of run at step` or"),
        (CHOICES, "cv_load of 0 at 0", "cv_load of 2", "first must be of a run below 2: got 2; count from 0"),
        (CHOICES, "cv_load of 0 at 0", "cv_load of 0 at 5", "first must be at a multiple of 10 up to the run's end"),
        (CHOICES, "cv_load of 0 at 0", "cv_load of 0 at 30", "first must be at a multiple of 10 up to the run's end"),
        (CHOICES, "flops of 1", "flops of 1 at 10", "work must be at the end of the run: got flops of 1 at 10"),
        (CHOICES, "right / left", "right / wrong", "readings.times: a name must be that of a reading above, one of"),
        (CHOICES, '"right > left"', '"right is more"', "a condition must compare readings, as `a > 1.2 * b`: got"),
        (CHOICES, '"right > left"', '"right > middle"', "one of first, left, right, times, more, work: got 'middle'"),
        (CHOICES, "{more:+.1f}", "{mor:+.1f}", "a name must be that of a reading above, one of"),
        (CHOICES, "{more:+.1f}", "so", "a reason must quote the run's numbers, as {reading:.2f}: got 'so'; quote one"),
        (CHOICES, 'when = "right > left"', "", "every choice but the last must say when it holds: got right;"),
        (CHOICES, 'expected = "left"', 'expected = "top"', "expected must be one of at least two choices, left, right"),
        (SETTING, 'goal = "left <= 0.2"', "", "every choice but the last must say when it holds: got few"),
        (SETTING, "knobs = { num_experts = 9 }", "", "choices must have knobs where there is a goal, and only there"),
        (SETTING, "num_experts = 9", "num_experts = 99", "prediction.choices.many: num_experts must be a whole number"),
        (A_NUMBER, "expected = 2", "expected = 9", "expected must be a number from low to high: got 9; choose one"),
        (A_NUMBER, "expected = 2", 'expected = "2"', "expected must be a number from low to high: got '2'"),
        (A_NUMBER, 'value = "times"', 'value = "time"', "prediction.value: a name must be that of a reading above"),
        (A_NUMBER, 'because = "{times:.2f}"', "", "because must say why, with the run's numbers: got nothing"),
        (
            CHOICES, 'look = "Look."', 'look = "Look."\ntrain = 10\nknobs = {balance_coef = 1.0}',
            "a step must not train a run that is predicted beyond step 0: got steps[0]; lower its train",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, prediction: str, before: str, after: str, said: str) -> None:
    with pytest.raises(ValueError) as error:
        written(tmp_path, prediction, (before, after))
    assert said in str(error.value) and str(error.value).startswith("01_made.toml")


# ---- the grade -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "outcome", "because"),
    [
        ((0.3, 0.8, 0.4), "left", "0.8 against 0.4, at first 0.3"),  # .8 > 1.5 * .4 = .6, and .3 < .5
        ((0.5, 0.8, 0.4), "same", "+0.3"),  # .5 is not below .5, and .4 is not above .8
        ((0.3, 0.6, 0.4), "same", "+0.3"),  # .6 is not above 1.5 * .4
        ((0.3, 0.4, 0.8), "right", "2.0 times, 160 operations"),
    ],
)
def test_a_choice_is_right_if_the_run_came_to_it(
    tmp_path: Path, values: tuple[float, float, float], outcome: str, because: str
) -> None:
    lesson = written(tmp_path)
    for answer in ("left", "right", "same"):
        found = graded(lesson, answer, *values)
        assert (found.right, found.outcome, found.because) == (answer == outcome, outcome, because)
        assert lesson.prediction.choices[answer].text in found.said
        assert ("It came to" in found.said) != found.right


@pytest.mark.parametrize(("answer", "right"), [(1, True), (2, True), (3, True), (0.99, False), (3.01, False)])
def test_a_number_is_right_within_its_tolerance(tmp_path: Path, answer: float, right: bool) -> None:
    found = graded(written(tmp_path, A_NUMBER), answer, 0.0, 0.4, 0.8)  # .8 / .4 = 2
    assert (found.right, found.because) == (right, "2.00") and found.outcome == pytest.approx(2)
    assert f"You said {answer:g}; it is 2." in found.said


def test_a_setting_is_right_if_its_run_meets_the_goal(tmp_path: Path) -> None:
    lesson = written(tmp_path, SETTING)
    assert graded(lesson, "few", 0.0, 0.2, 0.0).right
    found = graded(lesson, "many", 0.0, 0.3, 0.0)
    assert (found.right, found.outcome, found.because) == (False, "many", "many: 0.3")
    assert [each.num_experts for each in lesson.asked_group(3, "many").configs] == [9, 9]
    assert [each.num_experts for each in lesson.asked_group(3, None).configs] == [8, 8]
    assert {each.seed for each in lesson.asked_group(3, "many").configs} == {3}


def test_a_run_that_has_not_come_so_far_is_not_graded(tmp_path: Path) -> None:
    lesson = written(tmp_path)
    short = "\n".join(history(0.3, 0.8, 0.4).splitlines()[:5])  # up to step 10
    with pytest.raises(ValueError, match="the run must have reached step 20: its history does not say so; let it run"):
        grade(lesson, "left", short, {"step": 20, "flops": [96, 160]})
    with pytest.raises(ValueError, match="numbers must be of step 20: got step=21; run the lesson again"):
        graded(lesson, "left", 0.3, 0.8, 0.4, step=21)
