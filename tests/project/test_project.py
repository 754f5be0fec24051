"""What surrounds the code keeps its word: exact pins, known settings, a README that names every room."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import moeviz
import moeviz.config
import moeviz.training

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = [
    line
    for name in ("requirements.txt", "requirements-dev.txt")
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    if line and not line.startswith(("#", "-r "))
]


@pytest.mark.parametrize("line", REQUIREMENTS)
def test_every_requirement_is_an_exact_pin_and_installed(line: str) -> None:
    pin = re.fullmatch(r"([\w-]+)==([\d.]+)", line)
    assert pin, f"{line} must be an exact pin like name==1.2.3"
    assert importlib.metadata.version(pin[1]).split("+")[0] == pin[2]


def settings(table: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of a TOML table with its value."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from settings(value, f"{path}{key}.")
        else:
            yield path + key, value


def test_streamlit_knows_every_setting() -> None:
    """A key that Streamlit does not know is only a warning there; postScriptGC is a hidden one that may go away."""
    from streamlit import config

    known = config.get_config_options()
    table = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
    found = dict(settings(table))
    assert found["runner.postScriptGC"] is False and found["browser.gatherUsageStats"] is False
    assert set(found) <= set(known)


def test_the_readme_names_every_room() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text.split("## The house")[1].split("## Add something")[0]
    for entry in sorted((ROOT / "moeviz").iterdir()):
        if entry.name.startswith("__"):
            continue
        name = entry.name + ("/" if entry.is_dir() else "")
        assert f"\n  {name} " in tree, f"the README's tree must name moeviz/{name}: add its line"


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    too_long = {
        str(file.relative_to(ROOT)): lines
        for file in [*ROOT.glob("*.py"), *(ROOT / "moeviz").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 320
    }
    assert too_long == {}


def test_names_load_from_their_own_modules_on_first_use() -> None:
    assert moeviz.RunConfig is moeviz.config.RunConfig and moeviz.expand is moeviz.config.expand
    assert moeviz.Training is moeviz.training.Training and moeviz.train is moeviz.training.train
    assert set(moeviz.__all__) <= set(dir(moeviz))
    with pytest.raises(AttributeError, match=r"moeviz has RunConfig.*: got 'Trainer'; import it from its own module"):
        _ = moeviz.Trainer
