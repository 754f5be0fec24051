"""Time and kept numbers of a layer on this machine: every case of a size in turn, round after round.

`python -m moeviz.experiments.cost.measured --num-experts 16` prints JSON lines: the device, then each case's numbers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache

import torch
from torch import Tensor

from moeviz.experiments.cost.counted import LAYER_KNOBS, NETWORKS, Case, Layer, cases, working
from moeviz.experiments.terminal import Parser, UsageError, ended, out
from moeviz.models.moe_layer import MoE, RoutingKnobs
from moeviz.tensors import device as devices
from moeviz.tensors.rng import stream

ROUNDS = 15
SECONDS = 40.0  # after which no further case is measured
GAP = 20.0  # between the scores of one expert and the next under which all tokens choose the same k


def layer_of(case: Case) -> MoE:
    """The layer of a case; that of a plain network has one expert of many hidden units."""
    layer = case.layer
    hidden_width = layer.hidden_width * (working(layer, case.form) if case.form in NETWORKS else 1)
    dispatch = "sparse" if case.form == "sparse" else "dense"
    return MoE("top_k", "mlp", dispatch, layer.width, hidden_width, layer.width, biased_gate=False)


def forward(case: Case, on: torch.device) -> tuple[Callable[[], Tensor], list[Tensor]]:
    """A forward pass over random tokens, and what its backward pass gives a gradient to: parameters and tokens.

    The gate is fresh, so that its load is about even, unless the case is a collapsed one.
    """
    layer, moe = case.layer, layer_of(case)
    rows_RAP = _rows(moe, 1 if case.form in NETWORKS else layer.num_experts, on)
    x_RTD = _tokens(layer.num_tokens, layer.width, on)
    skew = GAP / 2 * (layer.num_experts - 1) if case.collapsed else 0.0
    knobs = RoutingKnobs(k=layer.top_k, renormalize=layer.top_k > 1, skew=skew)
    if case.form in NETWORKS:
        return lambda: moe.experts(rows_RAP[:, 0, moe.gate_width :], x_RTD), [rows_RAP, x_RTD]
    return lambda: moe(rows_RAP, x_RTD, knobs)[0], [rows_RAP, x_RTD]


@cache
def _rows(moe: MoE, num_experts: int, on: torch.device) -> Tensor:
    return moe.fresh_rows([0], num_experts).float().to(on).requires_grad_()


@cache
def _tokens(num_tokens: int, width: int, on: torch.device) -> Tensor:
    return torch.randn(1, num_tokens, width, generator=stream(0, "timing")).to(on).requires_grad_()


def kept_numbers(case: Case, on: torch.device) -> int:
    """How many numbers autograd really keeps of one forward pass, beside the parameters: each piece of memory once."""
    once, (rows_RAP, _) = forward(case, on)
    sizes: dict[int, int] = {}

    def note(saved: Tensor) -> Tensor:
        memory = saved.untyped_storage()
        if saved.is_floating_point() and memory.data_ptr() != rows_RAP.untyped_storage().data_ptr():
            sizes[memory.data_ptr()] = memory.nbytes() // saved.element_size()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        y = once()  # held until all is counted: memory that is given back would be counted twice
    assert y.requires_grad
    return sum(sizes.values())


def step_seconds(case: Case, on: torch.device) -> float:
    """Seconds of one forward and backward pass, without an optimizer."""
    once, inputs = forward(case, on)
    slopes = torch.ones(1, case.layer.num_tokens, case.layer.width, device=on)
    started = _now(on)
    torch.autograd.grad(once(), inputs, slopes)
    return _now(on) - started


def _now(on: torch.device) -> float:
    """Seconds of this process's own work on a processor, which others do not slow; else the time when all is done."""
    if on.type == "cpu":
        return time.process_time()
    devices.synchronize(on)
    return time.perf_counter()


def measure(layer: Layer, seconds: float, write: Callable[[dict[str, object]], None]) -> None:
    """Write the numbers of every case, one round after the other, so that a busy machine slows all of them alike."""
    on, until = devices.resolve("auto"), time.monotonic() + seconds
    name = torch.cuda.get_device_name(on) if on.type == "cuda" else on.type.upper()
    write({"device": name, "threads": torch.get_num_threads() if on.type == "cpu" else 0})
    measured = cases(layer)
    step_seconds(measured[0], on)  # the first step of a process takes longer
    for number in range(ROUNDS):
        for case in measured:
            if time.monotonic() > until:
                return
            if number == 0:  # … which also warms it up
                write({"case": asdict(case), "kept": kept_numbers(case, on)})
            write({"case": asdict(case), "seconds": step_seconds(case, on)})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the layer of this size, and print each number as soon as it is there."""
    parser = Parser(prog="python -m moeviz.experiments.cost.measured", description=__doc__)
    for name, each in LAYER_KNOBS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=each.default, help=each.rule)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"at most (default: {SECONDS:g})")
    asked = vars(parser.parse_args(arguments))
    seconds = asked.pop("seconds")
    try:
        layer = Layer(**asked)
    except ValueError as error:
        raise UsageError(str(error)) from None
    devices.use_one_thread()
    if hasattr(os, "nice"):
        os.nice(10)  # what is watched live goes first
    measure(layer, seconds, lambda line: out(json.dumps(line)))
    return 0


if __name__ == "__main__":
    sys.exit(ended(main))
