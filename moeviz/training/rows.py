"""The picture of a Transformer's inputs: test digits row by row, who serves each row, and what the model answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from moeviz.training import pictures, reading

if TYPE_CHECKING:
    from moeviz.training.core import Training


def rows(training: Training, place: tuple[float, float] | None) -> dict[str, np.ndarray]:
    """Some test digits, and of the digit at the probe every row's weights; names and shapes stand in moeviz.frames.

    Where rows act on each other, these digits are among all that are measured: as many are dropped as is said there.
    """
    index_M, tokens = pictures.digits(training), reading.tokens_per_input(training.configs)
    test, alone = training.data.measured_test, not reading.crowded(training.configs)
    x_RMD = test.x_RTD[:, index_M] if alone else test.x_RTD
    y_RMO, routing = training.model(training.rows_REP, x_RMD, training.routing_knobs_for(x_RMD.shape[1]))
    expert_RMW, kept_RMW = (value.unflatten(1, (-1, tokens)) for value in pictures.servers(routing))
    shown_M = torch.arange(len(index_M)) if alone else index_M
    digit, _ = pictures.row_at(training, place)
    return {
        "row_pixels": _bytes(test.x_RTD[:, index_M].clamp(0, 1) * 255), "row_target": _bytes(test.target[:, index_M]),
        "row_answer": _bytes(y_RMO[:, shown_M].argmax(-1)), "row_expert": _bytes(expert_RMW[:, shown_M]),
        "row_kept": _bytes(kept_RMW[:, shown_M]),
        "row_weight": routing.gates_TE.unflatten(1, (-1, tokens))[:, shown_M[digit]].float().cpu().numpy(),
    }  # fmt: skip


def _bytes(value: Tensor) -> np.ndarray:
    return (
        value.round().to(torch.uint8).cpu().numpy()
        if value.is_floating_point()
        else value.to(torch.uint8).cpu().numpy()
    )
