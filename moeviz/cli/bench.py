"""`bench`: ratios measured side by side in one run (see `moeviz.experiments.bench`)."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import asdict

from moeviz.cli.flags import add_json
from moeviz.cli.outputs import check_outputs, write_json
from moeviz.experiments.terminal import UsageError, out


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure only these")
    add_json(parser, "the measurements")


def run(arguments: argparse.Namespace) -> int:
    check_outputs({"--json": arguments.json})
    bench = importlib.import_module("moeviz.experiments.bench")  # brings torch: only when it is really asked for
    try:
        results = bench.run(arguments.only or ())
    except ValueError as error:
        raise UsageError(str(error)) from None
    if arguments.json:
        write_json([asdict(each) for each in results], arguments.json)
    else:
        out(bench.as_text(results))
    return 0
