"""What routers cannot be asked for is refused in words; no tokens at all are no trouble."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from moeviz.config.router_facts import ROUTER_INFO
from moeviz.routers import ROUTERS, Routing
from tests.router_cases import random_logits

OF_ANY_K = [name for name, info in ROUTER_INFO.items() if info.k == "any"]


def more(router: str, num_tokens: int) -> dict[str, Any]:
    return {"token_T": torch.zeros(num_tokens, dtype=torch.long)} if router == "hash" else {}


@pytest.mark.parametrize("router", OF_ANY_K)
@pytest.mark.parametrize(("k", "remedy"), [(0, "choose at least one"), (-1, "choose"), (4, "lower k or add experts")])
def test_k_must_be_from_1_to_the_number_of_experts(router: str, k: int, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"k must be from 1 to the number of experts: got k={k}, experts=3; {remedy}"):
        ROUTERS[router](random_logits(6, 3), k=k, **more(router, 6))
    for allowed in (1, 3):
        assert ROUTERS[router](random_logits(6, 3), k=allowed, **more(router, 6)).chosen_TE.sum() == 6 * allowed


def test_two_choices_need_two_experts() -> None:
    with pytest.raises(ValueError, match="gshard needs at least 2 experts: got experts=1; add experts, or use top_k"):
        ROUTERS["gshard"](random_logits(5, 1))
    assert ROUTERS["gshard"](random_logits(5, 2)).chosen_TE.all()
    assert ROUTERS["switch"](random_logits(5, 1)).chosen_TE.all()


@pytest.mark.parametrize("lead", [(), (2,)])
@pytest.mark.parametrize("router", [name for name in ROUTERS if name != "soft"])
@pytest.mark.parametrize("seats", [False, True])
def test_of_no_tokens_the_routing_is_empty(router: str, lead: tuple[int, ...], seats: bool) -> None:
    k = 1 if router == "switch" else 2
    limited = {"capacity": 1} if seats and ROUTER_INFO[router].seats else {}
    routing: Routing = ROUTERS[router](random_logits(*lead, 0, 3), k=k, **limited, **more(router, 0))
    assert routing.position_TE.shape == routing.gates_TE.shape == (*lead, 0, 3)
    assert routing.position_TE.dtype == routing.rank_TE.dtype
