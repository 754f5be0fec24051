"""Routers as in their papers and ways to balance: what they set, and what the comparison of ways shows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.config.router_facts import ROUTER_INFO, ROUTER_NAMES
from moeviz.content.methods import METHODS, OPENING_SEATS, PAPERS, all_methods, as_in_its_paper, compared
from moeviz.content.router_notes import BALANCE_NOTES
from moeviz.training import Buckets, opened


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_a_router_comes_with_what_its_paper_uses(router: str) -> None:
    base = RunConfig(num_experts=6, seed=3, capacity_factor=0.5, eval_capacity_factor=0.75)
    config = as_in_its_paper(base, router, noise=2.0)
    assert (config.router, config.num_experts, config.seed) == (router, 6, 3)
    seats = (config.capacity_factor, config.eval_capacity_factor)
    assert seats == ((0.5, 0.75) if ROUTER_INFO[router].seats else (None, None))
    assert config.router_noise == (2.0 if router in ("noisy_top_k", "switch", "gshard") else 1.0)
    assert config.gate_jitter == (0.01 if router == "switch" else 0.0)
    assert set(PAPERS) <= set(ROUTER_NAMES)
    assert OPENING_SEATS == {"capacity_factor": 1.25, "eval_capacity_factor": 2.0}  # Switch Transformers, section 2.2


def test_routers_that_are_compared_have_as_many_experts_as_one_of_them_needs() -> None:
    pair = compared(RunConfig(num_experts=1, top_k=1), ("switch", "gshard"))
    assert [(config.router, config.num_experts, config.top_k) for config in pair] == [
        ("switch", 2, 1),
        ("gshard", 2, 2),
    ]
    assert isinstance(opened(pair), Buckets)


def test_there_is_one_run_for_each_way_and_all_can_be_compared() -> None:
    configs = all_methods(RunConfig(num_experts=4, seed=2))
    assert len(configs) == len(METHODS) and {config.num_experts for config in configs} == {4}
    assert isinstance(opened(configs), Buckets)
    by_name = dict(zip(METHODS, configs, strict=True))
    assert by_name["none"] == RunConfig(num_experts=4, seed=2)
    assert by_name["importance_load"].router == "noisy_top_k" and by_name["bias"].bias_rate > 0
    assert all(set(method.notes) <= set(BALANCE_NOTES) for method in METHODS.values())


def test_strength_multiplies_what_acts() -> None:
    plain, strong = (dict(zip(METHODS, all_methods(RunConfig(), times), strict=True)) for times in (1.0, 3.0))
    for name, method in METHODS.items():
        if method.strength is None:
            assert plain[name] == strong[name]
        else:
            assert getattr(strong[name], method.strength) == pytest.approx(3 * getattr(plain[name], method.strength))


def test_a_row_says_the_strength_that_it_has() -> None:
    assert METHODS["squared"].why_at(3.0).startswith("λ = 30: ") and METHODS["bias"].why_at(10).startswith("γ = 0.03: ")
    assert METHODS["none"].why_at(3.0) == METHODS["none"].why


def test_what_the_base_balances_with_is_not_in_the_others() -> None:
    base = RunConfig(balance_coef=100.0, balance_loss="z", capacity_factor=0.5)
    assert all_methods(base) == all_methods(RunConfig())


@cache
def measured() -> dict[str, dict[str, np.ndarray]]:
    """Eight ways after 400 steps, over four seeds: numbers by way and seed."""
    names = ("cv_load", "dropped_share", "unserved_share", "test_metric")
    found: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    for seed in range(4):
        runs = opened(all_methods(RunConfig(seed=seed)))
        runs.step(400)
        header = runs.snapshot().header
        for run, name in enumerate(METHODS):
            found[name].append({each: header[each][run] for each in names})
    return {way: {name: np.array([each[name] for each in rows]) for name in names} for way, rows in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["squared", "switch", "importance_load", "bias", "expert_choice"])
def test_ways_that_balance_even_out_the_load(way: str) -> None:
    assert measured()[way]["cv_load"].mean() < 0.6 * measured()["none"]["cv_load"].mean()
    assert (measured()[way]["cv_load"] < measured()["none"]["cv_load"]).all()


@pytest.mark.slow
def test_the_z_loss_is_not_for_balance_and_seats_lose_what_is_uneven() -> None:
    assert measured()["z"]["cv_load"].mean() > 0.7 * measured()["none"]["cv_load"].mean()
    assert (measured()["drops"]["dropped_share"] > 0.1).all() and measured()["drops"]["cv_load"].mean() > 0.4
    assert (measured()["none"]["dropped_share"] == 0).all()
    assert (measured()["expert_choice"]["cv_load"] < 1e-6).all()
    assert measured()["expert_choice"]["unserved_share"].mean() > 0
