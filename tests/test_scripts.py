"""The stage's scripts as a house: each says its purpose, imports what is there, and none imports itself by a detour."""

from __future__ import annotations

import pytest

from moeviz.stage import COMPONENT_DIR
from tests.scripts import circles, imports


def test_every_script_says_its_purpose_and_imports_only_what_is_there() -> None:
    for name, targets in imports().items():
        assert (COMPONENT_DIR / name).read_text(encoding="utf-8").startswith("// "), (
            f"{name} must begin with its purpose"
        )
        for target in targets:
            assert (COMPONENT_DIR / target).is_file(), f"{name} imports {target}"


def test_no_script_imports_itself_by_a_detour() -> None:
    found = circles(imports())
    assert found == [], "\n".join("imports go in a circle: " + ", ".join(group) for group in found)


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["b"], "b": ["a"], "c": ["a"]}, [["a", "b"]]),
        ({"a": ["a"], "b": ["c"], "c": ["d"], "d": ["b", "a"]}, [["b", "c", "d"], ["a"]]),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),  # two ways to one place are no circle
    ],
)
def test_circles_are_found(arrows: dict[str, list[str]], expected: list[list[str]]) -> None:
    assert circles(arrows) == expected
