"""expert_choice, hash and soft: worked examples, laws, and loops of the definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moeviz.routers import balanced_table, expert_choice, hash, last_taken, mix_back, slot_inputs, soft
from tests.router_cases import close, logits_of, random_logits, small_logits, softmax_slowly, wishes

# ---- expert choice -------------------------------------------------------------------------------------------------

COLUMNS = [[0.60, 0.30, 0.10], [0.50, 0.20, 0.30], [0.15, 0.65, 0.20], [0.70, 0.25, 0.05]]


def test_experts_choose_by_hand() -> None:
    # C = ⌈4 · 1 / 3⌉ = 2. A: t3 .70, t0 .60 · B: t2 .65, t0 .30 · C: t1 .30, t2 .20
    routing = expert_choice(logits_of(COLUMNS), k=1)
    assert routing.position_TE.tolist() == [[1, 1, -1], [-1, -1, 0], [-1, 0, 1], [0, -1, -1]]
    assert close(routing.gates_TE, [[0.6, 0.3, 0], [0, 0, 0.3], [0, 0.65, 0.2], [0.7, 0, 0]])
    assert torch.equal(routing.chosen_TE, routing.kept_TE)
    assert routing.rank_TE[1].tolist() == [0, 2, 1]  # the token's own wish: A first, which it does not get
    # one place each: t0 gets no expert, and A, B and C have t3, t2 and t1
    assert expert_choice(logits_of(COLUMNS), k=1, capacity=1).chosen_TE.int().tolist() == [
        [0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0],
    ]  # fmt: skip


def test_equal_tokens_are_taken_in_their_order() -> None:
    routing = expert_choice(torch.zeros(6, 2), k=1)  # C = 3
    assert routing.position_TE.tolist() == [[0, 0], [1, 1], [2, 2], [-1, -1], [-1, -1], [-1, -1]]


@given(small_logits, st.data())
def test_expert_choice_equals_slow_loops(logits: list[list[int]], data: st.DataObject) -> None:
    num_tokens, num_experts = len(logits), len(logits[0])
    k = data.draw(st.integers(1, num_experts))
    given_places = data.draw(st.none() | st.integers(0, num_tokens + 1))
    routing = expert_choice(torch.tensor(logits, dtype=torch.float64), k=k, capacity=given_places)
    places = math.ceil(num_tokens * k / num_experts) if given_places is None else given_places
    position = [[-1 for _ in range(num_experts)] for _ in logits]
    columns = routing.probs_TE.T.tolist()  # its own: rounding may part probabilities that are equal on paper
    for expert, order in enumerate(wishes(columns)):
        for place, token in enumerate(order[:places]):
            position[token][expert] = place
    assert routing.position_TE.tolist() == position
    for token, row in enumerate(logits):
        assert close(
            routing.gates_TE[token],
            [p if place >= 0 else 0 for p, place in zip(softmax_slowly(row), position[token], strict=True)],
        )


@given(st.integers(0, 999), st.integers(1, 6))
def test_every_expert_takes_the_same_number(seed: int, k: int) -> None:
    routing = expert_choice(3 * random_logits(11, 6, seed=seed), k=k)
    assert routing.chosen_TE.sum(0).tolist() == [math.ceil(11 * k / 6)] * 6


@given(st.integers(0, 999), st.permutations(range(8)))
def test_the_order_of_tokens_does_not_matter(seed: int, order: list[int]) -> None:
    logits_TE = random_logits(8, 4, seed=seed)
    assert close(expert_choice(logits_TE[order], k=2).gates_TE, expert_choice(logits_TE, k=2).gates_TE[order])


def test_what_the_last_taken_token_had_is_the_threshold_for_single_tokens() -> None:
    # two places: A took t3 .70 and t0 .60, B t2 .65 and t0 .30, C t1 .30 and t2 .20
    batch = expert_choice(logits_of(COLUMNS), k=1)
    threshold_E = last_taken(batch)
    assert close(threshold_E, [0.6, 0.3, 0.2])
    # p = (.62 .19 .19): A alone. (.4 .35 .25): B and C. (.59 .295 .115): nobody
    alone = expert_choice(
        logits_of([[0.62, 0.19, 0.19], [0.4, 0.35, 0.25], [0.59, 0.295, 0.115]]), k=1, threshold_E=threshold_E
    )
    assert close(alone.gates_TE, [[0.62, 0, 0], [0, 0.35, 0.25], [0, 0, 0]])
    assert alone.position_TE.tolist() == [[0, -1, -1], [-1, 0, 0], [-1, -1, -1]]  # C is the token's last wish
    assert last_taken(expert_choice(logits_of(COLUMNS), k=1, capacity=0)).isinf().all()  # who takes none lets none in


@given(st.integers(0, 999), st.integers(1, 4))
def test_in_the_same_company_the_threshold_takes_the_same_tokens(seed: int, k: int) -> None:
    logits_TE = random_logits(9, 4, seed=seed)
    batch = expert_choice(logits_TE, k=k)
    alone = expert_choice(logits_TE, k=k, threshold_E=last_taken(batch))
    assert torch.equal(alone.kept_TE, batch.kept_TE) and torch.equal(alone.gates_TE, batch.gates_TE)


def test_expert_choice_learns_through_p() -> None:
    # dp_e/dz_j = p_e (1[e = j] − p_j), summed over the experts that took the token
    logits_TE = logits_of(COLUMNS).requires_grad_()
    routing = expert_choice(logits_TE, k=1)
    (gradient_TE,) = torch.autograd.grad(routing.gates_TE.sum(), logits_TE)
    expected = [
        [sum(p[e] * ((e == j) - p[j]) for e in range(3) if takes[e]) for j in range(3)]
        for p, takes in zip(COLUMNS, routing.chosen_TE.tolist(), strict=True)
    ]
    assert close(gradient_TE, expected)


# ---- hash ----------------------------------------------------------------------------------------------------------


def test_a_table_by_hand() -> None:
    # ids 0 1 2 go to B A C; id 4 starts again from the top, at table[4 − 3] = A
    routing = hash(random_logits(4, 3), k=1, token_T=torch.tensor([0, 1, 2, 4]), table_V=torch.tensor([1, 0, 2]))
    assert routing.gates_TE.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert torch.equal(routing.probs_TE, routing.gates_TE) and torch.equal(routing.kept_TE, routing.chosen_TE)
    assert routing.position_TE.tolist() == [[-1, 0, -1], [0, -1, -1], [-1, -1, 0], [1, -1, -1]]
    # k = 2: that expert and the next in the circle, half each
    both = hash(random_logits(3, 3), k=2, token_T=torch.tensor([0, 1, 2]), table_V=torch.tensor([1, 0, 2]))
    assert both.gates_TE.tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5]]
    assert both.rank_TE.tolist() == [[2, 0, 1], [0, 1, 2], [1, 2, 0]]


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=9), st.integers(1, 9), st.data())
def test_hash_equals_slow_loops(ids: list[int], num_experts: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, num_experts))
    table = balanced_table(num_experts).tolist()
    routing = hash(random_logits(len(ids), num_experts), k=k, token_T=torch.tensor(ids))
    for token, each in enumerate(ids):
        circle = [(table[each % len(table)] + step) % num_experts for step in range(num_experts)]
        assert routing.rank_TE[token].argsort().tolist() == circle
        assert close(routing.gates_TE[token], [1 / k if expert in circle[:k] else 0 for expert in range(num_experts)])


@pytest.mark.parametrize("num_experts", [1, 2, 5, 8, 64])
def test_the_table_is_balanced_and_fixed(num_experts: int) -> None:
    table_V = balanced_table(num_experts)
    assert len(table_V) >= 4096 and len(table_V) % num_experts == 0
    rounds = table_V.reshape(-1, num_experts)  # of every N ids in a row each expert has one
    assert torch.equal(rounds.sort(-1).values, torch.arange(num_experts).expand_as(rounds))
    balanced_table.cache_clear()
    assert torch.equal(balanced_table(num_experts), table_V)
    if num_experts > 2:  # and not in the same order each time
        assert (rounds != rounds[0]).any()


def test_the_logits_have_no_say() -> None:
    token_T = torch.arange(20)
    one, other = (hash(random_logits(20, 4, seed=seed), k=1, token_T=token_T) for seed in (1, 2))
    assert torch.equal(one.gates_TE, other.gates_TE)
    assert not hash(random_logits(20, 4).requires_grad_(), k=1, token_T=token_T).gates_TE.requires_grad


def test_a_table_first_used_in_an_evaluation_serves_training_too() -> None:
    balanced_table.cache_clear()
    logits_TE, token_T = random_logits(4, 3), torch.arange(4)
    with torch.inference_mode():
        hash(logits_TE, k=1, token_T=token_T)
    scale_TE = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    routing = hash(logits_TE, k=1, token_T=token_T)
    (gradient_TE,) = torch.autograd.grad((routing.gates_TE * scale_TE).sum(), scale_TE)
    assert torch.equal(gradient_TE, routing.gates_TE)


# ---- soft ----------------------------------------------------------------------------------------------------------


def test_soft_by_hand() -> None:
    # e^z = (3 1 / 1 1). Over tokens: slot 0 is 3/4 and 1/4, slot 1 half and half. Over slots: t0 3/4, 1/4; t1 1/2, 1/2.
    # tokens 4 and 8: slots 3 + 2 = 5 and 2 + 4 = 6. If experts return their slots: t0 15/4 + 6/4 = 5.25, t1 5.5.
    routing = soft(torch.tensor([[3.0, 1.0], [1.0, 1.0]], dtype=torch.float64).log())
    assert close(routing.dispatch_TE, [[0.75, 0.5], [0.25, 0.5]])
    assert close(routing.combine_TE, [[0.75, 0.25], [0.5, 0.5]])
    slots_ED = slot_inputs(routing, torch.tensor([[4.0], [8.0]], dtype=torch.float64))
    assert close(slots_ED, [[5.0], [6.0]])
    assert close(mix_back(routing, slots_ED), [[5.25], [5.5]])
    # as losses and pictures read it: all experts chosen, their weights those of the slots; t1's tie goes to slot 0
    read = routing.as_routing(slots_ED)
    assert torch.equal(read.gates_TE, routing.combine_TE) and torch.equal(read.probs_TE, routing.combine_TE)
    assert read.chosen_TE.all() and read.kept_TE.all() and read.rank_TE.tolist() == [[0, 1], [0, 1]]


@given(small_logits, st.integers(0, 99))
def test_soft_equals_slow_loops(logits: list[list[int]], seed: int) -> None:
    routing = soft(torch.tensor(logits, dtype=torch.float64))
    num_tokens, num_slots = len(logits), len(logits[0])
    columns = [softmax_slowly(column) for column in zip(*logits, strict=True)]
    rows = [softmax_slowly(row) for row in logits]
    assert close(routing.dispatch_TE, [list(row) for row in zip(*columns, strict=True)])
    assert close(routing.combine_TE, rows)
    x_TD = random_logits(num_tokens, 2, seed=seed)
    slots = [
        [sum(columns[s][t] * x_TD[t, d].item() for t in range(num_tokens)) for d in (0, 1)] for s in range(num_slots)
    ]
    back = [[sum(row[s] * slots[s][d] for s in range(num_slots)) for d in (0, 1)] for row in rows]
    slots_ED = slot_inputs(routing, x_TD)
    assert close(slots_ED, slots) and close(mix_back(routing, slots_ED), back)


@given(st.integers(0, 999), st.permutations(range(7)), st.floats(0.1, 50))
def test_soft_shares_add_up_and_tokens_have_no_order(seed: int, order: list[int], size: float) -> None:
    logits_TE, x_TD = size * random_logits(7, 4, seed=seed), random_logits(7, 3, seed=seed + 1)
    routing, moved = soft(logits_TE), soft(logits_TE[order])
    assert close(routing.dispatch_TE.sum(0), torch.ones(4)) and close(routing.combine_TE.sum(1), torch.ones(7))
    assert close(moved.dispatch_TE, routing.dispatch_TE[order]) and close(moved.combine_TE, routing.combine_TE[order])
    assert close(slot_inputs(moved, x_TD[order]), slot_inputs(routing, x_TD))


def test_soft_teaches_every_logit() -> None:
    logits_TE = random_logits(5, 4).requires_grad_()
    x_TD = random_logits(5, 3, seed=1)

    def output(logits_TE: torch.Tensor) -> torch.Tensor:
        routing = soft(logits_TE)
        return mix_back(routing, slot_inputs(routing, x_TD).tanh())

    assert torch.autograd.gradcheck(output, logits_TE)
    (gradient_TE,) = torch.autograd.grad(output(logits_TE).square().sum(), logits_TE)
    assert (gradient_TE != 0).all()
