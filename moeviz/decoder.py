"""A small language model: a decoder-only Transformer whose feed-forward layers are mixtures of experts.

As Switch and GShard do, every block is causal attention and then the mixture-of-experts layer. An expert's row holds
its numbers in all layers, one layer after the other, so that expert A is one row, one letter and one color throughout
(its parts in different layers learn apart; the bias of DeepSeek's router is one number for all of them). The model's
own numbers come in rows behind those of the experts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from moeviz.deciding import RoutingKnobs
from moeviz.experts import Parameters, Shapes, unpack
from moeviz.model import MoE
from moeviz.rng import stream
from moeviz.routers import Routing
from moeviz.transformer import Transformer, rms_norm

FAR = 1000  # no layer has so many experts: expert e of layer l starts as expert e + FAR · l of a single layer would
PER_TOKEN = ("noise_RTE", "uniform_RT", "jitter_RTD")  # what is drawn for every token of every layer


@dataclass(frozen=True)
class Decoder:
    """scores = W_out · norm(h); each of L blocks: h ← h + attention(norm(h)), then h ← h + MoE(norm(h)).

    h starts as the embedding of a character plus that of its position. Each position sees itself and those before it.
    The routing is that of all layers, one after the other along the token axis.
    """

    layer: MoE
    num_layers: int
    num_heads: int
    vocabulary: int

    @property
    def dispatch(self) -> str:
        """How each layer is computed."""
        return self.layer.dispatch

    @cached_property
    def own_shapes(self) -> Shapes:
        """The tensors that are not the layers': embeddings, of each block the norms and attention, and the head."""
        width, square = self.layer.input_width, (self.layer.input_width, self.layer.input_width)
        shapes: Shapes = {
            "embed_character": (self.vocabulary, width),
            "embed_place": (self.layer.tokens_per_input, width),
        }
        for block in range(self.num_layers):
            shapes |= {f"gain_attention_{block}": (width,), f"gain_layer_{block}": (width,)}
            shapes |= {f"w_{name}_{block}": square for name in ("query", "key", "value", "gathered")}
        return shapes | {"gain_out": (width,), "w_out": (width, self.vocabulary), "b_out": (self.vocabulary,)}

    @cached_property
    def num_own(self) -> int:
        """How many numbers they are."""
        return sum(math.prod(shape) for shape in self.own_shapes.values())

    @cached_property
    def row_width(self) -> int:
        """How many numbers one row has: an expert's in all layers."""
        return self.num_layers * self.layer.row_width

    @cached_property
    def num_own_rows(self) -> int:
        """How many rows the own numbers take, each as wide as an expert's."""
        return -(-self.num_own // self.row_width)  # rounded up

    @property
    def is_gate_P(self) -> Bool[Tensor, " P"]:
        """Which of a row's numbers are a gate's."""
        return self.layer.is_gate_P.repeat(self.num_layers)

    # ---- parameters -----------------------------------------------------------------------------------------------

    def fresh_rows(self, seeds: Sequence[int], num_experts: int) -> Float[Tensor, "R A P"]:
        """The rows that runs with these seeds start from, float64: experts, shared experts, then the model's own."""
        return torch.stack([self._fresh(seed, num_experts) for seed in seeds])

    def _fresh(self, seed: int, num_experts: int) -> Float[Tensor, "A P"]:
        layers = range(self.num_layers)
        rows = [
            torch.cat([make(seed, FAR * layer + number) for layer in layers])
            for make, count in (
                (self.layer.initialize, num_experts),
                (self.layer.initialize_shared, self.layer.num_shared),
            )
            for number in range(count)
        ]
        own_B = self._fresh_own(seed)
        own_SP = torch.nn.functional.pad(own_B, (0, self.num_own_rows * self.row_width - self.num_own))
        return torch.cat([torch.stack(rows), own_SP.view(self.num_own_rows, -1)])

    def _fresh_own(self, seed: int) -> Float[Tensor, " B"]:
        """Gains start at 1, the bias at 0, all else uniform within ±1/√(width)."""
        generator = stream(seed, "decoder")
        parts = []
        for name, shape in self.own_shapes.items():
            uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
            start = (2 * uniform - 1) / math.sqrt(self.layer.input_width)
            parts.append({"gain": torch.ones_like(uniform), "b": 0 * uniform}.get(name.split("_")[0], start).flatten())
        return torch.cat(parts)

    def layer_rows(self, rows_REP: Float[Tensor, "R A P"]) -> Float[Tensor, "R A1 P"]:
        """The rows that are the layers': experts and shared experts."""
        return rows_REP[:, : rows_REP.shape[1] - self.num_own_rows]

    def own(self, rows_REP: Float[Tensor, "R A P"]) -> Parameters:
        """The model's own tensors by name, `[R, …]`."""
        return unpack(rows_REP[:, rows_REP.shape[1] - self.num_own_rows :].flatten(1), self.own_shapes)

    def parameters(self, rows_REP: Float[Tensor, "R A P"]) -> Parameters:
        """Gate columns and experts by name, `[R, E, L, …]`; the model's own tensors are in `own`."""
        by_layer_RELP = self.routed(rows_REP).unflatten(-1, (self.num_layers, -1))
        return unpack(by_layer_RELP, self.layer.gate_shapes | self.layer.expert_shapes)

    def routed(self, rows_REP: Float[Tensor, "R A P"]) -> Float[Tensor, "R E P"]:
        """The rows of the experts that the routers choose among."""
        return self.layer.routed(self.layer_rows(rows_REP))

    # ---- from characters to scores --------------------------------------------------------------------------------

    def __call__(
        self, rows_REP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R M W O"], Routing]:
        """Scores of what comes next, at every place of every window of ids, and the routing of all layers.

        A window may be shorter than the model's W.
        """
        hidden_RTD, routing = self._read(rows_REP, x_RMW, knobs)
        part = self.own(rows_REP)
        scores_RTO = torch.bmm(rms_norm(hidden_RTD, part["gain_out"]), part["w_out"]) + part["b_out"].unsqueeze(-2)
        return scores_RTO.unflatten(1, x_RMW.shape[1:]), routing

    def tokens(self, rows_REP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"]) -> Float[Tensor, "R T D"]:
        """What router and experts of the first layer are given."""
        part = self.own(rows_REP)
        hidden_RTD = embedded(x_RMW, part["embed_character"], part["embed_place"])
        return rms_norm(self._attended(part, 0, hidden_RTD, x_RMW.shape[-1]), part["gain_layer_0"])

    def route(self, rows_REP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs) -> Routing:
        """The routing of all layers alone."""
        return self._read(rows_REP, x_RMW, knobs)[1]

    def _read(
        self, rows_REP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R T D"], Routing]:
        """What the blocks make of the characters."""
        part, width = self.own(rows_REP), x_RMW.shape[-1]
        layer = self.layer if width == self.layer.tokens_per_input else replace(self.layer, tokens_per_input=width)
        hidden_RTD = embedded(x_RMW, part["embed_character"], part["embed_place"])
        rows_of_layer = self.layer_rows(rows_REP).split(self.layer.row_width, dim=-1)
        routings = []
        for block, layer_rows_REP in enumerate(rows_of_layer):
            hidden_RTD = self._attended(part, block, hidden_RTD, width)
            given_RTD = rms_norm(hidden_RTD, part[f"gain_layer_{block}"])
            y_RTD, routing = layer(layer_rows_REP, given_RTD, self._of_layer(knobs, block))
            hidden_RTD = hidden_RTD + y_RTD
            routings.append(routing)
        return hidden_RTD, Routing.joined(routings)

    def _attended(
        self, part: Parameters, block: int, hidden_RTD: Float[Tensor, "R T D"], width: int
    ) -> Float[Tensor, "R T D"]:
        """A block's tokens in front of its layer."""
        seen_RTD = rms_norm(hidden_RTD, part[f"gain_attention_{block}"])
        return hidden_RTD + causal_attention(seen_RTD, part, block, width, self.num_heads)

    def _of_layer(self, knobs: RoutingKnobs, block: int) -> RoutingKnobs:
        """The knobs with what is drawn for the tokens of one layer."""
        drawn = {name: value for name in PER_TOKEN if (value := getattr(knobs, name)) is not None}
        return replace(knobs, **{name: value.chunk(self.num_layers, dim=1)[block] for name, value in drawn.items()})

    def alone(
        self, rows_REP: Float[Tensor, "R A P"], others_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs
    ) -> RoutingKnobs:
        """Knobs under which every token is routed by itself: no queue, nothing drawn."""
        return replace(knobs, capacity=None, token_groups=1)

    # ---- cost -----------------------------------------------------------------------------------------------------

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one character in the sparse form; attention looks back half a window."""
        width, tokens = self.layer.input_width, self.layer.tokens_per_input
        attention = 2 * (4 * width * width + 2 * width * (tokens + 1) // 2)
        return self.num_layers * (self.layer.flops(num_experts, k) + attention) + 2 * width * self.vocabulary

    def num_parameters(self, num_experts: int) -> int:
        """All parameters of the model."""
        return self.num_layers * self.layer.num_parameters(num_experts) + self.num_own

    def num_active_parameters(self, num_experts: int, k: int) -> int:
        """Parameters that one character uses: those of the layers, and all of the model around them."""
        return self.num_layers * self.layer.num_active_parameters(num_experts, k) + self.num_own


def embedded(
    x_RMW: Float[Tensor, "R M W"], character_RVD: Float[Tensor, "R V D"], place_RWD: Float[Tensor, "R W2 D"]
) -> Float[Tensor, "R T D"]:
    """Each character's own vector plus that of its place in the window, window by window."""
    num_runs, num_windows, width = x_RMW.shape
    first_R11 = torch.arange(num_runs, device=x_RMW.device)[:, None, None] * character_RVD.shape[1]
    character_ID = character_RVD.flatten(0, 1).index_select(0, (x_RMW.long() + first_R11).flatten())
    return character_ID.view(num_runs, num_windows * width, -1) + place_RWD[:, :width].repeat(1, num_windows, 1)


def causal_attention(
    x_RTD: Float[Tensor, "R T D"], part: Parameters, block: int, width: int, num_heads: int
) -> Float[Tensor, "R T D"]:
    """Each token gathers from itself and the tokens before it in its window; heads attend apart, and are then mixed.

    Source: Vaswani et al. 2017, eq. 1 and section 3.2.2, with the mask of section 3.2.3 (arXiv 1706.03762).
    """
    query, key, value = (
        torch.bmm(x_RTD, part[f"w_{name}_{block}"])
        .unflatten(2, (num_heads, -1))
        .unflatten(1, (-1, width))
        .transpose(2, 3)
        for name in ("query", "key", "value")
    )  # each [R, M, heads, W, D / heads]
    gathered = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=nearness(x_RTD, num_heads, width)
    )
    return torch.bmm(gathered.transpose(2, 3).flatten(3).flatten(1, 2), part[f"w_gathered_{block}"])


def nearness(like: Float[Tensor, "R T D"], num_heads: int, width: int) -> Float[Tensor, "heads W W"]:
    """What is added to attention's scores: −slope · distance, and −∞ for what is yet to come.

    The slopes 1, 1/4, 1/16, … let the first head look at its nearest neighbors from the start, and the last far back.
    Source: ALiBi, Press et al. 2021 (arXiv 2108.12409), with slopes that begin at 1.
    """
    place_W = torch.arange(width, device=like.device, dtype=like.dtype)
    distance_WW = place_W[:, None] - place_W
    slope_H11 = 0.25 ** torch.arange(num_heads, device=like.device, dtype=like.dtype)[:, None, None]
    return (-slope_H11 * distance_WW).masked_fill(distance_WW < 0, -torch.inf)


Model = MoE | Transformer | Decoder
