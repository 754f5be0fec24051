"""The registry, and top_k: worked examples, laws, and a slow loop of the definition as oracle."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz.config import ROUTER_NAMES
from moeviz.routers import ROUTERS, Routing, capacity, softmax, top_k
from tests.router_cases import PROBS, close, logits_of, random_logits, small_logits, wishes


def test_the_registry_is_the_config_list() -> None:
    assert tuple(ROUTERS) == ROUTER_NAMES


# ---- worked examples ---------------------------------------------------------------------------------------------


def test_two_tokens_by_hand() -> None:
    # token 0: p = .5 .3 .2, best two A and B, sum .8: weights .5/.8 = .625 and .3/.8 = .375
    # token 1: p = .1 .3 .6, best two C and B, sum .9: weights .3/.9 = 1/3 and .6/.9 = 2/3
    logits_TE = logits_of([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])
    plain = top_k(logits_TE, k=2, renormalize=False)
    assert close(plain.probs_TE, [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])
    assert plain.rank_TE.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert plain.chosen_TE.tolist() == [[True, True, False], [False, True, True]]
    assert close(plain.gates_TE, [[0.5, 0.3, 0], [0, 0.3, 0.6]])
    renormalized = top_k(logits_TE, k=2, renormalize=True)
    assert close(renormalized.gates_TE, [[0.625, 0.375, 0], [0, 1 / 3, 2 / 3]])
    assert torch.equal(renormalized.chosen_TE, plain.chosen_TE)


def test_the_gate_form_left_open_is_renormalized_from_k_2_on() -> None:
    logits_TE = logits_of([[0.5, 0.3, 0.2]])
    assert close(top_k(logits_TE, k=1).gates_TE, [[0.5, 0, 0]])
    assert close(top_k(logits_TE, k=2).gates_TE, [[0.625, 0.375, 0]])
    both = top_k(logits_TE.expand(2, 1, 3), k=torch.tensor([1, 2]))  # one k per run decides per run
    assert close(both.gates_TE, [[[0.5, 0, 0]], [[0.625, 0.375, 0]]])


def test_ties_go_to_the_lower_expert() -> None:
    # equal logits are equal probabilities: D and A tie for first place, B and C for the third
    routing = top_k(torch.tensor([[5.0, 1.0, 1.0, 5.0], [2.0, 2.0, 2.0, 2.0]]), k=3)
    assert routing.rank_TE.tolist() == [[0, 2, 3, 1], [0, 1, 2, 3]]
    assert routing.chosen_TE.tolist() == [[True, True, False, True], [True, True, True, False]]
    # many experts, where an unstable sort would shuffle: 2, 5, 8 … lead, then 1, 4, 7 …, then 0, 3, 6 …
    many = top_k(torch.arange(39.0).remainder(3).expand(20, 39), k=5)
    assert many.rank_TE.tolist() == [[13 * (2 - expert % 3) + expert // 3 for expert in range(39)]] * 20
    for k, best in ((1, [2]), (5, [2, 5, 8, 11, 14]), (14, [*range(2, 39, 3), 1]), (39, range(39))):
        chosen_TE = top_k(torch.arange(39.0).remainder(3).expand(20, 39), k=k).chosen_TE
        assert chosen_TE.tolist() == [[expert in best for expert in range(39)]] * 20, k


def test_all_first_choices_queue_before_any_second_choice() -> None:
    # first choices in token order: A takes t0, t1, t3 at 0, 1, 2 and B takes t2 at 0;
    # then second choices: t0 is B's 1, t1 is C's 0, t2 is A's 3, t3 is B's 2. Two places each keep positions 0 and 1.
    routing = top_k(logits_of(PROBS), k=2, capacity=2, renormalize=True)
    assert routing.position_TE.tolist() == [[0, 1, -1], [1, -1, 0], [3, 0, -1], [2, 2, -1]]
    assert routing.kept_TE.tolist() == [[1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]]
    # weights were divided by the sum of BOTH choices (.9 .8 .9 .9) before anything was dropped
    expected = [[0.6 / 0.9, 0.3 / 0.9, 0], [0.5 / 0.8, 0, 0.3 / 0.8], [0, 0.65 / 0.9, 0], [0, 0, 0]]
    assert close(routing.gates_TE, expected)
    assert torch.equal(routing.chosen_TE, top_k(logits_of(PROBS), k=2).chosen_TE)  # what was wanted is not edited


def test_surest_tokens_queue_first_with_batch_priority() -> None:
    # largest p: t3 .70, t2 .65, t0 .60, t1 .50. First choices in this order: A takes t3, t0, t1 and B takes t2;
    # second choices: t3 is B's 1, t2 is A's 3, t0 is B's 2, t1 is C's 0.
    routing = top_k(logits_of(PROBS), k=2, capacity=2, batch_prioritized=True)
    assert routing.position_TE.tolist() == [[1, 2, -1], [2, -1, 0], [3, 0, -1], [0, 1, -1]]
    assert routing.kept_TE.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 1, 0]]
    unlimited = top_k(logits_of(PROBS), k=2, batch_prioritized=True)
    assert torch.equal(unlimited.position_TE, routing.position_TE)
    assert torch.equal(unlimited.kept_TE, unlimited.chosen_TE)


def test_with_one_expert_renormalized_the_router_learns_nothing() -> None:
    # weight = p/p = 1 whatever p is, so its derivative is 0; plain, it is p and has one: dp/dz = p(1-p) on the chosen.
    logits_TE = random_logits(6, 4).requires_grad_()
    renormalized = top_k(logits_TE, k=1, renormalize=True)
    assert close(renormalized.gates_TE, renormalized.chosen_TE.double())
    value_TE = torch.arange(24, dtype=torch.float64).reshape(6, 4)
    (nothing_TE,) = torch.autograd.grad((renormalized.gates_TE * value_TE).sum(), logits_TE)
    assert nothing_TE.abs().max() < 1e-13
    plain = top_k(logits_TE, k=1, renormalize=False)
    (gradient_TE,) = torch.autograd.grad(plain.gates_TE.sum(), logits_TE)
    p_T = plain.probs_TE.amax(-1)
    assert close(gradient_TE[plain.chosen_TE], p_T * (1 - p_T))


@pytest.mark.parametrize(
    ("num_tokens", "num_experts", "k", "factor", "expected"),
    [
        (8, 4, 1, 1.0, 2),  # an exact fair share
        (10, 4, 1, 1.0, 3),  # 2.5 rounds up
        (10, 4, 2, 1.25, 7),  # 1.25 * 2 * 10 / 4 = 6.25
        (256, 8, 2, 1.0, 64),
        (256, 8, 2, 16.0, 256),  # 1024 places, but there are only 256 tokens
        (50, 1, 1, 0.14, 7),  # 7 exactly, though 0.14 * 50 is 7.000000000000001 in floating point
        (1, 64, 1, 0.1, 1),  # never less than one place
    ],
)
def test_capacity_by_hand(num_tokens: int, num_experts: int, k: int, factor: float, expected: int) -> None:
    assert capacity(num_tokens, num_experts, k, factor) == expected


# ---- laws ----------------------------------------------------------------------------------------------------------


@given(small_logits, st.data())
def test_rows_sum_to_1_and_every_token_makes_k_choices(logits: list[list[int]], data: st.DataObject) -> None:
    logits_TE = torch.tensor(logits, dtype=torch.float64)
    k = data.draw(st.integers(1, logits_TE.shape[1]))
    routing = top_k(logits_TE, k=k, renormalize=True)
    one_T = torch.ones(len(logits_TE), dtype=torch.float64)
    assert close(routing.probs_TE.sum(-1), one_T)
    assert close(routing.gates_TE.sum(-1), one_T)
    assert (routing.chosen_TE.sum(-1) == k).all()
    least_chosen_T = routing.probs_TE.where(routing.chosen_TE, math.inf).amin(-1)
    assert (least_chosen_T >= routing.probs_TE.where(~routing.chosen_TE, 0).amax(-1)).all()


@given(small_logits, st.data())
def test_no_expert_keeps_more_than_its_places(logits: list[list[int]], data: st.DataObject) -> None:
    logits_TE = torch.tensor(logits, dtype=torch.float64)
    k = data.draw(st.integers(1, logits_TE.shape[1]))
    places = data.draw(st.integers(0, len(logits_TE) + 1))
    routing = top_k(logits_TE, k=k, capacity=places, batch_prioritized=data.draw(st.booleans()))
    # exactly min(wanted, places): a drop is never needless
    assert torch.equal(routing.kept_TE.sum(0), routing.chosen_TE.sum(0).clamp(max=places))
    assert not (routing.kept_TE & ~routing.chosen_TE).any()
    assert (routing.gates_TE[~routing.kept_TE] == 0).all()
    assert (routing.gates_TE[routing.kept_TE] > 0).all()
    for column, wanted in zip(routing.position_TE.T, routing.chosen_TE.T, strict=True):  # a queue without gaps
        assert sorted(column[wanted].tolist()) == list(range(int(wanted.sum())))
        assert (column[~wanted] == -1).all()


@given(st.integers(0, 999), st.integers(1, 5), st.booleans(), st.permutations(range(5)))
def test_experts_have_no_favorite_number(seed: int, k: int, renormalize: bool, order: list[int]) -> None:
    logits_TE = random_logits(7, 5, seed=seed)
    routing = top_k(logits_TE, k=k, capacity=2, renormalize=renormalize)
    permuted = top_k(logits_TE[:, order], k=k, capacity=2, renormalize=renormalize)
    for name in ("rank_TE", "chosen_TE", "kept_TE", "position_TE"):
        assert torch.equal(getattr(permuted, name), getattr(routing, name)[:, order])
    assert close(permuted.gates_TE, routing.gates_TE[:, order])


@pytest.mark.parametrize("priority", [False, True])
@pytest.mark.parametrize("limited", [False, True])
def test_leading_axes_ride_along(limited: bool, priority: bool) -> None:
    logits = random_logits(2, 3, 8, 4)
    k = torch.tensor([[1, 2, 3], [4, 1, 2]])
    places = torch.tensor([[1, 2, 3], [8, 4, 0]]) if limited else None
    renormalize = torch.tensor([[True, False, True], [False, True, True]])
    together = top_k(logits, k=k, capacity=places, renormalize=renormalize, batch_prioritized=priority)
    for a in range(2):
        for b in range(3):
            alone = top_k(
                logits[a, b], k=int(k[a, b]), capacity=None if places is None else int(places[a, b]),
                renormalize=bool(renormalize[a, b]), batch_prioritized=priority,
            )  # fmt: skip
            for name in ("probs_TE", "rank_TE", "chosen_TE", "kept_TE", "gates_TE", "position_TE"):
                assert torch.equal(getattr(together, name)[a, b], getattr(alone, name)), name


# ---- oracles -------------------------------------------------------------------------------------------------------


def route_slowly(
    logits: list[list[int]], line: list[int], k: int, places: int, renormalize: bool
) -> tuple[list[list[int]], list[list[float]]]:
    """The definition in loops: positions and weights; `line` is the order in which tokens step up."""
    experts = range(len(logits[0]))
    wish = wishes(logits)
    position = [[-1 for _ in experts] for _ in logits]
    weight = [[0.0 for _ in experts] for _ in logits]
    seats_taken = [0 for _ in experts]
    for choice in range(k):
        for token in line:
            expert = wish[token][choice]
            position[token][expert] = seats_taken[expert]
            seats_taken[expert] += 1
    for token, row in enumerate(logits):
        exponentials = [math.exp(value) for value in row]
        divisor = sum(exponentials[e] for e in wish[token][:k]) if renormalize else sum(exponentials)
        for expert in wish[token][:k]:
            if position[token][expert] < places:
                weight[token][expert] = exponentials[expert] / divisor
    return position, weight


@given(small_logits, st.data(), st.booleans(), st.booleans())
def test_the_router_equals_slow_loops(
    logits: list[list[int]], data: st.DataObject, renormalize: bool, priority: bool
) -> None:
    logits_TE = torch.tensor(logits, dtype=torch.float64)
    k = data.draw(st.integers(1, logits_TE.shape[1]))
    places = data.draw(st.integers(0, len(logits)))
    routing = top_k(logits_TE, k=k, capacity=places, renormalize=renormalize, batch_prioritized=priority)
    surest_T = routing.probs_TE.amax(-1).tolist()  # its own: rounding may part two tokens that are equal on paper
    line = sorted(range(len(logits)), key=lambda token: (-surest_T[token], token)) if priority else range(len(logits))
    position, weight = route_slowly(logits, list(line), k, places, renormalize)
    assert routing.position_TE.tolist() == position
    assert close(routing.gates_TE, weight)


@given(st.integers(1, 8), st.integers(1, 64), st.sampled_from([7, 50, 100]), st.integers(1, 200))
def test_capacity_is_the_share_rounded_up_in_exact_fractions(k: int, experts: int, each: int, hundredths: int) -> None:
    share = Fraction(hundredths, 100) * k * each  # of each · N tokens: often whole, where floating point is just above
    expected = min(each * experts, math.ceil(share))
    assert capacity(each * experts, experts, k, hundredths / 100) == expected


@pytest.mark.parametrize("size", [1.0, 50.0, 1e4])
def test_softmax_is_torchs_with_its_gradient(size: float) -> None:
    logits_TE = (size * random_logits(20, 7)).requires_grad_()
    weight_TE = random_logits(20, 7, seed=1)
    ours, torchs = softmax(logits_TE), logits_TE.softmax(-1)
    assert close(ours, torchs)
    gradients = [torch.autograd.grad((each * weight_TE).sum(), logits_TE)[0] for each in (ours, torchs)]
    assert close(*gradients)


# ---- precision -----------------------------------------------------------------------------------------------------


def everything(routing: Routing) -> list[Tensor]:
    return [routing.logits_TE, routing.probs_TE, routing.gates_TE]


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32(half: torch.dtype) -> None:
    # bfloat16 has 8 bits: a softmax in it would sum to 1 only within .4 %
    logits_TE = random_logits(9, 8).to(half)
    routing = top_k(logits_TE, k=2)
    assert all(each.dtype == torch.float32 for each in everything(routing))
    assert all(
        torch.equal(*pair) for pair in zip(everything(routing), everything(top_k(logits_TE.float(), k=2)), strict=True)
    )


@pytest.mark.parametrize("wide", [torch.float32, torch.float64])
def test_wider_types_stay(wide: torch.dtype) -> None:
    routing = top_k(random_logits(9, 8).to(wide), k=2)
    assert all(each.dtype == wide for each in everything(routing))
    assert (routing.gates_TE.sum(-1) - 1).abs().max() <= 2 * torch.finfo(wide).eps
