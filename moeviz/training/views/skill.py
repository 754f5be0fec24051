"""How well each expert answers where it is wanted."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from moeviz.training.state import State
from moeviz.training.views.bytes import floats


def skill(state: State) -> dict[str, np.ndarray]:
    """The task loss that each expert's own answer has where the gate wants it."""
    return {"skill_loss": floats(wanted_loss(state))}


def wanted_loss(state: State) -> Float[Tensor, "R E"]:
    """Each expert's own task loss on test tokens, each weighted by its gate probability for that token.

    Every expert has one, also one that is never chosen.
    """
    tokens, layer = state.data.measured_test, state.model.layer
    routing = state.model.route(state.rows_RAP, tokens.x_RTD, state.routing_knobs_for(tokens.count))
    y_RETO = layer.expert_outputs(state.rows_RAP, tokens.x_RTD)
    if layer.num_shared:
        y_RETO = y_RETO + layer.shared_output(state.rows_RAP, tokens.x_RTD).unsqueeze(1)
    num_experts = y_RETO.shape[1]
    target = tokens.target.repeat_interleave(num_experts, dim=0).flatten(0, 1).unsqueeze(1)
    loss_RET = state.task_loss(y_RETO.flatten(0, 2).unsqueeze(1), target).view(y_RETO.shape[:3])  # token by token
    return (routing.probs_TE.mT * loss_RET).sum(-1) / routing.probs_TE.sum(-2)
