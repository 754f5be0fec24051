"""The house keeps its order: a room imports only rooms before it, no files form a circle; the server has no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each room with what it may import from outside, in the order in which data flows: a room imports only rooms above it.
TENSORS = "torch jaxtyping"
ROOMS: dict[str, str] = {
    "moeviz.config": "", "moeviz.tensors": TENSORS, "moeviz.tasks": f"{TENSORS} numpy pandas sklearn babel PIL emoji",
    "moeviz.routers": TENSORS, "moeviz.models": TENSORS, "moeviz.metrics": TENSORS, "moeviz.losses": TENSORS,
    "moeviz.frames": "numpy", "moeviz.training": f"{TENSORS} numpy pandas", "moeviz.engine": "",
    "moeviz.content": "", "moeviz.experiments": "*", "moeviz.lessons": "", "moeviz.figures": "numpy plotly",
    "moeviz.stage": "starlette", "moeviz.ui": "streamlit pandas segno", "moeviz.cli": "*", "moeviz.trials": "",
    "moeviz.__main__": "", "moeviz": "", "pages": "*", "app": "*",
}  # fmt: skip
# what runs in the server process, beside the visitors' sockets
SERVER = (
    "app", "moeviz.ui", "moeviz.stage", "moeviz.content", "moeviz.experiments.sweep.job",
    "moeviz.experiments.sweep.loop", "moeviz.experiments.claims.process", "moeviz.experiments.cost.process",
    "moeviz.experiments.cost.growth", "moeviz.engine.server", "moeviz.figures", "moeviz.frames", "moeviz",
)  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module of the app by its dotted name."""
    files = [ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "moeviz").rglob("*.py")]
    names = {}
    for file in files:
        parts = file.relative_to(ROOT).with_suffix("").parts
        if file.is_file():
            names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def room_of(module: str) -> str:
    """A module's room: the longest entry that its name starts with."""
    fits = [room for room in ROOMS if module == room or (room != "moeviz" and module.startswith(room + "."))]
    assert fits, f"{module} must have a room in the house: got none; add it to ROOMS, in the order in which data flows"
    return max(fits, key=len)


