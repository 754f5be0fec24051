"""Workers that die, visitors that leave, and that nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import psutil
import pytest

from moeviz.config import RunConfig, expand
from moeviz.engine import Engine, EngineBusy, RunGone
from moeviz.engine.server.worker_slot import RESTARTS
from tests.viewers import PATIENCE, Page, children, moeviz_threads, process_of, wait_until


def test_a_killed_worker_comes_back_and_the_page_is_told(engine, caplog):
    token = engine.open(expand(RunConfig(), balance_coef=[0.0, 10.0]))
    page = Page(engine, token, want=["points"])
    engine.set(token, noise=0.25)
    before = page.header(lambda header: header["step"] > 30)
    page.ask(credit=1)
    process_of(engine).kill()
    notice = page.text("notice")["message"]
    assert "the worker process stopped (signal 9), so this run started again from step 0" in notice
    assert "a worker process stopped (signal 9) with 1 runs: clusters N=8 k=2 batch=256 x2" in caplog.text
    assert token not in caplog.text
    header = page.header(lambda header: header["reason"] is not None)  # frames that were on their way have none
    assert header["reason"] == notice and header["step"] < before["step"] and header["state"] == "running"
    assert header["revision"] == 1 and header["data_version"] > before["data_version"]
    assert [config.noise for config in engine.info(token)["configs"]] == [0.25, 0.25]
    page.header(lambda header: header["step"] > 20)
    engine.close(token)


def test_a_call_that_a_dying_worker_leaves_open_is_asked_again(engine, token):
    Page(engine, token).header()
    process = process_of(engine)
    process.suspend()  # so that it cannot answer before it dies
    threading.Timer(0.3, process.kill).start()
    engine.set(token, balance_coef=3.0)
    assert engine.info(token)["configs"][0].balance_coef == 3.0


@pytest.mark.slow
def test_fifty_visitors_leave_threads_and_memory_flat(engine):
    def visit() -> None:
        token = engine.open([RunConfig()])
        page = Page(engine, token, want=["first_choice", "choices", "points"])
        page.header()
        page.viewer.close()
        engine.close(token)

    for _ in range(5):
        visit()
    worker = process_of(engine)
    threads, memory = moeviz_threads(), worker.memory_info().rss
    for _ in range(50):
        visit()
    assert moeviz_threads() == threads == ["moeviz-read", "moeviz-write"]
    assert worker.num_threads() < 10 and not engine._runs and not engine._calls._open
    assert worker.memory_info().rss - memory < 25 * 2**20  # one run kept alive each time would be more


def test_nobody_watching_pauses_and_frees_the_run():
    with Engine(num_workers=1, idle_pause=0.3, idle_free=1.5) as engine:
        token = engine.open([RunConfig()])
        page = Page(engine, token)
        page.header(lambda header: header["step"] > 5)
        page.viewer.close()
        wait_until(lambda: engine.info(token)["state"] == "paused")
        step = engine.info(token)["step"]
        again = Page(engine, token)
        again.header(lambda header: header["state"] == "running" and header["step"] > step)
        again.viewer.close()
        wait_until(lambda: not engine.alive(token))
        with pytest.raises(RunGone):
            engine.watch(token, print)


def test_a_worker_that_keeps_dying_is_given_up_with_a_reason():
    with Engine(num_workers=1) as engine:
        token = engine.open([RunConfig()])
        page = Page(engine, token)
        for _ in range(RESTARTS):
            process_of(engine).kill()
            page.text("notice")
        process_of(engine).kill()
        assert "stopped again and again (signal 9)" in page.text("gone")["reason"]
        assert not engine.alive(token) and engine._slots[0].worker is None


def test_a_second_worker_is_warm_before_it_is_needed():
    with Engine(num_workers=3) as engine:
        first = engine.open([RunConfig()])
        wait_until(lambda: [slot.ready for slot in engine._slots] == [True, True, False])
        second = engine.open([RunConfig()])
        assert engine._runs[first].slot is not engine._runs[second].slot
    engine.shutdown()  # twice is fine
    with pytest.raises(EngineBusy, match="was shut down"):
        engine.open([RunConfig()])


def test_in_process_the_same_worker_is_a_thread():
    before, threads = {child.pid for child in children()}, moeviz_threads()
    with Engine(in_process=True) as engine:
        token = engine.open([RunConfig()], play=False)
        page = Page(engine, token)
        engine.step(token, 3)
        page.header(lambda header: header["step"] == 3)
        assert {child.pid for child in children()} == before
        assert moeviz_threads() == sorted([*threads, "moeviz-worker"])
    assert moeviz_threads() == threads


def test_workers_leave_when_their_parent_is_killed_and_the_server_never_imports_torch():
    script = """
        import sys, time
        from moeviz.config import RunConfig
        from moeviz.engine import Engine
        engine = Engine(num_workers=1)
        token = engine.open([RunConfig()])
        engine.set(token, balance_coef=1.0)
        assert "torch" not in sys.modules and "multiprocessing.process" not in sys.modules
        print(engine._slots[0].worker.process.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        worker.wait(PATIENCE)
