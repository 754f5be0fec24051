"""The mixture-of-experts layer. It holds no weights and no state: parameters come in, output and routing come out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.axes import PerRun
from moeviz.dispatch import DISPATCH, every_output
from moeviz.experts import EXPERTS, ExpertKind, Parameters, Shapes
from moeviz.rng import stream
from moeviz.routers import ROUTERS, Routing

GATE_LENGTH = 1.0  # every gate column starts with this length, so that no expert is unable to win from the start


@dataclass(frozen=True)
class RoutingKnobs:
    """The numbers of a router that may change while it trains; each for all runs, or one per run."""

    k: PerRun
    renormalize: PerRun
    capacity: PerRun | None = None


@dataclass(frozen=True)
class MoE:
    """y = Σ_{i ∈ Top-k} g_i · E_i(x): a router, its experts, and a way to compute them."""

    router: str
    expert: str
    dispatch: str
    input_width: int
    hidden_width: int
    output_width: int
    biased_gate: bool

    @property
    def experts(self) -> ExpertKind:
        return EXPERTS[self.expert]

    def shapes(self) -> Shapes:
        """Parameter shapes of one expert, its gate column included; the layer stacks them along E."""
        gate: Shapes = {"gate_w": (self.input_width,), **({"gate_b": ()} if self.biased_gate else {})}
        return gate | self.experts.shapes(self.input_width, self.hidden_width, self.output_width)

    def initialize(self, seed: int, expert_ids: list[int]) -> Parameters:
        """Fresh parameters `[E, …]`, float64: expert i starts the same whatever the number of experts."""
        each = [self._initialize_expert(seed, expert_id) for expert_id in expert_ids]
        return {name: torch.stack([one[name] for one in each]) for name in self.shapes()}

    def _initialize_expert(self, seed: int, expert_id: int) -> Parameters:
        """One expert: its gate column has a random direction and a fixed length."""
        direction_D = torch.randn(self.input_width, generator=stream(seed, "router", expert_id), dtype=torch.float64)
        parameters = {"gate_w": GATE_LENGTH * direction_D / direction_D.norm()}
        if self.biased_gate:
            parameters["gate_b"] = torch.zeros((), dtype=torch.float64)
        shapes = self.experts.shapes(self.input_width, self.hidden_width, self.output_width)
        return parameters | self.experts.initialize(shapes, stream(seed, "expert", expert_id))

    def route(self, parameters: Parameters, x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs) -> Routing:
        """Router logits z = W_gᵀx (plus a bias, if the gate has one), and the router's decision."""
        logits_RTE = x_RTD @ parameters["gate_w"].mT
        if self.biased_gate:
            logits_RTE = logits_RTE + parameters["gate_b"].unsqueeze(-2)
        return ROUTERS[self.router](logits_RTE, k=knobs.k, capacity=knobs.capacity, renormalize=knobs.renormalize)

    def __call__(
        self, parameters: Parameters, x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R T O"], Routing]:
        """Output and routing for every token of every run."""
        routing = self.route(parameters, x_RTD, knobs)
        gates_RTE = routing.gates_TE.to(x_RTD.dtype)
        y_RTO = DISPATCH[self.dispatch](self.experts, self._expert_parameters(parameters), x_RTD, gates_RTE, routing.kept_TE)
        return y_RTO, routing

    def expert_outputs(self, parameters: Parameters, x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R E T O"]:
        """What each expert would answer to each token, chosen or not."""
        return every_output(self.experts, self._expert_parameters(parameters), x_RTD)

    def _expert_parameters(self, parameters: Parameters) -> Parameters:
        return {name: value for name, value in parameters.items() if not name.startswith("gate_")}

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one token in the sparse form: the gate for all experts, then k experts."""
        return 2 * self.input_width * num_experts + k * self.experts.flops(
            self.input_width, self.hidden_width, self.output_width
        )

    def num_parameters(self, num_experts: int) -> int:
        """All parameters of the layer."""
        return num_experts * sum(math.prod(shape) for shape in self.shapes().values())