def imports(source: str) -> Iterator[str]:
    """The dotted names that a source imports absolutely, wherever they stand (also inside functions)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            # `from moeviz import config` means the module, `from moeviz.config import KNOBS` a name in it
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def targets(source: str, known: Collection[str]) -> Iterator[str]:
    """The modules of the app that a source imports, also for type checking alone."""
    for name in imports(source):
        if name.split(".")[0] in ("moeviz", "app", "pages"):
            yield name if name in known else name.rpartition(".")[0]


def faults(module: str, source: str, known: Collection[str]) -> list[str]:
    """What a module imports against the rules of its room."""
    order, room = list(ROOMS), room_of(module)
    found = [
        f"{module} imports {target}, of a room below its own"
        for target in targets(source, known)
        if order.index(room_of(target)) > order.index(room)
    ]
    allowed = ROOMS[room]
    for top in (name.split(".")[0] for name in imports(source)):
        foreign = top not in sys.stdlib_module_names and top not in ("moeviz", "app", "pages")
        if foreign and allowed != "*" and top not in allowed.split():
            found.append(f"{module} imports {top}; allowed: {allowed or 'the standard library only'}")
    return found


def circles(arrows: Mapping[str, Collection[str]]) -> list[list[str]]:
    """What reaches itself along the arrows, joined where it reaches each other."""
    reach = {start: set(ends) for start, ends in arrows.items()}
    for middle in reach:
        for ends in reach.values():
            if middle in ends:
                ends |= reach[middle]
    joined = {tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in reach}
    return sorted(list(each) for each in joined if each)


MODULES = modules()


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_rooms_before_it(module: str) -> None:
    assert faults(module, MODULES[module].read_text(encoding="utf-8"), MODULES) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("moeviz.config", "import torch", "moeviz.config imports torch; allowed: the standard library only"),
        ("moeviz.tensors.axes", "from moeviz.models.moe_layer import MoE", "moeviz.tensors.axes imports moeviz.models"),
        (
            "moeviz.routers",
            "import moeviz.models.experts",
            "moeviz.routers imports moeviz.models.experts, of a room be",
        ),
        ("moeviz.tasks.points", "def f():\n    from moeviz import train", "moeviz.tasks.points imports moeviz, of a"),
        ("moeviz.engine.server.engine", "import numpy as np", "moeviz.engine.server.engine imports numpy; allowed"),
        ("moeviz.ui.shell", "import torch.nn", "moeviz.ui.shell imports torch; allowed: streamlit"),
        ("moeviz.figures.maps", "from moeviz.training import Snapshot", None),
        ("moeviz.tasks.points", "from moeviz.tasks.base import Split", None),
        ("moeviz.losses", "from moeviz.metrics import load", None),
        ("pages.home", "import numpy\nimport moeviz.ui", None),
    ],
)
def test_the_check_itself(module: str, source: str, fault: str | None) -> None:
    known = {*ROOMS, "moeviz.tasks.base", "moeviz.models.experts", "moeviz.models.moe_layer"}
    found = faults(module, source, known)
    assert found == [] if fault is None else len(found) == 1 and found[0].startswith(fault)


def test_circles_are_found() -> None:
    assert circles({"a": "b", "b": "c", "c": ""}) == []
    assert circles({"a": "b", "b": "ac", "c": "d", "d": "d"}) == [["a", "b"], ["d"]]


def arrows_between_parts(folder: str) -> dict[str, set[str]]:
    """Which parts of a folder (files and folders in it) import which; its `__init__` stands above them."""
    depth = folder.count(".") + 2

    def part(module: str) -> str:
        return ".".join(module.split(".")[:depth])

    inside = [module for module in MODULES if module.startswith(folder + ".")]
    arrows: dict[str, set[str]] = {part(module): set() for module in inside}
    for module in inside:
        ends = targets(MODULES[module].read_text(encoding="utf-8"), MODULES)
        arrows[part(module)] |= {part(end) for end in ends if end in inside} - {part(module)}
    return arrows


FOLDERS = [name for name, path in MODULES.items() if path.name == "__init__.py"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_parts_of_a_folder_import_each_other_in_a_circle(folder: str) -> None:
    assert circles(arrows_between_parts(folder)) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    arrows = {
        module: set(targets(path.read_text(encoding="utf-8"), MODULES)) & set(MODULES) - {module}
        for module, path in MODULES.items()
    }
    print(f"{len(ROOMS)} rooms, {len(FOLDERS)} folders, {len(MODULES)} files, {sum(map(len, arrows.values()))} arrows")
    assert circles(arrows) == []


def test_the_house_has_few_rooms_and_each_says_its_purpose() -> None:
    entries = [path for path in (ROOT / "moeviz").iterdir() if not path.name.startswith("__")]
    assert len(entries) <= 18
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in entries:
        source = (path / "__init__.py" if path.is_dir() else path).read_text(encoding="utf-8")
        purpose = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        assert purpose.endswith("."), f"{path.name} must say its purpose in one sentence: got {purpose!r}"
        assert purpose in readme, f"README must say of {path.name} what it says itself: {purpose}"


@pytest.mark.parametrize("module", [name for name in SERVER if name in MODULES])
def test_the_server_process_never_imports_torch(module: str) -> None:
    names = [name for name in MODULES if name == module or (module != "moeviz" and name.startswith(module + "."))]
    names = [name for name in names if name != "moeviz.ui.shell"]  # a script: it runs only inside Streamlit
    check = f"import sys, {', '.join(names)}; sys.exit(', '.join({{'torch', 'sklearn'}} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_moeviz_is_light() -> None:
    """Only the standard library and moeviz itself: the names load on first use."""
    check = (
        "import sys; before = set(sys.modules); import moeviz\n"
        "foreign = {name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names - {'moeviz'}\n"
        "assert not foreign, foreign\n"
        "assert 'moeviz.config' not in sys.modules\n"
        "assert moeviz.RunConfig().num_experts == 8 and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
