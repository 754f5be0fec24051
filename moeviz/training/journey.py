"""How one output is made: every number between a token and its loss, what else it could have been, and who learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from moeviz import metrics
from moeviz.routers import ROUTERS, Routing
from moeviz.training import pictures

if TYPE_CHECKING:
    from moeviz.training.core import Training

FORMS: dict[str, Callable[..., Routing]] = {
    "plain": partial(ROUTERS["top_k"], renormalize=False),  # softmax, then top-k
    "renormalized": partial(ROUTERS["top_k"], renormalize=True),  # softmax, then top-k, then divided by their sum
    "after": ROUTERS["mixtral"],  # top-k, then softmax
}
"""Three ways to weigh the k largest; each is computed with the run's own k and with k = 1."""


@dataclass(frozen=True)
class Token:
    """What does not depend on the router's weights: the target, and what experts answer."""

    target: Tensor  # [R, 1] class, or [R, 1, O] values
    experts_RE1O: Float[Tensor, "R E 1 O"]
    shared_R1O: Float[Tensor, "R 1 O"]


def journey(training: Training, place: tuple[float, float] | None) -> dict[str, np.ndarray]:
    """What happens to the token at the probe on its way to the losses; names and shapes stand in moeviz.frames."""
    with torch.inference_mode(False), torch.enable_grad():
        rows_REP = training.rows_REP.detach().clone().requires_grad_()
        xy, x_R1D, routing = pictures.routed_probe(training, rows_REP, place)
        target, distance_R = target_near(training, xy, x_R1D)
        token = Token(
            target, training.model.layer.weighted_outputs(rows_REP, x_R1D, routing).detach(), shared(training, x_R1D)
        )
        loss_R, gradient_RE = learned(training, routing.gates_TE, routing.logits_TE, token)
    numbers = {
        "x": x_R1D[:, 0], "logit": routing.logits_TE[:, 0], "target": target.reshape(len(target), -1),
        "distance": distance_R.unsqueeze(-1), "loss": loss_R.unsqueeze(-1), "gradient": gradient_RE,
        "alone_loss": alone(training, token), "shared": token.shared_R1O[:, 0],
    }  # fmt: skip
    if routing.noisy_logits_TE is not None:
        numbers["noisy_logit"] = routing.noisy_logits_TE[:, 0]
    numbers |= gate(training) | forms(training, routing, token) | balance(training)
    return {f"journey_{name}": value.detach().float().cpu().numpy() for name, value in numbers.items()}


def target_near(training: Training, xy: list[float], x_R1D: Tensor) -> tuple[Tensor, Float[Tensor, " R"]]:
    """The target of each run's test token nearest to the token, and how far away that is (in the input's own units)."""
    test = training.data.test
    distance_RT = (test.x_RTD - x_R1D).norm(dim=-1)
    nearest_R = distance_RT.argmin(-1)
    run_R = torch.arange(len(nearest_R), device=nearest_R.device)
    return test.target[run_R, nearest_R].unsqueeze(1), distance_RT[run_R, nearest_R]


def shared(training: Training, x_R1D: Float[Tensor, "R 1 D"]) -> Float[Tensor, "R 1 O"]:
    """What the shared experts answer together; 0 without any."""
    if training.model.layer.num_shared:
        return training.model.layer.shared_output(training.rows_REP, x_R1D).detach()
    return x_R1D.new_zeros(*x_R1D.shape[:2], training.model.layer.output_width)


def combine(gates_R1E: Float[Tensor, "R 1 E"], token: Token) -> Float[Tensor, "R 1 O"]:
    """The layer's output: y = Σ_i weight_i · E_i(x), plus the shared experts' answer."""
    weights_RE11 = gates_R1E.mT.unsqueeze(-1).to(token.experts_RE1O.dtype)
    return (weights_RE11 * token.experts_RE1O).sum(1) + token.shared_R1O


def learned(
    training: Training, gates_R1E: Tensor, logits_R1E: Tensor, token: Token
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R E"]]:
    """This token's task loss, and its slope along each router logit: ∂loss/∂z_i, measured by autograd.

    Descent moves a logit against its slope: a negative slope raises it. All 0: this token teaches the router nothing.
    """
    loss_R = training.task_loss(combine(gates_R1E, token), token.target)
    if not loss_R.requires_grad:  # weights that no logit decides
        return loss_R, torch.zeros_like(logits_R1E[:, 0])
    (gradient_R1E,) = torch.autograd.grad(loss_R.sum(), logits_R1E, allow_unused=True)
    return loss_R, torch.zeros_like(logits_R1E[:, 0]) if gradient_R1E is None else gradient_R1E[:, 0]


def alone(training: Training, token: Token) -> Float[Tensor, "R E"]:
    """The task loss that each expert's own answer has: the token sent there and nowhere else, with weight 1."""
    answers_RE1O = token.experts_RE1O + token.shared_R1O.unsqueeze(1)
    num_runs, num_experts = answers_RE1O.shape[:2]
    of_each = token.target.repeat_interleave(num_experts, dim=0)
    return training.task_loss(answers_RE1O.flatten(0, 1), of_each).view(num_runs, num_experts)


def forms(training: Training, routing: Routing, token: Token) -> dict[str, Tensor]:
    """Weights, output, loss and slope under each of FORMS: with the run's k, then with k = 1."""
    asked = [(form, k) for k in (training.routing_knobs.k, 1) for form in FORMS.values()]
    num_runs = len(token.target)
    with torch.inference_mode(False), torch.enable_grad():  # each form of each run is a run of its own
        logits_F1E = routing.logits_TE.detach().repeat(len(asked), 1, 1).requires_grad_()
        parts = zip(asked, logits_F1E.split(num_runs), strict=True)
        gates_F1E = torch.cat([form(logits_R1E, k=k).gates_TE for (form, k), logits_R1E in parts])
        tokens = Token(
            *(torch.cat([part] * len(asked)) for part in (token.target, token.experts_RE1O, token.shared_R1O))
        )
        loss_F, gradient_FE = learned(training, gates_F1E, logits_F1E, tokens)
        output_FO = combine(gates_F1E, tokens)[:, 0]
    found = {"weight": gates_F1E[:, 0], "output": output_FO, "loss": loss_F, "gradient": gradient_FE}
    return {f"form_{name}": value.unflatten(0, (-1, num_runs)).transpose(0, 1) for name, value in found.items()}


def gate(training: Training) -> dict[str, Tensor]:
    """Every expert's gate column, and its bias (0 where the gate has none)."""
    parameters = training.parameters
    w_RED = parameters["gate_w"]
    return {"gate_w": w_RED, "gate_b": parameters.get("gate_b", torch.zeros_like(w_RED[..., 0]))}


def balance(training: Training) -> dict[str, Tensor]:
    """What the balance loss is made of: mean probability and load of the measured train tokens, and the raw loss."""
    tokens, k = training.data.measured_train, training.routing_knobs.k
    routing = training.model.route(training.rows_REP, tokens.x_RTD, training.routing_knobs_for(tokens.count))
    return {
        "mean_prob": metrics.mean_probability(routing), "batch_load": metrics.load(routing, k=k),
        "balance_loss": training.balance_loss(routing, k=k).unsqueeze(-1),
    }  # fmt: skip
