"""Array shapes in annotations are executed in the first calls of each function in every test: later ones repeat them.

To look at them at every call would take two thirds of the time of such runs.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import beartype
import jaxtyping

CALLS = 100  # of each function in a test: all examples of a law, or that many training steps

_typed = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # a whole number is a float, says PEP 484
_counts: Counter[Callable[..., Any]] = Counter()
_left: set[FunctionType] = set()  # functions that are no longer looked at


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The type checker of jaxtyping's import hook (see pyproject.toml)."""
    typed = _typed(function)

    @functools.wraps(typed)
    def call(*args: Any, **kwargs: Any) -> Any:
        _counts[call] += 1
        if _counts[call] == CALLS:
            _leave(sys._getframe(1).f_locals.get("fn"))
        return typed(*args, **kwargs)

    return call


def _leave(function: Any) -> None:
    """Look at a function no more in this test: jaxtyping, which has it as `fn`, calls one with this mark as it is."""
    if isinstance(function, FunctionType):
        function.__no_type_check__ = True  # type: ignore[attr-defined]
        _left.add(function)


def begin() -> None:
    """Count from the start, as each test does."""
    _counts.clear()
    while _left:
        del _left.pop().__no_type_check__  # type: ignore[attr-defined]


@contextlib.contextmanager
def unexecuted() -> Iterator[None]:
    """Let a test pass what annotations do not allow, as scripts do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
