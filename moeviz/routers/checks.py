"""What a router cannot be asked for: each a ValueError with the rule, the value and the remedy."""

from __future__ import annotations

from torch import Tensor

from moeviz.tensors.axes import PerRun


def check_k(k: PerRun, num_experts: int) -> None:
    """k experts must be there to be chosen. (A tensor is believed: to look into it would make a GPU wait.)"""
    if isinstance(k, Tensor) or 1 <= k <= num_experts:
        return
    remedy = "lower k or add experts" if k > num_experts else "choose at least one"
    raise ValueError(f"k must be from 1 to the number of experts: got k={k}, experts={num_experts}; {remedy}")


def demand_k(router: str, k: PerRun, wanted: int, num_experts: int) -> None:
    """For a router that is defined for one k only."""
    if bool((k != wanted).any()) if isinstance(k, Tensor) else k != wanted:
        raise ValueError(f"k must be {wanted} for {router}: got k={k}; pass k={wanted}, or use top_k")
    if num_experts < wanted:
        raise ValueError(
            f"{router} needs at least {wanted} experts: got experts={num_experts}; add experts, or use top_k"
        )


def refuse_capacity(router: str, capacity: PerRun | None) -> None:
    """For a router that is defined without a capacity."""
    if capacity is not None:
        raise ValueError(
            f"{router} has no seats to limit, so its capacity must be None: got capacity={capacity}; "
            "leave it out, or use top_k, switch or gshard"
        )
