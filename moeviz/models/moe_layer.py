"""The mixture-of-experts layer. It holds no weights and no state: parameters come in, output and routing come out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from moeviz.config.router_facts import ROUTER_INFO
from moeviz.models.affine_chain import divide
from moeviz.models.dispatch import DISPATCH, OneKind, every_output, mixed
from moeviz.models.experts import EXPERTS, ExpertKind, Parameters, Shapes, unpack
from moeviz.routers import Routing, last_taken, sequence_ids, token_ids
from moeviz.routers.decide import RouterInputs, RouterOptions, RoutingKnobs, decide
from moeviz.tensors.axes import over
from moeviz.tensors.precision import at_least_float32, narrowed
from moeviz.tensors.rng import stream

__all__ = ["MoE", "RouterOptions", "RoutingKnobs"]

# An expert's row is a multiple of this many numbers, so that a run's rounding does not depend on its neighbors.
ALIGN = 16
USUAL = RouterOptions()
GATE_LENGTH = 1.0  # every gate column starts with this length, so that no expert is unable to win from the start


@dataclass(frozen=True)
class MoE:
    """y = Σ_{i ∈ Top-k} g_i · E_i(x): a router, its experts, and a way to compute them.

    Weights come in as `rows_RAP`: one row of P numbers for every run and expert, its gate column first, then its own.
    The last rows are those of the shared experts: they compute every token with weight 1, and no router sees them.

    With a half type experts compute in it; weights, what comes in and goes out, and the router are never below float32.

    What the router decides about are units: each token, by itself or by its context; or each whole input of W tokens,
    routed by their mean, so that all of them go to the same experts.
    """

    router: str
    expert: str
    dispatch: str
    input_width: int
    hidden_width: int
    output_width: int
    biased_gate: bool
    options: RouterOptions = USUAL
    num_shared: int = 0
    tokens_per_input: int = 1
    route_by: str = "token"
    half: torch.dtype | None = None  # what experts compute in; None = the type of their weights
    num_layers: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.kind.whole and self.route_by != "input":
            raise ValueError(
                f"experts that compute whole inputs must be chosen for whole inputs: got expert={self.expert}, "
                f"route_by={self.route_by}; pass route_by=input, or use expert=mlp"
            )

    @property
    def kind(self) -> ExpertKind:
        """What each expert is."""
        return EXPERTS[self.expert]

    @property
    def gate_shapes(self) -> Shapes:
        """The gate's numbers for one expert: its column of W_g, and its bias and noise column if the gate has them."""
        bias: Shapes = {"gate_b": ()} if self.biased_gate else {}
        noise: Shapes = {"noise_w": (self.input_width,)} if self.router == "noisy_top_k" else {}
        return {"gate_w": (self.input_width,), **bias, **noise}

    @cached_property
    def gate_width(self) -> int:
        """How many of a row's numbers are the gate's."""
        return sum(math.prod(shape) for shape in self.gate_shapes.values())

    @property
    def expert_shapes(self) -> Shapes:
        """The tensors of one expert."""
        return self.kind.shapes(self.input_width, self.hidden_width, self.output_width)

    @cached_property
    def experts(self) -> OneKind:
        """The experts by group: row g computes the units x_GCD[g]."""
        return OneKind(self.kind, self.expert_shapes, self.tokens_per_input if self.route_by == "input" else None)

    @cached_property
    def row_width(self) -> int:
        """P: how many numbers one row has, padding included."""
        numbers = self.gate_width + sum(math.prod(shape) for shape in self.expert_shapes.values())
        return numbers + -numbers % ALIGN

    @property
    def is_gate_P(self) -> Bool[Tensor, " P"]:
        """Which of a row's numbers are the gate's."""
        return torch.arange(self.row_width) < self.gate_width

    @property
    def layer(self) -> MoE:
        """The layer of this model: all of it (a Transformer has more around its layer)."""
        return self

    def layer_rows(self, rows_RAP: Float[Tensor, "R A P"]) -> Float[Tensor, "R A P"]:
        """The rows that are the layer's."""
        return rows_RAP

    def tokens(self, rows_RAP: Float[Tensor, "R A P"], x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R T D"]:
        """What router and experts are given for these inputs: the inputs themselves."""
        return x_RTD

    def initialize(self, seed: int, expert_id: int) -> Float[Tensor, " P"]:
        """One expert's row, float64: a gate column of random direction and fixed length, then the expert's own numbers.

        Expert i starts the same whatever the number of experts. Noise starts at one size for all, as Shazeer's does.
        """
        column_D = torch.randn(self.input_width, generator=stream(seed, "router", expert_id), dtype=torch.float64)
        if self.input_width > 1:  # on a line, equal lengths would leave only two different columns: +1 and -1
            column_D = GATE_LENGTH * column_D / column_D.norm()
        # With b = -|w|²/2 the expert whose column is nearest to the token wins: none is shut out from the start.
        bias = -column_D.square().sum(0, keepdim=True) / 2 if self.biased_gate else column_D[:0]
        return self._row(torch.cat([column_D, bias]), stream(seed, "expert", expert_id))

    def fresh_rows(self, seeds: Sequence[int], num_experts: int) -> Float[Tensor, "R A P"]:
        """The rows that runs with these seeds start from, float64: the experts', then the shared experts'."""
        rows = [
            [self.initialize(seed, i) for i in range(num_experts)]
            + [self.initialize_shared(seed, i) for i in range(self.num_shared)]
            for seed in seeds
        ]
        return torch.stack([torch.stack(each) for each in rows])

    def initialize_shared(self, seed: int, number: int) -> Float[Tensor, " P"]:
        """The row of one shared expert; its gate column is never used, and stays 0."""
        return self._row(torch.zeros(0, dtype=torch.float64), stream(seed, "shared expert", number))

    def _row(self, gate: Tensor, generator: torch.Generator) -> Float[Tensor, " P"]:
        own = self.kind.initialize(self.expert_shapes, generator)
        gate = torch.nn.functional.pad(gate, (0, self.gate_width - len(gate)))
        row_P = torch.cat([gate, *(own[name].flatten() for name in own)])
        return torch.nn.functional.pad(row_P, (0, self.row_width - len(row_P)))

    def parameters(self, rows_RAP: Float[Tensor, "R A P"]) -> Parameters:
        """Gate columns and experts by name, `[R, E, …]`, as views of the rows; without the shared experts."""
        return unpack(self.routed(rows_RAP), self.gate_shapes | self.expert_shapes)

    def routed(self, rows_RAP: Float[Tensor, "R A P"]) -> Float[Tensor, "R E P"]:
        """The rows of the experts that the router chooses among."""
        return rows_RAP[:, : rows_RAP.shape[1] - self.num_shared] if self.num_shared else rows_RAP

    def __call__(
        self, rows_RAP: Float[Tensor, "R A P"], x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R T O"], Routing]:
        """Output for every token of every run, and the routing of its units."""
        gate_rows_REP, expert_rows_REP = self._divide(self.routed(rows_RAP))
        routing = self._route(gate_rows_REP, x_RTD, knobs)
        execute = DISPATCH[self.dispatch] if routing.slots_ED is None else mixed
        y_RTO = self._tokens(execute(self.experts, expert_rows_REP, self.units(x_RTD), routing), x_RTD)
        return (y_RTO + self.shared_output(rows_RAP, x_RTD) if self.num_shared else y_RTO), routing

    def seen(self, x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R U D"]:
        """What the gate sees of each unit: the token, the mean of its input's tokens up to it, or of all of them."""
        if self.route_by == "token":
            return x_RTD
        x_RMWD = x_RTD.unflatten(1, (-1, self.tokens_per_input))
        if self.route_by == "input":
            return x_RMWD.mean(2)
        count_W1 = torch.arange(1, self.tokens_per_input + 1, device=x_RTD.device, dtype=x_RTD.dtype).unsqueeze(-1)
        return (x_RMWD.cumsum(2) / count_W1).flatten(1, 2)

    def ids(self, x_RTD: Float[Tensor, "R T D"]) -> Int[Tensor, "R U"]:
        """The id of each unit; x is what the model is given."""
        return self.unit_ids(token_ids(x_RTD))

    def unit_ids(self, token_RT: Int[Tensor, "R T"]) -> Int[Tensor, "R U"]:
        """The id of each unit, from those of the tokens: the token's, or that of all tokens which the gate sees."""
        if self.route_by == "token":
            return token_RT
        id_RMW = sequence_ids(token_RT.unflatten(1, (-1, self.tokens_per_input)))
        return id_RMW[..., -1] if self.route_by == "input" else id_RMW.flatten(1)

    def identified(self, knobs: RoutingKnobs, ids: Callable[[Tensor], Tensor], x: Tensor) -> RoutingKnobs:
        """Knobs with the ids of the units of x, for a router that reads a table, unless they are there already.

        The outermost model finds them in what it is given: inside it, tokens change as training goes on.
        """
        if ROUTER_INFO[self.router].choice != "table" or knobs.id_RU is not None:
            return knobs
        return replace(knobs, id_RU=ids(x))

    def units(self, x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R U D2"]:
        """What experts are given of each unit: the token, or the tokens of a whole input one after the other."""
        x_RTD = narrowed(x_RTD, self.half)
        return x_RTD.unflatten(1, (-1, self.tokens_per_input)).flatten(2) if self.route_by == "input" else x_RTD

    def _tokens(self, y_RUO: Float[Tensor, "*R U O2"], like: Tensor) -> Float[Tensor, "*R T O"]:
        """What experts answer to units, token by token, in the type of what they were asked."""
        y_RUO = y_RUO.to(like.dtype)
        return y_RUO.unflatten(-1, (self.tokens_per_input, -1)).flatten(-3, -2) if self.route_by == "input" else y_RUO

    def route(self, rows_RAP: Float[Tensor, "R A P"], x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs) -> Routing:
        """The router's decision alone."""
        return self._route(self._divide(self.routed(rows_RAP))[0], x_RTD, knobs)

    def alone(
        self, rows_RAP: Float[Tensor, "R A P"], others_RTD: Float[Tensor, "R T2 D"], knobs: RoutingKnobs
    ) -> RoutingKnobs:
        """Knobs under which every token is routed by itself, as on a map: no queue, nothing drawn.

        Where the company decides, the others stand for it: `expert_choice` takes a token that at least equals the last
        one which the expert takes of them, and the slots of `soft` are filled with them.
        """
        knobs = replace(knobs, capacity=None, token_groups=1)
        if not ROUTER_INFO[self.router].batchwise:
            return knobs
        routing = self.route(rows_RAP, others_RTD, knobs)
        return replace(knobs, threshold_RE=last_taken(routing), slots_RED=routing.slots_ED)

    def expert_outputs(
        self, rows_RAP: Float[Tensor, "R A P"], x_RTD: Float[Tensor, "R T D"]
    ) -> Float[Tensor, "R E T O"]:
        """What each expert would answer to each token, chosen or not."""
        expert_rows_REP = self._divide(self.routed(rows_RAP))[1]
        return self._tokens(every_output(self.experts, expert_rows_REP, self.units(x_RTD)), x_RTD)

    def weighted_outputs(
        self, rows_RAP: Float[Tensor, "R A P"], x_RTD: Float[Tensor, "R T D"], routing: Routing
    ) -> Float[Tensor, "R E T O"]:
        """What the weights multiply: each expert's answer to each token, or (Soft MoE) to the mixture in its slot."""
        if routing.slots_ED is None:
            return self.expert_outputs(rows_RAP, x_RTD)
        rows_GP = self._divide(self.routed(rows_RAP))[1].flatten(0, 1)
        y_G1O = self.experts(rows_GP, routing.slots_ED.flatten(0, 1).unsqueeze(-2))
        y_RE1O = y_G1O.unflatten(0, routing.slots_ED.shape[:2])
        return self._tokens(y_RE1O.expand(-1, -1, routing.gates_TE.shape[1], -1), x_RTD)

    def shared_output(self, rows_RAP: Float[Tensor, "R A P"], x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R T O"]:
        """The sum of what the shared experts answer to each token."""
        shared_REP = self._divide(rows_RAP[:, rows_RAP.shape[1] - self.num_shared :])[1]
        return self._tokens(every_output(self.experts, shared_REP, self.units(x_RTD)).sum(1), x_RTD)

    def _route(
        self, gate_rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs
    ) -> Routing:
        """Router logits z = W_gᵀx (plus a bias, if the gate has one), and what the router makes of them.

        Jitter is on the gate's own copy of the tokens; experts see the clean ones.
        """
        knobs = self.identified(knobs, self.ids, x_RTD)
        seen_RUD, gate_rows_REP = self.seen(at_least_float32(x_RTD)), at_least_float32(gate_rows_REP)
        if knobs.jitter_RTD is not None:
            seen_RUD = seen_RUD * (1 + over(knobs.jitter, 2) * knobs.jitter_RTD)
        width = self.input_width
        logits_RTE = torch.bmm(seen_RUD, gate_rows_REP[..., :width].mT)
        if self.biased_gate:
            logits_RTE = logits_RTE + gate_rows_REP[..., width].unsqueeze(-2)
        if isinstance(knobs.skew, Tensor) or knobs.skew:
            logits_RTE = logits_RTE + over(knobs.skew, 2) * slant(logits_RTE)
        if knobs.killed_RE is not None:
            logits_RTE = logits_RTE.masked_fill(knobs.killed_RE.unsqueeze(-2), -math.inf)
        noise_rows_RED = gate_rows_REP[..., -width:] if self.router == "noisy_top_k" else None
        return decide(
            self.router, RouterInputs(seen_RUD, self.units(x_RTD), logits_RTE, noise_rows_RED, self.options, knobs)
        )

    def _divide(self, rows_REP: Float[Tensor, "R E P"]) -> tuple[Float[Tensor, "R E P1"], Float[Tensor, "R E P2"]]:
        """The gate's numbers and the experts' numbers of each row."""
        gate_rows_REP, expert_rows_REP = divide(rows_REP, self.gate_width)
        return gate_rows_REP, narrowed(expert_rows_REP, self.half)

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one token in the sparse form: the gate for all, k experts, and the shared."""
        each = self.kind.flops(self.input_width, self.hidden_width, self.output_width, self.tokens_per_input)
        gate = 2 * self.input_width * num_experts
        if self.route_by == "input":
            gate = -(-gate // self.tokens_per_input)  # once for all tokens of an input, rounded up
        return gate + (k + self.num_shared) * each

    def num_parameters(self, num_experts: int) -> int:
        """All parameters of the layer."""
        own = sum(math.prod(shape) for shape in self.expert_shapes.values())
        return num_experts * self.gate_width + (num_experts + self.num_shared) * own

    def num_active_parameters(self, num_experts: int, k: int) -> int:
        """Parameters that one token uses: the whole gate, which scores every expert, k experts, and the shared."""
        own = sum(math.prod(shape) for shape in self.expert_shapes.values())
        return num_experts * self.gate_width + (k + self.num_shared) * own


def slant(scores_E: Float[Tensor, "*R E"]) -> Float[Tensor, " E"]:
    """What a skew of 1 adds to the scores: 1 for the first expert, −1 for the last, evenly between them."""
    return torch.linspace(1, -1, scores_E.shape[-1], device=scores_E.device, dtype=scores_E.dtype)
