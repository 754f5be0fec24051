"""The token at the probe, and what the layer does with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from moeviz import metrics
from moeviz.config import TASK_INFO
from moeviz.routers import Routing
from moeviz.training.state import State
from moeviz.training.views import maps, rows
from moeviz.training.views.bytes import Arrays, floats, integers


def probed(state: State, place: tuple[float, float] | None) -> tuple[list[float], Arrays]:
    """Where the probe is (in view coordinates) and what the layer does with the token there."""
    xy, x_RTD, routing = routed_probe(state, state.rows_RAP, place)
    layer, rows_RAP = state.model.layer, state.model.layer_rows(state.rows_RAP)
    experts_RETO = layer.weighted_outputs(rows_RAP, x_RTD, routing)
    y_RTO = (routing.gates_TE.mT.unsqueeze(-1) * experts_RETO).sum(1)
    if layer.num_shared:
        y_RTO = y_RTO + layer.shared_output(rows_RAP, x_RTD)
    at = int(xy[1]) if x_RTD.shape[1] > 1 else 0  # the row, of an input that is routed as a whole
    return xy, {
        "probe_prob": floats(routing.probs_TE[:, 0]), "probe_weight": floats(routing.gates_TE[:, 0]),
        "probe_chosen": integers(routing.chosen_TE[:, 0]), "probe_output": floats(y_RTO[:, at]),
        "probe_first": integers(metrics.first_choice(routing))[:, :1],
        "probe_expert_output": floats(experts_RETO[:, :, at]),
    }  # fmt: skip


def routed_probe(
    state: State, rows_RAP: Tensor, place: tuple[float, float] | None
) -> tuple[list[float], Tensor, Routing]:
    """Where the probe is, the token there, and what a router with these weights decides about it."""
    xy, x_R1D, id_R1 = _token_at(state, place)
    model, knobs = state.model, replace(maps.alone(state), id_RU=id_R1)
    return xy, x_R1D, model.layer.route(model.layer_rows(rows_RAP), x_R1D, knobs)


def _token_at(state: State, place: tuple[float, float] | None) -> tuple[list[float], Tensor, Tensor]:
    """The token at a place of the picture, and its id: any point of a map or a line, else the nearest shown test token.

    Where inputs are shown row by row it is one row, as router and experts get it: after attention, normed; or all rows
    of the input, where it is routed as a whole.
    """
    shape = TASK_INFO[state.configs[0].task].view
    if shape == "rows":
        digit, row = rows.row_at(state, place)
        return [float(digit), float(row)], *rows.unit_at(state, digit, row)
    if place is None:
        first = state.data.test.first(1)
        place = tuple(maps.view(state, first.x_RTD, first.target)[0, 0].tolist())
    if shape == "projection":
        test = state.data.test.first(maps.SHOWN)
        xy_RT2 = maps.view(state, test.x_RTD, test.target)
        nearest_R = ((xy_RT2 - np.array(place)) ** 2).sum(-1).argmin(-1)
        x_R1D = torch.stack([x_TD[[token]] for x_TD, token in zip(test.x_RTD, nearest_R.tolist(), strict=True)])
        return xy_RT2[0, nearest_R[0]].tolist(), x_R1D, state.model.ids(x_R1D)
    half = maps.extent(state)
    bounded = [min(max(float(each), -half), half) for each in place]
    coordinates = bounded[:1] if shape == "curve" else bounded
    x_R1D = maps.for_all_runs(state, torch.tensor([coordinates], dtype=torch.float64))
    return bounded, x_R1D, state.model.ids(x_R1D)
