"""What a layer costs, counted from its shapes: parameters, operations, and the numbers that training must keep.

Experts are networks of one hidden layer, as wide at the end as at the start. A test compares every count with the
layer itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from moeviz.config.knob import knob, knobs_of

FORMS = {"sparse": "sparse", "dense": "dense", "active": "plain, equal active", "total": "plain, equal total"}
"""The same layer in two forms; and, for reference, networks without experts that have k or N times the hidden units."""
NETWORKS = ("active", "total")
PASSES = 3  # a step is a forward pass, and a backward pass of twice the products: for the inputs and for the weights
MOST_EXPERTS = 64
MOST_KEPT = 64_000_000
"""Numbers that a measured step may keep for its backward pass: with what it makes on the way, up to about 1 GB."""


@dataclass(frozen=True)
class Layer:
    """The sizes that decide what a layer costs."""

    num_experts: int = knob(
        16, low=1, high=MOST_EXPERTS, scale="log", label="Experts (N)", help="How many experts there are."
    )
    top_k: int = knob(
        2, low=1, high=MOST_EXPERTS, label="Active experts (k)", help="How many of them work on each token."
    )
    width: int = knob(128, low=8, high=256, scale="log", label="Width (D)", help="Numbers of one token, in and out.")
    hidden_width: int = knob(
        256, low=8, high=512, scale="log", label="Hidden units (H)", help="Of each expert, between its two matrices."
    )
    num_tokens: int = knob(1024, low=64, high=4096, scale="log", label="Tokens (n)", help="In one step.")

    def __post_init__(self) -> None:
        for name, each in LAYER_KNOBS.items():
            object.__setattr__(self, name, each.check(getattr(self, name)))
        if self.top_k > self.num_experts:
            raise ValueError(
                f"top_k must be at most num_experts: got top_k={self.top_k}, num_experts={self.num_experts}; "
                "lower top_k or add experts"
            )


LAYER_KNOBS = knobs_of(Layer)


@dataclass(frozen=True)
class Case:
    """Something whose cost is counted and measured: a layer in one form, under even load or with all on k experts."""

    layer: Layer
    form: str
    collapsed: bool = False


def working(layer: Layer, form: str) -> int:
    """How many experts compute each token; for a plain network, how many experts' hidden units it has."""
    return layer.top_k if form in ("sparse", "active") else layer.num_experts


def parameters(layer: Layer, form: str) -> int:
    """All numbers that are learned, which must all be in memory: the gate's, two matrices an expert, two biases."""
    d, h, n = layer.width, layer.hidden_width, layer.num_experts
    if form in NETWORKS:
        return 2 * d * h * working(layer, form) + h * working(layer, form) + d
    return n * d + n * (2 * d * h + h + d)


def active_parameters(layer: Layer, form: str) -> int:
    """Those that one token uses: the whole gate, which scores every expert, and the experts that compute the token."""
    d, h = layer.width, layer.hidden_width
    if form in NETWORKS:
        return parameters(layer, form)
    return layer.num_experts * d + working(layer, form) * (2 * d * h + h + d)


def flops(layer: Layer, form: str) -> int:
    """Floating-point operations of one step, forward and backward: two for each weight that meets a token in a product.

    Biases, activations, the softmax and the sorting of tokens are left out: they are no matrix products.
    """
    gate = 0 if form in NETWORKS else layer.width * layer.num_experts
    weights = gate + working(layer, form) * 2 * layer.width * layer.hidden_width
    return PASSES * 2 * weights * layer.num_tokens


def kept(layer: Layer, form: str) -> int:
    """Numbers kept from the forward pass of one step until its backward pass needs them, beside the parameters.

    The tokens; hidden units, and (for the gradient of its weight) the output, wherever an expert computes a token; in
    the sparse form also the tokens sorted by expert; and of the gate, probabilities and weights.
    """
    d, h, pairs = layer.width, layer.hidden_width, working(layer, form)
    if form in NETWORKS:
        return layer.num_tokens * (d + pairs * h)
    sorted_tokens = pairs * d if form == "sparse" else 0
    return layer.num_tokens * (d + pairs * (h + d) + sorted_tokens + 2 * layer.num_experts)


# ---- what a page draws ----------------------------------------------------------------------------------------------


def along(layer: Layer, name: str) -> list[Layer]:
    """Layers that differ in one size, doubling over the range that a chart shows; this layer's own is among them."""
    own = getattr(layer, name)
    ends = {
        "num_experts": (layer.top_k, MOST_EXPERTS), "top_k": (1, layer.num_experts),
        "num_tokens": (max(own // 8, int(LAYER_KNOBS[name].low or 0)), own),
    }  # fmt: skip
    low, high = ends[name]
    values = {2**power for power in range(13) if low <= 2**power <= high} | {low, own, high}
    return [dataclasses.replace(layer, **{name: value}) for value in sorted(values)]


CHARTS = ("num_experts", "top_k", "num_tokens")
"""The sizes against which time is drawn."""


def cases(layer: Layer) -> list[Case]:
    """All that is measured for a layer, each once, the most telling first."""
    return [case for case in wanted(layer) if kept(case.layer, case.form) <= MOST_KEPT]


def too_large(layer: Layer) -> list[Case]:
    """What would be measured too, if it kept fewer numbers."""
    return [case for case in wanted(layer) if kept(case.layer, case.form) > MOST_KEPT]


def wanted(layer: Layer) -> list[Case]:
    """What the charts show of a layer."""
    cases = [Case(layer, form) for form in FORMS] + [Case(layer, "sparse", collapsed=True)]
    for name in CHARTS:
        for each in along(layer, name):
            cases += [Case(each, "sparse")] + ([Case(each, "dense")] if name != "top_k" else [])
    return list(dict.fromkeys(cases))


def pays_from(sizes: Sequence[float], sparse: Sequence[float], dense: Sequence[float]) -> float | None:
    """From which size on the sparse form takes less time up to the largest; None if it does not there."""
    first = None
    for size, ours, theirs in zip(sizes, sparse, dense, strict=True):
        first = (size if first is None else first) if ours < theirs else None
    return first
