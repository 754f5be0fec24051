"""Reading a lesson's data file; whatever is wrong with it is said as file and place, rule, value and remedy."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from moeviz.config import KNOBS, RunConfig
from moeviz.config.groups import comparable
from moeviz.config.knob import shown
from moeviz.config.names import HISTORY
from moeviz.content.questions import MEASURED
from moeviz.lessons.grade import COMBINED, COMPARED, MEASURE
from moeviz.lessons.lesson import Asked, Choice, Lesson, Look, Point, Prediction, RunGroup

LAYOUTS = ("twins", "playground")
RECORDED = 10  # steps between two rows of a history
MOST_STEPS = 500  # a run that hardly changes any more pauses by itself after 600
KINDS: dict[type | tuple[type, ...], str] = {
    str: "text", int: "a whole number", dict: "a table", list: "a list", (int, float): "a number",
    (str, int, float): "text or a number",
}  # fmt: skip
REQUIRED = object()


class Table:
    """A table of the file, from which fields are taken one by one; what is left over is an error."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values, self.where = dict(values), where

    def take(self, name: str, kind: Any, default: Any = REQUIRED) -> Any:
        """A field of this kind, or the default where the file has none."""
        if name not in self._values:
            if default is REQUIRED:
                raise self.error(f"{name} must be there, as {KINDS[kind]}", "nothing", "add it")
            return default
        value = self._values.pop(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(f"{name} must be {KINDS[kind]}", shown(value), "write it so")
        return value.strip() if isinstance(value, str) else value

    def text(self, name: str) -> str:
        """A field that says something."""
        text: str = self.take(name, str)
        if not text:
            raise self.error(f"{name} must say something", "an empty text", "write it")
        return text

    def table(self, name: str, default: Any = REQUIRED) -> Table:
        """A table inside this one."""
        return Table(self.take(name, dict, default), f"{self.where}.{name}")

    def tables(self, name: str, default: Any = REQUIRED) -> list[Table]:
        """A list of tables."""
        tables = self.take(name, list, default)
        for each in tables:
            if not isinstance(each, dict):
                raise self.error(f"{name} must list tables", shown(each), f"write [[{name}]]")
        return [Table(each, f"{self.where}.{name}[{index}]") for index, each in enumerate(tables)]

    @property
    def names(self) -> list[str]:
        """The fields that are left."""
        return list(self._values)

    def rest(self) -> dict[str, Any]:
        """All that is left."""
        rest, self._values = self._values, {}
        return rest

    def done(self) -> None:
        """Nothing may be left."""
        if self._values:
            raise self.error("must have known fields only", ", ".join(self._values), "check the spelling")

    def error(self, rule: str, got: object, remedy: str) -> ValueError:
        return ValueError(f"{self.where}: {rule}: got {got}; {remedy}")


def read_lesson(path: Path) -> Lesson:
    """The lesson of a data file named `<number>_<key>.toml`; ValueError if it is not one."""
    try:
        table = Table(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: a lesson must be TOML: got {error}; mend that line") from None
    run = _asked(table.table("run"))
    lesson = Lesson(
        key=path.stem.partition("_")[2], title=table.text("title"), term=table.text("term"),
        source=table.text("source"), steps=tuple(_look(each) for each in table.tables("steps")), run=run,
        prediction=_prediction(table.table("prediction")), readings=_readings(table.table("readings"), run),
        points=tuple(_point(each) for each in table.tables("points", [])), code=tuple(table.take("code", list)),
    )  # fmt: skip
    table.done()
    _check_texts(lesson, table)
    _check_outcome_is_hidden(lesson, table)
    return lesson


def _group(table: Table) -> RunGroup:
    """One run with `knobs`, or `twins` with a title and knobs of their own each."""
    base = _with(RunConfig(), table.take("knobs", dict, {}), table)
    twins = table.tables("twins", [])
    titles = tuple(twin.text("title") for twin in twins) or (table.take("title", str, ""),)
    configs = tuple(_with(base, twin.rest(), twin) for twin in twins) or (base,)
    try:
        comparable(configs)
    except ValueError as error:
        raise ValueError(f"{table.where}: {error}") from None
    return RunGroup(configs, titles)


def _with(config: RunConfig, knobs: Mapping[str, Any], table: Table) -> RunConfig:
    try:
        return config.with_(**knobs)
    except ValueError as error:
        raise ValueError(f"{table.where}: {error}") from None


def _steps(table: Table, name: str, default: Any = REQUIRED, least: int = 0) -> int:
    """A number of steps at which a history has a row."""
    steps: int = table.take(name, int, default)
    if steps % RECORDED or not least <= steps <= MOST_STEPS:
        raise table.error(f"{name} must be a multiple of {RECORDED} from {least} to {MOST_STEPS}", steps, "round it")
    return steps


def _look(table: Table) -> Look:
    look = Look(table.text("say"), table.text("look"), _group(table), _steps(table, "train", 0))
    table.done()
    return look


def _asked(table: Table) -> Asked:
    wait = _steps(table, "wait", 0)
    asked = Asked(
        group=_group(table), wait=wait, turn=table.take("turn", dict, {}), end=_steps(table, "end", least=wait + 10),
        layout=table.take("layout", str, LAYOUTS[0]), numbers=tuple(table.take("numbers", list, [])),
    )  # fmt: skip
    table.done()
    if asked.layout not in LAYOUTS:
        raise table.error(f"layout must be one of {', '.join(LAYOUTS)}", asked.layout, "choose one")
    if unknown := [each for each in asked.numbers if each not in MEASURED]:
        raise table.error(f"numbers must be among {', '.join(MEASURED)}", ", ".join(unknown), "choose some")
    if fixed := [name for name in asked.turn if name in KNOBS and not KNOBS[name].live]:
        raise table.error("turn must name knobs that may turn while a run trains", ", ".join(fixed), "put it in knobs")
    _with(asked.group.configs[0], asked.turn, table)
    return asked


def _prediction(table: Table) -> Prediction:
    prediction = Prediction(
        ask=table.text("ask"), expected=table.take("expected", (str, int, float)), choices=_choices(table),
        goal=table.take("goal", str, ""), value=table.take("value", str, ""), low=table.take("low", (int, float), 0),
        high=table.take("high", (int, float), 0), tolerance=table.take("tolerance", (int, float), 0),
        because=table.take("because", str, ""),
    )  # fmt: skip
    table.done()
    expected, choices = prediction.expected, prediction.choices
    if not choices:
        if isinstance(expected, str) or not prediction.low <= expected <= prediction.high:
            raise table.error("expected must be a number from low to high", shown(expected), "choose one inside")
        return prediction
    if len(choices) < 2 or expected not in choices:
        raise table.error(f"expected must be one of at least two choices, {', '.join(choices)}", expected, "name one")
    for key, choice in list(choices.items())[:-1]:
        if not (choice.when or prediction.goal):
            raise table.error("every choice but the last must say when it holds", key, "add `when`")
    if unset := [key for key, choice in choices.items() if bool(choice.knobs) != prediction.sets_knobs]:
        raise table.error("choices must have knobs where there is a goal, and only there", ", ".join(unset), "add both")
    return prediction


def _choices(table: Table) -> dict[str, Choice]:
    parts = table.table("choices", {})
    choices = {}
    for key in parts.names:
        part = parts.table(key)
        knobs, when = part.take("knobs", dict, {}), part.take("when", str, "")
        _with(RunConfig(), knobs, part)
        choices[key] = Choice(part.text("text"), part.text("because"), when, knobs)
        part.done()
    return choices


def _point(table: Table) -> Point:
    point = Point(table.text("claim"), table.text("number"), table.text("about"))
    table.done()
    return point


def _readings(table: Table, run: Asked) -> dict[str, str]:
    """Readings by name, each of which is a measure, or combines earlier ones."""
    texts: dict[str, str] = {}
    for name, text in table.rest().items():
        measure, combined = MEASURE.fullmatch(str(text)), COMBINED.fullmatch(str(text))
        if combined:
            _check_names([combined["left"], combined["right"]], texts, table.where + f".{name}")
        elif not measure:
            rule = f"{name} must read as `column of run`, `column of run at step` or `reading - reading`"
            raise table.error(rule, shown(text), "write it so")
        elif measure["name"] not in (*HISTORY, *MEASURED):
            rule = f"{name} must name one of {', '.join(dict.fromkeys((*HISTORY, *MEASURED)))}"
            raise table.error(rule, measure["name"], "check the spelling")
        elif int(measure["run"]) >= len(run.group.configs):
            raise table.error(f"{name} must be of a run below {len(run.group.configs)}", measure["run"], "count from 0")
        elif measure["step"] and (int(measure["step"]) > run.end or int(measure["step"]) % RECORDED):
            rule = f"{name} must be at a multiple of {RECORDED} up to the run's end"
            raise table.error(rule, measure["step"], "choose such a step")
        elif measure["step"] and measure["name"] not in HISTORY:
            raise table.error(f"{name} must be at the end of the run", text, "leave out the step")
        texts[name] = str(text)
    return texts


def _check_texts(lesson: Lesson, table: Table) -> None:
    """Conditions compare readings, and texts quote them."""
    asked, known = lesson.prediction, lesson.readings
    if not asked.choices:
        _check_names([asked.value], known, f"{table.where}.prediction.value")
    conditions = [asked.goal, *(choice.when for choice in asked.choices.values())]
    for each in (part for condition in conditions for part in condition.split(" and ") if part):
        compared = COMPARED.fullmatch(each)
        if compared is None:
            raise table.error("a condition must compare readings, as `a > 1.2 * b`", shown(each), "write it so")
        _check_names([compared["left"], compared["right"]], known, table.where)
    quoting = [asked.because, *(choice.because for choice in asked.choices.values())]
    for text in [*quoting, *(point.number for point in lesson.points)]:
        _check_names([field for _, field, _, _ in string.Formatter().parse(text) if field], known, table.where)
        if text and not any(field for _, field, _, _ in string.Formatter().parse(text)):
            raise table.error("a reason must quote the run's numbers, as {reading:.2f}", shown(text), "quote one")
    if not (asked.because or asked.choices):
        raise table.error("because must say why, with the run's numbers", "nothing", "write it")


def _check_names(names: Collection[str], known: Collection[str], where: str) -> None:
    for name in names:
        if name not in known and not name[:1].isdigit():
            rule = f"a name must be that of a reading above, one of {', '.join(known)}"
            raise ValueError(f"{where}: {rule}: got {shown(name)}; check the spelling")


def _check_outcome_is_hidden(lesson: Lesson, table: Table) -> None:
    """What is predicted must not be seen before."""
    run = lesson.run
    shows = [bool(set(look.group.configs) & set(run.group.configs)) and look.train > run.wait for look in lesson.steps]
    if any(shows):
        rule = f"a step must not train a run that is predicted beyond step {run.wait}"
        raise table.error(rule, f"steps[{shows.index(True)}]", "lower its train, or show another run")
