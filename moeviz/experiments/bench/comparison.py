"""Timing two sides in turn within one run, so that a busy machine slows both."""

from __future__ import annotations

import ctypes
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from moeviz.tensors import device as devices

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


@dataclass(frozen=True)
class Result:
    """One line of the bench. `value` and `baseline` in `unit`; `ratio` = baseline / value, median of the pairs."""

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float


def side_by_side(
    ours: Callable[[], object], plain: Callable[[], object], rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of each call on the device `auto`, taken in turn, after one call of each that does not count."""
    device = devices.resolve("auto")
    ours(), plain()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, kept in zip((ours, plain), seconds, strict=True):
            devices.synchronize(device)
            started = time.perf_counter()
            call()
            devices.synchronize(device)
            kept.append(time.perf_counter() - started)
    return seconds


def result(name: str, unit: str, values: Sequence[float], baselines: Sequence[float]) -> Result:
    """The medians of both sides, and the median of the ratios pair by pair."""
    ratio = statistics.median(b / v for v, b in zip(values, baselines, strict=True))
    return Result(name, statistics.median(values), unit, statistics.median(baselines), ratio)


def keep_memory() -> None:
    """Let this process keep what it frees, so that no side pays for the kernel's zeroing of fresh pages at every call.

    Some virtual machines take 40 ms for the gradient of 64 large experts, a fifth of a step. Only glibc is asked.
    """
    malloc_options = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if malloc_options is not None:
        malloc_options(M_MMAP_MAX, 0)
        malloc_options(M_TRIM_THRESHOLD, 2**31 - 1)


class PlainMoE(torch.nn.Module):
    """The same layer as tutorials write it: a loop over experts that picks each one's tokens with torch.where."""

    def __init__(self, width: int, hidden: int, outputs: int, num_experts: int, k: int) -> None:
        super().__init__()
        self.k, self.outputs = k, outputs
        self.gate = torch.nn.Linear(width, num_experts, bias=False)
        self.experts = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, outputs))
            for _ in range(num_experts)
        )

    def forward(self, x_TD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probs_TE = torch.softmax(self.gate(x_TD), dim=-1)
        gates_TK, chosen_TK = torch.topk(probs_TE, self.k, dim=-1)
        gates_TK = gates_TK / gates_TK.sum(-1, keepdim=True)
        y_TO = x_TD.new_zeros(len(x_TD), self.outputs)
        for index, expert in enumerate(self.experts):
            token, slot = torch.where(chosen_TK == index)
            y_TO.index_add_(0, token, expert(x_TD[token]) * gates_TK[token, slot, None])
        return y_TO, probs_TE
