"""docs/adding.md names every place that must know of a new thing, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moeviz.config import EXPERT_NAMES, KNOBS, LOSS_NAMES, ROUTER_NAMES, TASK_NAMES
from moeviz.content.questions import QUESTIONS
from moeviz.frames import PICTURES
from moeviz.lessons import lessons

ROOT = Path(__file__).resolve().parents[2]
ROWS = dict(re.findall(r"^\| an? ([\w ]+) \| (.*) \|$", (ROOT / "docs" / "adding.md").read_text("utf-8"), re.MULTILINE))
SOURCES = [
    *(ROOT / "moeviz").rglob("*.py"), *(ROOT / "moeviz").rglob("*.js"), *(ROOT / "pages").glob("*.py"),
]  # fmt: skip
PAGES = tuple(path.stem for path in (ROOT / "pages").glob("*.py"))
KINDS = {
    "router": ROUTER_NAMES, "balance loss": LOSS_NAMES, "expert kind": EXPERT_NAMES, "task": TASK_NAMES,
    "knob": tuple(KNOBS), "page": PAGES, "view": tuple(PICTURES), "question": tuple(QUESTIONS),
    "lesson": tuple(lessons()),
}  # fmt: skip


def places(kind: str) -> list[Path]:
    """The files and folders that its row names."""
    return [ROOT / each for each in re.findall(r"`([\w./]+/[\w./]*)`", ROWS[kind])]


def names_all(path: Path, names: tuple[str, ...]) -> bool:
    """Whether a file declares, defines or lists each of them."""
    text = path.read_text(encoding="utf-8")
    return all(
        re.search(rf"[\"']{name}(\.py)?[\"']|\b{name}\b *[:=(,]|import .*\b{name}\b", text, re.MULTILINE)
        for name in names
    )


def test_each_kind_has_a_row() -> None:
    assert set(ROWS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_place_is_there_and_each_file_that_lists_them_all_is_named(kind: str) -> None:
    named = places(kind)
    assert named and all(path.exists() for path in named)
    lists = {path for path in SOURCES if names_all(path, KINDS[kind])}
    assert lists <= set(named), "a file that lists all of them is a place to touch"
    files = [path for path in named if path.suffix == ".py" and ROOT / "tests" not in path.parents]
    if kind in ("router", "balance loss", "expert kind", "task", "knob", "page", "view", "question"):
        assert [path for path in files if path not in lists] == []
