"""What holds for every loss: loops of its definition, its balanced value and range, no favorite expert or token."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz.config import LOSS_NAMES
from moeviz.config.router_facts import BALANCED_VALUES
from moeviz.losses import LOSSES, load, switch, z
from moeviz.routers import deepseek_v3, expert_choice, noisy_top_k, slot_inputs, soft, top_k
from tests.router_cases import nats, random_logits, small_logits, softmax_slowly, variation, wishes

BALANCED = {**BALANCED_VALUES, "importance_load": 0.0}


def every_loss_slowly(logits: list[list[int]], k: int) -> dict[str, float]:
    """The definitions in loops, for the choices and weights of `top_k` without noise."""
    num_tokens, experts = len(logits), range(len(logits[0]))
    probs, best = [softmax_slowly(row) for row in logits], [order[:k] for order in wishes(logits)]
    mean = [sum(row[e] for row in probs) / num_tokens for e in experts]
    count = [sum(e in chosen for chosen in best) for e in experts]
    first = [sum(e == chosen[0] for chosen in best) for e in experts]
    weight = [0.0 for _ in experts]
    for row, chosen in zip(probs, best, strict=True):
        for e in chosen:
            weight[e] += row[e] / sum(row[each] for each in chosen) if k > 1 else row[e]
    return {
        "squared": sum((1 / len(mean) - p) ** 2 for p in mean),
        "switch": len(mean) * sum(c / (k * num_tokens) * p for c, p in zip(count, mean, strict=True)),
        "gshard": len(mean) * sum(f / num_tokens * p for f, p in zip(first, mean, strict=True)),
        "importance": variation(weight),
        "load": variation(count),
        "importance_load": variation(weight) + variation(count),
        "z": sum(math.log(sum(map(math.exp, row))) ** 2 for row in logits) / num_tokens,
        "entropy": sum(map(nats, probs)) / num_tokens + max(0, math.log(len(mean)) - nats(mean)),
    }


@given(small_logits, st.data())
def test_every_loss_equals_slow_loops(logits: list[list[int]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(logits[0])))
    routing = top_k(torch.tensor(logits, dtype=torch.float64), k=k)
    found = {name: loss(routing, k=k).item() for name, loss in LOSSES.items()}
    assert found == pytest.approx(every_loss_slowly(logits, k), rel=1e-9, abs=1e-12)


@given(st.integers(0, 999), st.integers(2, 6), st.data(), st.floats(0.1, 50))
def test_every_loss_stays_in_its_range(seed: int, experts: int, data: st.DataObject, size: float) -> None:
    # f_i ≤ 1/k, since a token chooses an expert once: Σ f_i P_i ≤ 1/k and Σ f_i² ≤ 1/k.
    # CV² = N Σ a²/(Σ a)² − 1 ≤ N − 1. logsumexp is within log N of the largest logit. Entropy's two terms are
    # log N − (H(mean p) − mean H(p)), and the entropy of a mean is no smaller than the mean entropy.
    k = data.draw(st.integers(1, experts))
    logits_TE = size * random_logits(7, experts, seed=seed)
    largest = {
        "squared": 1 - 1 / experts,
        "switch": experts / k,
        "gshard": experts,
        "importance": experts - 1,
        "load": experts / k - 1,
        "importance_load": experts - 1 + experts / k - 1,
        "z": (logits_TE.abs().max().item() + math.log(experts)) ** 2,
        "entropy": math.log(experts),
    }
    routing = top_k(logits_TE, k=k)
    for name, loss in LOSSES.items():
        assert -1e-12 <= loss(routing, k=k).item() <= largest[name] + 1e-9, name


def rotations(row_E: Tensor) -> Tensor:
    """The row as often as it is long, each time moved on by one expert."""
    return torch.stack([row_E.roll(steps) for steps in range(len(row_E))])


@pytest.mark.parametrize("router", [top_k, noisy_top_k, deepseek_v3])
@given(seed=st.integers(0, 999), k=st.integers(1, 5))
def test_where_no_expert_differs_losses_are_balanced_and_pull_nowhere(router: Any, seed: int, k: int) -> None:
    # each expert gets the same scores, each from another token. P = 1/N and f = 1/N: squared 0, switch N · N/N² = 1;
    # CV² is 0 and at its minimum; f is even, so that Σ f p = 1/N whatever p is: all slopes are 0
    logits_TE, std_TE, noise_TE = (rotations(random_logits(5, seed=seed + 1000 * each)) for each in range(3))
    noise = {"noise_std_TE": std_TE.abs() + 0.1, "noise_TE": noise_TE} if router is noisy_top_k else {}
    routing = router(logits_TE.requires_grad_(), k=k, **noise)
    for name, balanced in BALANCED.items():
        loss = LOSSES[name](routing, k=k)
        assert loss.item() == pytest.approx(balanced, rel=1e-12, abs=1e-12), name
        if loss.requires_grad:  # a plain count has no slope
            (gradient_TE,) = torch.autograd.grad(loss, logits_TE, retain_graph=True)
            assert gradient_TE.abs().max() < 1e-12, name  # which NaN is not


@given(st.integers(0, 999), st.integers(1, 5), st.floats(0.1, 20))
def test_where_the_work_is_even_by_construction_counts_say_nothing(seed: int, k: int, size: float) -> None:
    # f = 1/N whatever the scores: CV² of the counts 0, N Σ f P = Σ P = 1, as if all were balanced
    logits_TE = size * random_logits(7, 5, seed=seed)
    mixed = soft(logits_TE)
    for routing in (expert_choice(logits_TE, k=k), mixed.as_routing(slot_inputs(mixed, logits_TE))):
        assert load(routing, k=k).item() == pytest.approx(0, abs=1e-15)
        assert switch(routing, k=k).item() == pytest.approx(1, rel=1e-12)


@given(st.integers(0, 999), st.integers(1, 5), st.permutations(range(7)), st.permutations(range(5)))
def test_no_loss_has_a_favorite_expert_or_token(seed: int, k: int, tokens: list[int], experts: list[int]) -> None:
    tables = [random_logits(7, 5, seed=seed + 1000 * each) for each in range(3)]
    values = []
    for logits_TE, std_TE, noise_TE in (tables, [table[tokens][:, experts] for table in tables]):
        routing = noisy_top_k(logits_TE, k=k, noise_std_TE=std_TE.abs() + 0.1, noise_TE=noise_TE)
        values.append([LOSSES[name](routing, k=k).item() for name in LOSS_NAMES])
    assert values[1] == pytest.approx(values[0], rel=1e-9, abs=1e-12)


@given(st.integers(0, 999), st.floats(-5, 5), st.integers(1, 4))
def test_z_sees_only_what_the_softmax_does_not(seed: int, added: float, k: int) -> None:
    # log p has logsumexp log Σ p = 0, so log p + a has a: the loss is a², whatever the probabilities
    logits_TE = random_logits(6, 4, seed=seed).log_softmax(-1) + added
    assert z(top_k(logits_TE, k=k), k=k).item() == pytest.approx(added**2, rel=1e-9, abs=1e-12)
