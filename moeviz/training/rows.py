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
    """Some test digits as one batch; of the digit at the probe also every row's weights. See moeviz.frames."""
    digits, tokens = training.data.test.first(pictures.DIGITS), reading.tokens_per_input(training.configs)
    y_RMO, routing = training.model(training.rows_REP, digits.x_RTD, training.routing_knobs_for(digits.count))
    expert_RT, kept_RT = pictures.servers(routing)
    digit, _ = pictures.row_at(training, place)
    of_digit = slice(digit * tokens, (digit + 1) * tokens)
    return {
        "row_pixels": _bytes(digits.x_RTD.clamp(0, 1) * 255), "row_target": _bytes(digits.target),
        "row_answer": _bytes(y_RMO.argmax(-1)), "row_expert": _bytes(expert_RT.unflatten(1, (-1, tokens))),
        "row_kept": _bytes(kept_RT.unflatten(1, (-1, tokens))),
        "row_weight": routing.gates_TE[:, of_digit].float().cpu().numpy(),
    }  # fmt: skip


def _bytes(value: Tensor) -> np.ndarray:
    return (
        value.round().to(torch.uint8).cpu().numpy()
        if value.is_floating_point()
        else value.to(torch.uint8).cpu().numpy()
    )
