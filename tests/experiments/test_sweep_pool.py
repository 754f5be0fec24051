"""The pool: fair turns, cancelling, and what becomes of work whose worker dies; with pretended workers."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from moeviz.config import RunConfig, expand
from moeviz.engine.server.worker_process import ProcessWorker
from moeviz.experiments.sweep import Job, Memory, Pool, SweepBusy
from tests.pretend_workers import FOUND, SMALL, Pretended, Workers
from tests.viewers import children, moeviz_threads, wait_until


def shapes(width: int, count: int) -> list[RunConfig]:
    """As many runs, each of another shape, so that each is a piece."""
    return expand(SMALL.with_(hidden_width=width), num_experts=list(range(2, 2 + count)))


@pytest.fixture
def workers() -> Workers:
    return Workers()


def test_jobs_take_turns(workers: Workers) -> None:
    with Pool(1, start=workers) as pool:
        first = Job(shapes(4, 4), 100, pool=pool)
        second = Job(shapes(5, 2), 100, pool=pool)
        for _ in range(6):
            workers.all[0].finish()
        # the newcomer owes nothing for what the first was given before; from then on each gets its share
        assert workers.told()[0] == 4 and sorted(workers.told()[1:5]) == [4, 4, 5, 5] and workers.told()[5] == 4
        assert first.wait(0) and second.wait(0) and first.results == [FOUND] * 4


def test_no_more_workers_than_pieces_or_cores(workers: Workers) -> None:
    with Pool(3, start=workers) as pool:
        job = Job(shapes(4, 2), 100, pool=pool)
        assert len(workers.all) == 2
        more = Job(shapes(5, 4), 100, pool=pool)
        assert len(workers.all) == 3 and not job.over and not more.over
    assert all(each.closed for each in workers.all) and job.cancelled


def test_progress_counts_what_is_done_of_a_piece(workers: Workers) -> None:
    with Pool(1, start=workers) as pool:
        job = Job(expand(SMALL, seed=[0, 1]), 100, pool=pool)
        assert job.progress.share == 0
        workers.all[0].say({"op": "at", "step": 25}, b"")
        assert job.progress.done == 0 and job.progress.share == pytest.approx(0.25)
        assert job.progress.seconds_left > 0
        workers.all[0].finish()
        assert (job.progress.done, job.progress.share, job.progress.seconds_left) == (2, 1.0, 0.0)


def test_what_has_failed_is_not_done(workers: Workers) -> None:
    """Six equal pieces of 4 runs; one is finished and five fail: a sixth is done, and nothing is left."""
    with Pool(1, start=workers) as pool:
        job = Job(expand(SMALL, seed=list(range(24))), 500_000, pool=pool)  # so long that pieces are small
        workers.all[0].finish()
        for number in range(5):
            assert (job.progress.done, job.progress.failed) == (4, 4 * number)
            assert job.progress.share == pytest.approx(1 / 6) and job.progress.seconds_left > 0
            workers.all[0].say({"op": "failed", "why": "memory must suffice: got none; make room"}, b"")
        assert job.over and job.progress.seconds_left == 0 and job.progress.share == pytest.approx(1 / 6)
        assert job.progress.counted == "4 of 24 runs, 20 failed"
        assert job.errors == ["20 runs failed: memory must suffice: got none; make room"]


def test_what_was_in_the_store_is_done(workers: Workers) -> None:
    memory, configs = Memory(), expand(SMALL, seed=list(range(8)))
    memory.put(dict.fromkeys(configs[:6], FOUND), 100)
    with Pool(1, start=workers) as pool:
        job = Job(configs, 100, store=memory, pool=pool)
        assert job.progress.done == 6 and 0.5 < job.progress.share < 0.9
        workers.all[0].finish()
        assert job.progress.share == 1.0


def test_cancel_keeps_what_is_finished_and_frees_the_worker(workers: Workers) -> None:
    memory, configs = Memory(), shapes(4, 3)
    with Pool(1, start=workers) as pool:
        job = Job(configs, 100, store=memory, pool=pool)
        workers.all[0].finish()
        job.cancel()
        assert workers.all[0].told[-1] == {"op": "stop"} and not job.over
        workers.all[0].say({"op": "stopped"}, b"")
        assert job.wait(0) and job.cancelled and job.errors == []
        assert sum(result is not None for result in job.results) == 1
        assert 0 < job.progress.share < 1
        assert sum(memory.get(config, 100) is not None for config in configs) == 1
        Job(shapes(5, 1), 100, pool=pool)
        assert workers.told()[-1] == 5 and len(workers.all) == 1


def test_a_job_that_nobody_holds_is_cancelled(workers: Workers) -> None:
    with Pool(1, start=workers) as pool:
        job = Job(shapes(4, 3), 100, pool=pool)
        del job
        gc.collect()
        workers.all[0].say({"op": "at", "step": 10}, b"")
        assert workers.all[0].told[-1] == {"op": "stop"}
        workers.all[0].say({"op": "stopped"}, b"")
        assert pool.num_jobs == 0


def test_a_piece_whose_worker_dies_is_tried_once_more(workers: Workers) -> None:
    with Pool(1, start=workers) as pool:
        job = Job(shapes(4, 2), 100, pool=pool)
        lost = workers.all[0].trained[0]
        workers.all[0].die("signal 9")
        assert len(workers.all) == 2 and workers.all[1].trained == [lost]
        workers.all[1].die("signal 9")
        (error,) = job.errors
        sizes = f"N={lost['configs'][0]['num_experts']}, 1 runs"
        assert error == f"1 run failed: a worker process stopped twice (signal 9) while it trained {sizes}"
        workers.all[2].finish()  # the other piece goes on
        assert job.over and job.results.count(None) == 1


def test_what_a_worker_cannot_train_is_an_error_in_its_words(workers: Workers) -> None:
    with Pool(1, start=workers) as pool:
        job = Job(shapes(4, 2), 100, pool=pool)
        for _ in range(2):
            workers.all[0].say({"op": "failed", "why": "device must be present: got device=mps; use auto"}, b"")
        assert job.over and job.errors == ["2 runs failed: device must be present: got device=mps; use auto"]


def test_a_full_disk_loses_no_result(workers: Workers) -> None:
    class Full(Memory):
        def put(self, results: Any, steps: int) -> None:
            raise OSError(28, "No space left on device")

    with Pool(1, start=workers) as pool:
        job = Job([SMALL], 100, store=Full(), pool=pool)
        workers.all[0].finish()
        assert job.results == [FOUND] and job.over
        assert "must be written" in job.errors[0] and "No space left" in job.errors[0]


def test_a_system_that_starts_no_process_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(on_message: Any, on_exit: Any) -> Pretended:
        raise OSError(12, "Cannot allocate memory")

    with Pool(1, start=refuse) as pool:
        job = Job([SMALL], 100, pool=pool)
        assert job.over and "must be able to start" in job.errors[0]
    assert "could not be started" in caplog.text


def test_too_many_jobs_are_refused(workers: Workers) -> None:
    with Pool(1, max_jobs=1, start=workers) as pool:
        first = Job([SMALL], 100, pool=pool)
        with pytest.raises(
            SweepBusy, match="at most 1 sweeps at once: 1 are under way; start again when one has ended"
        ):
            Job([SMALL.with_(seed=1)], 100, pool=pool)
        workers.all[0].finish()
        assert first.over and not Job([SMALL.with_(seed=1)], 100, pool=pool).over


def test_the_estimate_learns_from_what_was_measured(workers: Workers) -> None:
    with Pool(1, start=workers) as pool:
        first = pool.seconds_for([SMALL], 100)
        Job([SMALL], 100, pool=pool)
        count_s = FOUND.seconds  # 0.01 s for what should take 0.17 s and more: this machine is faster
        workers.all[0].finish()
        assert count_s < pool.seconds_for([SMALL], 100) < first


def test_idle_workers_leave() -> None:
    before = {child.pid for child in children()}
    with Pool(1, idle=0.05) as pool:
        job = Job([SMALL], 5, pool=pool)
        assert job.wait(120) and job.errors == [] and job.results[0] is not None
        worker = next(iter(pool._hands)).worker if pool._hands else None
        assert worker is None or isinstance(worker, ProcessWorker)
        wait_until(lambda: {child.pid for child in children()} == before)
        assert Job([SMALL.with_(seed=1)], 5, pool=pool).wait(120)  # and others come when they are needed
    wait_until(lambda: not [name for name in moeviz_threads() if "sweep" in name])
