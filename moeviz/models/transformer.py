"""A small Transformer block around the mixture-of-experts layer, as Switch and GShard use it: inputs of W tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.models.experts import Parameters, Shapes, normed
from moeviz.models.trunk import Around
from moeviz.routers import Routing, token_ids
from moeviz.routers.decide import RoutingKnobs


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
class Transformer(Around):
    """answer = W_out · mean over tokens of norm(h + MoE(norm(h))), h = e + attention(norm(e)), e = the token embedded.

    The residual h is around the layer: a token that no expert has a seat for goes on unchanged. The router decides
    about the T = M·W tokens of all M inputs together, so they queue in one line.
    """

    input_width: int
    output_width: int
    tokens_per_input: int
    purpose: ClassVar[str] = "transformer"

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

    # ---- parameters -----------------------------------------------------------------------------------------------

    def parameters(self, rows_RAP: Float[Tensor, "R A P"]) -> Parameters:
        """The layer's gate columns and experts by name, `[R, E, …]`; the block's own tensors are in `own`."""
        return self.layer.parameters(self.layer_rows(rows_RAP))

    # ---- from inputs to answers -----------------------------------------------------------------------------------

    def __call__(
        self, rows_RAP: Float[Tensor, "R A P"], x_RMD: Float[Tensor, "R M D"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R M O"], Routing]:
        """An answer for every input, and the routing of every token, input by input."""
        part, knobs = self.own(rows_RAP), self.layer.identified(knobs, self.ids, x_RMD)
        residual_RTD = self._attended(part, x_RMD)
        y_RTD, routing = self.layer(self.layer_rows(rows_RAP), rms_norm(residual_RTD, part["gain_layer"]), knobs)
        return self._answered(part, residual_RTD + y_RTD).to(rows_RAP.dtype), routing

    def ids(self, x_RMD: Float[Tensor, "R M D"]) -> Int[Tensor, "R U"]:
        """The id of each unit, input by input."""
        return self.layer.unit_ids(self._token_ids(x_RMD).flatten(1))

    def _token_ids(self, x_RMD: Float[Tensor, "R M D"]) -> Int[Tensor, "R M W"]:
        """The id of each token as it is cut from its input, wherever it stands there."""
        x_RTD = x_RMD.unflatten(2, (self.tokens_per_input, -1)).flatten(1, 2)
        return token_ids(x_RTD).unflatten(1, (-1, self.tokens_per_input))

    def _attended(self, part: Parameters, x_RMD: Float[Tensor, "R M D"]) -> Float[Tensor, "R T D2"]:
        """Tokens in front of the layer: cut from their input, embedded at their position, then joined by attention."""
        x_RTD = x_RMD.unflatten(2, (self.tokens_per_input, -1)).flatten(1, 2)
        position_RTD = part["position"].repeat(1, x_RMD.shape[1], 1)
        embedded_RTD = torch.bmm(x_RTD.to(position_RTD.dtype), part["w_embed"]) + position_RTD
        seen_RTD = rms_norm(embedded_RTD, part["gain_attention"])
        return embedded_RTD + attention(seen_RTD, part, self.tokens_per_input)

    def _answered(self, part: Parameters, x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R M O"]:
        """One answer from the tokens of each input: normed, averaged, and read by a linear head."""
        normed_RTD = rms_norm(x_RTD, part["gain_out"])
        mean_RMD = normed_RTD.unflatten(1, (-1, self.tokens_per_input)).mean(2)
        return torch.bmm(mean_RMD, part["w_out"]) + part["b_out"].unsqueeze(-2)

    def tokens(self, rows_RAP: Float[Tensor, "R A P"], x_RMD: Float[Tensor, "R M D"]) -> Float[Tensor, "R T D2"]:
        """What router and experts are given for these inputs: the tokens after attention, normed."""
        part = self.own(rows_RAP)
        return rms_norm(self._attended(part, x_RMD), part["gain_layer"])

    def route(self, rows_RAP: Float[Tensor, "R A P"], x_RMD: Float[Tensor, "R M D"], knobs: RoutingKnobs) -> Routing:
        """The router's decision about every token, input by input."""
        knobs = self.layer.identified(knobs, self.ids, x_RMD)
        return self.layer.route(self.layer_rows(rows_RAP), self.tokens(rows_RAP, x_RMD), knobs)

    def alone(
        self, rows_RAP: Float[Tensor, "R A P"], others_RMD: Float[Tensor, "R M D"], knobs: RoutingKnobs
    ) -> RoutingKnobs:
        """Knobs under which the layer routes every token by itself (see `MoE.alone`)."""
        return self.layer.alone(self.layer_rows(rows_RAP), self.tokens(rows_RAP, others_RMD), knobs)

    # ---- cost -----------------------------------------------------------------------------------------------------

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one token in the sparse form: the layer's, and its part of the block's."""
        width, tokens = self.layer.input_width, self.tokens_per_input
        embed, matrices, joined = self.input_width // tokens * width, 4 * width * width, 2 * tokens * width
        head = -(-width * self.output_width // tokens)  # one for all tokens of an input, rounded up
        return self.layer.flops(num_experts, k) + 2 * (embed + matrices + joined + head)
