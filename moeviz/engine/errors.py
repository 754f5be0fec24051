"""What an engine refuses, as exceptions."""

from __future__ import annotations


class RunGone(LookupError):
    """The token belongs to no live run: it was closed or freed, or never existed."""


class EngineBusy(RuntimeError):
    """The server cannot take more; the message says what its limit is and what to do."""


class EngineFull(EngineBusy):
    """As many runs are open as this server trains at once; one that ends makes room."""
