"""One mixture-of-experts layer shared by two modalities, pictures and words, as in LIMoE (arXiv 2206.02770).

The tokens of both meet the same attention and the same experts; only what cuts them into tokens, and the last matrix
into the space where they are compared, are their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz.models.experts import Parameters, Shapes
from moeviz.models.transformer import Transformer, attention, rms_norm
from moeviz.routers import token_ids
from moeviz.tensors.precision import at_least_float32

SHARPNESS = 5.0  # what the cosine of two embeddings is multiplied by; more would learn the training set by heart
FAINT = 400  # a letter group starts so faintly that only what is seen often comes to count


@dataclass(frozen=True)
class TwoModalities(Transformer):
    """A picture and its names in, an embedding of each out: block(tokens), their mean, one matrix, length √sharpness.

    score(picture, name) = their scalar product = sharpness · cosine. Attention joins the tokens of one picture, or of
    one name.

    Args:   parts: tokens of the picture, then of each name.  picture_width: numbers of a picture, all patches.
            num_groups: how many letter groups there are; a word is the mean of its groups' vectors.
    """

    parts: tuple[int, ...] = ()
    picture_width: int = 0
    num_groups: int = 0

    @property
    def embedding_width(self) -> int:
        """How many numbers an embedding has."""
        return self.output_width // len(self.parts)

    @property
    def own_shapes(self) -> Shapes:
        """The tensors that are not the layer's: two embeddings, norms, one attention for both, two heads."""
        width, patches = self.layer.input_width, self.parts[0]
        square = (width, width)
        return {
            "w_patch": (self.picture_width // patches, width), "position": (patches, width),
            "w_group": (self.num_groups, width), "word": (1, width),
            "gain_attention": (width,), "w_query": square, "w_key": square, "w_value": square, "w_gathered": square,
            "gain_layer": (width,), "gain_out": (width,),
            "w_picture": (width, self.embedding_width), "w_name": (width, self.embedding_width),
        }  # fmt: skip

    def added_up(self, name: str, shape: tuple[int, ...]) -> int:
        """Letter groups start much smaller than what all words have in common."""
        return FAINT if name == "w_group" else shape[0]

    def _attended(self, part: Parameters, x_RMD: Float[Tensor, "R M D"]) -> Float[Tensor, "R T D2"]:
        """Tokens in front of the layer, input by input: those of the picture, then those of every name."""
        count, (patches, words) = x_RMD.shape[1], self.parts[:2]
        pixels_RTD, groups_RTG = (each.flatten(1, 2) for each in self._cut(x_RMD))
        pixels_RTD = pixels_RTD.to(part["w_patch"].dtype)
        of_pictures = torch.bmm(pixels_RTD, part["w_patch"]) + part["position"].repeat(1, count, 1)
        num_words = self.tokens_per_input - patches
        of_names = self.words(part, groups_RTG) + part["word"]
        joined = []
        for embedded_RTD, tokens, own in ((of_pictures, patches, patches), (of_names, words, num_words)):
            seen_RTD = rms_norm(embedded_RTD, part["gain_attention"])
            attended_RTD = embedded_RTD + attention(seen_RTD, part, tokens)
            joined.append(attended_RTD.unflatten(1, (count, own)))
        return torch.cat(joined, dim=2).flatten(1, 2)

    def _cut(self, x_RMD: Float[Tensor, "R M D"]) -> tuple[Float[Tensor, "R M W D2"], Float[Tensor, "R M W2 G"]]:
        """The pixels of each patch, and the letter groups of each word."""
        pixels_RMD, groups_RMD = x_RMD.split([self.picture_width, x_RMD.shape[2] - self.picture_width], dim=2)
        patches = self.parts[0]
        return pixels_RMD.unflatten(2, (patches, -1)), groups_RMD.unflatten(2, (self.tokens_per_input - patches, -1))

    def _token_ids(self, x_RMD: Float[Tensor, "R M D"]) -> Int[Tensor, "R M W"]:
        return torch.cat([token_ids(each.flatten(1, 2)).view(each.shape[:3]) for each in self._cut(x_RMD)], dim=2)

    def words(self, part: Parameters, groups_RTG: Float[Tensor, "R T G"]) -> Float[Tensor, "R T D"]:
        """Each word as the mean of its letter groups' vectors; number 0 is no group."""
        table_RVD, is_group_RTG = part["w_group"], groups_RTG > 0
        first_R11 = self.num_groups * torch.arange(len(table_RVD), device=table_RVD.device).view(-1, 1, 1)
        number_TG = (groups_RTG.long() + first_R11).flatten(0, 1)
        share_RTG = is_group_RTG / is_group_RTG.sum(-1, keepdim=True).clamp(min=1)
        word_TD = torch.nn.functional.embedding_bag(
            number_TG, table_RVD.flatten(0, 1), mode="sum",
            per_sample_weights=share_RTG.to(table_RVD.dtype).flatten(0, 1),
        )  # fmt: skip
        return word_TD.unflatten(0, groups_RTG.shape[:2])

    def _answered(self, part: Parameters, x_RTD: Float[Tensor, "R T D"]) -> Float[Tensor, "R M O"]:
        """The embeddings of each input's picture and names, one after the other."""
        x_RMWD = rms_norm(x_RTD, part["gain_out"]).unflatten(1, (-1, self.tokens_per_input))
        picture_RMD = x_RMWD[:, :, : self.parts[0]].mean(2)
        name_RMND = x_RMWD[:, :, self.parts[0] :].unflatten(2, (-1, self.parts[1])).mean(3)
        picture_RM1O = torch.bmm(picture_RMD, part["w_picture"]).unsqueeze(2)
        name_RMNO = torch.bmm(name_RMND.flatten(1, 2), part["w_name"]).unflatten(1, name_RMND.shape[1:3])
        both_RMNO = at_least_float32(torch.cat([picture_RM1O, name_RMNO], dim=2))
        both_RMNO = torch.nn.functional.normalize(both_RMNO, dim=-1)
        return (math.sqrt(SHARPNESS) * both_RMNO).flatten(2)

    def flops(self, num_experts: int, k: int) -> int:
        """Floating-point operations for one token in the sparse form, on average over pictures and names."""
        width, tokens = self.layer.input_width, self.tokens_per_input
        embed = self.picture_width * width // tokens
        joined = sum(2 * part * part * width for part in self.parts) // tokens
        head = -(-width * self.output_width // tokens)
        return self.layer.flops(num_experts, k) + 2 * (embed + 4 * width * width + joined + head)

    def num_active_parameters(self, num_experts: int, k: int) -> int:
        """Parameters that one token uses: those of the layer, and all of the block but the table of letter groups."""
        table = math.prod(self.own_shapes["w_group"])
        return super().num_active_parameters(num_experts, k) - table
