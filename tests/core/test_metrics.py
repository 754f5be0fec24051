"""Metrics: each by hand, and against scikit-learn and scipy where they define the quantity."""

import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from moeviz import metrics
from moeviz.losses import LOSSES
from moeviz.routers import Routing, capacity, expert_choice, top_k

# First choices A A B A, second choices B C A B; two places each keep t0: A B, t1: A C, t2: B, t3: none.
PROBS = torch.tensor(
    [[0.60, 0.30, 0.10], [0.50, 0.20, 0.30], [0.25, 0.65, 0.10], [0.70, 0.20, 0.10]], dtype=torch.float64
)
ROUTING = top_k(PROBS.log(), k=2, capacity=2, renormalize=False)


def listed(value: Tensor) -> list[float]:
    return value.flatten().tolist()


def one_hot_routing(expert: list[int], num_experts: int) -> Routing:
    """Every token sure of one expert."""
    expert_TE = torch.nn.functional.one_hot(torch.tensor(expert), num_experts)
    return top_k(10.0 * expert_TE, k=1)


def collapsed(num_tokens: int, num_experts: int, k: int, factor: float | None = None) -> Routing:
    """Every token on the same k experts."""
    logits_E = torch.arange(num_experts, 0, -1, dtype=torch.float64)
    places = None if factor is None else capacity(num_tokens, num_experts, k, factor)
    return top_k(logits_E.expand(num_tokens, -1), k=k, capacity=places)


# ---- load, drops, importance -----------------------------------------------------------------------------------


def test_loads_by_hand() -> None:
    # of 8 choices A gets 4 (all), B 3 (t0 t2 t3), C 1 (t1); kept are A 2 (t0 t1), B 2 (t0 t2), C 1: 3 of 8 dropped
    assert listed(metrics.load(ROUTING, k=2)) == pytest.approx([4 / 8, 3 / 8, 1 / 8])
    assert listed(metrics.kept_load(ROUTING, k=2)) == pytest.approx([2 / 8, 2 / 8, 1 / 8])
    assert metrics.dropped_share(ROUTING, k=2).item() == pytest.approx(3 / 8)


def test_probability_and_importance_by_hand() -> None:
    # means of the columns: 2.05/4, 1.35/4, .60/4; importance sums what is kept: A .6 + .5, B .3 + .65, C .3
    assert listed(metrics.mean_probability(ROUTING)) == pytest.approx([0.5125, 0.3375, 0.15])
    assert listed(metrics.importance(ROUTING)) == pytest.approx([1.1, 0.95, 0.3])


def test_one_k_per_run() -> None:
    # the same logits at k = 1 and k = 3: A A B A are 3/4, 1/4, 0; at k = N everyone has a third
    k_R = torch.tensor([1, 3])
    routing = top_k(PROBS.log().expand(2, 4, 3), k=k_R)
    assert listed(metrics.load(routing, k=k_R)) == pytest.approx([3 / 4, 1 / 4, 0, 1 / 3, 1 / 3, 1 / 3])


def test_first_choice_and_logit_size_by_hand() -> None:
    assert metrics.first_choice(ROUTING).tolist() == [0, 0, 1, 0]
    # logsumexp of log p is log 1 = 0; log 5 added to every logit adds log 5
    assert metrics.logit_size(ROUTING).item() == pytest.approx(0, abs=1e-15)
    assert metrics.logit_size(top_k((5 * PROBS).log(), k=1)).item() == pytest.approx(math.log(5))


def test_server_by_hand() -> None:
    # one place each: A keeps t0 and B keeps t2; t1's first choice A is full, but its second, C, is free; t3 finds
    # A and B full, so its first choice stands for it
    routing = top_k(PROBS.log(), k=2, capacity=1, renormalize=False)
    assert metrics.server(routing).tolist() == [0, 2, 1, 0]
    assert routing.kept_TE.any(-1).tolist() == [True, True, True, False]


def test_random_routing_drops_what_the_reference_line_says() -> None:
    # uniform top-1 at capacity factor 1 drops about .399 sqrt((N - 1)/T): N/T * E max(0, n - T/N) of a normal n.
    # 400 runs put the estimate within about 1 %; the normal approximation itself is good to 1 % here.
    num_tokens, num_experts = 512, 8
    logits_RTE = torch.rand(400, num_tokens, num_experts, generator=torch.Generator().manual_seed(0))
    routing = top_k(logits_RTE, k=1, capacity=capacity(num_tokens, num_experts, 1, 1.0))
    expected = 0.399 * math.sqrt((num_experts - 1) / num_tokens)
    assert metrics.dropped_share(routing, k=1).mean().item() == pytest.approx(expected, rel=0.05)


