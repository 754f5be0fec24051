"""Standard output and error as they come: of few characters, full, closed, or read by nobody any more."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import errno
import io
import os
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, NoReturn

# what is written where a terminal has not the character; others lose their accents, or become \u4e13
STAND_INS = {
    "λ": "lambda", "γ": "gamma", "Σ": "sum", "²": "^2", "×": "x", "·": "*", "−": "-", "–": "-", "—": "-", "…": "...",
    "→": "->", "≤": "<=", "≥": ">=", "±": "+-", "“": '"', "”": '"', "‘": "'", "’": "'", "✕": "x", "†": "+",
}  # fmt: skip
GONE, TROUBLE, INTERRUPTED = 141, 2, 130  # exit status: as by SIGPIPE, as for bad input, as by SIGINT


class UsageError(ValueError):
    """Bad input: the message says rule, value and remedy on one line."""


class OutputLost(Exception):
    """Standard output takes no more; the message is empty where its reader has left."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line with a remedy, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message if ";" in message else f"{message}; see {self.prog} --help")

    def print_help(self, file: Any = None) -> None:
        out(self.format_help(), end="")


def ended(command: Callable[[], int]) -> int:
    """The exit status of a command; what ends it early becomes one line on stderr, and silence where nobody reads."""
    prepare()
    try:
        return command()
    except UsageError as error:
        tell(f"moeviz: {' '.join(str(error).split())}")
        return TROUBLE
    except OutputLost as lost:
        if str(lost):
            tell(f"moeviz: {lost}")
        return TROUBLE if str(lost) else GONE
    except KeyboardInterrupt:
        tell("moeviz: interrupted")
        return INTERRUPTED


def out(text: str, end: str = "\n") -> None:
    """Write to standard output, and see that it arrives; raises OutputLost where it does not."""
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        if error.errno == errno.EPIPE:
            raise OutputLost from None
        got = "a closed one" if error.errno == errno.EBADF else error.strerror
        raise OutputLost(f"standard output must take what is written: got {got}; name a file, or make room") from None


def tell(text: str) -> None:
    """Write a line to standard error. What cannot be told must not stop the work: from then on it is told to nobody."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)


def tell_at_once(text: str) -> None:
    """The same from a signal handler, which may have come in the middle of another line."""
    with contextlib.suppress(OSError):
        os.write(sys.stderr.fileno(), f"{text}\n".encode("ascii", "backslashreplace"))


def prepare() -> None:
    """Make standard output and error take every text, also where they were closed before the program began."""
    occupy()
    sys.stdout, sys.stderr = _ready(sys.stdout, 1), _ready(sys.stderr, 2)


def occupy() -> None:
    """Put the null device where a standard stream was closed, or the next file that is opened would be taken for it.

    Standard output can be read only: what is written there is lost, and whoever writes must learn that.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest number that is free, so this one


def _ready(stream: Any, number: int) -> Any:
    """The stream; another in the place of none, or of one without a buffer (python -u), which loses short writes."""
    if stream is None or isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        encoding = stream.encoding if stream else "utf-8"
        stream = open(number, "w", encoding=encoding, closefd=False)  # noqa: SIM115  # as long as the process lives
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=spell.__name__)
    return stream


def _silence(stream: Any) -> None:
    """Let what is still to be written go nowhere, or the interpreter would try once more at its end."""
    with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # (of no file: a test's)
        os.dup2(nowhere.fileno(), stream.fileno())


def spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """A handler of encoding errors: each character that cannot be written becomes one or more that can be read."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelled, error.object[error.start : error.end])), error.end


def _spelled(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return STAND_INS.get(character) or plain or character.encode("ascii", "backslashreplace").decode()


codecs.register_error(spell.__name__, spell)
