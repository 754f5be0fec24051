"""Array shapes in annotations are executed wherever a test brings something new; what repeats itself runs as it is.

A pytest plugin (see pyproject.toml): jaxtyping's import hook decorates every function of moeviz with what stands here
for its `jaxtyped`. To look at every call would take two thirds of the time of such tests.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections import Counter
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import beartype
import jaxtyping
import pytest

ALWAYS = 3  # calls of each function in a test, whatever they bring
AT_MOST = 100  # calls of it that are looked at because its arrays have shapes that it has not met in this test

checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # a whole number is a float, says PEP 484
jaxtyped = jaxtyping.jaxtyped
_looked: Counter[CodeType] = Counter()
_met: set[tuple[Any, ...]] = set()


def sparing(function: Any = None, *, typechecker: Any = None) -> Any:
    """`jaxtyping.jaxtyped`, for calls that are new in this test."""
    if function is None:
        return functools.partial(sparing, typechecker=typechecker)
    if dataclasses.is_dataclass(function) and isinstance(function, type):
        function.__init__ = sparing(function.__init__, typechecker=typechecker)  # type: ignore[method-assign]
        return function
    if not isinstance(function, FunctionType):
        return jaxtyped(function, typechecker=typechecker)
    look = functools.cache(lambda: jaxtyped(function, typechecker=typechecker))  # made when first called

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (look() if _is_new(function.__code__, [*args, *kwargs.values()]) else function)(*args, **kwargs)

    return call


def _is_new(code: CodeType, values: list[Any]) -> bool:
    if jaxtyping.config.jaxtyping_disable or _looked[code] >= AT_MOST:
        return False
    shapes = code, *[tuple(value.shape) for value in values if hasattr(type(value), "__array__")]
    if _looked[code] >= ALWAYS and shapes in _met:
        return False
    _met.add(shapes)
    _looked[code] += 1
    return True


jaxtyping.jaxtyped = sparing  # type: ignore[assignment]


def begin() -> None:
    """Everything is new again."""
    _looked.clear()
    _met.clear()


def pytest_runtest_setup() -> None:
    """Fixtures look at what is new,"""
    begin()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """... and so does each test, whatever they have met."""
    begin()


@contextlib.contextmanager
def unexecuted() -> Iterator[None]:
    """Let a test pass what annotations do not allow, as scripts do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
