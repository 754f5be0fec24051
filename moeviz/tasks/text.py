"""Text: six kinds of it, character by character, from what Python and one package of requirements.txt bring along.

Sources and licenses: English prose and Python code are Python's own documentation (`pydoc_data.topics`) and standard
library (PSF License); names in German, Russian and Greek are those of Babel (BSD), taken from Unicode CLDR (Unicode
License); the sums are made here. Nothing is downloaded.
"""

import functools
import importlib.util
import re
import sysconfig
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from moeviz.config import TASK_INFO, RunConfig
from moeviz.tasks.base import Split, TaskData, uniform
from moeviz.tensors.rng import stream

LONGEST = 60_000  # characters of one kind that are read
TRAIN_WINDOWS, TEST_WINDOWS = 768, 64  # of each kind
UNKNOWN = "\ufffd"  # stands for every character that is not in the alphabet; its id is 0
LATIN = "".join(map(chr, range(32, 127))) + "\n" + "ÄÖÜäöüß" + "’–"
CYRILLIC = "".join(map(chr, range(0x410, 0x450))) + "Ёё"
GREEK = "".join(chr(code) for code in range(0x386, 0x3CF) if chr(code).isalpha())
ALPHABET = UNKNOWN + LATIN + CYRILLIC + GREEK
FILES = ("argparse", "calendar", "cmd", "configparser", "datetime", "difflib", "fractions", "inspect", "statistics")
NAMES = ("territories", "languages", "scripts", "variants", "currency_names")  # of a locale, each a code with its name


def languages(config: RunConfig) -> TaskData:
    """Text of six kinds: English prose, Python code, sums, and names in German, Russian and Greek.

    Input: a window of W characters as ids; target: the next character of each. Segment: the kind. Train and test
    windows are cut from different stretches of the sources. Noise replaces characters by any others.
    """
    width = TASK_INFO[config.task].tokens_per_input
    parts = [_windows(config, kind, width) for kind in KINDS]
    train, test = (
        _mixed(config, name, [part[place] for part in parts]) for place, name in enumerate(("train", "test"))
    )
    return TaskData(train, test, num_outputs=len(ALPHABET), num_segments=len(KINDS), extent=1.0)


def ids(text: str) -> Int[Tensor, " T"]:
    """Each character's place in the alphabet; 0 for any that is not there."""
    return torch.tensor([PLACES.get(character, 0) for character in text], dtype=torch.long)


def character_class(character: str) -> int:
    """Which of moeviz.config.task_facts.CHARACTER_CLASSES a character belongs to."""
    if character.isspace():
        return 3
    if character.isdigit():
        return 2
    if not character.isalpha():
        return 4
    if character not in LATIN:
        return 5
    return 1 if character.isupper() else 0


PLACES = {character: place for place, character in enumerate(ALPHABET)}
CLASS_OF = tuple(character_class(character) for character in ALPHABET)


def _windows(config: RunConfig, kind: str, width: int) -> tuple[Int[Tensor, "M W1"], Int[Tensor, "M2 W1"]]:
    """Train and test windows of one kind, each one character longer than an input."""
    text_T = _read(kind)
    train_T, test_T = text_T.tensor_split([round(config.train_share * len(text_T))])
    windows = []
    for name, part_T, count in (("train", train_T, TRAIN_WINDOWS), ("test", test_T, TEST_WINDOWS)):
        start_M = (uniform(config, f"{kind}/{name}", count) * (len(part_T) - width)).long()
        windows.append(part_T[start_M[:, None] + torch.arange(width + 1)])
    return windows[0], windows[1]


def _mixed(config: RunConfig, name: str, windows: list[Int[Tensor, "M W1"]]) -> Split:
    """Windows of all kinds in turn; noise falls on what is read, not on what comes next."""
    text_MW = torch.stack(windows, dim=1).flatten(0, 1)
    segment_M = torch.arange(len(windows)).repeat(len(windows[0]))
    seen_MW, next_MW = text_MW[:, :-1].double(), text_MW[:, 1:]
    strays_MW = uniform(config, f"noise/{name}", *seen_MW.shape) < config.noise
    other_MW = (uniform(config, f"others/{name}", *seen_MW.shape) * len(ALPHABET)).floor()
    return Split(seen_MW.where(~strays_MW, other_MW), next_MW, segment_M)


# ---- sources -------------------------------------------------------------------------------------------------------


@functools.cache
def _read(kind: str) -> Int[Tensor, " T"]:
    """One kind of text as ids, the same for every run."""
    return ids(KINDS[kind]()[:LONGEST])


def english() -> str:
    """Paragraphs of Python's own documentation: those that are plain prose."""
    from pydoc_data.topics import topics

    paragraphs = (part for topic in topics.values() for part in topic.split("\n\n"))
    prose = (part for part in paragraphs if part[:1].isalpha() and len(part) > 100 and "::=" not in part)
    return " ".join(" ".join(part.split()) for part in prose)


def python() -> str:
    """Modules of the standard library, without their comments and docstrings, which are English."""
    folder = Path(sysconfig.get_path("stdlib"))
    code = "".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in FILES)
    code = re.sub(r'[rf]?("""|\'\'\')[\s\S]*?\1', "", code)
    return re.sub(r"(?m)^\s*(#.*)?\n|\s+#.*$", "", code)


def sums() -> str:
    """Additions, subtractions and products of two numbers below 100."""
    generator = stream(0, "data/sums")
    left_T, right_T, sign_T = torch.randint(100, (3, LONGEST // 9), generator=generator).tolist()
    signs = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    terms = zip(left_T, right_T, (list(signs)[sign % 3] for sign in sign_T), strict=True)
    return " ".join(f"{left}{sign}{right}={signs[sign](left, right)};" for left, right, sign in terms)


def names(locale: str) -> Callable[[], str]:
    """Names of countries, languages, scripts and currencies in one language, in random order."""

    def read() -> str:
        if importlib.util.find_spec("babel") is None:
            raise ValueError(
                "task=languages needs the package Babel: it is not installed; install it with `pip install Babel`, "
                "or choose another task"
            )
        from babel import localedata  # not all of babel, which takes long

        data = localedata.load(locale)
        known = list(dict.fromkeys(name for group in NAMES for name in data[group].values()))
        order = torch.randperm(len(known), generator=stream(0, f"data/names/{locale}"))
        return ", ".join(known[place] for place in order)

    return read


# as moeviz.config.task_facts names them
KINDS: dict[str, Callable[[], str]] = {
    "English prose": english, "Python code": python, "sums": sums, "German names": names("de"),
    "Russian names": names("ru"), "Greek names": names("el"),
}  # fmt: skip
