"""What browsers, server and workers say to each other: each message a type of its own, told apart by its `op`.

A browser's message is checked (browser_messages); the server adds who said it and which run it is about, and passes it
on to that run's worker. Its answers come back the same way. What sweeps say to their workers stands with them.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Knobs = dict[str, Any]  # by name; where runs stand side by side, a list may have a value for each
State = Literal["running", "paused", "diverged"]


class OfRun(TypedDict):
    """What the server adds to a message on its way to a worker."""

    run: NotRequired[str]  # the token
    viewer: NotRequired[str]  # who said it, where a browser did
    call: NotRequired[int]  # the number of the reply for which somebody waits


# --- what a browser says of a run, or the server for a page ----------------------------------------------------------


class Look(TypedDict):
    """What a viewer has on screen, and how many frames more it can take; None leaves it as it was."""

    credit: int
    want: list[str] | None  # pictures
    probe: list[float] | None


class View(OfRun, Look):
    op: Literal["view"]


class Play(OfRun):
    op: Literal["play"]
    until: NotRequired[int | None]  # a step at which to wait; only pages ask for it


class Pause(OfRun):
    op: Literal["pause"]


class Step(OfRun):
    """Pause, and train so many steps more."""

    op: Literal["step"]
    n: int


class Reset(OfRun):
    op: Literal["reset"]
    configs: NotRequired[list[Knobs]]  # of each run from now on; only pages have others


class Speed(OfRun):
    op: Literal["speed"]
    value: str  # of PERIODS


class Hidden(OfRun):
    """Whether the tab is in the background."""

    op: Literal["hidden"]
    value: bool


class Recover(OfRun):
    op: Literal["recover"]


class Ghost(OfRun):
    """What is to be drawn gray beside the run."""

    op: Literal["ghost"]
    value: str  # of GHOSTS


class Treat(OfRun):
    op: Literal["treat"]
    expert: int  # its id
    how: str  # of TREATMENTS
    twin: int | None  # the number of a run; None for all


class Rewind(OfRun):
    op: Literal["rewind"]
    step: int


class Branch(OfRun):
    op: Literal["branch"]


class Give(OfRun):
    """A visitor's own text or picture."""

    op: Literal["give"]
    value: str | list[float]


FromBrowser = View | Play | Pause | Step | Reset | Speed | Hidden | Recover | Ghost | Treat | Rewind | Branch | Give

# --- what the server says besides ------------------------------------------------------------------------------------


class Watch(OfRun, Look):
    """A viewer has come."""

    op: Literal["watch"]
    hidden: NotRequired[bool]


class Unwatch(OfRun):
    op: Literal["unwatch"]


class Set(OfRun):
    op: Literal["set"]
    knobs: Knobs


class History(OfRun):
    op: Literal["history"]


class Open(OfRun):
    """A run begins; or begins again, since its worker has died."""

    op: Literal["open"]
    configs: list[Knobs]
    play: bool
    speed: str
    probe: list[float] | None
    ghost: NotRequired[str]
    until: NotRequired[int | None]
    revision: NotRequired[int]
    data_version: NotRequired[int]
    notice: NotRequired[str | None]  # what its viewers are told for a while


class Close(OfRun):
    op: Literal["close"]


Op = FromBrowser | Watch | Unwatch | Set | History  # what a worker carries out in a run
ToWorker = Op | Open | Close

# --- what a browser is told, besides frames --------------------------------------------------------------------------


class Said(TypedDict):
    """Words for the reader: of a run, of what was refused, or that the server is behind."""

    op: Literal["notice", "error", "busy"]
    message: str


class Gone(TypedDict):
    """The last word of a run."""

    op: Literal["gone"]
    reason: str
    refused: NotRequired[bool]  # it was never opened, and would not be if it were tried again


ToBrowser = Said | Gone

# --- what a worker says ----------------------------------------------------------------------------------------------


class Ready(TypedDict):
    """It has imported what it needs."""

    op: Literal["ready"]


class Status(TypedDict):
    """Where a run is."""

    op: Literal["status"]
    run: str
    step: int
    state: State
    revision: int  # grows with each change of a knob
    speed: str
    data_version: int  # grows when there are other points
    reason: str | None  # why it stopped for good
    configs: list[Knobs]


class Outcome(TypedDict):
    """How an op went: what the reader should know of it, or what was wrong."""

    notices: NotRequired[list[str]]
    error: NotRequired[str]  # it broke a rule, and has changed nothing
    fault: NotRequired[str]  # it failed


class Reply(Outcome):
    """To a message with a number."""

    op: Literal["reply"]
    call: int


class Frame(TypedDict):
    """A picture for one viewer, which is the message's payload."""

    op: Literal["frame"]
    run: str
    viewer: str


class Tell(TypedDict):
    op: Literal["tell"]
    run: str
    viewer: str | None  # None for all
    body: ToBrowser


class Freed(TypedDict):
    """A run has ended in the worker."""

    op: Literal["freed"]
    run: str
    reason: str
    refused: NotRequired[bool]  # it was never opened


FromWorker = Ready | Status | Reply | Frame | Tell | Freed
