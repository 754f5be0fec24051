"""The stage's scripts as a house: each says its purpose, imports what is there, and none imports itself by a detour."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moeviz.stage import COMPONENT_DIR
from tests.scripts import circles, imports, node

UNITS = Path(__file__).parent

# A folder imports only those of floors below its own; pages do not know of each other.
FLOORS = (("kit", "wire"), ("maps", "charts"), ("panels",), ("pages",), ("shell",), ("",))


def test_every_script_says_its_purpose_and_imports_only_what_is_there() -> None:
    for name, targets in imports().items():
        text = (COMPONENT_DIR / name).read_text(encoding="utf-8")
        assert text.startswith("// "), f"{name} must begin with its purpose"
        assert all((COMPONENT_DIR / target).is_file() for target in targets), f"{name} imports {targets}"
        # a saved page is put together from imports of this one form
        assert len(re.findall(r"^import\b|^export [*{]|\bimport\(", text, re.MULTILINE)) == len(targets), name


def test_no_script_imports_itself_by_a_detour() -> None:
    found = circles(imports())
    assert found == [], "\n".join("imports go in a circle: " + ", ".join(group) for group in found)


def folder_of(name: str) -> str:
    """`pages/lab/lab.js` stands in pages/lab, `kit/bars.js` in kit, `stage.js` in none."""
    return name.rpartition("/")[0]


def floor_of(name: str) -> int:
    top = name.split("/")[0] if "/" in name else ""
    floors = [floor for floor, folders in enumerate(FLOORS) if top in folders]
    assert floors, f"{name} must stand in a folder of the house: got {top}; add it to FLOORS"
    return floors[0]


@pytest.mark.parametrize("name", imports())
def test_a_folder_imports_only_floors_below(name: str) -> None:
    for target in imports()[name]:
        inside = folder_of(target) == folder_of(name)
        assert inside or floor_of(target) < floor_of(name), f"{name} imports {target}"


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


def test_the_units_keep_their_own_tests() -> None:
    files = sorted(UNITS.rglob("*.test.js"))
    done = node("--test", "--test-isolation=none", "--test-reporter=spec", *map(str, files))
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^ℹ pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed and int(passed[1]) >= len(files) > 0, done.stdout
