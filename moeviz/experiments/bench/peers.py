"""The same layer by well-known packages; they are not needed for anything else (see requirements-bench.txt)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial

import torch

from moeviz.experiments.bench.comparison import Result
from moeviz.experiments.bench.layers import HIDDEN, SIZES, TOKENS, WIDTH, Call, K, compare, ours, random

REMEDY = "install them with: python -m pip install -r requirements-bench.txt"


def st_moe_pytorch(num_experts: int) -> torch.nn.Module:
    """Its layer with experts like ours; places and thresholds are its own, so that it drops some second choices."""
    from st_moe_pytorch import MoE

    experts = [
        torch.nn.Sequential(torch.nn.Linear(WIDTH, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, WIDTH))
        for _ in range(num_experts)
    ]
    return MoE(WIDTH, num_experts=num_experts, gating_top_n=K, experts=torch.nn.ModuleList(experts))


def mixture_of_experts(num_experts: int) -> torch.nn.Module:
    """Its layer, whose experts have no bias; it too drops second choices as it does by default."""
    from mixture_of_experts import MoE

    return MoE(WIDTH, num_experts=num_experts, hidden_dim=HIDDEN, activation=torch.nn.ReLU)


def mixtral(num_experts: int) -> torch.nn.Module:
    """The block of `transformers`, computed as its whole models do, with the numbers of a fresh layer in it."""
    from transformers.models.mixtral.configuration_mixtral import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    config = MixtralConfig(
        hidden_size=WIDTH, intermediate_size=HIDDEN, num_local_experts=num_experts, num_experts_per_tok=K
    )
    config._experts_implementation = "grouped_mm"  # what a model takes where it can; far faster than a block's own
    block = MixtralSparseMoeBlock(config)
    for each in block.parameters():
        torch.nn.init.normal_(each, std=WIDTH**-0.5)
    return block


# name -> the module it needs, its layer, and how many times our FLOPs it computes
PEERS: dict[str, tuple[str, Callable[[int], torch.nn.Module], float]] = {
    "st_moe_pytorch": ("st_moe_pytorch", st_moe_pytorch, 1.0),
    "mixture_of_experts": ("mixture_of_experts", mixture_of_experts, 1.0),
    "mixtral": ("transformers", mixtral, 1.5),  # three matrices for each expert instead of two
}


def called(layer: torch.nn.Module) -> Call:
    """The layer forward and backward."""
    x_1TD = random(1, TOKENS, WIDTH).requires_grad_()

    def call() -> object:
        made = layer(x_1TD)
        y_1TD = made if isinstance(made, torch.Tensor) else made[0]
        return torch.autograd.grad(y_1TD.sum(), (x_1TD, *layer.parameters()), allow_unused=True)

    return call


def against(peer: str, num_experts: int) -> Result:
    """Our layer against a peer's of the same size, the peer's time divided by its share of FLOPs."""
    _, make, flops = PEERS[peer]
    return compare(f"layer_{peer}_{num_experts}", ours(num_experts), called(make(num_experts)), per=flops)


BENCHMARKS: dict[str, Callable[[], Result]] = {
    f"layer_{peer}_{size}": partial(against, peer, size) for peer in PEERS for size in SIZES
}


def missing(benchmark: str) -> str | None:
    """The module that a benchmark needs and that is not installed."""
    module = PEERS[benchmark.removeprefix("layer_").rpartition("_")[0]][0] if benchmark in BENCHMARKS else None
    return module if module and importlib.util.find_spec(module) is None else None


def check(benchmark: str) -> None:
    """Raises ValueError for a peer that is not installed."""
    module = missing(benchmark)
    if module is not None:
        raise ValueError(f"{benchmark} needs a package that is not installed: got no module {module}; {REMEDY}")
