"""How one output is made: every number between a token and its loss, what else it could have been, and who learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from moeviz import losses, metrics
from moeviz.models.moe_layer import slant
from moeviz.routers import ROUTERS, Routing, balanced_table, biased, in_best_groups, last_taken, slot_inputs, soft
from moeviz.tensors.axes import over
from moeviz.training.state import State
from moeviz.training.views.bytes import floats
from moeviz.training.views.probe import routed_probe

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
    experts_RE1O: Float[Tensor, "R E 1 O"]  # what the weights multiply
    shared_R1O: Float[Tensor, "R 1 O"]


def journey(state: State, place: tuple[float, float] | None) -> dict[str, np.ndarray]:
    """What happens to the token at the probe on its way to the losses; its arrays stand in moeviz.frames."""
    with torch.inference_mode(False), torch.enable_grad():
        rows_RAP = state.rows_RAP.detach().clone().requires_grad_()
        xy, x_R1D, routing = routed_probe(state, rows_RAP, place)
        target, distance_R = target_near(state, xy, x_R1D)
        token = Token(
            target, state.model.layer.weighted_outputs(rows_RAP, x_R1D, routing).detach(), shared(state, x_R1D)
        )
        loss_R, gradient_RE = learned(state, routing.gates_TE, routing.logits_TE, token)
    numbers = {
        "x": x_R1D[:, 0], "logit": routing.logits_TE[:, 0], "target": target.reshape(len(target), -1),
        "distance": distance_R.unsqueeze(-1), "loss": loss_R.unsqueeze(-1), "gradient": gradient_RE,
        "shared": token.shared_R1O[:, 0],
    }  # fmt: skip
    numbers |= gate(state) | deciding(state, x_R1D, routing) | alone(state, x_R1D, token)
    numbers |= forms(state, routing, token) | balance(state)
    return {f"journey_{name}": floats(value.detach()) for name, value in numbers.items()}


def target_near(state: State, xy: list[float], x_R1D: Tensor) -> tuple[Tensor, Float[Tensor, " R"]]:
    """The target of each run's test token nearest to the token, and how far away that is (in the input's own units)."""
    test = state.data.test
    distance_RT = (test.x_RTD - x_R1D).norm(dim=-1)
    nearest_R = distance_RT.argmin(-1)
    run_R = torch.arange(len(nearest_R), device=nearest_R.device)
    return test.target[run_R, nearest_R].unsqueeze(1), distance_RT[run_R, nearest_R]


def shared(state: State, x_R1D: Float[Tensor, "R 1 D"]) -> Float[Tensor, "R 1 O"]:
    """What the shared experts answer together; 0 without any."""
    if state.model.layer.num_shared:
        return state.model.layer.shared_output(state.rows_RAP, x_R1D).detach()
    return x_R1D.new_zeros(*x_R1D.shape[:2], state.model.layer.output_width)


def combine(gates_R1E: Float[Tensor, "R 1 E"], token: Token) -> Float[Tensor, "R 1 O"]:
    """The layer's output: y = Σ_i weight_i · E_i(x), plus the shared experts' answer."""
    weights_RE11 = gates_R1E.mT.unsqueeze(-1).to(token.experts_RE1O.dtype)
    return (weights_RE11 * token.experts_RE1O).sum(1) + token.shared_R1O


def learned(
    state: State, gates_R1E: Tensor, logits_R1E: Tensor, token: Token
) -> tuple[Float[Tensor, " R"], Float[Tensor, "R E"]]:
    """This token's task loss, and its slope along each router logit: ∂loss/∂z_i, measured by autograd.

    Descent moves a logit against its slope: a negative slope raises it. All 0: this token teaches the router nothing.
    """
    loss_R = state.task_loss(combine(gates_R1E, token), token.target)
    if not loss_R.requires_grad:  # weights that no logit decides
        return loss_R, torch.zeros_like(logits_R1E[:, 0])
    (gradient_R1E,) = torch.autograd.grad(loss_R.sum(), logits_R1E, allow_unused=True)
    return loss_R, torch.zeros_like(logits_R1E[:, 0]) if gradient_R1E is None else gradient_R1E[:, 0]


def alone(state: State, x_R1D: Float[Tensor, "R 1 D"], token: Token) -> dict[str, Tensor]:
    """Output and task loss if one expert had computed this token, unmixed, with weight 1, and no other expert any."""
    answers_RE1O = state.model.layer.expert_outputs(state.rows_RAP, x_R1D) + token.shared_R1O.unsqueeze(1)
    num_runs, num_experts = answers_RE1O.shape[:2]
    of_each = token.target.repeat_interleave(num_experts, dim=0)
    loss_RE = state.task_loss(answers_RE1O.flatten(0, 1), of_each).view(num_runs, num_experts)
    return {"alone_output": answers_RE1O[:, :, 0], "alone_loss": loss_RE}


def forms(state: State, routing: Routing, token: Token) -> dict[str, Tensor]:
    """Weights, output, loss and slope under each of FORMS: with the run's k, then with k = 1."""
    asked = [(form, k) for k in (state.routing_knobs.k, 1) for form in FORMS.values()]
    num_runs = len(token.target)
    with torch.inference_mode(False), torch.enable_grad():  # each form of each run is a run of its own
        logits_F1E = routing.logits_TE.detach().repeat(len(asked), 1, 1).requires_grad_()
        parts = zip(asked, logits_F1E.split(num_runs), strict=True)
        gates_F1E = torch.cat([form(logits_R1E, k=k).gates_TE for (form, k), logits_R1E in parts])
        tokens = Token(
            *(torch.cat([part] * len(asked)) for part in (token.target, token.experts_RE1O, token.shared_R1O))
        )
        loss_F, gradient_FE = learned(state, gates_F1E, logits_F1E, tokens)
        output_FO = combine(gates_F1E, tokens)[:, 0]
    values = {"weight": gates_F1E[:, 0], "output": output_FO, "loss": loss_F, "gradient": gradient_FE}
    return {f"form_{name}": value.unflatten(0, (-1, num_runs)).transpose(0, 1) for name, value in values.items()}


