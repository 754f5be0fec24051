"""The command line: train, sweep, trials, bench, doctor and address.

`python -m moeviz COMMAND`; each is a module of this package.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

from moeviz.config.knob import shown
from moeviz.experiments.terminal import Parser, UsageError, ended, out

# command -> what it does; each is a module of this package with `add_flags(parser)` and `run(arguments) -> exit status`
COMMANDS = {
    "train": "train one mixture of experts and print its result as JSON",
    "sweep": "train many runs over values of a few knobs, and write them as a table",
    "trials": "run the experiments behind what the article says, and print their numbers",
    "bench": "measure speed side by side with the usual ways of writing it",
    "doctor": "say what is installed and whether it fits",
    "address": "print the address of the app, for a class also as a QR code",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; bad input ends with one line on stderr and status 2."""
    return ended(lambda: _run(sys.argv[1:] if argv is None else list(argv)))


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        out(_overview())
        return 0
    name = argv[0]
    if name not in COMMANDS:
        raise UsageError(
            f"the command must be one of {', '.join(COMMANDS)}: got {shown(name)}{_nearest(name, COMMANDS)}"
        )
    command = importlib.import_module(f"moeviz.cli.{name}")
    parser = Parser(prog=f"python -m moeviz {name}", description=COMMANDS[name], allow_abbrev=False)
    command.add_flags(parser)
    arguments, unknown = parser.parse_known_args(argv[1:])
    if unknown:
        flags = [flag for flag in parser._option_string_actions if flag.startswith("--")]
        raise UsageError(
            f"{parser.prog} must be given flags it knows: got {shown(unknown[0])}{_nearest(unknown[0], flags)}"
        )
    return int(command.run(arguments))


def _overview() -> str:
    lines = [f"  {name:<9}{purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        ["python -m moeviz COMMAND [--help]", "", *lines, "", "The app itself: make app (or: streamlit run app.py)"]
    )


def _nearest(word: str, known: Sequence[str] | dict[str, str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else "; see --help"
