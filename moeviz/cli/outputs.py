"""Where a command's results go: to standard output, or to files that are whole or not there at all."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from moeviz.config.knob import shown
from moeviz.experiments.sweep.store import holds_runs
from moeviz.experiments.terminal import UsageError, out


def check_outputs(targets: Mapping[str, str | None], store: str | None = None) -> None:
    """Raise UsageError unless each can be written and no two are one: before the training, not after it.

    Args:   targets: flag -> FILE, "-" for standard output, or None.  store: the file that keeps finished runs.
    """
    for flag, target in targets.items():
        if target not in (None, "-", store) and holds_runs(str(target)):
            rule = f"{flag} must not take the place of finished runs"
            raise UsageError(f"{rule}: got {shown(target)}, where a sweep keeps them; choose another")
    everything = {**targets, "the file of finished runs": store}
    given = {flag: target for flag, target in everything.items() if target is not None}
    places: dict[str, Hashable] = {}
    for flag, target in given.items():
        if target != "-":
            _check_writable(flag, target)
            places[flag] = _place(target)
    if (twice := [flag for flag, target in given.items() if target == "-"])[1:]:
        got = " and ".join(f"{flag} -" for flag in twice)
        raise UsageError(f"stdout must have one form: got {got}; write one of them to a file")
    for one, other in itertools.combinations(places, 2):
        if places[one] == places[other]:
            got = f"{shown(given[one])} and {shown(given[other])}"
            raise UsageError(f"{one} and {other} must be two files: got {got}, which are one; choose another")
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        for flag, place in places.items():
            if place == _place_of(stream):
                got = f"{shown(given[flag])}, where {name} goes"
                raise UsageError(f"{flag} must be a file of its own: got {got}; choose another, or use -")


def write_json(value: object, target: str) -> None:
    """Write one JSON value; NaN and infinity become null."""
    write_text(json.dumps(without_nan(value), allow_nan=False, indent=2) + "\n", target, "--json")


def write_text(text: str, target: str, flag: str) -> None:
    """Write to a file, or to stdout with -."""
    if target == "-":
        out(text, end="")
        return
    try:
        _write(Path(target), text.encode())
    except OSError as error:
        rule = f"{flag} must be a file that can be written"
        raise UsageError(f"{rule}: got {shown(target)} ({error.strerror}); choose another") from None


def without_nan(value: Any) -> Any:
    """The same value in JSON's own types: numpy numbers become Python's, NaN and infinity become None."""
    if hasattr(value, "tolist"):  # numpy arrays and numbers
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def is_file(target: str | None) -> bool:
    """Whether a target is a file, or will be one: not stdout, a device or a pipe."""
    return target not in (None, "-") and not _is_special(Path(str(target)))


def _write(file: Path, data: bytes) -> None:
    """Write a whole file beside the old one and put it in its place, so that a full disk or a kill leaves the old one.

    What is no regular file, or lies in a folder that takes no other, is written where it is.
    """
    if _is_special(file):
        file.write_bytes(data)
        return
    file = Path(os.path.realpath(file))  # a link stays, and what it leads to is replaced
    if not _is_open(file.parent):
        file.write_bytes(data)
        return
    beside = file.parent / f".moeviz-{secrets.token_hex(8)}"
    try:
        with beside.open("xb") as new:
            if file.exists():
                _keep_rights(file, beside)
            new.write(data)
            new.flush()
            os.fsync(new.fileno())  # some disks say only now that they are full
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)


def _keep_rights(old: Path, new: Path) -> None:
    shutil.copystat(old, new)
    if hasattr(os, "chown"):
        status = old.stat()
        with contextlib.suppress(PermissionError):  # only root gives files away
            os.chown(new, status.st_uid, status.st_gid)
            os.chmod(new, stat.S_IMODE(status.st_mode))


def _check_writable(flag: str, target: str) -> None:
    try:
        file = Path(target)
        is_new = not file.exists()
        writable = _is_open(Path(os.path.realpath(file)).parent) if is_new else os.access(file, os.W_OK)
        writable = writable and not file.is_dir()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a null character
        writable = False
    if not writable:
        rule = f"{flag} must be a file that can be written"
        raise UsageError(f"{rule}: got {shown(target)}; make its folder or use -")


def _is_open(folder: Path) -> bool:
    """Whether files can be made in a folder."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _is_special(file: Path) -> bool:
    return os.path.exists(file) and not os.path.isfile(file)  # False for names that no file can have


def _place(target: str) -> Hashable:
    """What a name leads to: equal for two names of one file."""
    try:
        return _identity(os.stat(target))
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(target))


def _place_of(stream: Any) -> Hashable:
    try:
        return _identity(os.fstat(stream.fileno()))
    except OSError:  # a test's
        return object()


def _identity(status: os.stat_result) -> Hashable:
    if os.path.exists(os.devnull) and os.path.samestat(status, os.stat(os.devnull)):
        return object()  # it takes whatever comes, also twice
    return status.st_dev, status.st_ino
