"""Array shapes in annotations are executed in the first calls of every test: a long run only repeats them.

To look at them at every call would take two thirds of the time of such runs.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import beartype
import jaxtyping

CALLS = 20_000  # of a test: a few hundred training steps, or all examples of a law

left = CALLS
_typed = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # a whole number is a float, says PEP 484


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The type checker of jaxtyping's import hook (see pyproject.toml)."""
    typed = _typed(function)

    @functools.wraps(typed)
    def call(*args: Any, **kwargs: Any) -> Any:
        global left
        left -= 1
        if not left:
            jaxtyping.config.update("jaxtyping_disable", True)
        return typed(*args, **kwargs)

    return call


def begin() -> None:
    """Count from the start, as each test does."""
    global left
    left = CALLS
    jaxtyping.config.update("jaxtyping_disable", False)


@contextlib.contextmanager
def unexecuted() -> Iterator[None]:
    """Let a test pass what annotations do not allow, as scripts do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        begin()
