"""A small language model: a decoder-only Transformer whose feed-forward layers are mixtures of experts.

As Switch and GShard do, every block is causal attention and then the mixture-of-experts layer. An expert's parts in
different layers learn apart, are chosen apart and are measured apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.models.experts import Parameters, Shapes, unpack
from moeviz.models.moe_layer import MoE
from moeviz.models.transformer import Transformer, rms_norm
from moeviz.models.trunk import Around
from moeviz.routers import Routing
from moeviz.routers.decide import RoutingKnobs

PER_TOKEN = ("noise_RTE", "uniform_RT", "jitter_RTD")  # what is drawn for every token of every layer


@dataclass(frozen=True)
class Decoder(Around):
    """scores = W_out · norm(h); each of L blocks: h ← h + attention(norm(h)), then h ← h + MoE(norm(h)).

    h starts as the embedding of a character plus that of its position. Each position sees itself and those before it.
    The routing is that of all layers, with an axis L in front of the tokens.
    """

    depth: int
    num_heads: int
    vocabulary: int
    purpose: ClassVar[str] = "decoder"

    @property
    def num_layers(self) -> int:
        """L: each block has one."""
        return self.depth

    @cached_property
    def own_shapes(self) -> Shapes:
        """The tensors that are not the layers': embeddings, of each block the norms and attention, and the head."""
        width, square = self.layer.input_width, (self.layer.input_width, self.layer.input_width)
        shapes: Shapes = {
            "embed_character": (self.vocabulary, width),
            "embed_place": (self.layer.tokens_per_input, width),
        }
        for block in range(self.depth):
            shapes |= {f"gain_attention_{block}": (width,), f"gain_layer_{block}": (width,)}
            shapes |= {f"w_{name}_{block}": square for name in ("query", "key", "value", "gathered")}
        return shapes | {"gain_out": (width,), "w_out": (width, self.vocabulary), "b_out": (self.vocabulary,)}

    def added_up(self, name: str, shape: tuple[int, ...]) -> int:
        """Embeddings start as small as the rest."""
        return self.layer.input_width

    # ---- parameters -----------------------------------------------------------------------------------------------

    def parameters(self, rows_RAP: Float[Tensor, "R A P"]) -> Parameters:
        """Gate columns and experts by name, `[R, E, L, …]`; the model's own tensors are in `own`."""
        by_layer_RELP = self.routed(rows_RAP).unflatten(-1, (self.num_layers, -1))
        return unpack(by_layer_RELP, self.layer.gate_shapes | self.layer.expert_shapes)

    # ---- from characters to scores --------------------------------------------------------------------------------

    def __call__(
        self, rows_RAP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R M W O"], Routing]:
        """Scores of what comes next, at every place of every window of ids, and the routing of all layers.

        A window may be shorter than the model's W.
        """
        hidden_RTD, routing = self._read(rows_RAP, x_RMW, knobs)
        part = self.own(rows_RAP)
        scores_RTO = torch.bmm(rms_norm(hidden_RTD, part["gain_out"]), part["w_out"]) + part["b_out"].unsqueeze(-2)
        return scores_RTO.unflatten(1, x_RMW.shape[1:]).to(rows_RAP.dtype), routing

    def tokens(self, rows_RAP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"]) -> Float[Tensor, "R T D"]:
        """What router and experts of the first layer are given."""
        part = self.own(rows_RAP)
        hidden_RTD = embedded(x_RMW, part["embed_character"], part["embed_place"])
        return rms_norm(self._attended(part, 0, hidden_RTD, x_RMW.shape[-1]), part["gain_layer_0"])

    def route(self, rows_RAP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs) -> Routing:
        """The routing of all layers alone."""
        return self._read(rows_RAP, x_RMW, knobs)[1]

    def _read(
        self, rows_RAP: Float[Tensor, "R A P"], x_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs
    ) -> tuple[Float[Tensor, "R T D"], Routing]:
        """What the blocks make of the characters."""
        part, width, layer = self.own(rows_RAP), x_RMW.shape[-1], self._reading(x_RMW)
        knobs = layer.identified(knobs, self.ids, x_RMW)
        hidden_RTD = embedded(x_RMW, part["embed_character"], part["embed_place"])
        rows_of_layer = self.layer_rows(rows_RAP).split(self.layer.row_width, dim=-1)
        routings = []
        for block, layer_rows_RAP in enumerate(rows_of_layer):
            hidden_RTD = self._attended(part, block, hidden_RTD, width)
            given_RTD = rms_norm(hidden_RTD, part[f"gain_layer_{block}"])
            y_RTD, routing = layer(layer_rows_RAP, given_RTD, self._of_layer(knobs, block))
            hidden_RTD = hidden_RTD + y_RTD
            routings.append(routing)
        return hidden_RTD, Routing.stacked(routings)

    def _reading(self, x_RMW: Float[Tensor, "R M W"]) -> MoE:
        """The layer for windows of this width."""
        width = x_RMW.shape[-1]
        return self.layer if width == self.layer.tokens_per_input else replace(self.layer, tokens_per_input=width)

    def ids(self, x_RMW: Float[Tensor, "R M W"]) -> Int[Tensor, "R U"]:
        """The id of each unit, the same in every layer: a character's own number, or that of the text up to it."""
        return self._reading(x_RMW).unit_ids(x_RMW.long().flatten(1))

    def _attended(
        self, part: Parameters, block: int, hidden_RTD: Float[Tensor, "R T D"], width: int
    ) -> Float[Tensor, "R T D"]:
        """A block's tokens in front of its layer."""
        seen_RTD = rms_norm(hidden_RTD, part[f"gain_attention_{block}"])
        return hidden_RTD + causal_attention(seen_RTD, part, block, width, self.num_heads)

    def _of_layer(self, knobs: RoutingKnobs, block: int) -> RoutingKnobs:
        """The knobs with the bias of one layer, and what is drawn for its tokens."""
        drawn = {name: value for name in PER_TOKEN if (value := getattr(knobs, name)) is not None}
        own = {name: value.chunk(self.num_layers, dim=1)[block] for name, value in drawn.items()}
        bias_RE1 = None if knobs.bias_REL is None else knobs.bias_REL[..., [block]]
        return replace(knobs, bias_REL=bias_RE1, **own)

    def alone(
        self, rows_RAP: Float[Tensor, "R A P"], others_RMW: Float[Tensor, "R M W"], knobs: RoutingKnobs
    ) -> RoutingKnobs:
        """Knobs under which every token is routed by itself: no queue, nothing drawn."""
        return replace(knobs, capacity=None, token_groups=1)

    # ---- cost -----------------------------------------------------------------------------------------------------

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one character in the sparse form; attention looks back half a window."""
        width, tokens = self.layer.input_width, self.layer.tokens_per_input
        attention = 2 * (4 * width * width + 2 * width * (tokens + 1) // 2)
        return self.num_layers * (self.layer.flops(num_experts, k) + attention) + 2 * width * self.vocabulary


def embedded(
    x_RMW: Float[Tensor, "R M W"], character_RVD: Float[Tensor, "R V D"], place_RWD: Float[Tensor, "R W2 D"]
) -> Float[Tensor, "R T D"]:
    """Each character's own vector plus that of its place in the window, window by window."""
    num_runs, num_windows, width = x_RMW.shape
    first_R11 = torch.arange(num_runs, device=x_RMW.device)[:, None, None] * character_RVD.shape[1]
    character_TD = character_RVD.flatten(0, 1).index_select(0, (x_RMW.long() + first_R11).flatten())
    return character_TD.view(num_runs, num_windows * width, -1) + place_RWD[:, :width].repeat(1, num_windows, 1)


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
    slopes = 0.25 ** torch.arange(num_heads, device=like.device, dtype=like.dtype)[:, None, None]
    return (-slopes * distance_WW).masked_fill(distance_WW < 0, -torch.inf)


Model = MoE | Transformer | Decoder
