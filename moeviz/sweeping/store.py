"""Finished runs that are kept, so that none is trained twice: in memory, or in a file that outlives the process."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from moeviz.config import RunConfig
from moeviz.knob import shown
from moeviz.sweeping.result import Result

KEPT = 20_000  # runs that a server's memory holds, the newest
PACKAGE = Path(__file__).resolve().parents[1]
# the code that decides what a run becomes: floors 0 to 5, and what measures it here
DECIDING = (
    "config.py", "knob.py", "rules.py", "task_info.py", "axes.py", "rng.py", "device.py", "tasks", "routers",
    "experts.py", "chain.py", "dispatch.py", "deciding.py", "losses.py", "metrics.py", "model.py", "around.py",
    "transformer.py", "decoder.py", "two_modalities.py", "training", "sweeping/piece.py", "sweeping/result.py",
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
        self._found: OrderedDict[tuple[RunConfig, int], Result] = OrderedDict()

    def get(self, config: RunConfig, steps: int) -> Result | None:
        """The result of this run, if it is here."""
        return self._found.get((config, steps))

    def put(self, results: Mapping[RunConfig, Result], steps: int) -> None:
        """Keep these, and forget the oldest beyond the limit."""
        self._found.update({(config, steps): result for config, result in results.items()})
        while len(self._found) > self._kept:
            self._found.popitem(last=False)


class File:
    """One JSON object on each line, written as runs finish: whatever ends the process, they are there.

    Runs of other versions of the code or of torch stay in the file and are not used.

    Args:   path: is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.others = path, 0
        self._found: dict[str, Result] = {}
        self._end_last_line()
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for number, line in enumerate(text.splitlines(), start=1):
            self._read(number, line)

    def get(self, config: RunConfig, steps: int) -> Result | None:
        """The result of this run, if this version has trained it."""
        return self._found.get(_key(asdict(config), steps))

    def put(self, results: Mapping[RunConfig, Result], steps: int) -> None:
        """Append a line for each run, all in one write."""
        lines = []
        for config, result in results.items():
            line = {"made_by": made_by(), "steps": steps, "config": asdict(config), "result": asdict(result)}
            lines.append(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")
            self._found[_key(asdict(config), steps)] = result
        with self.path.open("ab", buffering=0) as file:
            file.write("".join(lines).encode())

    def _end_last_line(self) -> None:
        """A process that was killed while it wrote may have left half a line: cut it off."""
        if not self.path.exists():
            return
        text = self.path.read_bytes()
        if text and not text.endswith(b"\n"):
            os.truncate(self.path, text.rfind(b"\n") + 1)

    def _read(self, number: int, line: str) -> None:
        try:
            found = json.loads(line)
            key, result = _key(found["config"], found["steps"]), Result(**found["result"])
            usable = found["made_by"] == made_by()
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f"{self.path} must hold what a sweep has written: got {shown(line)} in line {number}; "
                "move it away or choose another file"
            ) from None
        if usable:
            self._found[key] = result
        else:
            self.others += 1


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
