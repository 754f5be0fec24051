"""Balance losses: worked examples, identities, and gradients by formula and by finite differences."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moeviz.config import LOSS_NAMES
from moeviz.losses import LOSSES, gshard, squared, switch, z
from moeviz.routers import Routing, top_k
from tests.router_cases import logits_of, random_logits

SURE = 80.0  # a logit so large that the softmax is 1 in float64


def with_probabilities(routing: Routing) -> Routing:
    """The same routing, its probabilities a leaf to take gradients for."""
    return replace(routing, probs_TE=routing.probs_TE.detach().requires_grad_())


def test_the_registry_is_the_config_list() -> None:
    assert tuple(LOSSES) == LOSS_NAMES


# ---- worked examples ---------------------------------------------------------------------------------------------


def test_two_experts_by_hand() -> None:
    # three tokens p = (.7 .3) choose A, one token p = (.3 .7) chooses B: P = (2.4, 1.6)/4 = (.6, .4), f = (3/4, 1/4)
    # squared: (.5 - .6)^2 + (.5 - .4)^2 = .02; switch: 2 * (3/4 * .6 + 1/4 * .4) = 2 * .55 = 1.1
    routing = top_k(logits_of([[0.7, 0.3]] * 3 + [[0.3, 0.7]]), k=1)
    assert squared(routing, k=1).item() == pytest.approx(0.02, rel=1e-12)
    assert switch(routing, k=1).item() == pytest.approx(1.1, rel=1e-12)


def test_perfect_balance() -> None:
    # one token likes A and B, the other C and D: P = (1/4 ...), f = (1/4 ...) at k = 2: squared 0, switch 4 * 4/16 = 1
    routing = top_k(logits_of([[0.3, 0.3, 0.2, 0.2], [0.2, 0.2, 0.3, 0.3]]), k=2)
    assert squared(routing, k=2).item() == pytest.approx(0, abs=1e-30)
    assert switch(routing, k=2).item() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(("num_experts", "k"), [(4, 1), (4, 2), (8, 2), (8, 3), (5, 5)])
def test_full_collapse(num_experts: int, k: int) -> None:
    # P = f = 1/k on k experts, else 0. switch: N * k / k^2 = N/k.
    # squared: k (1/N - 1/k)^2 + (N - k)/N^2 = 1/k - 1/N; at k = 1 that is its largest value, 1 - 1/N.
    logits_TE = torch.full((6, num_experts), -SURE, dtype=torch.float64)
    logits_TE[:, :k] = SURE
    routing = top_k(logits_TE, k=k)
    assert switch(routing, k=k).item() == pytest.approx(num_experts / k, rel=1e-12)
    assert squared(routing, k=k).item() == pytest.approx(1 / k - 1 / num_experts, rel=1e-12, abs=1e-15)


def test_switch_may_dip_below_1_where_counts_and_probabilities_disagree() -> None:
    # three tokens at (.5 .5) tie, so A is chosen; one token is sure of B: f = (3/4, 1/4), P = (1.5, 2.5)/4
    # 2 * (3/4 * 3/8 + 1/4 * 5/8) = 2 * (9 + 5)/32 = .875
    logits_TE = torch.tensor([[0.0, 0.0]] * 3 + [[-SURE, SURE]], dtype=torch.float64)
    assert switch(top_k(logits_TE, k=1), k=1).item() == pytest.approx(0.875, rel=1e-12)


def test_z_by_hand() -> None:
    # logsumexp(0, 0) = log 2; logsumexp(log 3, 0) = log 4 = 2 log 2: mean of squares (1 + 4)/2 * log^2 2
    logits_TE = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]], dtype=torch.float64)
    assert z(top_k(logits_TE, k=1), k=1).item() == pytest.approx(2.5 * math.log(2) ** 2, rel=1e-12)
    # its minimum is where logsumexp is 0 (here e^-log 2 + e^-log 2 = 1), not at logits of 0
    assert z(top_k(torch.full((3, 2), -math.log(2), dtype=torch.float64), k=1), k=1).item() == pytest.approx(
        0, abs=1e-30
    )


def test_gshard_counts_first_choices_only() -> None:
    # p = (.6 .3 .1) twice and (.2 .5 .3) twice: first choices A A B B, f = (1/2, 1/2, 0), P = (.4, .4, .2)
    # 3 · (.5 · .4 + .5 · .4) = 1.2. Second choices B B C C would count for switch at k = 2: f = (1/4, 1/2, 1/4):
    # 3 · (.1 + .2 + .05) = 1.05
    routing = top_k(logits_of([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.2, 0.5, 0.3]]), k=2)
    assert gshard(routing, k=2).item() == pytest.approx(1.2, rel=1e-12)
    assert switch(routing, k=2).item() == pytest.approx(1.05, rel=1e-12)


# ---- laws ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 6), st.floats(0.1, 20))
def test_squared_is_the_variation_of_importance(seed: int, tokens: int, experts: int, size: float) -> None:
    # rows sum to 1, so P has mean 1/N: sum (P - 1/N)^2 = N var(P) = CV^2(P)/N, and CV ignores the factor T
    routing = top_k(size * random_logits(tokens, experts, seed=seed), k=1)
    importance_E = routing.probs_TE.sum(0).numpy(force=True)
    variation = np.var(importance_E) / np.mean(importance_E) ** 2
    loss = squared(routing, k=1).item()
    assert loss == pytest.approx(variation / experts, rel=1e-9, abs=1e-15)
    assert -1e-15 <= loss <= 1 - 1 / experts + 1e-12


@given(st.integers(0, 999), st.integers(1, 5))
def test_gshard_is_the_switch_loss_at_k_1(seed: int, k: int) -> None:
    logits_TE = random_logits(7, 5, seed=seed)
    assert gshard(top_k(logits_TE, k=k), k=k) == switch(top_k(logits_TE, k=1), k=1)


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_drops_do_not_change_a_loss(name: str) -> None:
    logits_TE = random_logits(20, 4)
    tight, free = top_k(logits_TE, k=2, capacity=1), top_k(logits_TE, k=2)
    assert int(tight.kept_TE.sum()) == 4 < int(free.kept_TE.sum())  # most choices were dropped
    assert LOSSES[name](tight, k=2).item() == LOSSES[name](free, k=2).item()


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_runs_ride_along(name: str) -> None:
    logits_RTE, k_R = random_logits(3, 10, 4), torch.tensor([1, 2, 4])
    together = LOSSES[name](top_k(logits_RTE, k=k_R), k=k_R)
    alone = [LOSSES[name](top_k(logits_RTE[run], k=k), k=k).item() for run, k in enumerate((1, 2, 4))]
    assert together.tolist() == pytest.approx(alone, rel=1e-14)


# ---- gradients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("name", LOSS_NAMES)
def test_gradients_agree_with_finite_differences(name: str, k: int) -> None:
    logits_RTE = random_logits(2, 6, 5)
    sorted_RTE = logits_RTE.sort(-1).values
    assert sorted_RTE.diff(dim=-1).min() > 1e-3  # far from ties, where the choice would jump
    scale_R = torch.tensor([1.0, 10.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda each: scale_R * LOSSES[name](top_k(each, k=k), k=k), logits_RTE.requires_grad_(), atol=1e-7, rtol=1e-6
    )


def test_gradient_of_squared_on_the_gate() -> None:
    # d/dG_bi of sum_i (1/N - P_i)^2 with P_i = sum_b G_bi / B is 2 (P_i - 1/N)/B, the same for every token
    routing = with_probabilities(top_k(logits_of([[0.7, 0.3]] * 3 + [[0.3, 0.7]]), k=1))
    (gradient_TE,) = torch.autograd.grad(squared(routing, k=1), routing.probs_TE)
    expected_TE = torch.tensor([[2 * 0.1 / 4, -2 * 0.1 / 4]] * 4, dtype=torch.float64)  # P = (.6, .4), N = 2, B = 4
    assert torch.allclose(gradient_TE, expected_TE, rtol=1e-12)


def test_gradient_of_switch_goes_through_probabilities_only() -> None:
    # f is a count and has none: d/dp_te of N sum_e f_e P_e = N f_e / T
    chosen = top_k(random_logits(7, 4), k=2)
    routing = with_probabilities(chosen)
    (gradient_TE,) = torch.autograd.grad(switch(routing, k=2), routing.probs_TE)
    load_E = chosen.chosen_TE.sum(0) / 14
    assert torch.allclose(gradient_TE, (4 * load_E / 7).double().expand(7, 4), rtol=1e-6)


def test_gradient_of_gshard_goes_through_probabilities_only() -> None:
    # d/dp_te of N sum_e f_e P_e = N f_e / T, f of the first choices
    chosen = top_k(random_logits(7, 4), k=2)
    routing = with_probabilities(chosen)
    (gradient_TE,) = torch.autograd.grad(gshard(routing, k=2), routing.probs_TE)
    first_E = (chosen.rank_TE == 0).double().mean(0)
    assert torch.allclose(gradient_TE, (4 * first_E / 7).expand(7, 4), rtol=1e-12)


def test_gradient_of_z_is_its_formula() -> None:
    logits_TE = random_logits(7, 4).requires_grad_()
    (gradient_TE,) = torch.autograd.grad(z(top_k(logits_TE, k=1), k=1), logits_TE)
    expected_TE = 2 / 7 * logits_TE.logsumexp(-1, keepdim=True) * logits_TE.softmax(-1)
    assert torch.allclose(gradient_TE, expected_TE, rtol=1e-10, atol=1e-14)
