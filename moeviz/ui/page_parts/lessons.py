"""A visitor's way through the lessons: where they are, what they predicted, and what the run made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from moeviz.config import KNOBS
from moeviz.config.knob import shown
from moeviz.content.questions import MEASURED
from moeviz.engine.errors import EngineBusy, RunGone
from moeviz.lessons import lessons
from moeviz.lessons.grade import Grade, grade
from moeviz.lessons.lesson import Lesson, RunGroup
from moeviz.lessons.newest_frame import newest_header
from moeviz.ui.run.notices import say_changed
from moeviz.ui.run.present import presenting, toggle
from moeviz.ui.run.visitor import Visit, engine, live_run

PAGE = "../../pages/lessons.py"
OWN = ("lesson", "step", "seed", "passed")  # parameters of the address
POLL = 0.4  # seconds between two looks at how far the run is


@dataclass(frozen=True)
class LessonStep:
    """Where a visitor is: a lesson, one of its steps (from 1), and the seed of its runs."""

    lesson: Lesson
    step: int = 1
    seed: int = 0

    @property
    def predicts(self) -> bool:
        """Whether this is the step of prediction, run and grade."""
        return self.step == self.lesson.num_steps


@dataclass
class Attempt:
    """What a visitor did in a lesson with one seed: the prediction, the run that began after it, and its grade."""

    answer: str | float | None = None
    token: str | None = None
    grade: Grade | None = None
    tries: int = 0


# ---- where ----------------------------------------------------------------------------------------------------------


def place() -> LessonStep:
    """Where the address says, or else where the visitor was; the address is written anew."""
    asked = {name: st.query_params[name] for name in OWN if name in st.query_params}
    notices: list[str] = []
    here = st.session_state.get("lesson_at") or LessonStep(next(iter(lessons().values())))
    if "lesson" in asked:
        here = _asked_step(asked, here, notices)
    known = {name for name in asked.get("passed", "").split(",") if name}
    if unknown := sorted(known - set(lessons())):
        rule = f"passed must list lessons, among {', '.join(lessons())}"
        notices.append(f"{rule}: got {shown(','.join(unknown))}; left out")
    passed().update(known & set(lessons()))
    say_changed(notices)
    go(here)
    return here


def _asked_step(asked: dict[str, str], before: LessonStep, notices: list[str]) -> LessonStep:
    if asked["lesson"] not in lessons():
        rule = f"lesson must be one of {', '.join(lessons())}"
        notices.append(f"{rule}: got {shown(asked['lesson'])}; showing {before.lesson.key}")
        return before
    lesson = lessons()[asked["lesson"]]
    seed, said = KNOBS["seed"].clamp(asked.get("seed", "0"))
    notices += [said] if said else []
    text = asked.get("step", "1")
    step = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
    nearest = min(max(step, 1), lesson.num_steps)
    if step != nearest:
        rule = f"step must be a whole number from 1 to {lesson.num_steps}"
        notices.append(f"{rule}: got {shown(text)}; showing step {nearest}")
    return LessonStep(lesson, nearest, int(seed or 0))


def go(to: LessonStep) -> None:
    """Be there from now on, also after another page, and let the address say so."""
    st.session_state.lesson_at = to
    wanted = {name: value for name, value in st.query_params.to_dict().items() if name not in OWN}
    wanted |= {"lesson": to.lesson.key, "step": str(to.step)} | ({"seed": str(to.seed)} if to.seed else {})
    wanted |= {"passed": ",".join(key for key in lessons() if key in passed())} if passed() else {}
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)


def passed() -> set[str]:
    """The lessons whose run was predicted rightly."""
    keys: set[str] = st.session_state.setdefault("lessons_passed", set())
    return keys


def attempt_at(at: LessonStep) -> Attempt:
    """What the visitor has done there."""
    done: dict[tuple[str, int], Attempt] = st.session_state.setdefault("lesson_work", {})
    return done.setdefault((at.lesson.key, at.seed), Attempt())


def neighbor(at: LessonStep, by: int) -> LessonStep | None:
    """The next step, or the one before; beyond a lesson's last step the next lesson, once this one is graded."""
    if 1 <= at.step + by <= at.lesson.num_steps:
        return LessonStep(at.lesson, at.step + by, at.seed)
    keys = list(lessons())
    index = keys.index(at.lesson.key) + by
    if not 0 <= index < len(keys) or (by > 0 and attempt_at(at).grade is None and at.lesson.key not in passed()):
        return None
    other = lessons()[keys[index]]
    return LessonStep(other, 1 if by > 0 else other.num_steps)


