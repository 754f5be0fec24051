"""Tensor names keep to the one legend of letters: every suffix, annotation and shape in a docstring."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from moeviz.tensors.axes import AXES

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for room in ("moeviz", "pages", "tests") for path in (ROOT / room).rglob("*.py"))
SUFFIX = re.compile(r"(?<![\w$`ᵀ])_*[a-z][a-z0-9_]*?_([A-Z0-9]*[A-Z][A-Z0-9]*)\b(?!_)")
SHAPE = re.compile(r"`\[([^\]`]+)\]`|\b(?:u1|i2|i4|f4)\[([^\]]+)\]")
ANNOTATION = re.compile(r"\w+\[[\w.]+, \"([^\"]*)\"\]")
NO_AXES = {"routers_extremes.py", "equations.py"}  # formulas: p_A is the probability of expert A


def letters(path: Path) -> Iterator[str]:
    """Every capital letter that stands for an axis in a file."""
    text = path.read_text(encoding="utf-8")
    if not any(path.name.endswith(name) for name in NO_AXES):
        for suffix in SUFFIX.findall(text):
            yield from re.findall("[A-Z]", suffix)
    for shape in itertools.chain(*SHAPE.findall(text)):
        yield from re.findall(r"\b[A-Z]", shape)
    for annotation in ANNOTATION.findall(text):
        yield from re.findall(r"(?<![A-Za-z])[A-Z](?=[0-9]?\b)", annotation)


USED = {path: set(letters(path)) for path in FILES}


@pytest.mark.parametrize("path", [path for path in FILES if USED[path]], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_letter_is_in_the_legend(path: Path) -> None:
    unknown = USED[path] - AXES.keys()
    assert not unknown, f"{path.name} uses {', '.join(sorted(unknown))}: say in moeviz/tensors/axes.py what it counts"


def test_the_legend_gives_each_letter_one_meaning_and_none_that_nobody_uses() -> None:
    assert all(re.fullmatch("[A-Z]", letter) for letter in AXES)
    nouns = [meaning.replace(":", ",").replace(";", ",").split(",")[0] for meaning in AXES.values()]
    assert len(set(nouns)) == len(nouns)
    assert set().union(*USED.values()) == AXES.keys()


def annotated(path: Path) -> Iterator[tuple[str, str]]:
    """Names with a suffix, and the shape that they are annotated with."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.arg):
            name, annotation = node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, annotation = node.target.id, node.annotation
        else:
            continue
        if annotation is not None and SUFFIX.fullmatch(name):
            yield from ((name, shape) for shape in ANNOTATION.findall(ast.unparse(annotation).replace("'", '"')))


def as_suffix(shape: str) -> str:
    """The suffixes that an annotation allows, as a pattern: leading axes may be left out, a size is any letter."""
    parts = []
    for axis in shape.split():
        if axis.startswith("*"):
            parts.append(f"{axis.strip('*#')[0].upper()}?")
        else:
            parts.append(".*" if axis == "..." else axis[0] if axis[0].isupper() else "[A-Z]|" + axis)
    return "".join(f"(?:{part})" if "|" in part else part for part in parts)


def test_names_say_the_axes_that_their_annotations_say() -> None:
    pairs = [(path.name, *pair) for path in FILES for pair in annotated(path)]
    assert len(pairs) > 200
    wrong = [each for each in pairs if not re.fullmatch(as_suffix(each[2]), SUFFIX.fullmatch(each[1])[1])]  # type: ignore[index]
    assert not wrong
