"""Long runs: checking the shapes of arrays at every call would take most of their time, so only the first steps do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeVar

import jaxtyping

from moeviz.training import Buckets, Training

FIRST = 12  # steps, with a measurement among them; those after them call the same functions

Runs = TypeVar("Runs", Training, Buckets)


def later(runs: Runs, steps: int) -> Runs:
    """The same runs, so many steps later."""
    runs.step(min(steps, FIRST))
    with unchecked():
        runs.step(max(steps - FIRST, 0))
    return runs


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """In here array shapes in annotations are not executed; also a decorator."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)
