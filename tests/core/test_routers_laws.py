"""What holds for every router: runs ride along, experts have no favorite number, gradients are right, all is pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz.routers import ROUTERS, Routing, SoftRouting, capacity
from tests.router_cases import close, random_logits

TOKENS, EXPERTS = 8, 6  # torch computes 8 numbers at once and rounds a rest of fewer differently
Options = Callable[[tuple[int, ...], int], dict[str, Any]]  # (leading axes, seed) -> options, one for each run


def uniform(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def noise(lead: tuple[int, ...], seed: int) -> dict[str, Any]:
    shape = (*lead, TOKENS, EXPERTS)
    return {"noise_TE": random_logits(*shape, seed=seed + 1), "noise_std_TE": uniform(*shape, seed=seed + 2) + 0.1}


def token_ids(lead: tuple[int, ...], seed: int) -> dict[str, Any]:
    return {"token_T": (100 * uniform(*lead, TOKENS, seed=seed)).long()}


@dataclass(frozen=True)
class Case:
    """A router as a law calls it."""

    router: str
    k: int
    options: dict[str, Any]
    by_run: Options = lambda lead, seed: {}
    any_k: bool = False  # one k per run
    limited: bool = False  # has a capacity

    def __call__(self, logits: Tensor, seed: int = 0, **more: Any) -> Any:
        options = {"k": self.k, **self.options, **self.by_run(tuple(logits.shape[:-2]), seed), **more}
        return ROUTERS[self.router](logits, **options)


CASES = {
    "top_k": Case("top_k", 2, {}, any_k=True),
    "top_k plain": Case("top_k", 2, {"renormalize": False}, any_k=True),
    "top_k limited": Case("top_k", 3, {"capacity": 2}, any_k=True, limited=True),
    "top_k priority": Case("top_k", 2, {"capacity": 2, "batch_prioritized": True}, any_k=True, limited=True),
    "noisy_top_k": Case("noisy_top_k", 2, {}, noise, any_k=True),
    "noisy_top_k still": Case("noisy_top_k", 2, {}, any_k=True),
    "switch": Case("switch", 1, {}),
    "switch limited": Case("switch", 1, {"capacity": 1}, limited=True),
    "switch priority": Case("switch", 1, {"capacity": 1, "batch_prioritized": True}, limited=True),
    "gshard": Case("gshard", 2, {}),
    "gshard random": Case("gshard", 2, {}, lambda lead, seed: {"uniform_T": uniform(*lead, TOKENS, seed=seed)}),
    "gshard limited": Case(
        "gshard", 2, {"capacity": 2}, lambda lead, seed: {"uniform_T": uniform(*lead, TOKENS, seed=seed)}, limited=True
    ),
    "gshard counting": Case(
        "gshard", 2, {"capacity": 2, "count_skipped": True, "batch_prioritized": True},
        lambda lead, seed: {"uniform_T": uniform(*lead, TOKENS, seed=seed)}, limited=True,
    ),
    "mixtral": Case("mixtral", 2, {}, any_k=True),
    "deepseek_v3": Case("deepseek_v3", 2, {"route_scale": 2.5}, any_k=True),
    "deepseek_v3 biased": Case(
        "deepseek_v3", 2, {}, lambda lead, seed: {"bias_E": random_logits(*lead, EXPERTS, seed=seed)}, any_k=True
    ),
    "deepseek_v3 groups": Case("deepseek_v3", 2, {"num_groups": 3, "num_kept_groups": 2}, any_k=True),
    "expert_choice": Case("expert_choice", 2, {}, any_k=True),
    "hash": Case("hash", 1, {}, token_ids, any_k=True),
    "hash circle": Case("hash", 3, {}, token_ids, any_k=True),
    "soft": Case("soft", 1, {}),
}  # fmt: skip
CHOOSING = {name: case for name, case in CASES.items() if case.router != "soft"}
cases = pytest.mark.parametrize("name", CASES)
choosing = pytest.mark.parametrize("name", CHOOSING)
scoring = pytest.mark.parametrize(
    "name", [name for name in CASES if CASES[name].router != "hash"]
)  # hash reads no logits


def tensors(routing: Routing | SoftRouting) -> dict[str, Tensor]:
    """Every tensor of a routing, ranks and positions too."""
    found = {each.name: getattr(routing, each.name) for each in fields(routing)}
    if isinstance(routing, Routing):
        found |= {"rank_TE": routing.rank_TE, "position_TE": routing.position_TE}
    return {name: value for name, value in found.items() if value is not None}


def test_every_router_is_under_these_laws() -> None:
    assert list(dict.fromkeys(case.router for case in CASES.values())) == list(ROUTERS)


@choosing
@given(seed=st.integers(0, 999))
def test_what_is_kept_was_chosen_and_only_that_weighs(name: str, seed: int) -> None:
    case = CHOOSING[name]
    routing = case(random_logits(TOKENS, EXPERTS, seed=seed), seed)
    assert close(routing.probs_TE.sum(-1), torch.ones(TOKENS))
    assert (routing.rank_TE.sort(-1).values == torch.arange(EXPERTS)).all()  # each rank once
    assert not (routing.kept_TE & ~routing.chosen_TE).any()
    assert (routing.gates_TE[~routing.kept_TE] == 0).all() and (routing.gates_TE[routing.kept_TE] > 0).all()
    if case.router != "expert_choice":
        assert torch.equal(routing.chosen_TE, routing.rank_TE < case.k)
    if case.limited:
        assert int(routing.kept_TE.sum(0).max()) <= case.options["capacity"]
    waiting_TE = routing.position_TE >= 0
    assert (waiting_TE | ~routing.kept_TE).all() and (routing.chosen_TE | ~waiting_TE).all()
    for place_T, waits_T in zip(routing.position_TE.T, waiting_TE.T, strict=True):  # queues without gaps
        assert sorted(place_T[waits_T].tolist()) == list(range(int(waits_T.sum())))


@choosing
@given(seed=st.integers(0, 999))
def test_weights_add_up_as_the_router_says(name: str, seed: int) -> None:
    case = CHOOSING[name]
    routing = case(random_logits(TOKENS, EXPERTS, seed=seed), seed)
    full_TE = routing.gates_TE if routing.full_gates_TE is None else routing.full_gates_TE
    if case.router in ("switch", "expert_choice") or name == "top_k plain":  # the gate probabilities themselves
        expected_T = (routing.probs_TE * routing.chosen_TE).sum(-1)
    else:
        expected_T = torch.full((TOKENS,), case.options.get("route_scale", 1.0))
    assert close(full_TE.sum(-1), expected_T)
    assert torch.equal(routing.gates_TE, full_TE * routing.kept_TE)


@cases
def test_leading_axes_ride_along(name: str) -> None:
    case, logits = CASES[name], random_logits(2, 3, TOKENS, EXPERTS)
    options, more = case.by_run((2, 3), 5), {}
    if case.any_k:
        more["k"] = torch.tensor([[1, 2, 3], [4, 1, 2]])
    if case.limited:
        more["capacity"] = torch.tensor([[1, 2, 3], [7, 4, 0]])
    together = tensors(case(logits, 5, **more))
    for a in range(2):
        for b in range(3):
            own = {key: value[a, b] for key, value in options.items()}
            own |= {key: int(value[a, b]) for key, value in more.items()}
            alone = tensors(case(logits[a, b], 5, **own))
            assert set(alone) == set(together)
            for field, value in alone.items():
                assert torch.equal(together[field][a, b], value), (field, a, b)


@cases
def test_options_of_one_run_serve_all_runs(name: str) -> None:
    case, logits = CASES[name], random_logits(3, TOKENS, EXPERTS)
    own = case.by_run((), 5)
    together = tensors(case(logits, **own))
    for run in range(3):
        for field, value in tensors(case(logits[run], **own)).items():
            assert torch.equal(together[field][run], value), field


@scoring
@given(seed=st.integers(0, 999), order=st.permutations(range(EXPERTS)))
def test_experts_have_no_favorite_number(name: str, seed: int, order: list[int]) -> None:
    case = CASES[name]
    if case.options.get("num_groups"):  # neighbors are a group: groups may change places, and experts within
        order = [expert for group in dict.fromkeys(e // 2 for e in order) for expert in (2 * group + 1, 2 * group)]
    options = case.by_run((), seed)
    moved = {key: value if key == "uniform_T" else value[..., order] for key, value in options.items()}
    logits_TE = random_logits(TOKENS, EXPERTS, seed=seed)
    before, after = tensors(case(logits_TE, **options)), tensors(case(logits_TE[:, order], **moved))
    if case.options.get("num_groups"):  # experts of groups that are left out tie for the last ranks
        before["rank_TE"], after["rank_TE"] = (each["rank_TE"].clamp(max=4) for each in (before, after))
    for field, value in before.items():
        assert close(after[field].double(), value[:, order].double()), field


@cases
def test_a_router_is_pure_and_deterministic(name: str) -> None:
    case, logits = CASES[name], random_logits(2, TOKENS, EXPERTS)
    options, before = case.by_run((2,), 3), logits.clone()
    copies = {key: value.clone() for key, value in options.items()}
    state = torch.get_rng_state()
    first, second = tensors(case(logits, **options)), tensors(case(logits, **options))
    assert all(torch.equal(first[field], second[field]) for field in first)
    assert torch.equal(logits, before) and all(torch.equal(options[key], copies[key]) for key in options)
    assert torch.equal(torch.get_rng_state(), state)


@scoring
def test_gradients_agree_with_finite_differences(name: str) -> None:
    case, logits = CASES[name], random_logits(2, TOKENS, EXPERTS, seed=4)
    options = case.by_run((2,), 8)
    if "noise_std_TE" in options:
        options["noise_std_TE"].requires_grad_()  # the size of the noise is learned too
    learned = [logits.requires_grad_(), *(value for value in options.values() if value.requires_grad)]
    names = [key for key, value in options.items() if value.requires_grad]

    def weights(each: Tensor, *others: Tensor) -> Tensor:
        found = tensors(case(each, **(options | dict(zip(names, others, strict=True)))))
        parts = [found[field] for field in ("gates_TE", "probs_TE", "dispatch_TE", "combine_TE") if field in found]
        return torch.stack(parts)

    assert torch.autograd.gradcheck(weights, learned, atol=1e-7, rtol=1e-6)


@cases
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32(name: str, half: torch.dtype) -> None:
    case, logits = CASES[name], random_logits(TOKENS, EXPERTS).to(half)
    options = {key: value.to(half) if value.is_floating_point() else value for key, value in case.by_run((), 2).items()}
    wide = {key: value.float() if value.is_floating_point() else value for key, value in options.items()}
    low, high = tensors(case(logits, **options)), tensors(case(logits.float(), **wide))
    for field, value in low.items():
        assert value.dtype == high[field].dtype and value.dtype not in (torch.float16, torch.bfloat16)
        assert torch.equal(value, high[field]), field


@pytest.mark.parametrize("router", ["noisy_top_k", "mixtral", "deepseek_v3", "hash", "soft"])
def test_a_router_without_seats_refuses_a_capacity(router: str) -> None:
    more = {"token_T": torch.zeros(TOKENS, dtype=torch.long)} if router == "hash" else {}
    with pytest.raises(ValueError, match=rf"{router} has no seats .*: got capacity=4; leave it out"):
        ROUTERS[router](random_logits(TOKENS, EXPERTS), k=1, capacity=4, **more)


@pytest.mark.parametrize(("router", "wanted"), [("switch", 1), ("gshard", 2)])
@pytest.mark.parametrize("k", [3, torch.tensor([1, 2, 3])])
def test_a_router_of_one_k_refuses_others(router: str, wanted: int, k: Any) -> None:
    with pytest.raises(ValueError, match=rf"k must be {wanted} for {router}: got k=.*; pass k={wanted}"):
        ROUTERS[router](random_logits(3, TOKENS, EXPERTS), k=k)
    assert ROUTERS[router](random_logits(3, TOKENS, EXPERTS), k=torch.full((3,), wanted)).chosen_TE.any()


# ---- laws of large numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_experts", "num_tokens"), [(2, 256), (8, 1024), (32, 1024)])
def test_chance_alone_drops_tokens(num_experts: int, num_tokens: int) -> None:
    # with one place per fair share, a load of mean T/N and variance T (N−1)/N² is over by .399 standard deviations on
    # average (the mean of a normal's positive half): N · .399 · sqrt(T (N−1))/N / T = .399 sqrt((N−1)/T)
    logits_RTE = random_logits(100, num_tokens, num_experts)
    routing = ROUTERS["switch"](logits_RTE, k=1, capacity=capacity(num_tokens, num_experts, 1, 1.0))
    dropped = 1 - routing.kept_TE.sum().item() / (100 * num_tokens)
    assert dropped == pytest.approx(0.399 * math.sqrt((num_experts - 1) / num_tokens), rel=0.1)


@pytest.mark.parametrize(("router", "k"), [("switch", 1), ("gshard", 2), ("top_k", 3)])
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25])
def test_full_collapse_drops_all_but_the_seats(router: str, k: int, factor: float) -> None:
    # all 24 tokens want the same k of 6 experts, which have factor · k · 24/6 places each: factor · k/6 is kept
    logits_TE = torch.arange(6.0, dtype=torch.float64).expand(24, 6)
    routing = ROUTERS[router](logits_TE, k=k, capacity=capacity(24, 6, k, factor))
    assert 1 - routing.kept_TE.sum().item() / (24 * k) == pytest.approx(1 - factor * k / 6)
