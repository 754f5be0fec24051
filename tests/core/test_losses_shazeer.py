"""importance, load and their sum: worked examples, loops, gradients, and the chance that load claims to be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz.losses import LOSSES, importance, importance_load, load
from moeviz.routers import Routing, mixtral, noisy_top_k, switch, top_k
from tests.router_cases import logits_of, normal_cdf, random_logits, softmax_slowly, variation, wishes


def noisy(*shape: int, k: int | Tensor, seed: int = 0, size: float = 1.0) -> Routing:
    std_TE = size * (random_logits(*shape, seed=seed + 1).abs() + 0.1)
    noise_TE = random_logits(*shape, seed=seed + 2)
    return noisy_top_k(random_logits(*shape, seed=seed), k=k, noise_std_TE=std_TE, noise_TE=noise_TE)


# ---- importance ----------------------------------------------------------------------------------------------------


def test_importance_by_hand() -> None:
    # k = 1, plain: weights .6 .5 .7 go to A and .5 to B: sums 1.8 and .5 and 0, mean 2.3/3
    # variance = (1.8² + .5²)/3 − (2.3/3)², so CV² = 3 (3.24 + .25)/5.29 − 1
    routing = top_k(logits_of([[0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.4, 0.5, 0.1], [0.7, 0.2, 0.1]]), k=1)
    assert importance(routing, k=1).item() == pytest.approx(3 * 3.49 / 5.29 - 1, rel=1e-12)


@pytest.mark.parametrize(("num_experts", "k"), [(4, 1), (4, 2), (8, 3), (5, 5)])
def test_collapse_costs_n_over_k_minus_1(num_experts: int, k: int) -> None:
    # k experts share everything: CV² = mean of squares / mean² − 1 = (k/N)/(k/N)² − 1 = N/k − 1
    logits_TE = torch.full((6, num_experts), -80.0, dtype=torch.float64)
    logits_TE[:, :k] = 0
    assert importance(mixtral(logits_TE, k=k), k=k).item() == pytest.approx(num_experts / k - 1, abs=1e-12)
    assert load(mixtral(logits_TE, k=k), k=k).item() == pytest.approx(num_experts / k - 1, abs=1e-12)


@given(st.integers(0, 999), st.integers(1, 5))
def test_importance_equals_slow_loops(seed: int, k: int) -> None:
    routing = noisy(7, 5, k=k, seed=seed)
    sums = [sum(routing.gates_TE[token, expert].item() for token in range(7)) for expert in range(5)]
    assert importance(routing, k=k).item() == pytest.approx(variation(sums), rel=1e-9, abs=1e-12)


def test_importance_reads_the_weights_before_drops() -> None:
    # t0 and t1 both want A; only t0 keeps it. Their weights .75 and .5 count both: sums 1.25 and 0: CV² = 2 − 1
    logits_TE = logits_of([[0.75, 0.25], [0.5, 0.5]])
    assert importance(switch(logits_TE, k=1, capacity=1), k=1).item() == pytest.approx(1, rel=1e-12)
    assert importance(switch(random_logits(9, 4), k=1, capacity=1), k=1) == importance(
        switch(random_logits(9, 4), k=1), k=1
    )


def test_gradient_of_importance_is_its_formula() -> None:
    # with sums I_e and mean m = Σ I / N: CV² = N Σ I²/(Σ I)² − 1, so d/dI_e = 2 N (I_e Σ I − Σ I²)/(Σ I)³
    routing = top_k(random_logits(7, 4), k=2, renormalize=False)
    leaf = replace(routing, gates_TE=routing.gates_TE.detach().requires_grad_())
    (gradient_TE,) = torch.autograd.grad(importance(leaf, k=2), leaf.gates_TE)
    sum_E = routing.gates_TE.sum(0)
    expected_E = 8 * (sum_E * sum_E.sum() - sum_E.square().sum()) / sum_E.sum() ** 3
    assert torch.allclose(gradient_TE, expected_E.expand(7, 4), rtol=1e-10)


def test_gradients_at_perfect_balance_are_finite() -> None:
    # the square root of a variance of 0 would have an infinite slope
    logits_TE = torch.eye(4, dtype=torch.float64).requires_grad_()
    (gradient_TE,) = torch.autograd.grad(importance(top_k(logits_TE, k=1), k=1), logits_TE)
    assert gradient_TE.isfinite().all() and gradient_TE.abs().max() < 1e-15


def test_weights_that_are_all_1_give_importance_no_gradient() -> None:
    logits_TE = random_logits(7, 4).requires_grad_()
    (gradient_TE,) = torch.autograd.grad(importance(mixtral(logits_TE, k=1), k=1), logits_TE)
    assert (gradient_TE == 0).all()


# ---- load ----------------------------------------------------------------------------------------------------------


def test_load_by_hand() -> None:
    # z = (1, 0, −1), std = (1, 2, .5), noise lifts B by 2: H = (1, 2, −1). k = 1 chooses B.
    # B must beat the second, 1: Φ((0 − 1)/2). A and C must beat the first, 2: Φ((1 − 2)/1) and Φ((−1 − 2)/.5).
    routing = noisy_top_k(
        torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.float64), k=1,
        noise_std_TE=torch.tensor([[1.0, 2.0, 0.5]], dtype=torch.float64),
        noise_TE=torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64),
    )  # fmt: skip
    chances = [normal_cdf(-1), normal_cdf(-0.5), normal_cdf(-6)]
    assert load(routing, k=1).item() == pytest.approx(variation(chances), rel=1e-9)
    # B has the whole weight: sums 0 1 0, importance 3 − 1 = 2
    assert importance_load(routing, k=1).item() == pytest.approx(2 + variation(chances), rel=1e-9)


def test_without_noise_load_is_the_count() -> None:
    # choices 3, 1, 0: mean 4/3, CV² = 3 (9 + 1)/16 − 1 = 14/16
    routing = top_k(logits_of([[0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.4, 0.5, 0.1], [0.7, 0.2, 0.1]]), k=1)
    assert load(routing, k=1).item() == pytest.approx(7 / 8, rel=1e-12)
    # and importance, as above, 3 (1.8² + .5²)/2.3² − 1: both with the same weight
    assert importance_load(routing, k=1).item() == pytest.approx(3 * 3.49 / 5.29 - 1 + 7 / 8, rel=1e-12)
    assert not load(top_k(random_logits(7, 4).requires_grad_(), k=2), k=2).requires_grad
    every = noisy(7, 4, k=4)  # k = N: every expert is chosen whatever the noise
    assert load(every, k=4).item() == 0


def kth_of_the_others(values: list[float], expert: int, k: int) -> float:
    """What a score has to exceed to be among the k largest: the k-th largest of all other scores."""
    return sorted((value for other, value in enumerate(values) if other != expert), reverse=True)[k - 1]


@given(st.integers(0, 999), st.integers(1, 4))
def test_load_and_importance_load_equal_slow_loops(seed: int, k: int) -> None:
    routing = noisy(7, 5, k=k, seed=seed)
    assert routing.noisy_logits_TE is not None and routing.noise_std_TE is not None
    chances, weights = [0.0] * 5, [0.0] * 5
    for z, h, std in zip(*(x.tolist() for x in (routing.logits_TE, routing.noisy_logits_TE, routing.noise_std_TE))):  # noqa: B905
        for expert in range(5):
            chances[expert] += normal_cdf((z[expert] - kth_of_the_others(h, expert, k)) / std[expert])
        best = wishes([h])[0][:k]
        for expert, weight in zip(best, softmax_slowly([h[each] for each in best]), strict=True):
            weights[expert] += weight
    assert load(routing, k=k).item() == pytest.approx(variation(chances), rel=1e-7, abs=1e-12)
    both = variation(chances) + variation(weights)
    assert importance_load(routing, k=k).item() == pytest.approx(both, rel=1e-7, abs=1e-12)


def test_load_is_the_chance_of_another_draw() -> None:
    # draw one expert's noise anew, 20,000 times, and leave the others' as it is: how often is it chosen?
    routing = noisy(1, 4, k=2, seed=3)
    assert routing.noisy_logits_TE is not None and routing.noise_std_TE is not None
    draws = random_logits(20_000, seed=9)
    chances = []
    for expert in range(4):
        h_TE = routing.noisy_logits_TE.repeat(20_000, 1)
        h_TE[:, expert] = routing.logits_TE[0, expert] + routing.noise_std_TE[0, expert] * draws
        chances.append(top_k(h_TE, k=2).chosen_TE[:, expert].double().mean().item())
    assert load(routing, k=2).item() == pytest.approx(variation(chances), rel=0.05)


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("name", ["load", "importance_load"])
def test_gradients_through_the_noise_agree_with_finite_differences(name: str, k: int) -> None:
    logits_RTE, noise_RTE = random_logits(2, 6, 5), random_logits(2, 6, 5, seed=1)
    std_RTE = random_logits(2, 6, 5, seed=2).abs() + 0.5
    gaps = (logits_RTE + std_RTE * noise_RTE).sort(-1).values.diff(dim=-1)
    assert gaps.min() > 1e-3  # far from ties, where the choice would jump

    def loss(logits_RTE: Tensor, std_RTE: Tensor) -> Tensor:
        return LOSSES[name](noisy_top_k(logits_RTE, k=k, noise_std_TE=std_RTE, noise_TE=noise_RTE), k=k)

    assert torch.autograd.gradcheck(loss, (logits_RTE.requires_grad_(), std_RTE.requires_grad_()), atol=1e-7, rtol=1e-6)
    slopes = torch.autograd.grad(loss(logits_RTE, std_RTE).sum(), (logits_RTE, std_RTE))
    assert all((slope != 0).any() for slope in slopes)


def test_each_run_has_its_own_k_even_all_experts() -> None:
    k_R = torch.tensor([1, 3, 5])
    together = noisy(3, 7, 5, k=k_R)
    std, h = together.noise_std_TE, together.noisy_logits_TE
    assert std is not None and h is not None
    for run, k in enumerate((1, 3, 5)):
        alone = noisy_top_k(
            together.logits_TE[run], k=k, noise_std_TE=std[run], noise_TE=((h - together.logits_TE) / std)[run]
        )
        assert load(together, k=k_R)[run].item() == pytest.approx(load(alone, k=k).item(), rel=1e-9, abs=1e-15)
        assert importance(together, k=k_R)[run].item() == pytest.approx(importance(alone, k=k).item(), rel=1e-9)


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_very_small_and_large_noise_stay_finite(size: float) -> None:
    logits_TE = (30 * random_logits(9, 4).float()).requires_grad_()
    std_TE = torch.full((9, 4), size, requires_grad=True)
    routing = noisy_top_k(logits_TE, k=2, noise_std_TE=std_TE, noise_TE=random_logits(9, 4, seed=1).float())
    value = load(routing, k=2)
    assert value.isfinite()
    assert all(slope.isfinite().all() for slope in torch.autograd.grad(value, (logits_TE, std_TE)))
