"""Sweeps: which runs, in which pieces, by whom, and that each is the run it would be alone."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moeviz import sweep
from moeviz.config import KNOBS, RunConfig, expand
from moeviz.config.workload import cost
from moeviz.experiments.sweep import File, Job, Memory, Pool, Result, cells, ends, ends_of_means, plan, read_values
from moeviz.experiments.sweep.piece import train_piece
from moeviz.experiments.sweep.pieces import FEWEST, LARGEST, MOST, cut, seconds
from moeviz.experiments.sweep.plan import MOST_RUNS, MOST_STEPS
from moeviz.experiments.sweep.store import DECIDING, PACKAGE, made_by
from moeviz.training import Training
from tests.pretend_workers import FOUND, SMALL, Workers
from tests.project.test_floors import MODULES, ROOMS, room_of
from tests.shapes import unexecuted
from tests.viewers import missing_device

DOUBLE = torch.float64


# ---- which runs -----------------------------------------------------------------------------------------------------


def test_a_plan_is_every_combination_with_every_seed() -> None:
    made = plan(vars(SMALL.with_(seed=5)), {"num_experts": [4, 8], "balance_coef": [0, 1]}, seeds=2)
    told = [(each.num_experts, each.balance_coef, each.seed) for each in made.configs]
    assert told == [(4, 0, 5), (4, 0, 6), (4, 1, 5), (4, 1, 6), (8, 0, 5), (8, 0, 6), (8, 1, 5), (8, 1, 6)]
    assert {each.batch_size for each in made.configs} == {16} and made.left_out == ()


def test_what_no_run_can_have_is_left_out_and_not_changed() -> None:
    made = plan(vars(SMALL), {"num_experts": [2, 4], "top_k": [1, 2, 4]}, seeds=1)
    assert [(each.num_experts, each.top_k) for each in made.configs] == [(2, 1), (2, 2), (4, 1), (4, 2), (4, 4)]
    (left,) = made.left_out
    assert left.values == {"num_experts": 2, "top_k": 4} and "top_k must be at most num_experts" in left.reason


def test_the_other_knobs_need_only_fit_with_the_varied_ones() -> None:
    made = plan(vars(SMALL) | {"router": "switch"}, {"top_k": [1, 2]}, seeds=1)  # switch with the usual k = 2 is no run
    assert [each.top_k for each in made.configs] == [1] and len(made.left_out) == 1


@pytest.mark.parametrize(
    ("vary", "seeds", "said"),
    [
        ({}, 3, "a sweep must vary at least one knob: got none; name one"),
        ({"lambda": [1]}, 3, "what is varied must be a knob: got 'lambda'; python -m"),
        ({"seed": [1]}, 3, "must not vary seed as a knob: got seed; say how many seeds"),
        ({"top_k": []}, 3, "top_k must have at least one value to vary: got none; list some"),
        ({"top_k": [0]}, 3, "top_k must be a whole number from 1 to 64: got top_k=0; choose an allowed value"),
        ({"top_k": [9]}, 3, "a sweep must have a combination that fits: top_k must be at most num_experts"),
        ({"top_k": [1]}, 0, "seeds must be a whole number from 1 to 100: got seeds=0"),
        ({"balance_coef": [each / 10 for each in range(700)]}, 3, f"at most {MOST_RUNS} runs: got 2100; list fewer"),
    ],
)
def test_what_cannot_be_swept_is_refused(vary, seeds, said) -> None:
    with pytest.raises(ValueError, match=said):
        plan(vars(SMALL), vary, seeds)


@unexecuted()
def test_values_seeds_and_steps_may_be_numpys() -> None:
    vary: dict[str, Any] = {"num_experts": np.array([2, 4, 2]), "balance_coef": (each for each in np.linspace(0, 1, 2))}
    made = plan(vars(SMALL), vary, seeds=np.int64(2))  # type: ignore[arg-type]
    assert made == plan(vars(SMALL), {"num_experts": [2, 4], "balance_coef": [0.0, 1.0]}, seeds=2)
    assert json.loads(json.dumps(made.vary)) == {"num_experts": [2, 4], "balance_coef": [0.0, 1.0]}
    steps: Any = np.array(20)
    memory = Memory()
    memory.put({SMALL: FOUND}, 20)
    with Pool(1, start=Workers()) as pool:
        alone: Any = SMALL
        job = Job(alone, steps, store=memory, pool=pool)
        assert job.results == [FOUND] and json.dumps(job.steps) == "20"
        with pytest.raises(ValueError, match=r"steps must be a whole number from 1 .*: got steps=20.0; choose"):
            Job(alone, np.float64(20), pool=pool)  # type: ignore[arg-type]


@unexecuted()
@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"vary": {"task": "spiral"}}, r"task must be a list of values: got 'spiral'; write \['spiral'\]"),
        ({"vary": {"top_k": 2}}, r"top_k must be a list of values: got 2; write \[2\]"),
        ({"vary": {"top_k": iter([])}}, r"top_k must have at least one value to vary: got none; list some"),
        ({"vary": {"top_k": np.array([])}}, r"top_k must have at least one value to vary: got none; list some"),
        ({"vary": {"top_k": [True]}}, r"top_k must be a whole number .*: got top_k=True; choose"),
        ({"vary": {"balance_coef": [float("nan")]}}, r"balance_coef must be a number .*: got balance_coef=nan; choose"),
        ({"vary": {1: [2]}}, r"what is varied must be a knob: got 1; "),
        ({"vary": ["top_k"]}, r"what is varied must be knobs with their values: got \['top_k'\]; write {"),
        ({"vary": None}, r"a sweep must vary at least one knob: got none; name one"),
        ({"base": {"top_k": [1, 2]}}, r"a run must be a RunConfig: got {'top_k': \[1, 2\]}; pass RunConfig"),
        ({"vary": {"top_k": [1]}, "seeds": True}, r"seeds must be a whole number from 1 to 100: got seeds=True"),
        ({"vary": {"top_k": [1]}, "steps": 0}, r"steps must be a whole number from 1 .*: got steps=0"),
        ({"vary": {"top_k": [1]}, "steps": 1e400}, r"steps must be a whole number from 1 .*: got steps=inf"),
    ],
)
def test_what_a_script_cannot_sweep_is_refused_before_anything_starts(call: dict[str, Any], said: str) -> None:
    workers = Workers()
    with Pool(1, start=workers) as pool, pytest.raises(ValueError, match=said):
        sweep(**call, pool=pool)
    assert not workers.all


def test_a_device_that_is_not_there_is_refused_before_anything_starts() -> None:
    workers = Workers()
    with Pool(1, start=workers) as pool, pytest.raises(ValueError, match=r"device must be present on this machine"):
        sweep(SMALL.with_(device=missing_device()), {"top_k": [1]}, pool=pool)
    assert not workers.all


def test_seeds_end_where_the_knob_ends() -> None:
    with pytest.raises(ValueError, match="the last seed must be at most 2147483647: got 2147483648; start with a low"):
        plan(vars(SMALL.with_(seed=2**31 - 2)), {"top_k": [1]}, seeds=3)


def test_the_colors_of_maps_span_the_means_that_are_drawn() -> None:
    made = plan(vars(SMALL), {"num_experts": [2, 4], "balance_coef": [1], "top_k": [1, 2]}, seeds=2)
    metrics = {(2, 1): (0.2, 0.8), (2, 2): (0.6, 0.7), (4, 1): (0.9, 0.9)}  # means .5, .65, .9; (4, 2) is not finished
    found = [metrics.get((config.num_experts, config.top_k)) for config in made.configs]
    pairs = zip(found, made.configs, strict=True)
    results = [each and replace(FOUND, test_metric=each[config.seed]) for each, config in pairs]
    maps = [cells(made, results, "test_metric", "num_experts", "balance_coef", {"top_k": k}) for k in (1, 2)]
    assert ends_of_means(maps) == pytest.approx((0.5, 0.9)) and ends_of_means(maps[1:]) == pytest.approx((0.65, 0.65))
    assert ends(results, "test_metric") == (0.2, 0.9)  # of single runs, as they are drawn one by one
    assert ends_of_means([cells(made, [None] * 8, "test_metric", "num_experts", "top_k")]) == (0.0, 1.0)


def test_values_are_read_as_they_are_written() -> None:
    assert read_values("num_experts", "2, 4,8,,4") == (2, 4, 8)
    assert read_values("balance_coef", "0,.1,10") == (0.0, 0.1, 10.0)
    assert read_values("capacity_factor", "none,1.25") == (None, 1.25)
    assert read_values("router", "top_k, mixtral") == ("top_k", "mixtral")
    with pytest.raises(ValueError, match="num_experts must be a whole number"):
        read_values("num_experts", "2;4")


def test_more_work_than_a_sweep_may_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"runs × steps must be at most 20,000,000: got 30 runs × 1000000 steps = "):
        Job(expand(SMALL, seed=list(range(30))), 1_000_000)
    assert MOST_STEPS < 30 * 1_000_000
    with pytest.raises(ValueError, match="a sweep needs at least one run: got none"):
        Job([])


# ---- in which pieces ------------------------------------------------------------------------------------------------


def test_pieces_are_of_one_shape_and_hold_every_run_once() -> None:
    configs = expand(SMALL, num_experts=[2, 4, 8], balance_coef=[0.0, 0.1, 1.0, 10.0, 100.0], seed=list(range(3)))
    pieces = cut(configs, 500, num_workers=2)
    assert sorted(repr(each) for piece in pieces for each in piece) == sorted(map(repr, configs))
    assert all(len({each.bucket() for each in piece}) == 1 for piece in pieces)
    # 15 runs of each shape: two pieces of 7 and 8, rather than 12 and a rest of 3
    assert sorted(map(len, pieces)) == [7, 7, 7, 8, 8, 8] and MOST == 12
    times = [seconds(piece, 500) for piece in pieces]
    assert times == sorted(times, reverse=True)


def test_few_runs_are_cut_so_that_no_core_idles_and_long_ones_so_that_little_is_lost() -> None:
    twelve = expand(SMALL, seed=list(range(12)))
    assert [len(piece) for piece in cut(twelve, 500, num_workers=2)] == [6, 6]
    assert [len(piece) for piece in cut(twelve, 500, num_workers=1)] == [12]
    assert [len(piece) for piece in cut(twelve, 1_000_000, num_workers=1)] == [FEWEST] * 3


def test_a_piece_takes_no_more_memory_than_a_worker_has() -> None:
    pairs, text = (expand(RunConfig(task=task), seed=list(range(24))) for task in ("pairs", "languages"))
    pieces = cut([*pairs, *text], 100, num_workers=2)
    assert all(len(piece) == 1 or cost(piece).memory <= LARGEST for piece in pieces)
    assert sorted(repr(each) for piece in pieces for each in piece) == sorted(map(repr, [*pairs, *text]))
    assert cost(text[:2]).memory > LARGEST  # so each of these is trained alone
    assert sum(len(piece) == 1 for piece in pieces) == 24


def test_a_transformer_layer_takes_as_long_as_an_mlp_that_multiplies_as_much() -> None:
    # attention's four matrices of 16 by 16 are 1024 weights, as many as 32 hidden units have
    rows = RunConfig(task="digit_rows", route_by="input")
    assert seconds([rows.with_(expert="transformer")], 9) == seconds([rows.with_(hidden_width=8 + 32)], 9)


# ---- each run is the run alone --------------------------------------------------------------------------------------

NUMBERS = ("test_metric", "test_loss", "cv_load", "specialization")


def alone(config: RunConfig, steps: int) -> Training:
    training = Training([config], dtype=DOUBLE)
    training.step(steps)
    return training


@pytest.mark.parametrize("steps", [200, 25])
def test_each_run_equals_the_run_alone(steps: int) -> None:
    """The tolerance of lockstep: 1e-9 in float64 over 200 steps."""
    configs = expand(SMALL.with_(batch_size=64), balance_coef=[0.0, 1.0], top_k=[1, 2], seed=[0, 1])
    results = train_piece(configs, steps, dtype=DOUBLE)
    assert results is not None
    for config, result in zip(configs, results, strict=True):
        training = alone(config, steps)
        record = training.measure()
        for name in NUMBERS:
            assert getattr(result, name) == pytest.approx(getattr(record, name)[0], rel=1e-9, abs=1e-9), (config, name)
        assert result.dead_experts == record.dead_experts[0] and not result.diverged
    assert any(result.dead_experts for result in results) or steps < 200


def test_costs_are_counted_by_hand() -> None:
    # 2-D points, N=4, k=2, hidden 4, 2 classes, no bias: an expert has 2·4 + 4 + 4·2 + 2 = 22 numbers, the gate 2·4
    (result,) = train_piece([SMALL.with_(num_experts=4)], 1) or []
    assert (result.parameters, result.active_parameters) == (4 * 22 + 8, 2 * 22 + 8)
    # per token, 2 for each multiply-add: gate 2·2·4 = 16; an expert 2·4·(2 + 2) = 32, two of them 64
    assert result.active_flops == 16 + 64


def test_a_run_that_diverges_leaves_its_numbers_open_and_its_neighbors_alone() -> None:
    wild = RunConfig(task="bumps", expert="linear", learning_rate=10.0, device="cpu")
    results = train_piece([wild, wild.with_(learning_rate=0.01)], 300)
    assert results is not None
    assert [each.diverged for each in results] == [True, False]
    assert [each.test_loss is None for each in results] == [True, False]
    assert results[0].active_flops == results[1].active_flops


def test_a_piece_that_is_stopped_has_no_results() -> None:
    looks = iter([False, False, True])
    assert train_piece([SMALL], 1000, stopped=lambda: next(looks, True)) is None


# ---- the store ------------------------------------------------------------------------------------------------------


def test_a_file_gives_back_what_was_put_there(tmp_path: Path) -> None:
    file, other = tmp_path / "runs.jsonl", SMALL.with_(balance_coef=0.1)
    File(file).put({SMALL: FOUND}, 500)
    File(file).put({other: FOUND}, 500)
    again = File(file)
    assert again.get(SMALL, 500) == again.get(other, 500) == FOUND
    assert again.get(SMALL, 499) is None and again.get(SMALL.with_(seed=1), 500) is None
    assert [json.loads(line)["steps"] for line in file.read_text().splitlines()] == [500, 500]


def test_half_a_line_at_the_end_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    File(file).put({SMALL: FOUND}, 500)
    with file.open("a") as out:
        out.write('{"made_by":"torch 2')
    File(file).put({SMALL.with_(seed=1): FOUND}, 500)
    assert File(file).get(SMALL, 500) == File(file).get(SMALL.with_(seed=1), 500) == FOUND


def test_runs_of_another_version_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    File(file).put({SMALL: FOUND}, 500)
    file.write_text(file.read_text().replace(made_by(), "torch 1.0, numpy 1.0, code 0"))
    old = File(file)
    assert old.get(SMALL, 500) is None and old.others == 1


@pytest.mark.parametrize("line", ["{}", "[1]", "nothing", '{"config":{},"steps":1,"result":{},"made_by":"x"}'])
def test_a_file_of_something_else_is_refused(line: str, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text(f"{line}\n")
    with pytest.raises(ValueError, match=r"must hold what a sweep has written: got .* in line 1; move it away"):
        File(file)
    assert file.read_text() == f"{line}\n"


def test_memory_forgets_the_oldest() -> None:
    memory = Memory(kept=2)
    for seed in range(3):
        memory.put({SMALL.with_(seed=seed): FOUND}, 500)
    assert [memory.get(SMALL.with_(seed=seed), 500) for seed in range(3)] == [None, FOUND, FOUND]


def test_the_version_covers_all_code_that_decides_a_run() -> None:
    rooms = list(ROOMS)[: list(ROOMS).index("moeviz.training") + 1]  # what data flows through until a run has learned
    decides = {name for name in MODULES if name.startswith("moeviz.") and room_of(name) in rooms}
    covered = {str(Path(name).with_suffix("")).replace("/", ".") for name in DECIDING}
    missing = [name for name in decides if not any(f"{name}.".startswith(f"moeviz.{each}.") for each in covered)]
    assert not missing and all((PACKAGE / name).exists() for name in DECIDING)


# ---- the whole ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool():
    with Pool(num_workers=1) as shared:
        yield shared


def test_sweep_returns_a_table(pool: Pool) -> None:
    frame = sweep(SMALL, {"num_experts": [1, 4], "top_k": [1, 2]}, seeds=2, steps=20, pool=pool)
    assert list(frame[["num_experts", "top_k", "seed"]].itertuples(index=False, name=None)) == [
        (1, 1, 0), (1, 1, 1), (4, 1, 0), (4, 1, 1), (4, 2, 0), (4, 2, 1),
    ]  # fmt: skip
    assert frame.attrs["left_out"] == [{"num_experts": 1, "top_k": 2}]
    assert set(inspect.signature(Result).parameters) < set(frame.columns)
    assert frame["test_metric"].between(0, 1).all() and (frame["seconds"] > 0).all()


def test_what_a_store_holds_is_not_trained_again(pool: Pool) -> None:
    memory = Memory()
    memory.put({SMALL: FOUND}, 20)
    job = Job([SMALL, SMALL.with_(seed=1), SMALL], 20, store=memory, pool=pool)
    assert job.results[0] == job.results[2] == FOUND
    assert job.wait(120) and job.results[1] == memory.get(SMALL.with_(seed=1), 20) != FOUND
    assert (job.progress.done, job.progress.total, job.progress.share) == (3, 3, 1.0)
    assert Job(job.configs, 20, store=memory, pool=pool).over  # at once: nothing is left to train


def test_the_function_stays_where_it_is_whatever_is_imported() -> None:
    importlib.import_module("moeviz.experiments.sweep.loop")
    import moeviz

    assert callable(moeviz.sweep) and moeviz.sweep is sweep


def test_every_knob_but_the_seed_can_be_varied() -> None:
    for name, knob in KNOBS.items():
        if name != "seed":
            assert read_values(name, knob.write(knob.default)) == (knob.default,)


@pytest.mark.slow
def test_a_sweep_of_48_runs_shows_what_the_balance_loss_does() -> None:
    """N ∈ {2, 4, 8, 16} × λ ∈ {0, .1, 1, 10} × 3 seeds, 500 steps on `clusters`."""
    with Pool() as pool:
        frame = sweep(vary={"num_experts": [2, 4, 8, 16], "balance_coef": [0, 0.1, 1, 10]}, pool=pool)
    assert len(frame) == 48 and not frame["diverged"].any() and not frame.isna().any(axis=None)
    mean = frame.groupby(["num_experts", "balance_coef"]).mean(numeric_only=True)
    for num_experts in (8, 16):  # with more experts than two of them can serve, some die without a balance loss
        alone, balanced = mean.loc[num_experts, 0.0], mean.loc[num_experts, 10.0]
        assert alone["dead_experts"] >= 1 > balanced["dead_experts"]
        assert balanced["cv_load"] < 0.75 * alone["cv_load"]
    assert mean.loc[16, 0.0]["test_metric"] > mean.loc[2, 0.0]["test_metric"] + 0.03
    assert (mean["test_metric"] > 0.75).all()
