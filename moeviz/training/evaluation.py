"""Measuring a training: what its present weights do with tokens of the train and the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from moeviz import metrics
from moeviz.training import history
from moeviz.training.history import Record

if TYPE_CHECKING:
    from moeviz.training.core import Training


@torch.inference_mode()
def measure(training: Training) -> Record:
    """Losses and train metric on train tokens, everything else on test tokens, in one pass over both."""
    tokens, num_train = training.data.evaluated, training.data.num_evaluated_train
    knobs = training.routing_knobs_for(tokens.x_RTD.shape[1])
    y_RTO, routing = training.model(training.rows_REP, tokens.x_RTD, knobs)
    trained, tested = routing.tokens(slice(num_train)), routing.tokens(slice(num_train, None))
    on_train = y_RTO[:, :num_train], tokens.target[:, :num_train]
    on_test = y_RTO[:, num_train:], tokens.target[:, num_train:]
    load_RE = metrics.load(tested, k=knobs.k)
    segments = tokens.segment_RT[:, num_train:], training.data.tasks[0].num_segments
    numbers = {
        "task_loss": training.task_loss(*on_train),
        "balance_loss": training.balance_loss(trained, k=knobs.k),
        "train_metric": training.metric(*on_train),
        "test_loss": training.task_loss(*on_test),
        "test_metric": training.metric(*on_test),
        "cv_load": metrics.cv(load_RE),
        "specialization": metrics.specialization(tested, *segments),
    }
    shares = {"load_RE": load_RE, "mean_prob_RE": metrics.mean_probability(tested)}
    return _record(training, _numpy(numbers) | _numpy(shares))


def _record(training: Training, measured: dict[str, np.ndarray]) -> Record:
    """What was measured, and since when each expert has been idle."""
    idle_since_RE, dead_RE = history.idle(training.records, training.current_step, measured["load_RE"], training.ids_RE)
    return Record(
        step=training.current_step,
        ids_RE=training.ids_RE,
        balance_coef=np.array([config.balance_coef for config in training.configs]),
        idle_since_RE=idle_since_RE,
        dead_RE=dead_RE,
        **measured,
    )


def _numpy(values: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Tensors of one shape as arrays, fetched together: each fetch would make a GPU wait."""
    return dict(zip(values, torch.stack(list(values.values())).double().cpu().numpy(), strict=True))
