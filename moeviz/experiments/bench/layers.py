"""The sparse layer at a size where it pays: forward and backward, without an optimizer, on one thread.

4096 random tokens, which the gate spreads about evenly, through 8 or 64 experts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from moeviz.experiments.bench.comparison import PlainMoE, Result, result, side_by_side
from moeviz.models.moe_layer import MoE, RoutingKnobs

TOKENS, WIDTH, HIDDEN, K = 4096, 256, 512, 2
SIZES = (8, 64)  # experts
ROUNDS = 15  # so many that a difference of a few hundredths is seen
UNIT = "ms, there and back"

Call = Callable[[], object]


def ours(
    num_experts: int, *, k: int = K, tokens: int | None = None, dispatch: str = "sparse", collapsed: bool = False
) -> Call:
    """Our layer, router and all. Collapsed: every token has the same k experts."""
    model = MoE("top_k", "mlp", dispatch, WIDTH, HIDDEN, WIDTH, biased_gate=False)
    rows_REP = model.fresh_rows([0], num_experts).float().requires_grad_()
    x_RTD = random(1, tokens or TOKENS, WIDTH).requires_grad_()
    killed_RE = torch.arange(num_experts).unsqueeze(0) >= k if collapsed else None
    knobs = RoutingKnobs(k=k, renormalize=True, killed_RE=killed_RE)
    return lambda: torch.autograd.grad(model(rows_REP, x_RTD, knobs)[0].sum(), (rows_REP, x_RTD))


def loop(num_experts: int) -> Call:
    """The plain module: a loop over experts."""
    model, x_TD = PlainMoE(WIDTH, HIDDEN, WIDTH, num_experts, K), random(TOKENS, WIDTH).requires_grad_()
    return lambda: torch.autograd.grad(model(x_TD)[0].sum(), (x_TD, *model.parameters()))


def products(num_experts: int) -> Call:
    """Nothing but the matrix products of such a layer, with as many rows for each expert as a random gate sends it.

    Three for the gate and six for each expert: two forward, and two backward for each of these.
    """
    x_TD, gate_DE = random(TOKENS, WIDTH), random(WIDTH, num_experts)
    count_E = torch.bincount((x_TD @ gate_DE).topk(K).indices.flatten(), minlength=num_experts)
    grad_TE, x_ID, grad_ID = random(TOKENS, num_experts), random(TOKENS * K, WIDTH), random(TOKENS * K, WIDTH)
    w_in_EDH, w_out_EHD = random(num_experts, WIDTH, HIDDEN), random(num_experts, HIDDEN, WIDTH)
    stretches = list(zip(x_ID.split(count_E.tolist()), grad_ID.split(count_E.tolist()), strict=True))

    def call() -> list[torch.Tensor]:
        made = [x_TD @ gate_DE, x_TD.mT @ grad_TE, grad_TE @ gate_DE.mT]
        for (x_CD, grad_CD), w_in_DH, w_out_HD in zip(stretches, w_in_EDH, w_out_EHD, strict=True):
            hidden_CH, grad_CH = x_CD @ w_in_DH, grad_CD @ w_out_HD.mT
            made += [hidden_CH @ w_out_HD, hidden_CH.mT @ grad_CD, x_CD.mT @ grad_CH, grad_CH @ w_in_DH.mT]
        return made

    return call


def random(*shape: int) -> torch.Tensor:
    """Numbers of N(0, 1), the same at each call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def compare(name: str, one: Call, other: Call, rounds: int | None = None, per: float = 1.0) -> Result:
    """One side against the other, whose time is divided by how much more it computes."""
    ones_s, others_s = side_by_side(one, other, rounds or ROUNDS)
    return result(name, UNIT, [s * 1e3 for s in ones_s], [s * 1e3 / per for s in others_s])


def growth(name: str, dispatch: str, rounds: int | None = None) -> Result:
    """64 experts against 8 of the same form: 1 / ratio is how much time grows with them."""
    return compare(name, ours(64, dispatch=dispatch), ours(8, dispatch=dispatch), rounds)


BENCHMARKS: dict[str, Callable[[], Result]] = {
    "sparse_growth_8_64": lambda: growth("sparse_growth_8_64", "sparse"),
    "dense_growth_8_64": lambda: growth("dense_growth_8_64", "dense", 1),  # half a minute for a factor of about 8
    "sparse_k_1_2": lambda: compare("sparse_k_1_2", ours(64, k=2), ours(64, k=1)),
    "sparse_k_1_4": lambda: compare("sparse_k_1_4", ours(64, k=4), ours(64, k=1)),
    "sparse_tokens_1024_4096": lambda: compare("sparse_tokens_1024_4096", ours(8), ours(8, tokens=1024)),
    "sparse_collapsed": lambda: compare("sparse_collapsed", ours(64, collapsed=True), ours(64)),
}


def _of_size(name: str, other: Callable[[int], Call], num_experts: int) -> Result:
    return compare(name, ours(num_experts), other(num_experts))


for _size in SIZES:
    for _name, _other in (("sparse_over_products", products), ("layer_loop", loop)):
        BENCHMARKS[f"{_name}_{_size}"] = partial(_of_size, f"{_name}_{_size}", _other, _size)
