"""A small Transformer block around the mixture-of-experts layer, as Switch and GShard use it, for inputs of W tokens.

Like the layer it holds no weights: its own numbers come in the same table, in rows behind those of the experts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.deciding import RoutingKnobs
from moeviz.experts import Parameters, Shapes, normed, unpack
from moeviz.model import MoE
from moeviz.rng import stream
from moeviz.routers import Routing


def rms_norm(x_RTD: Float[Tensor, "R T D"], gain_RD: Float[Tensor, "R D"]) -> Float[Tensor, "R T D"]:
    """Each token divided by its root mean square, then each of its numbers multiplied by a learned gain.

    Source: Zhang and Sennrich 2019 (arXiv 1910.07467).
    """
    return normed(x_RTD) * gain_RD.unsqueeze(-2)


def attention(x_RTD: Float[Tensor, "R T D"], part: Parameters, tokens_per_input: int) -> Float[Tensor, "R T D"]:
    """Each token gathers from the tokens of its own input: softmax(Q Kᵀ / √D) V, then one more matrix. One head.

    Source: Vaswani et al. 2017, eq. 1 (arXiv 1706.03762).
    """
    query_RMWD, key_RMWD, value_RMWD = (
        torch.bmm(x_RTD, part[name]).unflatten(1, (-1, tokens_per_input)) for name in ("w_query", "w_key", "w_value")
    )
    scores_RMWW = query_RMWD @ key_RMWD.mT / math.sqrt(x_RTD.shape[-1])
    gathered_RMWD = scores_RMWW.softmax(-1) @ value_RMWD
    return torch.bmm(gathered_RMWD.flatten(1, 2), part["w_gathered"])


@dataclass(frozen=True)
class Transformer:
    """answer = W_out · mean over tokens of norm(h + MoE(norm(h))), h = e + attention(norm(e)), e = the token embedded.

    The residual h is around the layer: a token that no expert has a seat for goes on unchanged. The router decides
    about the T = M·W tokens of all M inputs together, so they queue in one line.
    """

    layer: MoE
    input_width: int
    output_width: int
    tokens_per_input: int
    num_layers: ClassVar[int] = 1

    @property
    def dispatch(self) -> str:
        """How the layer is computed."""
        return self.layer.dispatch

    @property
    def own_shapes(self) -> Shapes:
        """The tensors that are not the layer's: embedding and positions, norms, attention, and the head."""
        width, tokens = self.layer.input_width, self.tokens_per_input
        square = (width, width)
        return {
            "w_embed": (self.input_width // tokens, width), "position": (tokens, width),
            "gain_attention": (width,), "w_query": square, "w_key": square, "w_value": square, "w_gathered": square,
            "gain_layer": (width,), "gain_out": (width,), "w_out": (width, self.output_width),
            "b_out": (self.output_width,),
        }  # fmt: skip

    @cached_property
    def num_own(self) -> int:
        """How many numbers they are."""
        return sum(math.prod(shape) for shape in self.own_shapes.values())

    @cached_property
    def num_own_rows(self) -> int:
        """How many rows they take, each as wide as an expert's."""
        return -(-self.num_own // self.layer.row_width)  # rounded up

    @property
    def is_gate_P(self) -> Bool[Tensor, " P"]:
        """Which of a row's numbers are the gate's."""
        return self.layer.is_gate_P

    # ---- parameters -----------------------------------------------------------------------------------------------

    def fresh_rows(self, seeds: Sequence[int], num_experts: int) -> Float[Tensor, "R A P"]:
        """The rows that runs with these seeds start from, float64: the layer's, then the block's own."""
        own_RB = torch.stack([self._fresh_own(seed) for seed in seeds])
        room = self.num_own_rows * self.layer.row_width - self.num_own
        own_RSP = torch.nn.functional.pad(own_RB, (0, room)).unflatten(1, (self.num_own_rows, -1))
        return torch.cat([self.layer.fresh_rows(seeds, num_experts), own_RSP], dim=1)

    def _fresh_own(self, seed: int) -> Float[Tensor, " B"]:
        """Gains start at 1, biases at 0, all else uniform within ±1/√(numbers that are added up)."""
        generator = stream(seed, "transformer")
        parts = []
        for name, shape in self.own_shapes.items():
            uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
            start = (2 * uniform - 1) / math.sqrt(self.added_up(name, shape))
            parts.append({"gain": torch.ones_like(uniform), "b": 0 * uniform}.get(name.split("_")[0], start).flatten())
        return torch.cat(parts)

    def added_up(self, name: str, shape: tuple[int, ...]) -> int:
        """How many of a tensor's numbers are added up in one number that it makes."""
        return shape[0]

    def layer_rows(self, rows_REP: Float[Tensor, "R A P"]) -> Float[Tensor, "R A1 P"]:
        """The rows that are the layer's: experts and shared experts."""
        return rows_REP[:, : rows_REP.shape[1] - self.num_own_rows]

    def own(self, rows_REP: Float[Tensor, "R A P"]) -> Parameters:
        """The block's own tensors by name, `[R, …]`."""
        return unpack(rows_REP[:, rows_REP.shape[1] - self.num_own_rows :].flatten(1), self.own_shapes)

    def parameters(self, rows_REP: Float[Tensor, "R A P"]) -> Parameters:
        """The layer's gate columns and experts by name, `[R, E, …]`; the block's own tensors are in `own`."""
        return self.layer.parameters(self.layer_rows(rows_REP))

    def routed(self, rows_REP: Float[Tensor, "R A P"]) -> Float[Tensor, "R E P"]:
        """The rows of the experts that the router chooses among."""
        return self.layer.routed(self.layer_rows(rows_REP))

    # ---- from inputs to answers -----------------------------------------------------------------------------------

    def __call__(
        self, rows_REP: Float[Tensor, "R A P"], x_RMD: Float[Tensor, "R M D"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R M O"], Routing]:
        """An answer for every input, and the routing of every token, input by input."""
        part = self.own(rows_REP)
        residual_RTD = self._attended(part, x_RMD)
        y_RTD, routing = self.layer(self.layer_rows(rows_REP), rms_norm(residual_RTD, part["gain_layer"]), knobs)
        return self._answered(part, residual_RTD + y_RTD), routing

    def _attended(self, part: Parameters, x_RMD: Float[Tensor, "R M D"]) -> Float[Tensor, "R T D2"]:
        """Tokens in front of the layer: cut from their input, embedded at their position, then joined by attention."""
        x_RTD = x_RMD.unflatten(2, (self.tokens_per_input, -1)).flatten(1, 2)
        position_RTD = part["position"].repeat(1, x_RMD.shape[1], 1)
        embedded_RTD = torch.bmm(x_RTD, part["w_embed"]) + position_RTD
        seen_RTD = rms_norm(embedded_RTD, part["gain_attention"])
        return embedded_RTD + attention(seen_RTD, part, self.tokens_per_input)

    def _answered(self, part: Parameters, x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R M O"]:
        """One answer from the tokens of each input: normed, averaged, and read by a linear head."""
        normed_RTD = rms_norm(x_RTD, part["gain_out"])
        mean_RMD = normed_RTD.unflatten(1, (-1, self.tokens_per_input)).mean(2)
        return torch.bmm(mean_RMD, part["w_out"]) + part["b_out"].unsqueeze(-2)

    def tokens(self, rows_REP: Float[Tensor, "R A P"], x_RMD: Float[Tensor, "R M D"]) -> Float[Tensor, "R T D2"]:
        """What router and experts are given for these inputs: the tokens after attention, normed."""
        part = self.own(rows_REP)
        return rms_norm(self._attended(part, x_RMD), part["gain_layer"])

    def route(self, rows_REP: Float[Tensor, "R A P"], x_RMD: Float[Tensor, "R M D"], knobs: RoutingKnobs) -> Routing:
        """The router's decision about every token, input by input."""
        return self.layer.route(self.layer_rows(rows_REP), self.tokens(rows_REP, x_RMD), knobs)

    def alone(
        self, rows_REP: Float[Tensor, "R A P"], others_RMD: Float[Tensor, "R M D"], knobs: RoutingKnobs
    ) -> RoutingKnobs:
        """Knobs under which the layer routes every token by itself (see `MoE.alone`)."""
        return self.layer.alone(self.layer_rows(rows_REP), self.tokens(rows_REP, others_RMD), knobs)

    # ---- cost -----------------------------------------------------------------------------------------------------

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one token in the sparse form: the layer's, and its part of the block's."""
        width, tokens = self.layer.input_width, self.tokens_per_input
        embed, matrices, joined = self.input_width // tokens * width, 4 * width * width, 2 * tokens * width
        head = -(-width * self.output_width // tokens)  # one for all tokens of an input, rounded up
        return self.layer.flops(num_experts, k) + 2 * (embed + matrices + joined + head)

    def num_parameters(self, num_experts: int) -> int:
        """All parameters of the model."""
        return self.layer.num_parameters(num_experts) + self.num_own

    def num_active_parameters(self, num_experts: int, k: int) -> int:
        """Parameters that one token uses: those of the layer, and all of the block around it."""
        return self.layer.num_active_parameters(num_experts, k) + self.num_own
