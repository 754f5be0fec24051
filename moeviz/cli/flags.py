"""Flags made from knobs, so that the command line knows the same names, bounds and help as the pages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from moeviz.config import Knob, Value


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
