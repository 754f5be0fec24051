"""DeepSeek-V3's sequence-wise loss, which is Switch's on p = s / Σ s: by hand, laws, loops, gradient."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz.losses import switch
from moeviz.routers import deepseek_v3
from tests.router_cases import random_logits, scored, small_logits, wishes

TWO_TOKENS = torch.cat([scored(0.8, 0.6, 0.4, 0.2), scored(0.2, 0.4, 0.1, 0.3)])


def test_by_hand() -> None:
    # sums of s: 2 and 1. p = .4 .3 .2 .1 and .2 .4 .1 .3, P = .3 .35 .15 .2. k = 2 chooses A B and B D:
    # f = N/(k T) · counts = 1 2 0 1, so Σ f P = .3 + .7 + .2 = 1.2; at k = 1 A and B, f = 2 2 0 0: .6 + .7 = 1.3
    assert switch(deepseek_v3(TWO_TOKENS, k=2), k=2).item() == pytest.approx(1.2, rel=1e-12)
    assert switch(deepseek_v3(TWO_TOKENS, k=1), k=1).item() == pytest.approx(1.3, rel=1e-12)


def test_it_counts_what_the_bias_made_of_the_choice() -> None:
    # s + b = .8 .1 .4 .7 and .2 −.1 .1 .8: both choose A and D, f = 2 0 0 2; P stays: .6 + .4 = 1
    bias_E = torch.tensor([0, -0.5, 0, 0.5], dtype=torch.float64)
    assert switch(deepseek_v3(TWO_TOKENS, k=2, bias_E=bias_E), k=2).item() == pytest.approx(1, rel=1e-12)
    # two groups, the better one of each token: A B (1.4 to .6) and A B (.6 to .4), f = 2 2 0 0: .6 + .7 = 1.3
    grouped = deepseek_v3(TWO_TOKENS, k=2, num_groups=2)
    assert switch(grouped, k=2).item() == pytest.approx(1.3, rel=1e-12)


@given(st.integers(0, 999), st.integers(1, 5), st.floats(0.1, 20))
def test_its_range_and_that_even_scores_read_1(seed: int, k: int, size: float) -> None:
    # an expert gets at most T of the k T choices, so f ≤ N/k and Σ f P ≤ N/k. Even scores: Σ f /N = 1, chosen as may be
    bias_E, logits_TE = random_logits(5, seed=seed + 1), size * random_logits(7, 5, seed=seed)
    assert 0 < switch(deepseek_v3(logits_TE, k=k, bias_E=bias_E), k=k).item() <= 5 / k + 1e-12
    even = deepseek_v3(logits_TE[:, :1].expand(7, 5), k=k, bias_E=bias_E)
    assert switch(even, k=k).item() == pytest.approx(1, rel=1e-12)


@given(small_logits, st.data())
def test_it_equals_slow_loops(logits: list[list[int]], data: st.DataObject) -> None:
    experts = range(len(logits[0]))
    k = data.draw(st.integers(1, len(experts)))
    bias = [data.draw(st.integers(-2, 2)) / 2 for _ in experts]
    rate, share = [0.0 for _ in experts], [0.0 for _ in experts]
    for row in logits:
        # torch's sigmoid chooses: one that differs in the last digit would part experts that tie
        biased = [s + b for s, b in zip(torch.tensor(row, dtype=torch.float64).sigmoid().tolist(), bias, strict=True)]
        for expert in wishes([biased])[0][:k]:
            rate[expert] += len(experts) / (k * len(logits))
        score = [1 / (1 + math.exp(-value)) for value in row]
        for expert in experts:
            share[expert] += score[expert] / sum(score) / len(logits)
    routing = deepseek_v3(
        torch.tensor(logits, dtype=torch.float64), k=k, bias_E=torch.tensor(bias, dtype=torch.float64)
    )
    expected = sum(f * p for f, p in zip(rate, share, strict=True))
    assert switch(routing, k=k).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_gradient_agrees_with_finite_differences(k: int) -> None:
    logits_RTE, bias_RE = random_logits(2, 6, 5), random_logits(2, 5, seed=1)
    gaps = (logits_RTE.sigmoid() + bias_RE.unsqueeze(-2)).sort(-1).values.diff(dim=-1)
    assert gaps.min() > 1e-4  # far from ties, where the choice would jump

    def loss(logits_RTE: Tensor) -> Tensor:
        return switch(deepseek_v3(logits_RTE, k=k, bias_E=bias_RE), k=k)

    assert torch.autograd.gradcheck(loss, logits_RTE.requires_grad_(), atol=1e-7, rtol=1e-6)
