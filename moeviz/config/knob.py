"""What a knob is: one adjustable number or choice, with its bounds, label and help."""

from __future__ import annotations

import itertools
import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

Value = bool | int | float | str | None
MOST_VALUES = 10_000  # in a list: one without an end must not take the memory
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = LONGEST = 60


@dataclass(frozen=True)
class Knob:
    """One adjustable number or choice of a run: everything that a widget, a URL or a flag must know about it."""

    name: str
    kind: type
    default: Value
    label: str
    help: str
    low: float | None = None
    high: float | None = None
    page_high: float | None = None  # upper bound on a page, where it is lower than on the command line
    scale: str = "linear"  # linear | log | log0 (logarithmic with a 0 below)
    choices: tuple[str, ...] = ()
    page_choices: tuple[str, ...] = ()  # those that a page takes, where they are fewer than on the command line
    choice_labels: tuple[str, ...] = ()  # what a page calls them
    caption: str = ""  # said beneath its widget, where it has a prominent place
    optional: bool = False  # None is a value, written "none"
    live: bool = False  # may change while the run trains
    per_run: bool = False  # may differ between the runs of one lockstep bucket
    routers: tuple[str, ...] = ()  # those that use it; none named = all do

    @property
    def rule(self) -> str:
        """The allowed values in words, for errors and help."""
        if self.choices:
            only = f"must be {self.choices[0]} on a page"
            return f"must be one of {', '.join(self.choices)}" if len(self.choices) > 1 else only
        if self.kind is bool:
            return "must be true or false"
        number = "a whole number" if self.kind is int else "a number"
        none = ", or none" if self.optional else ""
        return f"must be {number} from {self.write(self.low)} to {self.write(self.high)}{none}"

    @property
    def on_page(self) -> Knob:
        """The same knob with a page's bounds and choices."""
        high = self.high if self.page_high is None else self.page_high
        return replace(self, high=high, choices=self.page_choices or self.choices, page_high=None, page_choices=())

    def used_by(self, router: str) -> bool:
        """Whether it means anything to this router."""
        return not self.routers or router in self.routers

    def write(self, value: Value) -> str:
        """The value as text that `parse` reads back."""
        if isinstance(value, bool) or value is None:
            return str(value).lower()
        if self.kind is int and isinstance(value, (int, float)):
            return str(int(value))
        return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)

    def check(self, value: Any) -> Value:
        """The value in this knob's own type; raises ValueError (rule, value, remedy) unless it is allowed."""
        value = bare(value)
        if value is None and self.optional:
            return None
        right_kind = isinstance(value, (int, float) if self.kind is float else self.kind)
        if self.kind is not bool and isinstance(value, bool):
            right_kind = False
        if right_kind and self.choices:
            right_kind = value in self.choices
        elif right_kind and self.low is not None and self.high is not None:
            right_kind = self.low <= value <= self.high  # also refuses nan
        if not right_kind:
            raise ValueError(f"{self.name} {self.rule}: got {self.name}={shown(value)}; choose an allowed value")
        return float(value) if self.kind is float else value  # so that 10 and 10.0 are written and compared alike

    def parse(self, text: str) -> Value:
        """The value written as `text`, inside its bounds; raises ValueError (rule, value, remedy) otherwise."""
        return self.check(self._read(text))

    def clamp(self, text: str, page: bool = True) -> tuple[Value, str | None]:
        """The allowed value nearest to `text`, and a notice when that is not what was asked for."""
        if page:
            return self.on_page.clamp(text, page=False)
        usual = f"using {self.name}={self.write(self.default)}"
        try:
            value = self._read(text)
        except ValueError as error:
            return self.default, f"{error}; {usual}"
        if not isinstance(value, (int, float)) or isinstance(value, bool) or self.low is None or self.high is None:
            return value, None
        if isinstance(value, float) and math.isnan(value):  # (a whole number may be too long for a float)
            return self.default, f"{self.name} {self.rule}: got {shown(text)}; {usual}"
        bounded = self.kind(min(max(value, self.low), self.high))
        if bounded != value:
            rule = f"{self.name} must be from {self.write(self.low)} to {self.write(self.high)}"
            return bounded, f"{rule}: got {text.strip()[:40]}; using {self.write(bounded)}"
        return value, None

    def _read(self, text: str) -> Value:
        lowered = text.strip().lower()
        if self.optional and lowered in ("none", ""):
            return None
        complaint = f"{self.name} {self.rule}: got {self.name}={shown(text)}; choose an allowed value"
        if self.kind is bool:
            if lowered in ("1", "true", "yes", "on"):
                return True
            if lowered in ("0", "false", "no", "off"):
                return False
            raise ValueError(complaint)
        if self.choices:
            if lowered not in self.choices:
                raise ValueError(complaint)
            return lowered
        try:
            return self.kind(lowered)
        except (ValueError, OverflowError):
            raise ValueError(complaint) from None


def shown(value: object) -> str:
    """A value that somebody sent, for an error: short, on one line, and without invisible characters."""
    try:
        text = SHORT.repr(value).replace("\n", " ")
    except ValueError:  # Python writes no whole number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST + 2 else text[:LONGEST] + "…"


def bare(value: Any) -> Any:
    """A number of numpy or torch (a scalar, or an array of no axes) as Python's own; all else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def listed(name: str, values: Any) -> list[Any]:
    """The values of a list, an array or a generator; raises ValueError (rule, value, remedy) where it is none."""
    values = bare(values)
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        remedy = "list its values" if isinstance(values, Mapping) else f"write [{shown(values)}]"
        raise ValueError(f"{name} must be a list of values: got {shown(values)}; {remedy}")
    numbers = list(itertools.islice(values, MOST_VALUES + 1))
    if len(numbers) > MOST_VALUES:
        raise ValueError(f"{name} must have at most {MOST_VALUES} values: got more; list fewer")
    return numbers


def knob(default: Value, **about: Any) -> Any:
    """A dataclass field that carries its Knob; `about` holds the Knob's own fields."""
    return field(default=default, metadata=about)


def knobs_of(declared: type) -> dict[str, Knob]:
    """The knobs that a dataclass declares in its fields, by name."""
    kinds = {"int": int, "float": float, "bool": bool, "str": str}
    knobs = {}
    for each in fields(declared):
        kind = kinds[str(each.type).split(" ")[0]]
        default: Any = each.default
        knobs[each.name] = Knob(name=each.name, kind=kind, default=default, **each.metadata)
    return knobs
