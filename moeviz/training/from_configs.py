"""Reading configs: the model that they describe, and the numbers that a step or a measurement needs of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from moeviz import metrics, routers
from moeviz.config import TASK_INFO, RunConfig
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.losses import LOSSES
from moeviz.models import dispatch
from moeviz.models.experts import EXPERTS
from moeviz.models.language_model import Decoder, Model
from moeviz.models.moe_layer import MoE, RouterOptions, RoutingKnobs
from moeviz.models.transformer import Transformer
from moeviz.models.two_modalities import TwoModalities
from moeviz.routers import Routing
from moeviz.tasks import TaskData
from moeviz.tasks.pairs import BUCKETS, PIXELS
from moeviz.tensors import device as devices
from moeviz.tensors.axes import PerRun, side_by_side
from moeviz.training.step import StepKnobs


def model(configs: Sequence[RunConfig], task: TaskData, device: torch.device, half: torch.dtype | None = None) -> Model:
    """The model of these runs, which agree in all that decides its shape: the layer; where an input is several tokens
    a Transformer around it; for text a decoder.

    Args:   half: what it computes in, if not in the type of its weights.
    """
    input_width, tokens = task.train.x_TD.shape[-1], tokens_per_input(configs)
    if tokens == 1:
        return _layer(configs, input_width, task.num_outputs, device, half)
    info = TASK_INFO[configs[0].task]
    layer = _layer(configs, info.width, info.width, device, half)
    if info.view == "text":
        return Decoder(layer, info.layers, info.heads, task.num_outputs)
    if info.parts:
        return TwoModalities(layer, input_width, task.num_outputs, tokens, info.parts, PIXELS, BUCKETS)
    return Transformer(layer, input_width, task.num_outputs, tokens)


def tokens_per_input(configs: Sequence[RunConfig]) -> int:
    """W: of how many tokens each input is made."""
    return TASK_INFO[configs[0].task].tokens_per_input


def units_per_input(configs: Sequence[RunConfig]) -> int:
    """How often the router decides about an input: for each of its tokens, or once for all."""
    return 1 if configs[0].route_by == "input" else tokens_per_input(configs)


def by_token(configs: Sequence[RunConfig], value_RU: Tensor) -> Tensor:
    """What is so of each unit, input by input and token by token `[R, M, W, …]`: alike where they are routed as one."""
    units = units_per_input(configs)
    return value_RU.unflatten(1, (-1, units)).repeat_interleave(tokens_per_input(configs) // units, dim=2)


def _layer(
    configs: Sequence[RunConfig], input_width: int, output_width: int, device: torch.device, half: torch.dtype | None
) -> MoE:
    first = configs[0]
    sizes = (input_width, first.hidden_width, output_width)
    num_tokens = first.batch_size * tokens_per_input(configs) * len(configs)
    largest_k = max(config.top_k for config in configs)
    flops = EXPERTS[first.expert].flops(*sizes, tokens_per_input(configs))
    how = dispatch.resolve(first.dispatch, device, num_tokens, first.num_experts, largest_k, flops)
    options = RouterOptions(
        first.batch_prioritized, first.second_policy, first.expert_groups, first.kept_groups, first.route_scale
    )
    return MoE(
        first.router, first.expert, how, *sizes, first.biased_gate, options, first.num_shared_experts,
        tokens_per_input(configs), first.route_by, half,
    )  # fmt: skip


@cache
def balance_loss(name: str, task: str) -> Callable[..., Tensor]:
    """A run's balance loss; the entropy loss hears which tokens are of the picture (0) and which of names (1)."""
    loss, info = LOSSES[name], TASK_INFO[task]
    if name != "entropy" or not info.parts:
        return loss
    modality_W = torch.arange(info.tokens_per_input) >= info.parts[0]

    def by_modality(routing: Routing, *, k: PerRun) -> Tensor:
        modality_T = modality_W.to(routing.probs_TE.device).repeat(routing.probs_TE.shape[-2] // len(modality_W))
        return loss(routing, k=k, modality_T=modality_T.long())

    return by_modality


def knob(configs: Sequence[RunConfig], name: str, like: Tensor) -> PerRun:
    """A knob as one number where all runs agree (cheaper), else as a tensor with one for each.

    Args:   like: has the device, and the dtype for numbers that are not whole.
    """
    return per_run([getattr(config, name) for config in configs], like)


def per_run(values: Sequence[PerRun], like: Tensor) -> PerRun:
    """One number where all agree, else a tensor with one for each run."""
    return side_by_side(values, [1] * len(values), like)


def step_knobs(configs: Sequence[RunConfig], like: Tensor) -> StepKnobs:
    """The knobs of a step as numbers; how large a loss may be is not among them, and nobody is treated."""
    rate_R = torch.tensor([config.learning_rate for config in configs], device=like.device, dtype=like.dtype)
    coef = knob(configs, "balance_coef", like)
    return StepKnobs(training_knobs(configs, like), coef, rate_R, rate_R * torch.inf, bias_rate(configs, like))


def training_knobs(configs: Sequence[RunConfig], like: Tensor, num_tokens: int | None = None) -> RoutingKnobs:
    """The router's numbers in a training step; what is drawn for it comes with its batch.

    Args:   num_tokens: those that queue together; None = one group of a batch.
    """
    first = configs[0]
    if num_tokens is None:
        num_tokens = first.batch_size * units_per_input(configs) // first.token_groups
    return RoutingKnobs(
        k=knob(configs, "top_k", like),
        renormalize=knob(configs, "renormalized", like),
        capacity=_places(configs, [c.capacity_factor for c in configs], num_tokens, like),
        jitter=knob(configs, "gate_jitter", like),
        noise=knob(configs, "router_noise", like),
        skew=knob(configs, "gate_skew", like),
        token_groups=first.token_groups,
    )


def measuring_knobs(configs: Sequence[RunConfig], num_inputs: int, like: Tensor) -> RoutingKnobs:
    """The router's numbers for so many inputs that are measured: one group, no noise, and seats of its own."""
    factors = [measuring_factor(config) for config in configs]
    return RoutingKnobs(
        k=knob(configs, "top_k", like),
        renormalize=knob(configs, "renormalized", like),
        capacity=_places(configs, factors, num_inputs * units_per_input(configs), like),
        skew=knob(configs, "gate_skew", like),
    )


def measuring_factor(config: RunConfig) -> float | None:
    """The capacity factor while a run is measured: its own, or as in training."""
    return config.capacity_factor if config.eval_capacity_factor is None else config.eval_capacity_factor


def _places(
    configs: Sequence[RunConfig], factors: Sequence[float | None], num_tokens: int, like: Tensor
) -> PerRun | None:
    """Places C per expert for so many tokens; None where no run has a limit."""
    if all(factor is None for factor in factors):
        return None
    places_R = [places(config, factor, num_tokens) for config, factor in zip(configs, factors, strict=True)]
    return per_run([num_tokens if each is None else each for each in places_R], like)


def places(config: RunConfig, factor: float | None, num_tokens: int) -> int | None:
    """One run's places per expert for so many tokens; None = no limit."""
    return None if factor is None else routers.capacity(num_tokens, config.num_experts, config.top_k, factor)


def random_drop(config: RunConfig, factor: float | None, num_tokens: int) -> float:
    """The share of choices that a gate which chooses at random would drop of so many tokens; NaN without a limit."""
    limit = places(config, factor, num_tokens)
    return math.nan if limit is None else metrics.random_drop(num_tokens, config.num_experts, config.top_k, limit)


def bias_rate(configs: Sequence[RunConfig], like: Tensor) -> PerRun:
    """γ: how far a step moves the bias of a router that has one; 0 for all others. As exact as the bias itself."""
    like = like.to(devices.widest(like.device))
    return knob(configs, "bias_rate", like) if configs[0].router == "deepseek_v3" else 0.0


def has_seats(configs: Sequence[RunConfig]) -> bool:
    """Whether a run's experts have a limited number of places, in training or while it is measured."""
    return any(c.capacity_factor is not None or c.eval_capacity_factor is not None for c in configs)


def crowded(configs: Sequence[RunConfig]) -> bool:
    """Whether tokens measured in one pass act on each other: they compete for seats, are compared, or mixed."""
    return ROUTER_INFO[configs[0].router].batchwise or has_seats(configs)


def batch_decides(configs: Sequence[RunConfig]) -> bool:
    """Whether a token's choice depends on its batch, in training or while it is measured: then maps show preference."""
    return crowded(configs) or skips(configs[0])


def skips(config: RunConfig) -> bool:
    """Whether a second choice may be skipped at random in training."""
    return ROUTER_INFO[config.router].skips and config.second_policy == "random"
