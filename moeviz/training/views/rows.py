"""The picture of a Transformer's inputs: test digits row by row, who serves each row, and what the model answers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moeviz import metrics
from moeviz.training import from_configs
from moeviz.training.state import State
from moeviz.training.views.bytes import floats, integers, shades

DIGITS = 24  # so many test inputs are drawn


def digits(state: State) -> Tensor:
    """Which test inputs are shown row by row: some from everywhere in the queue of all that are measured."""
    last = state.data.measured_test.count - 1
    return torch.linspace(0, last, DIGITS, device=state.device).round().long()


def row_at(state: State, place: tuple[float, float] | None) -> tuple[int, int]:
    """The shown digit and its row that a place means (number of the digit, number of the row), or the nearest."""
    rows = from_configs.tokens_per_input(state.configs)
    digit, row = place or (0, rows // 2)
    return round(min(max(digit, 0), DIGITS - 1)), round(min(max(row, 0), rows - 1))


def unit_at(state: State, digit: int, row: int) -> tuple[Tensor, Tensor]:
    """A row of a shown digit `[R, 1, D]` as router and experts are given it, after attention, normed; and its id.

    All its rows, where the router decides about whole digits.
    """
    x_R1D = state.data.measured_test.x_RTD[:, digits(state)[[digit]]]
    tokens_RWD, id_RU = state.model.tokens(state.rows_RAP, x_R1D), state.model.ids(x_R1D)
    if from_configs.units_per_input(state.configs) == 1:
        return tokens_RWD, id_RU
    return tokens_RWD[:, [row]], id_RU[:, [row]]


def rows(state: State, place: tuple[float, float] | None) -> dict[str, np.ndarray]:
    """Some test digits, and of the digit at the probe every row's weights; its arrays stand in moeviz.frames.

    Where rows act on each other, these digits are among all that are measured: as many are dropped as is said there.
    """
    index_M = digits(state)
    test, alone = state.data.measured_test, not from_configs.crowded(state.configs)
    x_RMD = test.x_RTD[:, index_M] if alone else test.x_RTD
    y_RMO, routing = state.model(state.rows_RAP, x_RMD, state.routing_knobs_for(x_RMD.shape[1]))
    expert_RMW, kept_RMW, weight_RMWE = (
        from_configs.by_token(state.configs, value)
        for value in (metrics.server(routing), routing.kept_TE.any(-1), routing.gates_TE)
    )
    shown_M = torch.arange(len(index_M)) if alone else index_M
    digit, _ = row_at(state, place)
    return {
        "row_pixels": shades(test.x_RTD[:, index_M]),
        "row_target": integers(test.target[:, index_M]),
        "row_answer": integers(y_RMO[:, shown_M].argmax(-1)), "row_expert": integers(expert_RMW[:, shown_M]),
        "row_kept": integers(kept_RMW[:, shown_M]),
        "row_weight": floats(weight_RMWE[:, shown_M[digit]]),
    }  # fmt: skip
