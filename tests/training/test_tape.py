"""The tape: what was recorded is shown again as it was, and from there the run goes on to the same states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from moeviz.config import RunConfig
from moeviz.content.twins import dense_twin
from moeviz.frames import PICTURES
from moeviz.training import Buckets, Snapshot, Training, history, opened
from moeviz.training.checkpoints import moment
from moeviz.training.tape import LIMIT, MOST, Tape
from tests.marks import said

SMALL = RunConfig(batch_size=64, hidden_width=4, num_experts=6)
TIMES = {"seconds", "step_seconds", "tape"}  # of a run that goes on: what was measured anew

Runs = Training | Buckets


def several(*changes: dict[str, Any]) -> list[RunConfig]:
    return [SMALL.nearest(**each)[0] for each in changes]


MAKE: dict[str, Callable[[], Runs]] = {
    "lambda": lambda: Training(several({}, {"balance_coef": 1.0})),
    "sparse": lambda: Training(several({"dispatch": "sparse"})),
    "noisy": lambda: Training(several({"router": "noisy_top_k", "balance_loss": "load", "balance_coef": 0.1})),
    "buckets": lambda: opened(
        [
            *several({"router": "gshard", "token_groups": 2}, {"router": "deepseek_v3", "bias_rate": 0.01}),
            *several({"router": "switch", "gate_jitter": 0.1, "capacity_factor": 1.0}, {"num_experts": 3}),
            dense_twin(SMALL, "active"),
        ]
    ),
}


def played(runs: Runs) -> dict[int, Snapshot]:
    """130 steps with knobs turned and experts treated, and the last snapshot at every tenth."""
    shots = {}
    for step in range(0, 131, 10):
        if step:
            runs.step(10)
        if step == 30:
            runs.set(balance_coef=2.0, noise=0.05)
            runs.set(learning_rate=0.01)
        if step == 50:
            runs.treat(1, "freeze")
        shots[step] = runs.snapshot(PICTURES)
    return shots


def differences(one: Snapshot, other: Snapshot, but: set[str]) -> list[str]:
    names = {*one.header, *other.header} - but
    found = [name for name in names if one.header[name] != other.header[name]]
    assert one.arrays.keys() == other.arrays.keys()
    return found + [
        name for name in one.arrays if not np.array_equal(one.arrays[name], other.arrays[name], equal_nan=True)
    ]


@pytest.mark.parametrize("kind", MAKE)
def test_a_frame_shown_is_the_snapshot_recorded_and_playing_on_or_branching_reproduces_the_run(kind: str) -> None:
    runs = MAKE[kind]()
    shots = played(runs)
    assert runs.snapshot().tape["steps"] == list(shots) and not runs.rewound
    for step in (20, 30, 110, 0, 60, 130):  # back and forth, and to the end again
        runs.rewind(step)
        assert differences(runs.snapshot(PICTURES), shots[step], {"tape"}) == [], step
    assert not runs.rewound
    runs.rewind(27)  # the newest before it
    assert (runs.current_step, runs.rewound, runs.snapshot().tape["end"]) == (20, True, 130)
    for step in range(30, 131, 10):  # past all that was turned
        runs.step(10)
        assert differences(runs.snapshot(PICTURES), shots[step], TIMES) == [], step
    assert not runs.rewound and runs.snapshot().tape["steps"] == list(shots)
    runs.rewind(70)  # after all turns
    runs.branch()
    assert not runs.rewound and runs.snapshot().tape["steps"] == list(range(0, 71, 10))
    for step in range(80, 131, 10):  # a branch with unchanged knobs
        runs.step(10)
        assert differences(runs.snapshot(PICTURES), shots[step], TIMES) == [], step


def test_experts_that_came_and_went_come_and_go_again() -> None:
    def turn(training: Training, step: int) -> None:
        for number in {14: (4, 9), 26: (5,)}.get(step, ()):
            training.set(top_k=1)
            training.set(num_experts=number)

    training = Training(several({"dispatch": "dense"}))
    for step in range(40):
        turn(training, step)
        training.step()
    wanted, ids = training.rows_RAP, training.ids_RE.tolist()
    training.rewind(5)
    assert training.current_step == 0 and training.ids_RE.tolist() == [list(range(6))]
    training.step(40)
    assert torch.equal(training.rows_RAP, wanted) and training.ids_RE.tolist() == ids
    assert [words for _, words, _ in said(training.marks)] == ["k 2→1", "N 6→9", "N 9→5"]


def test_a_long_run_goes_back_as_if_all_of_its_history_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SMALL.with_(num_experts=8, learning_rate=0.03, dispatch="sparse")
    whole = Training([config])
    whole.step(260)
    monkeypatch.setattr(history, "MOST", 16)
    monkeypatch.setattr(history, "NEWEST", 4)
    training, shots = Training([config]), {}
    for step in range(0, 261, 10):
        training.step(10 if step else 0)
        shots[step] = training.snapshot()
        assert len(training.records) <= 16
    kept = [each.step for each in training.records]
    assert kept[-4:] == [230, 240, 250, 260] and kept[0] == 0 and max(np.diff(kept)) == 40
    rows = whole.history[whole.history["step"].isin(kept)].reset_index(drop=True)
    assert training.history.equals(rows) and whole.records[-1].deaths == training.records[-1].deaths != {}
    for start, end in ((240, 260), (130, 260)):  # 120 is still in the history, 130 and 110 are not
        training.rewind(start)
        for step in range(start, end + 1, 10):
            assert not differences(training.snapshot(), shots[step], TIMES), step
            training.step(10 if step < end else 0)
        assert torch.equal(training.rows_RAP, whole.rows_RAP)
        assert training.records[-1].deaths == whole.records[-1].deaths


def test_the_first_turn_before_the_end_cuts_the_tape_and_leaves_a_ghost() -> None:
    training = Training(several({}, {"balance_coef": 1.0}))
    shots = played(training)
    training.rewind(40)
    training.set(balance_coef=2.0)  # as it is
    found = [training.rewound]
    ghost = training.ghost("recorded")
    training.set(balance_coef=9.0)
    assert [*found, training.rewound] == [True, False]
    assert training.snapshot().tape["steps"] == [0, 10, 20, 30, 40]
    training.step(30)
    assert not ghost.trains and ghost.words(training) == "as it was recorded"
    arrays = ghost.arrays(training, curves=True)
    assert arrays["ghost_step"].tolist() == list(range(40, 131, 10))
    assert np.array_equal(arrays["ghost_load"], shots[70].load)
    assert np.array_equal(arrays["ghost_test_metric"], shots[130].history_test_metric[:, 4:])
    assert training.snapshot().balance_coef == [9.0, 9.0] and said(training.marks)[-1] == (40, "λ 2→9", [0, 1])


@pytest.mark.slow
def test_runs_of_several_shapes_have_a_ghost_as_recorded() -> None:
    runs = MAKE["buckets"]()
    assert isinstance(runs, Buckets)
    shots = played(runs)
    runs.rewind(60)
    ghost = runs.ghost("recorded")
    assert ghost is not None and runs.ghost("twin") is None
    runs.treat(0, "freeze", run=4 - 1)
    assert not runs.rewound and runs.snapshot().tape["steps"] == list(range(0, 61, 10))
    runs.step(20)
    arrays = ghost.arrays(runs, True)
    assert np.array_equal(arrays["ghost_load"], shots[80].load, equal_nan=True)
    assert np.array_equal(arrays["ghost_task_loss"], shots[130].history_task_loss[:, 6:])


def test_a_full_tape_drops_every_second_state_and_stays_even() -> None:
    training = Training(several({"batch_size": 8}), record_every=1)
    training.step(3 * MOST)
    steps = training.tape.steps
    # with MOST + 1 states, at step MOST, every second goes; again at 2 MOST: then every fourth up to 3 MOST is there
    assert steps == list(range(0, 3 * MOST + 1, 4)) and len(steps) <= MOST
    training.rewind(2 * MOST + 7)
    assert training.current_step == 2 * MOST + 4


def test_the_bound_on_memory_holds() -> None:
    size = moment(Training(several({}))).nbytes
    # parameters, two means and a gradient: 6 rows of 2 gate numbers, 2·4 + 4 and 4·2 + 2 of the network, 24 → 32
    # of each expert a bias in float64 and two counts; whether the run is healthy, its loss's limit and its scale
    assert size == 4 * 4 * 6 * 32 + 6 * (8 + 4 + 4) + 1 + 4 + 4
    training = Training(several({}), tape_limit=5 * size, record_every=1)
    for _ in range(100):
        training.step()
        own = sum(frame.nbytes for frame in training.tape.moments)
        assert training.tape.nbytes == own <= 5 * size
    assert 2 <= len(training.tape.steps) <= 5 and training.tape.steps[0] == 0
    assert training.snapshot().tape["limit"] == pytest.approx(5 * size / 2**20, abs=0.01)


def test_states_too_large_for_the_tape_are_not_recorded() -> None:
    training = Training(several({}), tape_limit=5000)
    training.step(20)
    assert training.snapshot().tape["steps"] == [] and training.tape.nbytes == 0
    with pytest.raises(ValueError, match=r"only where its states are recorded: got states of .* use fewer or smaller"):
        training.rewind(10)
    training.set(balance_coef=1.0)
    training.step(5)
    assert not training.rewound


def test_buckets_share_one_tape() -> None:
    runs = MAKE["buckets"]()
    assert isinstance(runs, Buckets)
    assert sum(part.tape.limit for part in runs.parts) == pytest.approx(LIMIT, abs=len(runs.parts))
    assert runs.snapshot().tape["limit"] == 16.0


def test_a_run_that_stands_still_is_wound_back_with_the_others() -> None:
    base = SMALL.with_(task="bumps")
    runs = opened([base, base.nearest(router="mixtral")[0]])
    assert isinstance(runs, Buckets)
    runs.step(20)
    runs.parts[1].set(learning_rate=10.0)
    runs.step(80)
    stands = runs.parts[1].current_step
    found = [runs.diverged]
    runs.rewind(100)
    steps = [[part.current_step for part in runs.parts]]
    for go in (lambda: runs.rewind(10), lambda: runs.step(90)):
        go()
        steps.append([part.current_step for part in runs.parts])
        found.append(runs.diverged)
    assert steps == [[100, stands], [10, 10], [100, stands]] and stands < 100
    assert found == [True, False, True]


def test_going_back_after_a_divergence_ends_the_tape_there() -> None:
    training = Training(several({"task": "bumps"}))
    training.step(30)
    training.set(learning_rate=10.0)
    training.step(60)
    assert training.diverged
    training.recover()
    back = training.current_step
    assert training.tape.steps[-1] <= back and not training.rewound
    training.step(50)
    wanted = training.rows_RAP
    training.rewind(10)
    training.step(back + 40)
    assert torch.equal(training.rows_RAP, wanted) and {config.learning_rate for config in training.configs} == {0.03}


def test_a_twin_and_an_empty_tape_record_nothing() -> None:
    training = Training(several({}))
    training.step(10)
    twin = training.fork()
    twin.step(20)
    assert twin.tape.steps == [] and training.tape.steps == [0, 10] and Tape().steps == []
