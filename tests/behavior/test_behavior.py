"""What short runs must show: bands over several seeds that train in lockstep, never one lucky number."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from moeviz.config import RunConfig, expand
from moeviz.content.presets import PRESETS
from moeviz.content.regimes import REGIMES, Bound
from moeviz.training import Training
from moeviz.training.history import Record

TEN, FIVE = list(range(10)), list(range(5))


# ---- the presets: what each story says is seen in at least nine of ten seeds ------------------------------------


@cache
def ten_runs(config: RunConfig, steps: int) -> Record:
    """Ten seeds of a config after so many steps."""
    training = Training(expand(config, seed=TEN))
    training.step(steps)
    return training.measure()


def turned(config: RunConfig, at: int, steps: int, **knobs: Any) -> Record:
    """Ten seeds whose knobs are turned live, so many steps afterwards."""
    training = Training(expand(config, seed=TEN))
    training.step(at)
    training.set(**knobs)
    training.step(steps)
    return training.measure()


def idle(config: RunConfig) -> np.ndarray:
    at_first, later = ten_runs(config, 0), ten_runs(config, 300)
    return (at_first.dead_experts == 0) & (later.dead_experts >= 1)


def healthy(config: RunConfig) -> np.ndarray:
    assert config.with_(balance_coef=0.0) == PRESETS["idle"].config  # "the same run"
    record, without = ten_runs(config, 300), ten_runs(PRESETS["idle"].config, 300)
    return (record.dead_experts == 0) & (record.cv_load <= 0.75 * without.cv_load)


def too_much(config: RunConfig) -> np.ndarray:
    without, balanced = ten_runs(config.with_(balance_coef=0.0), 600), ten_runs(config, 600)
    freed = turned(config, at=300, steps=300, balance_coef=0.0)
    spread = balanced.cv_load <= 0.85 * without.cv_load
    worse = balanced.test_metric <= without.test_metric - 0.05
    return spread & worse & (freed.test_metric >= balanced.test_metric + 0.05)


def more(config: RunConfig) -> np.ndarray:
    few, many = ten_runs(config, 600), ten_runs(config.with_(num_experts=8), 600)
    grown = turned(config, at=300, steps=300, num_experts=8)
    return np.minimum(many.test_metric, grown.test_metric) >= few.test_metric + 0.05


def one(config: RunConfig) -> np.ndarray:
    eight, alone = ten_runs(config, 300), ten_runs(config.with_(num_experts=1, top_k=1), 300)
    left = turned(config, at=300, steps=60, num_experts=1)
    difference_R = np.maximum(abs(alone.test_metric - eight.test_metric), abs(left.test_metric - eight.test_metric))
    return (difference_R <= 0.02) & (eight.test_metric >= 0.95)


def spiral(config: RunConfig) -> np.ndarray:
    training = Training(expand(config, seed=TEN))
    best_R = np.zeros(10)
    for _ in range(100):
        training.step(10)
        best_R = np.maximum(best_R, training.measure(fresh=False).test_metric)
    choice_RT = training.snapshot(["choices"]).point_choice
    share_RE = np.stack([np.bincount(choice_T, minlength=8) / len(choice_T) for choice_T in choice_RT])
    return (best_R >= 0.95) & ((share_RE >= 0.05).sum(-1) >= 3)  # slices worth the name


def digits(config: RunConfig) -> np.ndarray:
    return ten_runs(config, 200).test_metric >= 0.9


def pieces(config: RunConfig) -> np.ndarray:
    training = Training(expand(config, seed=TEN))
    training.step(600)
    assert training.metric_name == "R²"
    winner_RT = training.snapshot(["curve"]).curve_winner
    borders_R = (np.diff(winner_RT) != 0).sum(-1)
    experts_R = np.array([len(set(winner_T)) for winner_T in winner_RT.tolist()])
    return (training.measure().test_metric >= 0.95) & (borders_R == 3) & (experts_R == 4)  # one stretch each


def seats(config: RunConfig) -> np.ndarray:
    training = Training(expand(config, seed=TEN))
    training.step(300)
    before_R = np.array(training.snapshot().dropped_share)
    training.set(balance_coef=1.0)
    training.step(300)
    after_R = np.array(training.snapshot().dropped_share)
    return (before_R >= 0.15) & (after_R <= 0.08) & (after_R <= before_R / 2)


def rows(config: RunConfig) -> np.ndarray:
    training = Training(expand(config, seed=TEN))
    training.step(600)
    record, dropped_R = training.measure(), np.array(training.snapshot().dropped_share)
    return (record.test_metric > 0.85) & (record.dead_experts == 0) & (dropped_R <= 0.05)


STORIES: dict[str, Callable[[RunConfig], np.ndarray]] = {
    "idle": idle, "healthy": healthy, "too_much": too_much, "more": more, "one": one, "spiral": spiral,
    "digits": digits, "pieces": pieces, "switch": seats, "gshard": seats,
    "switch_rows": rows, "gshard_rows": rows,
}  # fmt: skip


def test_every_preset_has_its_story_tested() -> None:
    assert list(STORIES) == list(PRESETS)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_seen_in_nine_of_ten_seeds(name: str) -> None:
    shown_R = STORIES[name](PRESETS[name].config)
    assert shown_R.sum() >= 9, f"{PRESETS[name].story} Seeds that do not show it: {np.flatnonzero(~shown_R)}"


# ---- the Balance lab's presets ------------------------------------------------------------------------------------


def test_a_bound_is_of_the_run_or_of_its_difference_from_the_first_twin() -> None:
    first, run = {"cv_load": 1.0}, {"cv_load": 0.7}
    assert Bound("cv_load", low=0.7, high=0.7).holds(run, first) and not Bound("cv_load", low=0.8).holds(run, first)
    assert Bound("cv_load", high=-0.2, beside=True).holds(run, first)  # .7 − 1 = −.3
    assert not Bound("cv_load", high=-0.4, beside=True).holds(run, first)


@pytest.mark.slow
@pytest.mark.parametrize("name", REGIMES)
def test_a_regime_is_reached_in_nine_of_ten_seeds(name: str) -> None:
    regime = REGIMES[name]
    training = Training([twin.with_(seed=seed) for seed in TEN for twin in regime.twins])
    training.step(regime.steps)
    last = training.history.set_index("step").loc[regime.steps].to_dict("records")
    count = len(regime.twins)
    reached = [regime.holds(tuple(last[seed * count : (seed + 1) * count])) for seed in TEN]
    assert sum(reached) >= 9, f"{regime.story} Seeds that do not show it: {np.flatnonzero(~np.array(reached))}"


# ---- turning λ --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_idle_experts_come_back_when_the_balance_weight_is_turned_up() -> None:
    before, revived = ten_runs(RunConfig(), 300), turned(RunConfig(), at=300, steps=120, balance_coef=10.0)
    shown = (revived.dead_experts == 0) & (revived.cv_load <= 0.6 * before.cv_load)
    assert shown.sum() >= 9, (revived.dead_experts, revived.cv_load / before.cv_load)


@pytest.mark.slow
def test_balance_from_the_start_evens_the_load_at_k_1() -> None:
    training = Training(expand(RunConfig(top_k=1), balance_coef=[0.0, 10.0], seed=FIVE))
    training.step(300)
    free, balanced = training.measure().cv_load.reshape(2, 5).mean(1)
    assert balanced <= 0.6 * free, (free, balanced)


@pytest.mark.slow
def test_the_balance_weight_is_lost_on_a_renormalized_k_1_gate() -> None:
    # the router's only gradient is the balance loss's, whose scale Adam cancels: λ = 1 and λ = 10 train alike,
    # whereas the plain form weighs it against the task
    configs = expand(RunConfig(top_k=1), gate_form=["renormalized", "plain"], balance_coef=[1.0, 10.0], seed=FIVE)
    training = Training(configs)
    training.step(300)
    renormalized, plain = training.measure().cv_load.reshape(2, 2, 5)
    assert abs(renormalized[0] - renormalized[1]).mean() <= 0.05, renormalized
    assert abs(plain[0] - plain[1]).mean() >= 0.1, plain


@pytest.mark.slow
def test_digits_are_read_without_a_balance_loss_too() -> None:
    training = Training(expand(PRESETS["digits"].config.with_(balance_coef=0.0), seed=FIVE))
    training.step(200)
    assert (training.measure().test_metric >= 0.9).all(), training.measure().test_metric


@pytest.mark.slow
def test_a_line_of_pieces_is_fitted_by_eight_experts_with_hidden_layers() -> None:
    training = Training(expand(RunConfig(task="piecewise"), seed=FIVE))
    training.step(300)
    assert (training.measure().test_metric >= 0.95).all(), training.measure().test_metric


# ---- linear_clusters: the reference program's figures, ± 50 % --------------------------------------------------

REFERENCE = {  # balance loss, λ: CV(load), dead experts, specialization (their three seeds; ours are sixteen)
    "none": ("squared", 0.0, 0.73, 1.6, 0.89),
    "article 1": ("squared", 1.0, 0.24, 0.0, 0.98),
    "article 10": ("squared", 10.0, 0.12, 0.0, 0.99),
    "switch .1": ("switch", 0.1, 0.45, 0.5, 0.94),
    "switch 1": ("switch", 1.0, 0.12, 0.0, 1.0),
}


@cache
def linear_clusters(row: str) -> tuple[float, float, float]:
    """CV(load), dead experts and specialization after 600 steps, means over sixteen seeds."""
    balance_loss, balance_coef, *_ = REFERENCE[row]
    config = RunConfig(
        task="linear_clusters", expert="linear", num_experts=8, top_k=1, gate_bias=True, batch_size=512,
        learning_rate=3e-3, balance_loss=balance_loss, balance_coef=balance_coef,
    )  # fmt: skip
    training = Training(expand(config, seed=list(range(16))))
    training.step(600)
    record = training.measure()
    return record.cv_load.mean(), record.dead_experts.mean(), record.specialization.mean()


@pytest.mark.slow
@pytest.mark.parametrize("row", REFERENCE)
def test_linear_clusters_load_and_specialization(row: str) -> None:
    _, _, cv, _, specialization = REFERENCE[row]
    found_cv, _, found_specialization = linear_clusters(row)
    assert found_cv == pytest.approx(cv, rel=0.5)
    assert found_specialization == pytest.approx(specialization, rel=0.05)  # ± 50 % would allow anything up to 1


@pytest.mark.slow
@pytest.mark.parametrize("row", ["none", "article 10", "switch .1", "switch 1"])
def test_linear_clusters_dead_experts(row: str) -> None:
    assert linear_clusters(row)[1] == pytest.approx(REFERENCE[row][3], rel=0.5)


@pytest.mark.slow
def test_linear_clusters_dead_experts_at_a_light_article_loss() -> None:
    # the reference had none in three seeds; up to one run in five with one is nothing unusual beside that:
    # (1 - 1/5)^3 = 51 % of such threes have none
    assert linear_clusters("article 1")[1] <= 1 / 5


@pytest.mark.slow
def test_linear_clusters_order_of_rows() -> None:
    cv, dead, specialization = ({row: linear_clusters(row)[column] for row in REFERENCE} for column in range(3))
    for milder, stronger in (
        ("none", "article 1"),
        ("article 1", "article 10"),
        ("none", "switch .1"),
        ("switch .1", "switch 1"),
    ):
        assert cv[milder] > cv[stronger]
        assert dead[milder] >= dead[stronger]
        assert specialization[milder] < specialization[stronger]
    assert cv["switch .1"] > cv["article 1"]
    assert dead["none"] > dead["switch .1"] > dead["switch 1"]
