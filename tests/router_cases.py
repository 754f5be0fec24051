"""What the tests of routers and losses share: small cases, and the plainest of oracles."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

# Four tokens and experts A, B, C. First choices: A A B A, second choices: B C A B.
PROBS = [[0.60, 0.30, 0.10], [0.50, 0.20, 0.30], [0.25, 0.65, 0.10], [0.70, 0.20, 0.10]]

small_logits = st.integers(1, 5).flatmap(  # whole numbers, so that ties are common
    lambda experts: st.lists(st.lists(st.integers(-3, 3), min_size=experts, max_size=experts), min_size=1, max_size=9)
)


def logits_of(probs: Any) -> Tensor:
    """Router logits whose softmax is `probs`."""
    return torch.tensor(probs, dtype=torch.float64).log()


def scored(*scores: float) -> Tensor:
    """Router logits of one token whose sigmoids are these scores."""
    return torch.tensor([[math.log(s / (1 - s)) for s in scores]], dtype=torch.float64)


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    """Without ties: two equal float64 draws do not happen."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(actual: Tensor, expected: Any) -> bool:
    return torch.allclose(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=1e-12, atol=1e-12)


def wishes(rows: Sequence[Sequence[float]]) -> list[list[int]]:
    """Each token's experts, the best first; of equal ones the lower number first."""
    return [sorted(range(len(row)), key=lambda expert, row=row: (-row[expert], expert)) for row in rows]  # type: ignore[misc]


def softmax_slowly(row: Sequence[float]) -> list[float]:
    """exp(z) / Σ exp(z)."""
    return [math.exp(value) / sum(map(math.exp, row)) for value in row]


def variation(amounts: Sequence[float]) -> float:
    """CV²: population variance / mean²."""
    return statistics.pvariance(amounts) / statistics.fmean(amounts) ** 2


def nats(shares: Sequence[float]) -> float:
    """Entropy: −Σ p log p."""
    return -sum(share * math.log(share) for share in shares if share > 0)


def normal_cdf(value: float) -> float:
    """Φ: the chance that a draw of N(0, 1) is smaller."""
    return (1 + math.erf(value / math.sqrt(2))) / 2
