"""Finished runs that are kept, so that none is trained twice: in memory, or in a file that outlives the process."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol, runtime_checkable

from moeviz.config import RunConfig
from moeviz.config.knob import shown
from moeviz.experiments.sweep.result import Result

KEPT = 20_000  # runs that a server's memory holds, the newest
HEAD = b'{"made_by":"torch '  # how each line of a file begins, and nobody else's file does
SHOWN = 200  # bytes of a line that an error looks at
PACKAGE = Path(__file__).resolve().parents[2]
# the code that decides what a run becomes, and what measures it here
DECIDING = (
    "config", "tensors", "tasks", "routers", "models", "losses.py", "metrics.py", "frames", "training",
    "experiments/sweep/piece.py", "experiments/sweep/result.py",
)  # fmt: skip


@runtime_checkable
class Store(Protocol):
    """Where a job looks for runs that were trained before, and puts those that it has finished."""

    def get(self, config: RunConfig, steps: int) -> Result | None: ...
    def put(self, results: Mapping[RunConfig, Result], steps: int) -> None: ...


class Memory:
    """For the visitors of one server: what one of them has trained, the next one need not wait for."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._results: OrderedDict[tuple[RunConfig, int], Result] = OrderedDict()

    def get(self, config: RunConfig, steps: int) -> Result | None:
        """The result of this run, if it is here."""
        return self._results.get((config, steps))

    def put(self, results: Mapping[RunConfig, Result], steps: int) -> None:
        """Keep these, and forget the oldest beyond the limit."""
        self._results.update({(config, steps): result for config, result in results.items()})
        while len(self._results) > self._kept:
            self._results.popitem(last=False)


class File:
    """One JSON object on each line, written as runs finish: whatever ends the process, they are there.

    Whose a file is, its first bytes say; one that is not ours, or holds what no sweep has written, is refused. Nothing
    is ever cut from it: lines are only added at its end, and one that a full disk or a kill tore costs that run alone.
    Runs of other versions of the code or of torch stay in the file and are not used.

    Args:   path: is made with the first run, if it is not there.
    Raises: ValueError (rule, value, remedy) where the file is not ours, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.others, self.torn = path, 0, 0
        self._results: dict[str, Result] = {}
        self._unwritten: deque[bytes] = deque()
        try:
            if path.exists():
                self._read_file()
        except OSError as error:
            raise ValueError(
                f"{path} must be a file that can be read: got {error.strerror}; choose another file"
            ) from None

    def get(self, config: RunConfig, steps: int) -> Result | None:
        """The result of this run, if this version has trained it."""
        return self._results.get(_key(asdict(config), steps))

    def put(self, results: Mapping[RunConfig, Result], steps: int) -> None:
        """Append a line for each run; what cannot be written now (OSError) is tried again with the next ones."""
        for config, result in results.items():
            line = {"made_by": made_by(), "steps": steps, "config": asdict(config), "result": asdict(result)}
            text = json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n"
            self._unwritten.append(text.encode())
            self._results[_key(asdict(config), steps)] = result
        with self.path.open("a+b", buffering=0) as file:
            while self._unwritten:
                _append(file, self._unwritten[0])
                self._unwritten.popleft()

    def _read_file(self) -> None:
        if not self.path.is_file():
            self._refuse(1, "no regular file")
        with self.path.open("rb") as file:
            start = file.read(len(HEAD))
            file.seek(0)
            if start and start != HEAD:  # also of a file that is larger than the memory, no more is read than this
                self._refuse(1, file.readline(SHOWN))
            for number, line in enumerate(file, start=1):
                self._read_line(number, line)

    def _read_line(self, number: int, line: bytes) -> None:
        """Usually one run; more follow where an earlier version went on behind a torn one without a new line."""
        before, *parts = line.split(HEAD)
        if before.strip() and not HEAD.startswith(before.strip(b"\0\r\n")):
            self._refuse(number, line)
        self.torn += bool(before.strip())
        for part in parts:
            try:
                entry, end = WHOLE.raw_decode(text := (HEAD + part).decode())
            except (ValueError, RecursionError):
                self.torn += 1
                continue
            if text[end:].strip("\0\r\n "):
                self._refuse(number, line)
            self._take(number, line, entry)

    def _take(self, number: int, line: bytes, entry: dict[str, Any]) -> None:
        if entry["made_by"] != made_by():
            self.others += 1
            return
        try:
            self._results[_key(entry["config"], entry["steps"])] = _result(entry["result"])
        except (ValueError, TypeError, KeyError, AttributeError):
            self._refuse(number, line)

    def _refuse(self, number: int, got: bytes | str) -> NoReturn:
        text = got if isinstance(got, str) else shown(got[:SHOWN].decode(errors="backslashreplace").rstrip("\r\n"))
        raise ValueError(
            f"{self.path} must hold what a sweep has written: got {text} in line {number}; "
            "move it away or choose another file"
        ) from None


def _append(file: IO[bytes], line: bytes) -> None:
    """Add a line, behind a line of its own whatever was torn before; raises OSError where it does not fit."""
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        line = line if file.read(1) == b"\n" else b"\n" + line
    rest = memoryview(line)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        if not size and file.seek(0, os.SEEK_END) == len(line) - len(rest):
            file.truncate(0)  # ours alone, and too short to say so
        raise


def _result(numbers: Mapping[str, Any]) -> Result:
    """A result as it was written; raises where something else stands there."""
    for each in fields(Result):
        value, kinds = numbers[each.name], str(each.type).split(" | ")
        allowed = [kind for name, kind in KINDS.items() if name in kinds]
        if type(value) not in allowed and not (type(value) is int and float in allowed):
            raise TypeError(each.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(each.name)
    return Result(**numbers)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"a number must be finite: got {word}")


KINDS: dict[str, type] = {"float": float, "int": int, "bool": bool, "None": type(None)}
WHOLE = json.JSONDecoder(parse_constant=_no_number)


def holds_runs(path: str | Path) -> bool:
    """Whether a file is one of finished runs, which nothing else may overwrite."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return file.read(len(HEAD)) == HEAD
    except OSError:  # who may not read it has not written it
        return False


@cache
def made_by() -> str:
    """The versions that decide results: torch, numpy, and this code from configs to training."""
    digest = hashlib.sha256()
    for name in DECIDING:
        place = PACKAGE / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy")]
    return f"{', '.join(versions)}, code {digest.hexdigest()[:16]}"


def _key(config: Mapping[str, Any], steps: int) -> str:
    return json.dumps([sorted(config.items()), steps])
