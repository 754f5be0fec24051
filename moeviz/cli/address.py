"""`address`: where the app is reached, for a class also as a QR code."""

from __future__ import annotations

import argparse
import io
import re
import sys

import segno

from moeviz.cli.flags import add_knob
from moeviz.config import Knob
from moeviz.config.knob import shown
from moeviz.experiments.terminal import UsageError, out
from moeviz.stage.addresses import EVERYWHERE, HERE, lan_address, url

PORT = Knob(name="port", kind=int, default=8501, low=1, high=65535, label="Port", help="The port the app listens on.")
HOST = re.compile(r"[A-Za-z0-9_.:%-]{1,253}")  # a name or an IPv4 or IPv6 address


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="localhost", help="the address the app listens on; 0.0.0.0: all networks")
    add_knob(parser, PORT)


def run(arguments: argparse.Namespace) -> int:
    """Print the address; when others can reach it, print it for them as text and QR code too."""
    host, port = arguments.host, arguments.port
    if not HOST.fullmatch(host):
        raise UsageError(f"--host must be a host name or an address: got {shown(host)}; use 0.0.0.0 for all networks")
    out(f"moeviz on this computer: {url('localhost' if host in EVERYWHERE else host, port)}")
    if host in HERE:
        return 0
    shared = lan_address() if host in EVERYWHERE else host
    if shared is None:
        out("For the class: this computer is in no network; join one and start again.")
        return 0
    out(f"For the class:           {url(shared, port)}\n")
    if sys.stdout.encoding.lower().startswith("utf"):  # the code is drawn with half blocks
        out(qr_code(url(shared, port), colored=sys.stdout.isatty()))
    return 0


def qr_code(text: str, colored: bool = False) -> str:
    """A QR code to scan from the screen; `colored` makes it white on black whatever the terminal's own colors are."""
    drawing = io.StringIO()
    segno.make(text, micro=False).terminal(drawing, compact=True)
    lines = drawing.getvalue().splitlines()
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" if colored else line for line in lines)
