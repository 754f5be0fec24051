"""From logits to a Routing, for any router: each is asked with just the arguments that its own signature names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from moeviz.routers import ROUTERS, Routing, SoftRouting, slot_inputs
from moeviz.tensors.axes import PerRun, over

NO_NOISE = 1e-6  # less noise is none: that of another draw would be about as steep as a step
SMALLEST_NOISE = 0.01  # Shazeer's noise never quite goes away


@dataclass(frozen=True)
class RouterOptions:
    """What of a router is the same for all runs of a bucket, as the knobs of these names say."""

    batch_prioritized: bool = False
    second_policy: str = "random"
    expert_groups: int = 1
    kept_groups: int = 1
    route_scale: float = 1.0


@dataclass(frozen=True)
class RoutingKnobs:
    """All that a router may need beside logits and options: numbers, for all runs or one per run, and tensors.

    Random draws are there in a training step only, and only for routers that take them: without them a decision is that
    of an evaluation. The last two stand for a batch where tokens are routed each by itself (see `MoE.alone`).
    """

    k: PerRun
    renormalize: PerRun
    capacity: PerRun | None = None
    jitter: PerRun = 0.0
    skew: PerRun = 0.0
    noise: PerRun = 1.0  # times its learned size
    token_groups: int = 1
    bias_REL: Float[Tensor, "R E L"] | None = None  # one for each layer
    killed_RE: Bool[Tensor, "R E"] | None = None  # nobody can choose them
    noise_RTE: Float[Tensor, "R T E"] | None = None  # of N(0, 1)
    uniform_RT: Float[Tensor, "R T"] | None = None  # from 0 to 1
    jitter_RTD: Float[Tensor, "R T D"] | None = None  # from -1 to 1
    id_RU: Int[Tensor, "R U"] | None = None  # of each unit as the model was given it (see `MoE.identified`)
    threshold_RE: Float[Tensor, "R E"] | None = None
    slots_RED: Float[Tensor, "R E D"] | None = None


@dataclass(frozen=True)
class RouterInputs:
    """What is at hand when a router decides: what the gate sees and what experts are given, logits, and all knobs."""

    seen_RTD: Float[Tensor, "R T D"]
    units_RTD: Float[Tensor, "R T D2"]
    logits_RTE: Float[Tensor, "R T E"]
    noise_rows_RED: Float[Tensor, "R E D"] | None
    options: RouterOptions
    knobs: RoutingKnobs


def noise_size(asked: RouterInputs) -> Float[Tensor, "R T E"] | None:
    """How large the noise on each score is, softplus(W_noiseᵀ x) + 0.01: learned; None where nothing is drawn.

    Multiplied by the knob; 0 for a run without noise beside others that have some.
    """
    if asked.knobs.noise_RTE is None or asked.noise_rows_RED is None:
        return None
    wanted_RTE = torch.bmm(asked.seen_RTD, asked.noise_rows_RED.mT)
    noise = asked.knobs.noise
    return over(noise * (noise >= NO_NOISE), 2) * (torch.nn.functional.softplus(wanted_RTE) + SMALLEST_NOISE)


def bias(asked: RouterInputs) -> Float[Tensor, "R E"] | None:
    """What DeepSeek's router adds before it chooses, in this layer."""
    bias_REL = asked.knobs.bias_REL
    return None if bias_REL is None else bias_REL.squeeze(-1)


ARGUMENTS: dict[str, Callable[[RouterInputs], Any]] = {
    "k": lambda asked: asked.knobs.k,
    "capacity": lambda asked: asked.knobs.capacity,
    "renormalize": lambda asked: asked.knobs.renormalize,
    "batch_prioritized": lambda asked: asked.options.batch_prioritized,
    "noise_TE": lambda asked: asked.knobs.noise_RTE,
    "noise_std_TE": noise_size,
    "second_policy": lambda asked: asked.options.second_policy,
    "uniform_T": lambda asked: asked.knobs.uniform_RT,
    "bias_E": bias,
    "num_groups": lambda asked: asked.options.expert_groups,
    "num_kept_groups": lambda asked: asked.options.kept_groups,
    "route_scale": lambda asked: asked.options.route_scale,
    "threshold_E": lambda asked: asked.knobs.threshold_RE,
    "token_T": lambda asked: asked.knobs.id_RU,
}
TAKES = {
    name: tuple(argument for argument in ARGUMENTS if argument in inspect.signature(router).parameters)
    for name, router in ROUTERS.items()
}


def decide(router: str, asked: RouterInputs) -> Routing:
    """The router's decision on every token of every run."""
    arguments = {name: ARGUMENTS[name](asked) for name in TAKES[router]}
    groups = asked.knobs.token_groups
    if groups > 1:
        arguments = {name: in_groups(value, groups) for name, value in arguments.items()}
        routing: Routing = ROUTERS[router](in_groups(asked.logits_RTE, groups), **arguments)
        return routing.each(lambda table_RGTE: table_RGTE.flatten(1, 2))
    decided = ROUTERS[router](asked.logits_RTE, **arguments)
    if isinstance(decided, SoftRouting):
        slots_RED = asked.knobs.slots_RED
        return decided.as_routing(slot_inputs(decided, asked.units_RTD) if slots_RED is None else slots_RED)
    return decided  # type: ignore[no-any-return]


def in_groups(value: Any, groups: int) -> Any:
    """A router's argument where the tokens of each run fall into equal groups, each with a decision of its own."""
    if not isinstance(value, Tensor):
        return value
    return value.unsqueeze(-1) if value.dim() == 1 else value.unflatten(1, (groups, -1))


def mean_over_parts(loss: Callable[..., Tensor], routing: Routing, k: PerRun, groups: int = 1) -> Float[Tensor, " R"]:
    """A balance loss, computed for each layer by itself: the mean over these, so that λ weighs alike however many.

    Where tokens fall into groups, for each of these too, as if each were on a machine of its own.
    """
    if groups > 1:
        routing = routing.each(lambda table_TE: table_TE.unflatten(-2, (groups, -1)))
    num_axes = routing.logits_TE.dim() - 3  # between runs and tokens: layers, groups
    return loss(routing, k=over(k, num_axes)).flatten(1).mean(-1) if num_axes else loss(routing, k=k)