def move(by: int) -> None:
    """One step on or back, for a button or an arrow key."""
    to = neighbor(st.session_state.lesson_at, by)
    if to is not None:
        go(to)


# ---- the run --------------------------------------------------------------------------------------------------------


def group_at(at: LessonStep) -> tuple[RunGroup, str | None]:
    """What is shown there, and the token of its run."""
    attempt, name = attempt_at(at), f"lessons {at.lesson.key} {at.seed}"
    if not at.predicts:
        group = at.lesson.steps[at.step - 1].group.with_(seed=at.seed)
        return group, live_run(f"{name} step {at.step}", group.configs, play=False)
    waiting = at.lesson.asked_group(at.seed, attempt.answer)
    name += f" run {attempt.tries} {attempt.answer if at.lesson.prediction.sets_knobs else ''}"
    visit: Visit | None = st.session_state.get("visit")
    if visit is not None and visit.token == attempt.token:
        token = live_run(name, waiting.with_(**at.lesson.run.turn).configs, play=False)
    else:
        token = live_run(name, waiting.configs, play=False)
    if token and attempt.answer is not None:
        try:
            _follow(at, attempt.answer, token, name)
        except (RunGone, EngineBusy, TimeoutError, RuntimeError) as error:
            st.warning(f"The run could not be marked: {error}.")
            st.button("Try again", key="grade_again")
    return waiting, token


def _follow(at: LessonStep, answer: str | float, token: str, name: str) -> None:
    """Begin the run that was predicted, or grade it, or look again in a moment."""
    attempt, run = attempt_at(at), at.lesson.run
    step = engine().info(token)["step"]
    if attempt.token != token and step == run.wait:
        turned = at.lesson.asked_group(at.seed, answer).with_(**run.turn)
        if live_run(name, turned.configs, play=False) != token or st.session_state.visit.configs != turned.configs:
            return  # it could not be turned, and the page says why
        engine().play(token, until=run.end)
        attempt.token = token
    if attempt.token == token and step >= run.end and attempt.grade is None:
        _grade(at, answer, token)
    if attempt.grade is None or attempt.token != token:
        st.fragment(_look, run_every=POLL)(token, run.end if attempt.token == token else run.wait)


def _grade(at: LessonStep, answer: str | float, token: str) -> None:
    attempt = attempt_at(at)
    try:
        attempt.grade = grade(at.lesson, answer, engine().history(token), newest_header(engine(), token))
    except ValueError as error:  # somebody was quick to press Step: what is asked was not measured
        st.toast(f"The run begins again: {error}.")
        attempt.tries, attempt.token = attempt.tries + 1, None
        st.rerun()
    if attempt.grade.right:
        passed().add(at.lesson.key)
        go(at)


def _look(token: str, goal: int) -> None:
    """Run the page again once the run has come so far, or has gone."""
    try:
        arrived = engine().info(token)["step"] >= goal
    except RunGone:
        arrived = True
    if arrived:
        st.rerun()


def predict(at: LessonStep) -> None:
    """Give the prediction, for the button that starts the run."""
    attempt_at(at).answer = st.session_state[_key(at)]


def try_again(at: LessonStep) -> None:
    """The same lesson with the next seed."""
    go(LessonStep(at.lesson, at.lesson.num_steps, at.seed + 1))


def _key(at: LessonStep) -> str:
    return f"answer_{at.lesson.key}_{at.seed}"


