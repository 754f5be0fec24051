"""`bench`: ratios measured side by side in one run (see `moeviz.bench`)."""

from __future__ import annotations

import argparse
import importlib

from moeviz.cli import UsageError
from moeviz.cli.flags import add_json, check_writable
from moeviz.knob import shown


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure only these")
    add_json(parser, "the measurements")


def run(arguments: argparse.Namespace) -> int:
    check_writable(arguments.json)
    bench = importlib.import_module("moeviz.bench")  # brings torch: only when it is really asked for
    try:
        return int(bench.main(only=arguments.only, json=arguments.json) or 0)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        rule = "--json must be a file that can be written"
        raise UsageError(f"{rule}: got {shown(arguments.json)} ({error.strerror}); choose another") from None
