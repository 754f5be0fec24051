"""How many files and sockets this process may have open at once, and how many more it can open."""

from __future__ import annotations

import os
import sys

if sys.platform != "win32":
    import resource

ENOUGH = 10_240  # more than 800 visitors need; macOS takes no higher limit
PER_VISITOR, PER_SERVER = 12, 48
"""Descriptors that a visitor needs while a page opens (half of them later), and the server with its workers."""
OPEN_FILES = "/dev/fd"


def raised_limit() -> int | None:
    """Lift the limit as far as the system lets us; what it is now, or None where there is none."""
    if sys.platform == "win32":
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int | None:
    """How many descriptors this process may have; None where there is no limit."""
    if sys.platform == "win32":
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def left() -> int | None:
    """How many more can be opened; None where there is no limit, or no way to count."""
    most = limit()
    if most is None or not os.path.isdir(OPEN_FILES):
        return None
    try:
        return most - len(os.listdir(OPEN_FILES))
    except OSError:  # not even the one to count them with
        return 0


def visitors(most: int) -> int:
    """For how many visitors at once so many descriptors are enough."""
    return max(0, (most - PER_SERVER) // PER_VISITOR)
