"""`doctor`: what is installed, what it runs on, and what is missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from moeviz.cli.flags import add_json
from moeviz.cli.outputs import check_outputs, write_json
from moeviz.engine.server.open_files import PER_SERVER, PER_VISITOR, raised_limit, visitors
from moeviz.experiments.terminal import out

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# where Chrome puts itself without a command, and where `playwright install chromium` puts its own
BROWSER_FILES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "~/.cache/ms-playwright/chromium-*/chrome-linux*/chrome",
    "~/Library/Caches/ms-playwright/chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "~/AppData/Local/ms-playwright/chromium-*/chrome-win*/chrome.exe",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_json(parser, "the report")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the status is 1 when something that the app needs is missing."""
    check_outputs({"--json": arguments.json})
    facts = report()
    if arguments.json:
        write_json(facts, arguments.json)
    if arguments.json != "-":
        out(as_text(facts))
    return 1 if facts["problems"] else 0


def report() -> dict[str, Any]:
    """Versions, device, cores, threads, the browser for the tests, and what to do about each problem."""
    pins = pinned(ROOT / "requirements.txt")
    installed = {name: _installed(name) for name in pins}
    problems = [
        f"{name} must be {pins[name]}: got {version or 'nothing'}; run .venv/bin/pip install -r requirements.txt"
        for name, version in installed.items()
        if version is None or version.split("+")[0] != pins[name]  # torch adds its build: 2.13.0+cpu
    ]
    if sys.version_info < (3, 11):  # noqa: UP036  # someone may call it with an older Python
        problems.append(f"Python must be at least 3.11: got {platform.python_version()}; install a newer one")
    open_files = raised_limit()  # as the server does
    if open_files is not None and not visitors(open_files):
        needed = f"open files must be at least {PER_SERVER + PER_VISITOR}"
        problems.append(f"{needed}: got {open_files}; raise the limit with ulimit -n")
    return {
        "versions": {"python": platform.python_version(), **installed},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "open_files": open_files,
        **_torch(),
        "browser": find_browser(),
        "problems": problems,
    }


def pinned(requirements: Path) -> dict[str, str]:
    """The exact pins of a requirements file."""
    if not requirements.is_file():
        return {}
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return dict(match.groups() for line in lines if (match := re.match(r"([\w-]+)==([\w.]+)", line)))  # type: ignore[misc]


def find_browser() -> str | None:
    """The Chromium or Chrome that browser tests drive: MOEVIZ_BROWSER, a command, or playwright's own."""
    chosen = os.environ.get("MOEVIZ_BROWSER")
    if chosen:
        return shutil.which(chosen)
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    for pattern in BROWSER_FILES:
        absolute = Path(pattern).expanduser()
        matches = sorted(Path(absolute.anchor).glob(str(absolute.relative_to(absolute.anchor))))
        if matches:
            return str(matches[-1])
    return None


def as_text(facts: dict[str, Any]) -> str:
    """The report for people."""
    versions = [f"  {name:<14}{version or 'missing'}" for name, version in facts["versions"].items()]
    lines = [
        "versions",
        *versions,
        f"platform        {facts['platform']}",
        f"device          {facts['device']} (present: {', '.join(facts['devices'])})",
        f"cores           {facts['cores']}, torch threads {facts['threads']}",
        f"open files      {_open_files(facts['open_files'])}",
        f"test browser    {facts['browser'] or 'none: install Chromium or Chrome, or set MOEVIZ_BROWSER to its path'}",
        *(f"problem         {problem}" for problem in facts["problems"]),
    ]
    return "\n".join(lines)


def _open_files(most: int | None) -> str:
    if most is None:
        return "no limit"
    return f"at most {most}, enough for {visitors(most)} visitors at once ({PER_VISITOR} each)"


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch() -> dict[str, Any]:
    try:
        import torch

        from moeviz.tensors.device import available
    except ImportError:
        return {"device": None, "devices": [], "threads": None}
    devices = available()
    return {"device": devices[0], "devices": devices, "threads": torch.get_num_threads()}
