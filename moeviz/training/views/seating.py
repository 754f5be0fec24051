"""A few tokens as a batch of their own: who goes to whom, in which place of the queue, and who finds no seat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from moeviz import metrics
from moeviz.config.router_facts import BALANCED_VALUES
from moeviz.losses import LOSSES
from moeviz.routers import Routing
from moeviz.training import batch, from_configs
from moeviz.training.state import State
from moeviz.training.views.bytes import floats, integers

FEW = 16  # tokens: a table that can be read from the last row of a class


def seating(state: State) -> dict[str, np.ndarray]:
    """How the router, as in state, seats the first few train tokens; its arrays stand in moeviz.frames."""
    configs, k = state.configs, state.routing_knobs.k
    routing, places_R = seated(state)
    by_chance_R = np.array([from_configs.random_drop(config, config.capacity_factor, FEW) for config in configs])
    dropped_R = np.where(np.isnan(by_chance_R), np.nan, metrics.dropped_share(routing, k=k).cpu().numpy())
    numbers = {
        "prob": routing.probs_TE, "weight": routing.gates_TE, "load": metrics.load(routing, k=k),
        "importance": metrics.importance(routing),
        "loss": torch.stack([LOSSES[name](routing, k=k) for name in BALANCED_VALUES], -1),
        "unserved": metrics.unserved_share(routing).unsqueeze(-1),
    }  # fmt: skip
    values = {name: floats(value) for name, value in numbers.items()}
    values |= {
        "chosen": integers(routing.chosen_TE),
        "kept": integers(routing.kept_TE),
        "position": routing.position_TE.to(torch.int16).cpu().numpy(),
        "dropped": np.stack([dropped_R, by_chance_R], -1).astype("f4"),
        "places": np.array([[FEW if places is None else places] for places in places_R], dtype="i4"),
    }
    return {f"seating_{name}": value for name, value in values.items()}


def seated(state: State) -> tuple[Routing, list[int | None]]:
    """The routing of the few tokens, with what the router draws for a first step, and each run's places per expert."""
    configs, rows_RAP = state.configs, state.rows_RAP
    x_RMD = state.data.train.first(FEW // from_configs.units_per_input(configs)).x_RTD
    knobs = from_configs.training_knobs(configs, rows_RAP, num_tokens=FEW)
    size = (FEW, state.model.layer.input_width)
    drawn = batch.Batch(x_RMD, x_RMD, batch.draws(configs, 0, size, x_RMD)).knobs(knobs, state.bias_REL)
    killed_RE = state.routing_knobs.killed_RE
    routing = state.model.route(rows_RAP, x_RMD, replace(drawn, token_groups=1, killed_RE=killed_RE))
    return routing, [from_configs.places(config, config.capacity_factor, FEW) for config in configs]
