"""A process that prints JSON lines: what it said, and what is said of it when it ends otherwise than it should."""

from __future__ import annotations

import os
import signal
import textwrap
import threading

import pytest

from moeviz.engine.server.printed_lines import Lines
from tests.viewers import PATIENCE, wait_until


def lines(tmp_path, monkeypatch, script: str) -> Lines:
    """What a module of this text prints."""
    (tmp_path / "printing.py").write_text(textwrap.dedent(script))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Lines("printing", [], what="the trials", place=threading.BoundedSemaphore(1), full="full")


FOREVER = "import time; print('{\"n\": 1}', flush=True); time.sleep(600)"


def test_what_is_killed_says_so_here_and_in_the_log(tmp_path, monkeypatch, caplog):
    job = lines(tmp_path, monkeypatch, FOREVER)
    wait_until(lambda: bool(job.lines))
    os.kill(job._process.pid, signal.SIGKILL)
    assert job.wait(PATIENCE)
    assert job.error == "the trials ended early: stopped from outside (signal 9), as happens when memory runs out"
    assert job.lines == [{"n": 1}] and not job.cancelled and job.error in caplog.text


def test_what_is_cancelled_says_nothing(tmp_path, monkeypatch, caplog):
    job = lines(tmp_path, monkeypatch, FOREVER)
    wait_until(lambda: bool(job.lines))
    job.cancel()
    assert job.wait(PATIENCE) and job.error is None and job.cancelled and not caplog.text


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(3)"])
def test_a_line_that_was_cut_costs_itself_alone(tmp_path, monkeypatch, end):
    job = lines(tmp_path, monkeypatch, f"import os; print('{{}}'); print('{{\"n\": ', end='', flush=True); {end}")
    assert job.wait(PATIENCE) and job.lines == [{}]
    assert job.error is not None and ("signal 9" if "kill" in end else "exit status 3: it said nothing") in job.error
