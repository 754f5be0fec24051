"""What a sweep and its workers say to each other, told apart by `op`."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from moeviz.engine.messages import Knobs, Ready


class Train(TypedDict):
    """Train a piece: these runs in lockstep, for so many steps."""

    op: Literal["train"]
    configs: list[Knobs]
    steps: int


class Stop(TypedDict):
    """The piece in hand is not wanted any more."""

    op: Literal["stop"]


ToWorker = Train | Stop


class At(TypedDict):
    """How far the piece in hand is."""

    op: Literal["at"]
    step: int


class Results(TypedDict):
    """Of each run of a piece: the fields of its Result."""

    op: Literal["results"]
    results: list[dict[str, Any]]


class Failed(TypedDict):
    """A piece could not be trained."""

    op: Literal["failed"]
    why: str


class Stopped(TypedDict):
    """It was stopped, as asked."""

    op: Literal["stopped"]


Answer = Results | Failed | Stopped
FromWorker = Ready | At | Answer
