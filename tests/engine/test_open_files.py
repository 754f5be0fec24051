"""How many files this process may have open: counted, and lifted as far as the system lets it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from moeviz.engine.server import open_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")


def test_what_is_left_falls_with_what_is_opened():
    before = open_files.left()
    assert before is not None
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(7)]
    now = open_files.left()
    for each in opened:
        os.close(each)
    assert now == before - 7 and open_files.left() == before


@pytest.mark.parametrize(("soft", "hard"), [(64, 300), (200, 200), (100, 20_000)])
def test_the_limit_is_lifted_to_what_the_system_allows_but_not_without_end(soft, hard):
    # in a process of its own, since a hard limit cannot be lifted again; none has more than 20,480 to give
    script = f"""
        import resource
        hard = min({hard}, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, hard))
        from moeviz.engine.server.open_files import ENOUGH, limit, raised_limit
        assert limit() == {soft}
        assert raised_limit() == min(hard, ENOUGH), raised_limit()
        opened = [open(__import__("os").devnull) for _ in range(min(hard, 150) - 20)]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_no_descriptor_left_to_count_with_is_none_left():
    script = """
        import os, resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        from moeviz.engine.server.open_files import left
        opened = []
        try:
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            print(left())
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "0", ran.stderr


def test_a_limit_is_enough_for_so_many_visitors():
    # 48 for the server; 12 for each visitor: (256 - 48) / 12 = 17.3
    assert [open_files.visitors(each) for each in (10, 48, 256, 1024)] == [0, 0, 17, 81]