# ---- what is said ---------------------------------------------------------------------------------------------------


def ask(at: LessonStep) -> None:
    """The question with its choices or its number, and the button that starts the run."""
    asked = at.lesson.prediction
    if asked.choices:
        texts = {key: choice.text for key, choice in asked.choices.items()}
        empty = st.radio(asked.ask, list(texts), None, format_func=texts.__getitem__, key=_key(at)) is None
    else:
        whole = all(float(each).is_integer() for each in (asked.low, asked.high, asked.tolerance))
        kind = int if whole else float
        number = st.number_input(
            asked.ask, kind(asked.low), kind(asked.high), None, step=kind(1 if whole else 0.1), key=_key(at),
            placeholder=f"a number from {asked.low:g} to {asked.high:g}",
        )  # fmt: skip
        empty = number is None
    st.button(
        "Run it", type="primary", disabled=empty, on_click=predict, args=[at],
        help="The run starts once you have predicted it." if empty else None,
    )  # fmt: skip


def running(at: LessonStep) -> str:
    """What is said while the run trains."""
    asked, answer = at.lesson.prediction, attempt_at(at).answer
    said = asked.choices[str(answer)].text if asked.choices else f"{answer:g}"
    return f"{asked.ask}\n\n**You said:** {said}\n\nThe run trains to step {at.lesson.run.end}. Watch."


def buttons(at: LessonStep) -> None:
    """The ways on."""
    on, last = neighbor(at, 1), at.predicts
    with st.container(horizontal=True, gap="xsmall", key="ways"):
        st.button("◀ Back", on_click=move, args=[-1], disabled=neighbor(at, -1) is None, key="back")
        label = "Next lesson ▶" if last else "Next ▶"
        kind: Literal["primary", "secondary"] = "primary" if on and (not last or attempt_at(at).grade) else "secondary"
        st.button(label, on_click=move, args=[1], disabled=on is None, type=kind, key="next")
        if last and attempt_at(at).answer is not None:
            st.button("Try another seed", on_click=try_again, args=[at], key="again")
        leave = "Leave (P)" if presenting() else "Present"
        st.button(leave, on_click=toggle, help="Large type for a class. Key P; arrow keys step.", key="present")


def answered(at: LessonStep, graded: Grade) -> None:
    """The grade, and why."""
    if graded.right:
        st.success(f"**Right.** {graded.said}", icon=":material/check:")
    else:
        st.error(f"**Wrong.** {graded.said}", icon=":material/close:")
    st.markdown(graded.because)
    for point in at.lesson.points:
        st.markdown(f"{point.claim}\n\n> **{point.number.format(**graded.readings)}** {point.about}")


def numbers(at: LessonStep) -> list[tuple[str, str, int]]:
    """The live numbers beside each run, for the stage."""
    return [(MEASURED[name][0], name, MEASURED[name][1]) for name in at.lesson.run.numbers]


def waits_at(at: LessonStep) -> int:
    """The step at which a run waits for the reader."""
    return at.lesson.run.wait if at.predicts else at.lesson.steps[at.step - 1].train


def state(at: LessonStep) -> str:
    """What the stage may do: nothing before a prediction, all but begin again during the run, and then everything."""
    attempt = attempt_at(at)
    if not at.predicts or attempt.answer is None:
        return "asking"
    return "running" if attempt.grade is None else "told"


def overview() -> None:
    """A link to each lesson, with what became of it."""
    done: dict[tuple[str, int], Attempt] = st.session_state.get("lesson_work", {})
    missed = {key for (key, _), attempt in done.items() if attempt.grade and not attempt.grade.right} - passed()
    with st.container(key="all_lessons"):
        for number, (key, lesson) in enumerate(lessons().items(), 1):
            sign = "✓ right" if key in passed() else "✗ not yet right" if key in missed else ""
            st.page_link(PAGE, label=f"{number}. {lesson.title}  {sign}", query_params={"lesson": key})
