"""The stage's scripts, for tests of them: node, what a script prints, and who imports whom."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from moeviz.stage import COMPONENT_DIR

NODE = Path(sys.executable).with_name("node")
IMPORT = re.compile(r"^(?:import|export)\b[^;]*?from '([^']+)';$", re.MULTILINE)
PEN = "{ getContext() { return { measureText: (text) => ({ width: 8 * text.length }) }; } }"  # as a browser's canvas


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the node that requirements-dev.txt brings."""
    assert NODE.is_file(), f"scripts are tested by node: found none at {NODE}; pip install -r requirements-dev.txt"
    return subprocess.run([str(NODE), *arguments], capture_output=True, text=True, timeout=120, check=False)


def javascript(script: str) -> Any:
    """What a script prints as JSON that imports the stage's modules from `$`."""
    text = f"globalThis.OffscreenCanvas = class {PEN};" + script.replace("$", COMPONENT_DIR.as_uri())
    ran = node("--input-type=module", "-e", text)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def imports() -> dict[str, list[str]]:
    """Every script by its path below the component, and those that it imports."""
    found = {}
    for path in sorted(COMPONENT_DIR.rglob("*.js")):
        targets = [(path.parent / name).resolve() for name in IMPORT.findall(path.read_text(encoding="utf-8"))]
        found[path.relative_to(COMPONENT_DIR).as_posix()] = [
            target.relative_to(COMPONENT_DIR).as_posix() for target in targets
        ]
    return found


def circles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of names that reach each other along the arrows, largest first; a name alone is none."""

    def reached(start: str) -> set[str]:
        known: set[str] = set()
        ahead = [start]
        while ahead:
            for name in arrows.get(ahead.pop(), ()):
                if name not in known:
                    known.add(name)
                    ahead.append(name)
        return known

    reach = {name: reached(name) for name in arrows}
    groups = {frozenset(other for other in reach[name] if name in reach.get(other, ())) for name in arrows}
    return sorted((sorted(group) for group in groups if group), key=lambda group: (-len(group), group))
