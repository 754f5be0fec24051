"""The house keeps its floors: a room imports only floors below its own, and the server process never imports torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# (floor, modules that share the room, what they may import from outside); files of one room may import each other.
ROOMS: list[tuple[int, tuple[str, ...], str]] = [
    (
        0,
        (
            "moeviz.config",
            "moeviz.config.knob",
            "moeviz.config.rules",
            "moeviz.config.task_facts",
            "moeviz.content.cautions",
        ),
        "",
    ),
    (0, ("moeviz.config.letters",), ""),
    (
        1,
        ("moeviz.tensors.axes", "moeviz.tensors.precision", "moeviz.tensors.rng", "moeviz.tensors.device"),
        "torch jaxtyping",
    ),
    (1, ("moeviz.content.presets", "moeviz.content.questions", "moeviz.content.regimes", "moeviz.content.twins"), ""),
    (1, ("moeviz.content.methods",), ""),
    (2, ("moeviz.content.vision_ways",), ""),
    (1, ("moeviz.content.router_notes",), ""),
    (1, ("moeviz.network",), ""),
    (1, ("moeviz.descriptors",), ""),
    (1, ("moeviz.terminal",), ""),
    (1, ("moeviz.claims",), ""),
    (1, ("moeviz.counting", "moeviz.content.published_models"), ""),
    (1, ("moeviz.config.workload",), ""),
    (2, ("moeviz.tasks",), "torch jaxtyping numpy pandas sklearn babel PIL emoji"),
    (2, ("moeviz.routers",), "torch jaxtyping"),
    (2, ("moeviz.models.experts",), "torch jaxtyping"),
    (3, ("moeviz.models.dispatch", "moeviz.models.affine_chain"), "torch jaxtyping"),
    (3, ("moeviz.routers.decide",), "torch jaxtyping"),
    (3, ("moeviz.losses", "moeviz.metrics"), "torch jaxtyping"),
    (
        4,
        (
            "moeviz.models.moe_layer",
            "moeviz.models.trunk",
            "moeviz.models.transformer",
            "moeviz.models.language_model",
            "moeviz.models.two_modalities",
        ),
        "torch jaxtyping",
    ),
    (5, ("moeviz.training",), "torch jaxtyping numpy pandas"),
    (6, ("moeviz.frames",), "numpy"),
    (6, ("moeviz.trials", "moeviz.applications"), "torch"),
    (6, ("moeviz.timing",), "torch"),
    (7, ("moeviz.engine",), ""),
    (8, ("moeviz.sweeping",), "pandas numpy"),
    (8, ("moeviz.figures",), "numpy plotly"),
    (8, ("moeviz.checking",), ""),
    (8, ("moeviz.costing",), ""),
    (9, ("moeviz.stage",), "starlette"),
    (9, ("moeviz.guard",), "starlette"),
    (9, ("moeviz.lessons",), ""),
    (9, ("moeviz.growing",), ""),
    (10, ("moeviz.ui",), "streamlit pandas segno"),
    (11, ("moeviz", "moeviz.__main__", "moeviz.cli", "moeviz.bench", "app", "pages"), "*"),
]
# what runs in the server process, beside the visitors' sockets
SERVER = (
    "app", "moeviz.ui", "moeviz.stage", "moeviz.sweeping.job", "moeviz.sweeping.loop", "moeviz.engine.local",
    "moeviz.figures", "moeviz.frames", "moeviz",
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


def room_of(module: str) -> int:
    """The index of a module's room: of the longest entry that the name starts with."""
    entries = [(name, index) for index, (_, names, _) in enumerate(ROOMS) for name in names]
    fits = [(name, index) for name, index in entries if module == name or module.startswith(name + ".")]
    fits = [(name, index) for name, index in fits if name != "moeviz" or module == "moeviz"]
    assert fits, f"{module} must have a room in the house: got none; add it to ROOMS with its floor"
    return max(fits)[1]


def imports(source: str) -> Iterator[str]:
    """The dotted names that a source imports absolutely, wherever they stand (also inside functions)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            # `from moeviz import config` means the module, `from moeviz.config import KNOBS` a name in it
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(module: str, source: str, known: set[str]) -> list[str]:
    """What a module imports against the rules of its room."""
    floor, _, foreign = ROOMS[room_of(module)]
    found = []
    for name in imports(source):
        top = name.split(".")[0]
        if top in ("moeviz", "app", "pages"):
            target = name if name in known else name.rpartition(".")[0]
            other = ROOMS[room_of(target)]
            if other[0] >= floor and room_of(target) != room_of(module):
                found.append(f"{module} (floor {floor}) imports {target} (floor {other[0]})")
        elif top not in sys.stdlib_module_names and foreign != "*" and top not in foreign.split():
            found.append(f"{module} (floor {floor}) imports {top}; allowed: {foreign or 'the standard library only'}")
    return found


MODULES = modules()


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_floors_below(module: str) -> None:
    assert faults(module, MODULES[module].read_text(encoding="utf-8"), set(MODULES)) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("moeviz.config", "import torch", "moeviz.config (floor 0) imports torch; allowed: the standard library only"),
        (
            "moeviz.tensors.axes",
            "from moeviz.models.moe_layer import MoE",
            "moeviz.tensors.axes (floor 1) imports moeviz.models.moe_layer (floor 4)",
        ),
        (
            "moeviz.routers",
            "import moeviz.models.experts",
            "moeviz.routers (floor 2) imports moeviz.models.experts (floor 2)",
        ),
        ("moeviz.tasks.points", "def f():\n    from moeviz import train", "moeviz.tasks.points (floor 2) imports"),
        ("moeviz.engine.local", "import numpy as np", "moeviz.engine.local (floor 7) imports numpy; allowed"),
        ("moeviz.ui.shell", "import torch.nn", "moeviz.ui.shell (floor 10) imports torch; allowed: streamlit"),
        ("moeviz.figures.maps", "from moeviz.training import Snapshot", None),
        ("moeviz.tasks.points", "from moeviz.tasks.base import Split", None),
        ("moeviz.losses", "from moeviz.metrics import load", None),
        ("pages.home", "import numpy\nimport moeviz.ui", None),
    ],
)
def test_the_check_itself(module: str, source: str, fault: str | None) -> None:
    known = {name for _, names, _ in ROOMS for name in names} | {"moeviz.tasks.base"}
    found = faults(module, source, known)
    assert found == [] if fault is None else len(found) == 1 and found[0].startswith(fault)


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
