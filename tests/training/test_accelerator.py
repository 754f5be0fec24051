"""On a pretended accelerator (see tests/accelerator): what the core computes there, and all pages of the real app."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from moeviz.frames import unpack
from tests.accelerator import NAME
from tests.browser.opened_page import Server
from tests.browser.visitors import RawVisitor
from tests.pages.test_pages import WITH_RUN

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 900  # seconds after which a process hangs
PARTS = {  # test files that run there as a whole; `python -m pytest -p tests.accelerator` runs any other, some for long
    "core": [
        "tests/training/test_on_device.py",
        "tests/training/test_seating.py",
        "tests/training/test_gallery.py",
        "tests/training/test_pairs.py",
    ],
    "by hand": ["tests/core/test_transformer.py", "tests/experiments/test_bench.py"],
}
QUICKLY = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=--strict-markers", "-m", "not slow"]


def in_a_process(*arguments: str) -> str:
    """What a Python process prints; it must end well."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
    return ended.stdout


@pytest.mark.parametrize("part", PARTS)
def test_the_tests_of_the_core_pass_there(part: str) -> None:
    assert " passed" in in_a_process("-m", "pytest", "-p", "tests.accelerator", *QUICKLY, *PARTS[part])


def test_it_refuses_what_a_gpu_refuses_and_lists_what_makes_the_host_wait() -> None:
    said = in_a_process("-c", REFUSED)
    assert said.split("\n")[:4] == [
        "mixed: refused", "numpy: refused", "waits: ['aten.copy_.default', 'aten._local_scalar_dense.default']",
        f"computed on {NAME}: 6.0",
    ]  # fmt: skip


REFUSED = f"""
from tests import accelerator
accelerator.install()
import torch
x = torch.ones(2, 3, device="{NAME}")
for name, act in (("mixed", lambda: x + torch.ones(3)), ("numpy", lambda: x.numpy())):
    try:
        act()
    except (RuntimeError, TypeError):
        print(f"{{name}}: refused")
with accelerator.waits() as waits:
    total = (x + torch.zeros(3).to("{NAME}")).sum()
    number = float(total)
print("waits:", waits)
print(f"computed on {{total.device.type}}: {{number}}")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real app, whose workers find the accelerator."""
    starting = Server(tmp_path_factory.mktemp("accelerated") / "log.txt")
    everywhere = ROOT / "tests" / "accelerator" / "every_process"
    starting.environment = {"PYTHONPATH": os.pathsep.join([str(everywhere), str(ROOT)])}
    with starting as running:
        yield running
        assert "Traceback" not in running.said(), running.said()


@pytest.mark.parametrize("page", WITH_RUN)
def test_every_page_trains_there(server: Server, page: str) -> None:
    visitor = RawVisitor(server, page)
    try:
        assert visitor.errors == []
        visitor.ask()
        header, _ = unpack(visitor.frame())
        assert header["device"].startswith(NAME)
        visitor.say(op="step", n=2)
        while header["step"] < 1:
            visitor.ask()
            header, _ = unpack(visitor.frame())
    finally:
        visitor.close()


def test_it_is_not_there_unless_asked_for() -> None:
    assert torch.accelerator.current_accelerator() is None or NAME not in str(torch.accelerator.current_accelerator())
