"""What the papers found, in direction, on `linear_clusters`: bands over eight seeds that train in lockstep."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from moeviz import metrics
from moeviz.config import RunConfig, expand
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.training import Training
from moeviz.training.history import Record

pytestmark = pytest.mark.slow

SEEDS = list(range(8))
START = RunConfig(
    task="linear_clusters", expert="linear", num_experts=8, top_k=1, gate_bias=True, batch_size=512, learning_rate=3e-3
)


@cache
def trained(every: int = 50, **knobs: Any) -> Training:
    """Eight seeds after 600 steps of the start, with some knobs changed, and recorded every so many steps."""
    training = Training(expand(START.nearest(**knobs)[0], seed=SEEDS), record_every=every)
    training.step(600)
    return training


def record(**knobs: Any) -> Record:
    return trained(**knobs).measure()


def header(name: str, **knobs: Any) -> np.ndarray:
    """A number of a frame's header, for each seed."""
    return np.array(trained(**knobs).snapshot().header[name])


def cv_importance(**knobs: Any) -> np.ndarray:
    return metrics.cv(torch.from_numpy(trained(**knobs).snapshot().importance)).numpy(force=True)


# ---- balance by a bias -----------------------------------------------------------------------------------------


def deepseek(rate: float) -> Training:
    return trained(10, router="deepseek_v3", bias_rate=rate)


def test_the_bias_balances_as_the_reference_program_measured() -> None:
    # the row of its table: CV(load) .12, no dead experts, specialization .85
    found = deepseek(1e-3).measure()
    assert found.cv_load.mean() == pytest.approx(0.12, rel=0.5)
    assert (found.dead_experts == 0).all()
    assert found.specialization.mean() == pytest.approx(0.85, rel=0.05)


def test_balance_by_a_bias_is_not_specialization() -> None:
    # the article's loss at λ = 1 leaves the load less even, and the experts match the groups better
    article = record(balance_coef=1.0)
    assert deepseek(1e-3).measure().cv_load.mean() < article.cv_load.mean()
    assert deepseek(1e-3).measure().specialization.mean() < article.specialization.mean() - 0.05


def test_a_small_bias_step_is_slow_and_a_large_one_swings() -> None:
    # loss-free balancing, table 3 (arXiv 2408.15664)
    slow, right, large = (deepseek(rate) for rate in (1e-4, 1e-3, 1e-1))
    early = [each.records[20].cv_load.mean() for each in (slow, right)]
    assert early[0] > 2 * early[1]
    swing = [np.abs(np.diff([late.cv_load for late in each.records[-20:]], axis=0)).mean() for each in (right, large)]
    assert swing[1] > 4 * swing[0]
    assert large.measure().test_metric.mean() < right.measure().test_metric.mean() - 0.03


# ---- Shazeer 2017, table 6 -------------------------------------------------------------------------------------


def noisy(loss: str, coef: float = 1.0) -> dict[str, Any]:
    return {"router": "noisy_top_k", "top_k": 2, "balance_loss": loss, "balance_coef": coef}


@pytest.mark.parametrize("loss", ["importance", "load", "importance_load"])
def test_any_of_shazeers_losses_evens_the_load_and_helps(loss: str) -> None:
    without, balanced = record(**noisy("importance", 0.0)), record(**noisy(loss))  # λ = 0 is λ = 0 of any loss
    assert balanced.cv_load.mean() < 0.75 * without.cv_load.mean()
    assert balanced.test_metric.mean() > without.test_metric.mean() + 0.01


def test_each_of_shazeers_losses_evens_what_it_is_named_for() -> None:
    assert record(**noisy("importance")).cv_load.mean() > 1.5 * cv_importance(**noisy("importance")).mean()
    assert cv_importance(**noisy("load")).mean() > 1.5 * record(**noisy("load")).cv_load.mean()
    assert record(**noisy("importance_load")).cv_load.mean() < 0.15
    assert cv_importance(**noisy("importance_load")).mean() < 0.15


# ---- ST-MoE, tables 5 and 2 ------------------------------------------------------------------------------------


def switch(factor: float, coef: float) -> dict[str, Any]:
    return {"router": "switch", "capacity_factor": factor, "balance_loss": "switch", "balance_coef": coef}


@pytest.mark.parametrize("coef", [0.0, 1.0])
def test_fewer_seats_drop_more(coef: float) -> None:
    dropped = [header("dropped_share", **switch(factor, coef)).mean() for factor in (2.0, 1.25, 0.75)]
    assert dropped[0] <= dropped[1] < dropped[2]
    assert dropped[2] >= 0.24  # seats for three of four tokens


@pytest.mark.parametrize("factor", [0.75, 1.0, 1.25])
def test_a_balance_loss_drops_less_and_helps(factor: float) -> None:
    without, balanced = (header("dropped_share", **switch(factor, coef)).mean() for coef in (0.0, 1.0))
    assert balanced < without - 0.1
    metric = [record(**switch(factor, coef)).test_metric.mean() for coef in (0.0, 1.0)]
    assert metric[1] > metric[0] + 0.1


def test_a_small_z_loss_shrinks_the_logits_at_no_cost_and_a_large_one_hurts() -> None:
    size = {coef: header("logit_size", balance_loss="z", balance_coef=coef).mean() for coef in (0.0, 1e-3, 0.1)}
    metric = {coef: record(balance_loss="z", balance_coef=coef).test_metric.mean() for coef in (0.0, 1e-3, 0.1)}
    assert size[1e-3] < 0.8 * size[0.0]
    assert abs(metric[1e-3] - metric[0.0]) < 0.01
    assert metric[0.1] < metric[0.0] - 0.02


# ---- every router ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", [name for name in ROUTER_NAMES if name not in ("hash", "soft")])
def test_a_router_that_learns_beats_a_fixed_table(router: str) -> None:
    # in 16 dimensions with unit noise every token has a cell of its own: the table sends it anywhere
    k = 1 if router in ("switch", "top_k") else 2
    assert record(router=router, top_k=k).test_metric.mean() > record(router="hash", top_k=k).test_metric.mean() + 0.2


@pytest.mark.parametrize("router", ["mixtral", "noisy_top_k"])
def test_at_k_1_a_weight_that_is_always_1_leaves_the_gate_untaught(router: str) -> None:
    learned, untaught = record(router="switch"), record(router=router)
    assert untaught.test_metric.mean() < learned.test_metric.mean() - 0.1
    assert untaught.specialization.mean() < learned.specialization.mean() - 0.1


@pytest.mark.parametrize("router", ["expert_choice", "soft"])
def test_the_load_is_even_by_construction(router: str) -> None:
    assert (record(router=router).cv_load < 1e-6).all()


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_every_router_learns_the_clusters_and_digits(router: str) -> None:
    for config, steps in ((RunConfig(), 300), (RunConfig(task="digits", hidden_width=32, learning_rate=0.003), 150)):
        training = Training(expand(config.nearest(router=router)[0], seed=SEEDS[:3]))
        training.step(steps)
        chance = {"clusters": 0.5, "digits": 0.1}[config.task]
        assert (training.measure().test_metric > chance + 0.1).all(), (router, config.task)
