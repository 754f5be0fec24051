"""Ghosts: a twin is the run that nobody touched, the run before is what was on screen; and when a run has settled."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from moeviz.config import RunConfig
from moeviz.engine.protocol import DEFAULT_GHOST
from moeviz.engine.protocol import GHOSTS as CHOICES
from moeviz.training import Training
from moeviz.training.ghost import GHOSTS, LASTS
from moeviz.training.history import CALM, Record, settled

SMALL = RunConfig(batch_size=32, hidden_width=4)


def trained(config: RunConfig, steps: int) -> Training:
    training = Training([config], dtype=torch.float64)
    training.step(steps)
    return training


def test_a_viewer_can_choose_among_the_ghosts_that_exist():
    assert (*CHOICES[:-1], "recorded") == tuple(GHOSTS) and DEFAULT_GHOST in GHOSTS


@pytest.mark.parametrize("change", [{"balance_coef": 10.0}, {"top_k": 1}, {"num_experts": 6}, {"noise": 0.2}])
def test_a_twin_is_the_run_that_nobody_touched(change):
    run, untouched = trained(SMALL, 20), trained(SMALL, 20)
    ghost = run.ghost("twin")
    run.set(**change)
    for _ in range(30):
        run.step()
        ghost.training.step()
    untouched.step(30)
    torch.testing.assert_close(ghost.training.rows_RAP, untouched.rows_RAP, rtol=0, atol=1e-12)
    assert not torch.equal(run.rows_RAP[:, :6], untouched.rows_RAP[:, :6])
    arrays = ghost.arrays(run, curves=True)
    assert arrays["ghost_step"].tolist() == [20, 30, 40, 50]  # from the change on
    history = untouched.history
    wanted = history[history["step"] >= 20]["task_loss"].to_numpy()
    np.testing.assert_allclose(arrays["ghost_task_loss"][0], wanted, rtol=1e-6)
    load = dict(zip(untouched.ids_RE[0].tolist(), untouched.measure().load_RE[0], strict=True))
    np.testing.assert_allclose(arrays["ghost_load"][0], [load[each] for each in run.ids_RE[0].tolist()], rtol=1e-6)


def test_a_ghost_says_in_what_it_differs():
    run = trained(SMALL, 10)
    ghost = run.ghost("twin")
    run.set(balance_coef=10.0)
    assert ghost.words(run) == "without λ 0→10" and ghost.differs_in(run) == {"balance_coef"}
    run.set(balance_coef=0.0)
    assert ghost.words(run) == "as before the last change" and ghost.differs_in(run) == set()


def test_an_expert_that_the_ghost_does_not_have_has_no_gray_load():
    run = trained(SMALL, 10)
    ghost = run.ghost("twin")
    run.set(num_experts=10)
    load = ghost.arrays(run, curves=False)["ghost_load"][0]
    assert load[8:].tolist() == [0, 0] and load[:8].sum() == pytest.approx(1)


def test_a_twin_trains_for_a_while_and_then_its_load_is_no_longer_shown():
    run = trained(SMALL, 10)
    ghost = run.ghost("twin")
    ghost.training.step(LASTS - 1)
    trains = [ghost.trains]
    ghost.training.step()
    assert [*trains, ghost.trains] == [True, False]
    assert ghost.words(run) == "as before the last change"
    run.step(LASTS + 5)
    assert "ghost_load" in ghost.arrays(run, curves=False)
    run.step(5)
    assert "ghost_load" not in ghost.arrays(run, curves=False)
    assert ghost.words(run) == "as before the last change"  # its curve is still drawn, and named
    assert ghost.arrays(run, curves=True)["ghost_step"][-1] == 10 + LASTS


def test_the_run_before_stays_as_it_was_when_the_run_starts_again():
    run = trained(SMALL, 40)
    before = run.history
    ghost = run.ghost("previous")
    run.set(balance_coef=10.0)
    run.reset()
    run.step(20)
    assert not ghost.trains and ghost.words(run) == "the run before (λ 0→10)"
    arrays = ghost.arrays(run, curves=True)
    np.testing.assert_allclose(arrays["ghost_test_metric"][0], before["test_metric"], rtol=1e-6)
    at_20 = next(each for each in ghost.training.records if each.step == 20)
    np.testing.assert_allclose(arrays["ghost_load"], at_20.load_RE, rtol=1e-6)


class Counted(list):
    """A list that counts how many of its items were looked at."""

    looks = 0

    def __getitem__(self, place):
        found = super().__getitem__(place)
        self.looks += len(found) if isinstance(place, slice) else 1
        return found

    def __iter__(self):
        self.looks += len(self)
        return super().__iter__()


def test_the_load_of_a_long_ghost_is_found_without_a_search_through_all_of_it():
    run = trained(SMALL, 0)
    ghost = run.ghost("previous")
    ghost.training.records = Counted(replace(any_record(), step=10 * index) for index in range(1000))
    for step, shown in ((0, True), (4999, True), (9990, True), (9999, True), (10_000, False)):
        run.measured = replace(run.measure(fresh=False), step=step)
        ghost.training.records.looks = 0
        assert ("ghost_load" in ghost.arrays(run, curves=False)) == shown, step
        assert ghost.training.records.looks < 20  # 2^10 > 1000


@cache
def any_record() -> Record:
    return trained(SMALL, 0).records[0]


def records(loss, cv=0.3, dead=1, count=2 * CALM) -> list[Record]:
    """Records every 10 steps; loss, CV and number of dead experts as numbers or as functions of the record's index."""
    found = []
    for index in range(count):
        now = {
            name: each(index) if callable(each) else each for name, each in zip("lcd", (loss, cv, dead), strict=True)
        }
        dead_RE = np.arange(8)[None] < now["d"]
        numbers = {"task_loss": np.array([now["l"]]), "cv_load": np.array([now["c"]]), "dead_RE": dead_RE}
        found.append(replace(any_record(), step=10 * index, **numbers))
    return found