def gate(state: State) -> dict[str, Tensor]:
    """Every expert's gate column, and what is added to each score: its bias, and the knob that slants all scores."""
    parameters = state.parameters
    w_RED = parameters["gate_w"]
    bias_RE = parameters.get("gate_b", torch.zeros_like(w_RED[..., 0]))
    return {"gate_w": w_RED, "gate_b": bias_RE + over(state.routing_knobs.skew, 1) * slant(bias_RE)}


def deciding(state: State, x_R1D: Float[Tensor, "R 1 D"], routing: Routing) -> dict[str, Tensor]:
    """What decides beside this token's scores, where something does."""
    way = DECIDING.get(state.configs[0].router)
    return way(state, x_R1D, routing) if way else {}


def helped(state: State, x_R1D: Float[Tensor, "R 1 D"], routing: Routing) -> dict[str, Tensor]:
    """DeepSeek's bias, whether an expert is in one of the token's best groups, and what multiplies the weights."""
    options, bias_RE = state.model.layer.options, state.bias_REL.squeeze(-1)
    allowed_R1E = in_best_groups(biased(routing.logits_TE, bias_RE), options.expert_groups, options.kept_groups)
    scale_R1 = torch.full_like(bias_RE[:, :1], options.route_scale)
    return {"choice_bias": bias_RE, "allowed": allowed_R1E[:, 0], "route_scale": scale_R1}


def taken(state: State, x_R1D: Float[Tensor, "R 1 D"], routing: Routing) -> dict[str, Tensor]:
    """The p that a token must have to be taken by each expert: that of the last test token that it takes."""
    return {"threshold": last_taken(among_test(state)[1])}


def listed(state: State, x_R1D: Float[Tensor, "R 1 D"], routing: Routing) -> dict[str, Tensor]:
    """How the table is read: the token's id, the length of the table, the token's place there, and whom it names."""
    table_V, id_R1 = balanced_table(routing.logits_TE.shape[-1], x_R1D.device), state.model.ids(x_R1D)
    place_R1 = id_R1 % len(table_V)
    return {"table": torch.cat([id_R1, torch.full_like(id_R1, len(table_V)), place_R1, table_V[place_R1]], dim=-1)}


def mixed(state: State, x_R1D: Float[Tensor, "R 1 D"], routing: Routing) -> dict[str, Tensor]:
    """Each expert's mixture of the test tokens, and the logarithm of Σ_t exp(z_t), by which the shares are divided."""
    x_RTD, among = among_test(state)
    return {"mixture": slot_inputs(soft(among.logits_TE), x_RTD), "mixed_size": among.logits_TE.logsumexp(-2)}


def among_test(state: State) -> tuple[Float[Tensor, "R T D"], Routing]:
    """The test tokens that stand for a batch, and what the router decides about them."""
    x_RTD = state.data.measured_test.x_RTD
    return x_RTD, state.model.route(state.rows_RAP, x_RTD, state.routing_knobs_for(x_RTD.shape[1]))


DECIDING: dict[str, Callable[[State, Tensor, Routing], dict[str, Tensor]]] = {
    "deepseek_v3": helped, "expert_choice": taken, "hash": listed, "soft": mixed
}  # fmt: skip


def balance(state: State) -> dict[str, Tensor]:
    """The raw balance loss of the measured train tokens, and what the balance losses are made of."""
    tokens, k = state.data.measured_train, state.routing_knobs.k
    routing = state.model.route(state.rows_RAP, tokens.x_RTD, state.routing_knobs_for(tokens.count))
    of_each_run = {
        "balance_loss": state.balance_loss(routing, k=k), "mean_entropy": metrics.entropy(routing.probs_TE).mean(-1),
        "batch_tokens": torch.full_like(routing.logits_TE[:, 0, 0], tokens.count),
    }  # fmt: skip
    return {
        "mean_prob": metrics.mean_probability(routing), "batch_load": metrics.load(routing, k=k),
        "first_share": losses.first_share(routing), "weight_sum": losses.weight_sums(routing),
        "likely_count": losses.likely_counts(routing, k=k),
    } | {name: value_R.unsqueeze(-1) for name, value_R in of_each_run.items()}  # fmt: skip
