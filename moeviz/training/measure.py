"""Measuring a training: what its present weights do with tokens of the train and the test set."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moeviz import metrics
from moeviz.config import TASK_INFO
from moeviz.routers import Routing
from moeviz.routers.decide import mean_over_parts
from moeviz.tensors.axes import over
from moeviz.training import from_configs, history
from moeviz.training.data import Tokens
from moeviz.training.history import Record
from moeviz.training.state import State

BY_EXPERT = ("importance", "gradient_norm", "update_share")
DETAILS = ("cv_importance", "gate_gradient", "max_violation", "load_entropy", "logit_size", *BY_EXPERT)
"""What is measured beside a record."""


@torch.inference_mode()
def measure(state: State) -> tuple[Record, dict[str, np.ndarray]]:
    """Losses and train metric on train tokens, everything else on test tokens.

    Beside the record, what snapshots show beyond it. What is measured of the routing is measured layer by layer: of a
    model with several layers it has an axis L behind R.
    """
    data = state.data
    if from_configs.crowded(state.configs):  # a test token must not queue behind the train tokens, nor be compared
        (y_train, trained), (y_test, tested) = (
            _forward(state, data.measured_train),
            _forward(state, data.measured_test),
        )
    else:  # in one pass, which costs half
        y_RTO, routing = _forward(state, data.measured)
        y_train, y_test = y_RTO.split([data.measured_train.count, data.measured_test.count], dim=1)
        num_trained = y_train.shape[1] * from_configs.units_per_input(state.configs)
        trained, tested = routing.tokens(slice(num_trained)), routing.tokens(slice(num_trained, None))
    on_train, on_test = (y_train, data.measured_train.target), (y_test, data.measured_test.target)
    task_loss, metric, k = state.task_loss, state.metric, state.routing_knobs.k
    numbers = {
        "task_loss": task_loss(*on_train),
        "balance_loss": mean_over_parts(state.balance_loss, trained, k),
        "train_metric": metric(*on_train),
        "test_loss": task_loss(*on_test),
        "test_metric": metric(*on_test),
        "trains": state.step_state.healthy_R.to(state.rows_RAP.dtype),
    }
    tested = tested.layered
    by_layer, by_expert = _numpy(_by_layer(state, tested)), _numpy(_by_expert(state, tested))
    details = {name: values.pop(name) for values in (by_layer, by_expert) for name in DETAILS if name in values}
    return _record(state, _numpy(numbers) | by_layer | by_expert), details


def segments(state: State, order_M: Tensor | None = None) -> Tensor:
    """The true segment of each unit that is routed of the test set `[R, T]`: that of the input which it is part of.

    Args:   order_M: deals the inputs' segments anew.
    """
    segment_RM = state.data.measured_test.segment_RT
    if parts := TASK_INFO[state.configs[0].task].parts:  # of a picture and its names each part is one
        segment_W = torch.arange(len(parts)).repeat_interleave(torch.tensor(parts)).to(segment_RM.device)
        return segment_W.repeat(segment_RM.shape[1]).expand(len(segment_RM), -1)
    if order_M is not None:
        segment_RM = segment_RM[:, order_M]
    return segment_RM.repeat_interleave(from_configs.units_per_input(state.configs), dim=-1)


def match(layered: Routing, segment_RT: Tensor, num_segments: int) -> Tensor:
    """How well the first choice in each layer tells the segment `[R, L]`."""
    return metrics.specialization(layered, in_each(layered, segment_RT), num_segments)


def in_each(layered: Routing, value_RT: Tensor) -> Tensor:
    """What is so of each unit, once for each layer `[R, L, T]`."""
    return value_RT.unsqueeze(1).expand(layered.probs_TE.shape[:3])


def without_one_layer(value_RL: Tensor) -> Tensor:
    """Of a model with one layer without an axis of layers."""
    return value_RL.squeeze(1)


def _by_layer(state: State, tested: Routing) -> dict[str, Tensor]:
    k, load_RLE = state.routing_knobs.k, metrics.load(tested, k=state.routing_knobs.k)
    segment_RT, num_segments = segments(state), state.data.tasks[0].num_segments
    gate_RLEP = _gradient(state)[..., state.model.layer.is_gate_P]
    values = {
        "cv_load": metrics.cv(load_RLE), "specialization": match(tested, segment_RT, num_segments),
        "dropped_share": metrics.dropped_share(tested, k=k), "unserved_share": metrics.unserved_share(tested),
        "cv_importance": metrics.cv(metrics.importance(tested)),
        "gate_gradient": metrics.gradient_norm(gate_RLEP.flatten(-2)),
        "max_violation": metrics.max_violation(load_RLE), "load_entropy": metrics.entropy(load_RLE),
        "logit_size": metrics.logit_size(tested),
    }  # fmt: skip
    return {name: without_one_layer(value_RL) for name, value_RL in values.items()}


def _by_expert(state: State, tested: Routing) -> dict[str, Tensor]:
    importance_RLE = metrics.importance(tested)
    values = {
        "load_RE": metrics.load(tested, k=state.routing_knobs.k),
        "mean_prob_RE": metrics.mean_probability(tested),
        "importance_RE": importance_RLE / importance_RLE.sum(-1, keepdim=True),
        "importance": importance_RLE,
        "gradient_norm": metrics.gradient_norm(_gradient(state)),
        "update_share": metrics.update_share(state.updated_REL.mT, state.present_RE.unsqueeze(1)),
    }
    return {name: without_one_layer(value_RLE) for name, value_RLE in values.items()}


def _gradient(state: State) -> Tensor:
    """Each expert's gradient in each layer in the last step `[R, L, E, P]`; NaN where there is none.

    (Before the first, or of a run that stopped.)
    """
    stopped_R, layers = ~state.step_state.healthy_R, state.model.num_layers
    gradient_RAP = state.model.routed(state.gradient_RAP).masked_fill(over(stopped_R, 2), torch.nan)
    return gradient_RAP.unflatten(-1, (layers, -1)).transpose(1, 2)


def _forward(state: State, tokens: Tokens) -> tuple[Tensor, Routing]:
    return state.model(state.rows_RAP, tokens.x_RTD, state.routing_knobs_for(tokens.count))


def _record(state: State, measured: dict[str, np.ndarray]) -> Record:
    """What was measured, and since when each expert has been idle."""
    idle_since_RE, dead_RE = history.idle(state.records, state.current_step, measured["load_RE"], state.ids_RE)
    num_tokens = state.data.measured_test.count * from_configs.units_per_input(state.configs)
    by_chance = [from_configs.random_drop(c, from_configs.measuring_factor(c), num_tokens) for c in state.configs]
    return Record(
        step=state.current_step,
        random_drop=np.array(by_chance),
        ids_RE=state.ids_RE,
        dispatch=state.dispatch,
        balance_coef=np.array([config.balance_coef for config in state.configs]),
        idle_since_RE=idle_since_RE,
        dead_RE=dead_RE,
        deaths=history.deaths(state.records, idle_since_RE, dead_RE, state.ids_RE),
        **measured,
    )


def _numpy(values: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Tensors of one shape as arrays, fetched together: each fetch would make a GPU wait."""
    return dict(zip(values, torch.stack(list(values.values())).double().cpu().numpy(), strict=True))
