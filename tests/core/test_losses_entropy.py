"""LIMoE's entropy loss: by hand, against slow loops, with its gradient where probabilities are 0."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz.losses import entropy
from moeviz.routers import deepseek_v3, top_k
from tests.router_cases import logits_of, nats, random_logits


def test_by_hand() -> None:
    # each token is torn between two experts, log 2; their mean is even, log 4, as wide as τ = log 4 asks: log 2 + 0
    torn = top_k(logits_of([[0.5, 0.5, 1e-99, 1e-99], [1e-99, 1e-99, 0.5, 0.5]]), k=1)
    assert entropy(torn, k=1).item() == pytest.approx(math.log(2), rel=1e-12)
    # sure tokens, but all of one expert: 0 + log 4 − 0, or the τ that is asked for
    logits_TE = torch.full((3, 4), -800.0, dtype=torch.float64)
    logits_TE[:, 1] = 0
    assert entropy(top_k(logits_TE, k=1), k=1).item() == pytest.approx(math.log(4), rel=1e-12)
    assert entropy(top_k(logits_TE, k=1), k=1, threshold=0.5).item() == pytest.approx(0.5, rel=1e-12)
    # sure tokens on four different experts: 0, the least there is
    assert entropy(top_k(1000 * torch.eye(4, dtype=torch.float64), k=1), k=1).item() == pytest.approx(0, abs=1e-12)


def test_modalities_by_hand() -> None:
    # images are sure of A and B, text of C and D: each modality is spread over two experts, log 2. With two modalities
    # τ is log(4/2), so all is well; with τ = log 4 each modality misses log 2. In one pot nothing is amiss.
    routing = top_k(1000 * torch.eye(4, dtype=torch.float64), k=1)
    modality_T = torch.tensor([0, 0, 1, 1])
    assert entropy(routing, k=1, modality_T=modality_T).item() == pytest.approx(0, abs=1e-12)
    wanted = entropy(routing, k=1, modality_T=modality_T, threshold=math.log(4))
    assert wanted.item() == pytest.approx(2 * math.log(2), rel=1e-12)
    assert entropy(routing, k=1, threshold=math.log(4)).item() == pytest.approx(0, abs=1e-12)
    # a modality of which there is no token (1, between 0 and 2) costs nothing
    absent = entropy(routing, k=1, modality_T=2 * modality_T, threshold=math.log(4))
    assert absent.item() == pytest.approx(2 * math.log(2), rel=1e-12)


@given(st.integers(0, 999), st.integers(1, 3), st.none() | st.floats(0, 3), st.floats(0.1, 20))
def test_it_equals_slow_loops(seed: int, num_modalities: int, threshold: float | None, size: float) -> None:
    logits_TE = size * random_logits(9, 4, seed=seed)
    modality = [token % num_modalities for token in range(9)]
    expected, tau = 0.0, math.log(4 / num_modalities) if threshold is None else threshold
    probs = logits_TE.softmax(-1).tolist()
    for each in range(num_modalities):
        own = [row for row, kind in zip(probs, modality, strict=True) if kind == each]
        mean = [sum(column) / len(own) for column in zip(*own, strict=True)]
        expected += sum(map(nats, own)) / len(own) + max(0, tau - nats(mean))
    found = entropy(top_k(logits_TE, k=1), k=1, modality_T=torch.tensor(modality), threshold=threshold)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_runs_may_differ_in_modalities_and_threshold() -> None:
    logits_RTE, tau_R = random_logits(2, 8, 4), torch.tensor([1.3, 0.2], dtype=torch.float64)
    modality_RT = torch.tensor([[0, 1] * 4, [1, 1, 0, 0] * 2])
    together = entropy(top_k(logits_RTE, k=1), k=1, modality_T=modality_RT, threshold=tau_R)
    same = entropy(top_k(logits_RTE, k=1), k=1, modality_T=modality_RT[0], threshold=0.7)
    for run in (0, 1):
        routing = top_k(logits_RTE[run], k=1)
        own = entropy(routing, k=1, modality_T=modality_RT[run], threshold=tau_R[run].item())
        assert together[run].item() == pytest.approx(own.item(), rel=1e-12)
        assert same[run].item() == pytest.approx(
            entropy(routing, k=1, modality_T=modality_RT[0], threshold=0.7).item(), rel=1e-12
        )


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_gradients_agree_with_finite_differences(threshold: float | None) -> None:
    modality_T = torch.tensor([0, 1, 1, 0, 1, 0])

    def loss(logits_RTE: Tensor) -> Tensor:
        return entropy(top_k(logits_RTE, k=2), k=2, modality_T=modality_T, threshold=threshold)

    assert torch.autograd.gradcheck(loss, random_logits(2, 6, 5).requires_grad_(), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("router", [top_k, deepseek_v3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_of_0_have_a_gradient(router, dtype: torch.dtype) -> None:
    # p log p is 0 at p = 0, but its slope is log 0: the loss must not turn the whole router into NaN
    logits_TE = torch.full((3, 4), -1e4, dtype=dtype)
    logits_TE[:, 1] = 10
    logits_TE.requires_grad_()
    routing = router(logits_TE, k=1)
    assert (routing.probs_TE == 0).any()
    value = entropy(routing, k=1)
    (gradient_TE,) = torch.autograd.grad(value, logits_TE)
    assert value.isfinite() and gradient_TE.isfinite().all()
