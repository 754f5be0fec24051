"""Measuring a training: what its present weights do with tokens of the train and the test set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from moeviz import metrics
from moeviz.axes import over
from moeviz.config import TASK_INFO
from moeviz.deciding import mean_over_groups
from moeviz.routers import Routing
from moeviz.training import history, reading
from moeviz.training.data import Tokens
from moeviz.training.history import Record

if TYPE_CHECKING:
    from moeviz.training.core import Training


@torch.inference_mode()
def measure(training: Training) -> tuple[Record, dict[str, np.ndarray]]:
    """Losses and train metric on train tokens, everything else on test tokens.

    Beside the record, what snapshots show beyond it: numbers `[R]`, and numbers `[R, E]` of each expert.
    """
    data = training.data
    # A test token must not queue behind the train tokens, nor be compared with them.
    if reading.crowded(training.configs) or training.model.num_layers > 1:
        (y_train, trained), (y_test, tested) = (
            _forward(training, data.measured_train),
            _forward(training, data.measured_test),
        )
    else:  # in one pass, which costs half
        y_RTO, routing = _forward(training, data.measured)
        y_train, y_test = y_RTO.split([data.measured_train.count, data.measured_test.count], dim=1)
        num_trained = y_train.shape[1] * reading.units_per_input(training.configs)
        trained, tested = routing.tokens(slice(num_trained)), routing.tokens(slice(num_trained, None))
    on_train, on_test = (y_train, data.measured_train.target), (y_test, data.measured_test.target)
    k = training.routing_knobs.k
    load_RE, layers = metrics.load(tested, k=k), training.model.num_layers
    segment_RT, num_segments = segments(training), data.tasks[0].num_segments
    numbers = {
        "task_loss": training.task_loss(*on_train),
        "balance_loss": mean_over_groups(training.balance_loss, trained, k, layers),
        "train_metric": training.metric(*on_train),
        "test_loss": training.task_loss(*on_test),
        "test_metric": training.metric(*on_test),
        "cv_load": over_layers(lambda each: metrics.cv(metrics.load(each, k=k)), tested, layers),
        "specialization": match(tested, segment_RT, num_segments, layers),
        "dropped_share": metrics.dropped_share(tested, k=k),
        "unserved_share": metrics.unserved_share(tested),
        "trains": training.progress.healthy_R.to(load_RE.dtype),
    }
    importance_RE = metrics.importance(tested)
    by_expert = {
        "load_RE": load_RE, "mean_prob_RE": metrics.mean_probability(tested),
        "importance_RE": importance_RE / importance_RE.sum(-1, keepdim=True),
    }  # fmt: skip
    details = _numpy(_more_numbers(training, tested)) | _numpy(_more_by_expert(training, tested))
    return _record(training, _numpy(numbers) | _numpy(by_expert)), details


def segments(training: Training, order_M: Tensor | None = None) -> Tensor:
    """The true segment of each unit that is routed of the test set `[R, T]`: that of the input which it is part of.

    Layer by layer, where there are several.

    Args:   order_M: deals the inputs' segments anew.
    """
    segment_RM = training.data.measured_test.segment_RT
    if parts := TASK_INFO[training.configs[0].task].parts:  # of a picture and its names each part is one
        segment_W = torch.arange(len(parts)).repeat_interleave(torch.tensor(parts)).to(segment_RM.device)
        return segment_W.repeat(segment_RM.shape[1]).expand(len(segment_RM), -1)
    if order_M is not None:
        segment_RM = segment_RM[:, order_M]
    segment_RT = segment_RM.repeat_interleave(reading.units_per_input(training.configs), dim=-1)
    return segment_RT.repeat(1, training.model.num_layers)


def over_layers(metric: Callable[[Routing], Tensor], routing: Routing, layers: int) -> Tensor:
    """A metric of each layer's routing, averaged: experts of different layers do not share their work."""
    if layers == 1:
        return metric(routing)
    return metric(routing.each(lambda table_RTE: table_RTE.unflatten(1, (layers, -1)))).mean(1)


def match(routing: Routing, segment_RT: Tensor, num_segments: int, layers: int) -> Tensor:
    """How well the first choice tells the segment, the mean over layers."""
    if layers > 1:
        segment_RT = segment_RT.unflatten(1, (layers, -1))
    return over_layers(lambda each: metrics.specialization(each, segment_RT, num_segments), routing, layers)


def _more_numbers(training: Training, tested: Routing) -> dict[str, Tensor]:
    gate_REG = _gradient(training)[..., training.model.is_gate_P]
    k, layers = training.routing_knobs.k, training.model.num_layers
    return {
        "cv_importance": over_layers(lambda each: metrics.cv(metrics.importance(each)), tested, layers),
        "gate_gradient": metrics.gradient_norm(gate_REG.flatten(-2)),
        "max_violation": over_layers(lambda each: metrics.max_violation(metrics.load(each, k=k)), tested, layers),
        "load_entropy": over_layers(lambda each: metrics.entropy(metrics.load(each, k=k)), tested, layers),
        "logit_size": metrics.logit_size(tested),
    }


def _more_by_expert(training: Training, tested: Routing) -> dict[str, Tensor]:
    return {
        "importance": metrics.importance(tested),
        "gradient_norm": metrics.gradient_norm(_gradient(training)),
        "update_share": metrics.update_share(training.updated_RE, training.present_RE),
    }


def _gradient(training: Training) -> Tensor:
    """Each expert's gradient in the last step; NaN where there is none: before the first, of a run that stopped."""
    stopped_R = ~training.progress.healthy_R
    return training.model.routed(training.gradient_REP).masked_fill(over(stopped_R, 2), torch.nan)


def _forward(training: Training, tokens: Tokens) -> tuple[Tensor, Routing]:
    return training.model(training.rows_REP, tokens.x_RTD, training.routing_knobs_for(tokens.count))


def _record(training: Training, measured: dict[str, np.ndarray]) -> Record:
    """What was measured, and since when each expert has been idle."""
    idle_since_RE, dead_RE = history.idle(training.records, training.current_step, measured["load_RE"], training.ids_RE)
    num_tokens = training.data.measured_test.count * reading.units_per_input(training.configs)
    by_chance = [reading.random_drop(c, reading.measuring_factor(c), num_tokens) for c in training.configs]
    return Record(
        step=training.current_step,
        random_drop=np.array(by_chance),
        ids_RE=training.ids_RE,
        dispatch=training.dispatch,
        balance_coef=np.array([config.balance_coef for config in training.configs]),
        idle_since_RE=idle_since_RE,
        dead_RE=dead_RE,
        deaths=history.deaths(training.records, idle_since_RE, dead_RE, training.ids_RE),
        **measured,
    )


def _numpy(values: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Tensors of one shape as arrays, fetched together: each fetch would make a GPU wait."""
    return dict(zip(values, torch.stack(list(values.values())).double().cpu().numpy(), strict=True))
