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
AT_MOST = (
    300  # calls of it in which arrays may have shapes that it has not met in this test; later ones run as they are
)

checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # a whole number is a float, says PEP 484
jaxtyped = jaxtyping.jaxtyped
_calls: Counter[CodeType] = Counter()
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

    code = function.__code__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        _calls[code] += 1
        if _calls[code] <= AT_MOST and _is_new(code, [*args, *kwargs.values()]):
            return look()(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def _is_new(code: CodeType, values: list[Any]) -> bool:
    shapes = code, *[tuple(value.shape) for value in values if hasattr(type(value), "__array__")]
    if shapes in _met and _calls[code] > ALWAYS:
        return False
    _met.add(shapes)
    return True


jaxtyping.jaxtyped = sparing  # type: ignore[assignment]


def begin() -> None:
    """Everything is new again."""
    _calls.clear()
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
