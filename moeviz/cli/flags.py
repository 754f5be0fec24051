"""Flags made from knobs, so that the command line knows the same names, bounds and help as the pages."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moeviz.cli import UsageError
from moeviz.config import Knob, Value
from moeviz.knob import shown


def add_knob(parser: argparse.ArgumentParser, knob: Knob) -> None:
    """One flag, `--balance-coef` for `balance_coef`; a switch may be given without a value."""
    default = str(knob.default).lower() if knob.default is None or knob.kind is bool else knob.default
    about: dict[str, Any] = {"nargs": "?", "const": True} if knob.kind is bool else {}
    parser.add_argument(
        f"--{knob.name.replace('_', '-')}",
        type=_reader(knob),
        default=knob.default,
        metavar="|".join(knob.choices) or knob.kind.__name__.upper(),
        help=f"{knob.label}: {knob.help} ({knob.rule}; default {default})".replace("%", "%%"),
        **about,
    )


def _reader(knob: Knob) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        try:
            return knob.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", metavar="-|FILE", help=f"write {what} as JSON to FILE, or to stdout with -")


def check_writable(target: str | None, flag: str = "--json") -> None:
    """Raise UsageError when FILE cannot be written: before the training, not after it."""
    if target in (None, "-"):
        return
    try:
        file = Path(str(target)).resolve()
        writable = not file.is_dir() and os.access(file if file.exists() else file.parent, os.W_OK)
    except (OSError, ValueError):  # a name that no file can have: too long, or with a null character
        writable = False
    if not writable:
        rule = f"{flag} must be - or a file that can be written"
        raise UsageError(f"{rule}: got {shown(target)}; make its folder or use -")


def write_json(value: object, target: str) -> None:
    """Write one JSON value; NaN and infinity become null."""
    write_text(json.dumps(without_nan(value), ensure_ascii=False, allow_nan=False, indent=2) + "\n", target, "--json")


def write_text(text: str, target: str, flag: str) -> None:
    """Write to a file, or to stdout with -."""
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
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
