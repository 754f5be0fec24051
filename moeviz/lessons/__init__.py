"""Lessons that ask for a prediction, run, and grade it by the run itself, one data file each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from moeviz.lessons.lesson import Lesson
from moeviz.lessons.lesson_file import read_lesson

DATA = Path(__file__).with_name("data")


@cache
def lessons() -> dict[str, Lesson]:
    """Every lesson by its key: the file's name without its number."""
    read = [read_lesson(path) for path in sorted(DATA.glob("*.toml"))]
    return {lesson.key: lesson for lesson in read}
