"""The mixture-of-experts layer. It holds no weights and no state: parameters come in, output and routing come out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.axes import PerRun
from moeviz.dispatch import DISPATCH, every_output
from moeviz.experts import EXPERTS, ExpertKind, Parameters, Shapes, unpack
from moeviz.rng import stream
from moeviz.routers import ROUTERS, Routing

# An expert's row is a multiple of this many numbers, so that a run's rounding does not depend on its neighbors.
ALIGN = 16
GATE_LENGTH = 1.0  # every gate column starts with this length, so that no expert is unable to win from the start


@dataclass(frozen=True)
class RoutingKnobs:
    """The numbers of a router that may change while it trains; each for all runs, or one per run."""

    k: PerRun
    renormalize: PerRun
    capacity: PerRun | None = None


@dataclass(frozen=True)
class MoE:
    """y = Σ_{i ∈ Top-k} g_i · E_i(x): a router, its experts, and a way to compute them.

    Weights come in as `rows_REP`: one row of P numbers for every run and expert, its gate column first, then its own.
    """

    router: str
    expert: str
    dispatch: str
    input_width: int
    hidden_width: int
    output_width: int
    biased_gate: bool

    @property
    def kind(self) -> ExpertKind:
        """What each expert is."""
        return EXPERTS[self.expert]

    @property
    def gate_shapes(self) -> Shapes:
        """The gate's numbers for one expert: its column of W_g, and its bias if the gate has one."""
        return {"gate_w": (self.input_width,), **({"gate_b": ()} if self.biased_gate else {})}

    @property
    def expert_shapes(self) -> Shapes:
        """The tensors of one expert."""
        return self.kind.shapes(self.input_width, self.hidden_width, self.output_width)

    def initialize(self, seed: int, expert_id: int) -> Float[Tensor, " P"]:
        """One expert's row, float64: a gate column of random direction and fixed length, then the expert's own numbers.

        Expert i starts the same whatever the number of experts.
        """
        column_D = torch.randn(self.input_width, generator=stream(seed, "router", expert_id), dtype=torch.float64)
        if self.input_width > 1:  # on a line, equal lengths would leave only two different columns: +1 and -1
            column_D = GATE_LENGTH * column_D / column_D.norm()
        # With b = -|w|²/2 the expert whose column is nearest to the token wins: none is shut out from the start.
        bias = -column_D.square().sum(0, keepdim=True) / 2 if self.biased_gate else column_D[:0]
        own = self.kind.initialize(self.expert_shapes, stream(seed, "expert", expert_id))
        row_P = torch.cat([column_D, bias, *(own[name].flatten() for name in own)])
        return torch.nn.functional.pad(row_P, (0, -len(row_P) % ALIGN))

    def parameters(self, rows_REP: Float[Tensor, "R E P"]) -> Parameters:
        """Gate columns and experts by name, `[R, E, …]`, as views of the rows."""
        return unpack(rows_REP, self.gate_shapes | self.expert_shapes)

    def __call__(
        self, rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R T O"], Routing]:
        """Output and routing for every token of every run."""
        gate_rows_REP, expert_rows_REP = self._divide(rows_REP)
        routing = self._route(gate_rows_REP, x_RTD, knobs)
        return DISPATCH[self.dispatch](self.experts, expert_rows_REP, x_RTD, routing), routing

    def route(self, rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs) -> Routing:
        """The router's decision alone."""
        return self._route(self._divide(rows_REP)[0], x_RTD, knobs)

    def expert_outputs(
        self, rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"]
    ) -> Float[Tensor, "R E T O"]:
        """What each expert would answer to each token, chosen or not."""
        return every_output(self.experts, self._divide(rows_REP)[1], x_RTD)

    def experts(self, rows_GP: Float[Tensor, "G P"], x_GCD: Float[Tensor, "G C D"]) -> Float[Tensor, "G C O"]:
        """Experts by group: row g computes the tokens x_GCD[g]."""
        return self.kind.apply(unpack(rows_GP, self.expert_shapes), x_GCD)

    def _route(
        self, gate_rows_REP: Float[Tensor, "R E P"], x_RTD: Float[Tensor, "R T D"], knobs: RoutingKnobs
    ) -> Routing:
        """Router logits z = W_gᵀx (plus a bias, if the gate has one), and what the router makes of them."""
        if x_RTD.dtype in (torch.float16, torch.bfloat16):  # router arithmetic is never below float32
            x_RTD, gate_rows_REP = x_RTD.float(), gate_rows_REP.float()
        logits_RTE = torch.bmm(x_RTD, gate_rows_REP[..., : self.input_width].mT)
        if self.biased_gate:
            logits_RTE = logits_RTE + gate_rows_REP[..., -1].unsqueeze(-2)
        return ROUTERS[self.router](logits_RTE, k=knobs.k, capacity=knobs.capacity, renormalize=knobs.renormalize)

    def _divide(self, rows_REP: Float[Tensor, "R E P"]) -> tuple[Float[Tensor, "R E P1"], Float[Tensor, "R E P2"]]:
        """The gate's numbers and the experts' numbers of each row."""
        gate_width = self.input_width + self.biased_gate
        return rows_REP.split([gate_width, rows_REP.shape[-1] - gate_width], dim=-1)

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one token in the sparse form: the gate for all experts, then k experts."""
        each = self.kind.flops(self.input_width, self.hidden_width, self.output_width)
        return 2 * self.input_width * num_experts + k * each

    def num_parameters(self, num_experts: int) -> int:
        """All parameters of the layer."""
        return num_experts * sum(math.prod(shape) for shape in (self.gate_shapes | self.expert_shapes).values())