def test_the_reference_line_by_hand() -> None:
    # 2 tokens, 2 experts, one seat each, k = 1: both on one expert in half of the draws, which drops 1 of 2: 1/4
    assert metrics.random_drop(2, 2, 1, 1) == pytest.approx(1 / 4)
    # 3 tokens, k = 2 of 3, one seat: an expert's queue is 0-3 with chances 1/27, 6/27, 12/27, 8/27; over by 1 or 2:
    # 28/27 of 2 wanted
    assert metrics.random_drop(3, 3, 2, 1) == pytest.approx(28 / 54)
    assert metrics.random_drop(16, 4, 4, 4) == pytest.approx(3 / 4)  # k = N: every token wants every expert
    assert metrics.random_drop(16, 4, 1, 16) == 0


@pytest.mark.parametrize(
    ("num_tokens", "num_experts", "k", "factor"), [(16, 8, 1, 1.25), (16, 8, 2, 1.0), (40, 5, 3, 0.5)]
)
def test_the_reference_line_is_what_random_routing_drops(num_tokens, num_experts, k, factor) -> None:
    # 4000 draws put the mean share within about half a percent of a choice's worth
    places = capacity(num_tokens, num_experts, k, factor)
    logits_RTE = torch.rand(4000, num_tokens, num_experts, generator=torch.Generator().manual_seed(1))
    dropped = metrics.dropped_share(top_k(logits_RTE, k=k, capacity=places), k=k).mean().item()
    assert metrics.random_drop(num_tokens, num_experts, k, places) == pytest.approx(dropped, abs=0.005)


def test_the_reference_line_nears_its_formula() -> None:
    expected = 0.399 * math.sqrt(7 / 512)
    assert metrics.random_drop(512, 8, 1, 64) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("num_tokens", "num_experts", "k"), [(16, 32, 1), (16, 12, 1), (10, 8, 2), (16, 8, 2)])
def test_where_experts_choose_load_is_the_share_of_their_choices(num_tokens, num_experts, k) -> None:
    # every expert takes ⌈T·k/E⌉ tokens, more than k·T in all where that is rounded up: still 1/E each
    routing = expert_choice(torch.randn(num_tokens, num_experts, generator=torch.Generator().manual_seed(0)), k=k)
    assert listed(metrics.load(routing, k=k)) == pytest.approx([1 / num_experts] * num_experts)
    assert metrics.dropped_share(routing, k=k).item() == pytest.approx(0, abs=1e-7)
    assert LOSSES["switch"](routing, k=k).item() == pytest.approx(1)  # E · Σ 1/E · P = Σ P = 1


# ---- unevenness ------------------------------------------------------------------------------------------------


def test_unevenness_by_hand() -> None:
    # load 4:3:1, mean 8/3: deviations 4/3, 1/3, -5/3, variance (16 + 1 + 25)/9/3 = 14/9, over (8/3)^2 = 64/9: 7/32
    load_E = torch.tensor([0.5, 0.375, 0.125], dtype=torch.float64)
    assert metrics.cv_squared(load_E).item() == pytest.approx(7 / 32)
    assert metrics.cv(load_E).item() == pytest.approx(math.sqrt(7 / 32))
    assert metrics.max_over_mean(load_E).item() == pytest.approx(1.5)  # 4 / (8/3)
    assert metrics.max_violation(load_E).item() == pytest.approx(0.5)


@pytest.mark.parametrize(("num_experts", "k"), [(8, 1), (8, 2), (4, 3), (6, 6)])
def test_full_collapse(num_experts: int, k: int) -> None:
    # k experts have 1/k each: E[load^2]/mean^2 = (1/(kN)) * N^2 = N/k, so CV = sqrt(N/k - 1)
    load_E = metrics.load(collapsed(48, num_experts, k), k=k)
    assert metrics.cv(load_E).item() == pytest.approx(math.sqrt(num_experts / k - 1), abs=1e-7)
    assert metrics.max_over_mean(load_E).item() == pytest.approx(num_experts / k)
    assert metrics.entropy(load_E).item() == pytest.approx(math.log(k), abs=1e-12)


@pytest.mark.parametrize(("num_experts", "k", "factor"), [(8, 1, 1.0), (8, 2, 1.25), (4, 3, 0.5), (4, 1, 4.0)])
def test_full_collapse_drops(num_experts: int, k: int, factor: float) -> None:
    # each of the k experts wants all T tokens and has cf k T/N places: 1 - cf k/N is dropped (T = 64 divides evenly)
    routing = collapsed(64, num_experts, k, factor)
    assert metrics.dropped_share(routing, k=k).item() == pytest.approx(1 - factor * k / num_experts)


def test_the_squared_variation_has_a_gradient_at_perfect_balance() -> None:
    # a minimum: the gradient is 0 there, whereas that of sqrt(variance) is 0/0
    even_E = torch.full((4,), 0.25, requires_grad=True)
    (gradient_E,) = torch.autograd.grad(metrics.cv_squared(even_E), even_E)
    assert listed(gradient_E) == [0, 0, 0, 0]
    uneven_E = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(metrics.cv_squared, uneven_E)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9).filter(lambda parts: sum(parts) > 0.01))