@pytest.mark.parametrize(
    ("found", "calm"),
    [
        (records(0.3), True),
        (records(0.3, count=2 * CALM - 1), False),  # too short to tell
        (records(lambda i: 0.30 if i < CALM else 0.28), False),  # 7 % less
        (records(lambda i: 0.30 if i < CALM else 0.29), True),  # 3 % less
        (records(lambda i: 0.004 if i < CALM else 0.001), True),  # nothing left to learn
        (records(0.3, cv=lambda i: 0.3 if i < CALM else 0.4), False),
        (records(0.3, dead=lambda i: 1 if i < 2 * CALM - 1 else 2), False),  # somebody just fell idle
        (records(0.3, dead=lambda i: 1 if i < CALM else 2), True),  # that was long ago
    ],
)
def test_a_run_has_settled_when_loss_load_and_idle_experts_stand_still(found, calm):
    assert settled(found, since=0) == calm


def test_what_was_before_the_last_turn_of_a_knob_does_not_count():
    found = records(0.3, count=3 * CALM)
    assert settled(found, since=10 * CALM) and not settled(found, since=10 * CALM + 10)


def test_one_restless_run_keeps_its_twins_awake():
    calm, restless = records(0.3), records(lambda i: 1 / (1 + i))
    both = [
        replace(
            a, task_loss=np.concatenate([a.task_loss, b.task_loss]), cv_load=np.concatenate([a.cv_load, b.cv_load]),
            dead_RE=np.concatenate([a.dead_RE, b.dead_RE]), trains=np.ones(2),
        )
        for a, b in zip(calm, restless, strict=True)
    ]  # fmt: skip
    assert settled(calm, 0) and not settled(both, 0)
    diverged = [replace(each, trains=np.array([1.0, 0.0])) for each in both]
    assert settled(diverged, 0)  # one that has diverged does not
