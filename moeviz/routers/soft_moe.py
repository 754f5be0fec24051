"""No choice at all: experts compute mixtures of tokens, so that everything stays differentiable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.routers.checks import refuse_capacity
from moeviz.routers.routing import Routing
from moeviz.routers.scores import softmax
from moeviz.tensors.axes import PerRun
from moeviz.tensors.precision import at_least_float32


@dataclass(frozen=True)
class SoftRouting:
    """How tokens (rows) are mixed into slots (columns), and the slots' outputs back into tokens.

    With p slots for each of E experts there are S = E · p slots; slot s belongs to expert s // p.
    """

    logits_TE: Float[Tensor, "*R T E"]
    dispatch_TE: Float[Tensor, "*R T E"]  # each column sums to 1: what share each token has in a slot
    combine_TE: Float[Tensor, "*R T E"]  # each row sums to 1: what share each slot has in a token's output

    def as_routing(self, slots_ED: Float[Tensor, "*R E D"]) -> Routing:
        """The same, with one slot per expert, as losses, metrics and pictures read it: all chosen, all kept.

        The gate probabilities are the weights: both are `combine`.

        Args:   slots_ED: what the slots hold, see `slot_inputs`.
        """
        all_TE = torch.ones_like(self.combine_TE, dtype=torch.bool)
        combine_TE = self.combine_TE
        return Routing(self.logits_TE, combine_TE, combine_TE, all_TE, all_TE, combine_TE, slots_ED=slots_ED)


def soft(logits_TE: Float[Tensor, "*R T E"], *, k: PerRun | None = None, capacity: PerRun | None = None) -> SoftRouting:
    """Every slot is a weighted mean of all tokens, and every token's output a weighted mean of all slots.

    dispatch = softmax of the logits over tokens; combine = softmax of the same logits over slots. Nothing is chosen or
    dropped, and the work is even by construction. It looks at the whole batch, so it cannot be used to generate text.

    Args:   logits_TE: one column for each slot.  k: not used: no expert is chosen.
    Source: Soft MoE, section 2.1 (arXiv 2308.00951).
    """
    refuse_capacity("soft", capacity)
    logits_TE = at_least_float32(logits_TE)
    return SoftRouting(logits_TE, dispatch_TE=logits_TE.softmax(-2), combine_TE=softmax(logits_TE))


def slot_inputs(routing: SoftRouting, x_TD: Float[Tensor, "*R T D"]) -> Float[Tensor, "*R E D"]:
    """What each slot's expert computes: its mixture of tokens, dispatchᵀ x."""
    return routing.dispatch_TE.mT.to(x_TD.dtype) @ x_TD


def mix_back(routing: SoftRouting, y_EO: Float[Tensor, "*R E O"]) -> Float[Tensor, "*R T O"]:
    """Each token's output: its mixture of what the experts made of their slots, combine · y."""
    return routing.combine_TE.to(y_EO.dtype) @ y_EO