def test_entropy_is_scipys(parts: list[float]) -> None:
    share_E = torch.tensor(parts, dtype=torch.float64) / sum(parts)
    assert metrics.entropy(share_E).item() == pytest.approx(scipy.stats.entropy(parts), rel=1e-9, abs=1e-12)


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), min_size=2, max_size=4))
def test_variation_is_scipys_and_runs_ride_along(amounts: list[list[float]]) -> None:
    expected = [scipy.stats.variation(row) for row in amounts]
    assert listed(metrics.cv(torch.tensor(amounts, dtype=torch.float64))) == pytest.approx(expected, rel=1e-9, abs=1e-9)


# ---- who works, who learns -------------------------------------------------------------------------------------


def test_gradient_norm_and_update_share_by_hand() -> None:
    # expert 0: sqrt(9 + 16 + 144) = 13; expert 1: 1
    assert listed(metrics.gradient_norm(torch.tensor([[3.0, 4.0, 12.0], [0.0, 1.0, 0.0]]))) == [13, 1]
    shares_E = metrics.update_share(torch.tensor([5.0, 0.0, 3.0]), torch.tensor([10.0, 10.0, 4.0]))
    assert listed(shares_E) == pytest.approx([0.5, 0, 0.75])
    assert math.isnan(metrics.update_share(torch.zeros(1), torch.zeros(1)).item())  # before the first step: unknown


# ---- specialization --------------------------------------------------------------------------------------------


def test_joint_share_by_hand() -> None:
    # experts A A B A, segments 0 1 1 1: A meets 0 once and 1 twice, B meets 1 once
    joint_EJ = metrics.joint_share(one_hot_routing([0, 0, 1, 0], 3), torch.tensor([0, 1, 1, 1]), 2)
    assert joint_EJ.tolist() == [[0.25, 0.5], [0, 0.25], [0, 0]]


def test_of_a_segment_without_tokens_no_share_is_known() -> None:
    # experts A A B A, segments 0 1 1 1 of three: A has all of 0 and two thirds of 1, B the rest of 1
    shares_EJ = metrics.share_of_each(one_hot_routing([0, 0, 1, 0], 2), torch.tensor([0, 1, 1, 1]), 3)
    assert listed(shares_EJ[0]) == pytest.approx([1, 2 / 3, math.nan], nan_ok=True)
    assert listed(shares_EJ[1]) == pytest.approx([0, 1 / 3, math.nan], nan_ok=True)


def test_specialization_by_hand() -> None:
    segment_T = torch.tensor([0, 0, 1, 1])
    for expert, expected in (
        ([2, 2, 0, 0], 1.0),  # names do not matter: the expert tells the segment
        ([0, 1, 0, 1], 0.0),  # independent
        ([1, 1, 1, 1], 0.0),  # collapsed: nothing to tell
        ([0, 1, 2, 2], 2 * math.log(2) / (1.5 * math.log(2) + math.log(2))),  # I = log 2; H = 1.5 log 2 and log 2
    ):
        found = metrics.specialization(one_hot_routing(expert, 3), segment_T, 2).item()
        assert found == pytest.approx(expected, abs=1e-6), expert
    one_kind_T = torch.zeros(4, dtype=torch.long)  # nobody can say whether the experts tell it from others
    for expert in ([1, 1, 1, 1], [0, 1, 2, 0]):
        assert math.isnan(metrics.specialization(one_hot_routing(expert, 3), one_kind_T, 1).item())


def test_one_expert_has_no_match() -> None:
    segment_T = torch.tensor([0, 1, 0, 1])
    assert math.isnan(metrics.specialization(top_k(torch.zeros(4, 1), k=1), segment_T, 2).item())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=30))
def test_specialization_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    expert, segment = ([pair[side] for pair in pairs] for side in (0, 1))
    logits_TE = 10 * torch.nn.functional.one_hot(torch.tensor(expert), 4).double()
    found = metrics.specialization(top_k(logits_TE, k=2), torch.tensor(segment), 3).item()
    expected = normalized_mutual_info_score(segment, expert, average_method="arithmetic")
    if len(set(segment)) == 1:  # scikit-learn says 1 or 0; where there is nothing to tell we do not know
        expected = math.nan
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_specialization_of_several_runs() -> None:
    logits_RTE = 10 * torch.nn.functional.one_hot(torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]]), 2).double()
    segment_RT = torch.tensor([[0, 0, 1, 1]] * 2)
    assert metrics.specialization(top_k(logits_RTE, k=1), segment_RT, 2).tolist() == pytest.approx([1, 0], abs=1e-12)
