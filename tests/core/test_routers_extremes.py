"""Scores of any size: each router against plain loops in float64, from equal scores to −∞, and what it makes of NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz import metrics
from moeviz.losses import LOSSES
from moeviz.routers import (
    Routing,
    deepseek_v3,
    expert_choice,
    gshard,
    hash,
    in_best_groups,
    mixtral,
    noisy_top_k,
    rank,
    soft,
    switch,
    top_k,
)  # fmt: skip
from moeviz.routers.scores import largest
from tests.router_cases import normal_cdf, wishes

BIGGEST = torch.finfo(torch.float32).max
SMALLEST = 1e-37  # weights and probabilities below this are 0 in float32
INF, NAN = math.inf, math.nan
Row = Sequence[float]
Table = Sequence[Row]

# numbers of float32, and half of them small enough to matter beside each other
SIZES = torch.tensor([0.0, 1e-30, 1e-3, 0.5, 1.0, 2.0, 17.0, 20.0, 30.0, 89.0, 104.0, 200.0, 1e4, 1e10, 1e30, 3e38])
scores = st.sampled_from([*SIZES.tolist(), *(-SIZES[1:]).tolist(), -INF])


def rows(experts: int) -> st.SearchStrategy[list[float]]:
    """A token's scores, of which many are equal; at least one is a number."""
    few = st.lists(scores, min_size=1, max_size=4).filter(lambda drawn: max(drawn) > -INF)
    drawn = few.flatmap(lambda some: st.lists(st.sampled_from(some), min_size=experts, max_size=experts))
    return drawn.filter(lambda row: max(row) > -INF)


tables = st.integers(1, 9).flatmap(lambda experts: st.lists(rows(experts), min_size=1, max_size=6))


# ---- plain loops ---------------------------------------------------------------------------------------------------


def softmax_of(row: Row, among: Sequence[int] | None = None) -> list[float]:
    """exp(z) / Σ exp(z) over some of the scores; 0 for the others. Less the largest, so that no power is too large."""
    some = range(len(row)) if among is None else among
    powers = {expert: math.exp(row[expert] - max(row[each] for each in some)) for expert in some}
    return [powers.get(expert, 0.0) / sum(powers.values()) for expert in range(len(row))]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > 0 else math.exp(max(value, -745)) / (1 + math.exp(max(value, -745)))


def as_good_as(group: Row) -> float:
    """The sum of a group's two best that can be chosen; −∞ if nobody can."""
    best = [value for value in sorted(group, reverse=True)[:2] if value > -INF]
    return sum(best) if best else -INF


def log_sigmoid(value: float) -> float:
    """min(z, 0) − log(1 + exp(−|z|)), which is a number where the sigmoid is 0."""
    return min(value, 0) - math.log1p(math.exp(-abs(value)))


@dataclass
class Plain:
    """What a router decides, in lists of floats: weights before drops, and who is sent at all (None = the chosen)."""

    probs: list[list[float]]
    chosen: list[list[int]]  # each token's experts, the best first
    weights: list[list[float]]
    sent: list[list[int]] | None = None
    capacity: int | None = None
    first: list[int] = field(init=False)  # the order in which tokens queue

    def __post_init__(self) -> None:
        self.first = list(range(len(self.probs)))

    @property
    def kept(self) -> list[set[int]]:
        """All first choices queue, token by token, then all second ones; whoever comes too late is dropped."""
        asked = self.chosen if self.sent is None else self.sent
        free = {expert: len(asked) if self.capacity is None else self.capacity for expert in range(len(self.probs[0]))}
        found: list[set[int]] = [set() for _ in asked]
        for choice in range(max(map(len, self.chosen))):
            for token in self.first:
                expert = self.chosen[token][choice] if choice < len(self.chosen[token]) else -1
                if expert in asked[token] and free[expert] > 0:
                    free[expert] -= 1
                    found[token].add(expert)
        return found


def agree(routing: Routing, plain: Plain) -> None:
    """Routing and loops: the same choices, and weights and probabilities to float32's rounding."""
    experts = range(len(plain.probs[0]))
    kept = plain.kept
    assert routing.chosen_TE.tolist() == [[e in chosen for e in experts] for chosen in plain.chosen]
    assert routing.kept_TE.tolist() == [[e in each for e in experts] for each in kept]
    weights = [[w * (e in each) for e, w in enumerate(row)] for row, each in zip(plain.weights, kept, strict=True)]
    for found, expected in ((routing.probs_TE, plain.probs), (routing.gates_TE, weights)):
        assert torch.allclose(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=2e-5, atol=SMALLEST)


def float32(table: Table) -> Tensor:
    return torch.tensor(table, dtype=torch.float32)


def by_scores(table: Table, k: int) -> list[list[int]]:
    """Each token's k largest scores; a logit of −∞ is below every other, equal ones go to the lower expert."""
    return [order[:k] for order in wishes(table)]


# ---- routers -------------------------------------------------------------------------------------------------------


@given(tables, st.data())
def test_top_k_and_its_seats(table: Table, data: st.DataObject) -> None:
    k, plain = data.draw(st.integers(1, len(table[0]))), data.draw(st.booleans())
    seats, sure = data.draw(st.sampled_from([None, 0, 1, 2])), data.draw(st.booleans())
    routing = top_k(float32(table), k=k, renormalize=not plain, capacity=seats, batch_prioritized=sure)
    probs, chosen = [softmax_of(row) for row in table], by_scores(table, k)
    weights = [
        [p * (e in best) for e, p in enumerate(own)] if plain else softmax_of(row, best)
        for row, own, best in zip(table, probs, chosen, strict=True)
    ]
    expected = Plain(probs, chosen, weights, capacity=seats)
    if sure:
        expected.first = sorted(range(len(table)), key=lambda token: (-max(probs[token]), token))
    agree(routing, expected)
    assert routing.rank_TE.argsort(-1).tolist() == wishes(table)


@given(tables, st.data())
def test_mixtral_and_switch(table: Table, data: st.DataObject) -> None:
    k, seats = data.draw(st.integers(1, len(table[0]))), data.draw(st.sampled_from([None, 1]))
    probs, chosen = [softmax_of(row) for row in table], by_scores(table, k)
    among = [softmax_of(*each) for each in zip(table, chosen, strict=True)]
    agree(mixtral(float32(table), k=k), Plain(probs, chosen, among))
    first = by_scores(table, 1)
    weights = [[p * (e in best) for e, p in enumerate(own)] for own, best in zip(probs, first, strict=True)]
    agree(switch(float32(table), capacity=seats), Plain(probs, first, weights, capacity=seats))


@given(tables, st.data())
def test_noisy_top_k_and_the_chance_of_another_draw(table: Table, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(table[0])))
    drawn = st.lists(st.floats(-5, 5, width=32), min_size=len(table[0]), max_size=len(table[0]))
    noise = [data.draw(drawn) for _ in table]
    std = data.draw(st.sampled_from([0.0, *(float(torch.tensor(size)) for size in (1e-37, 1e-20, 1e-3, 1.0, 1e3))]))
    std_TE = torch.full_like(float32(table), std)
    routing = noisy_top_k(float32(table), k=k, noise_std_TE=std_TE, noise_TE=float32(noise))
    noisy = (float32(table) + float32(noise) * std_TE).tolist()  # ties of rounded sums are ties
    chosen = by_scores(noisy, k)
    weights = [softmax_of(*each) for each in zip(noisy, chosen, strict=True)]
    agree(routing, Plain([softmax_of(row) for row in table], chosen, weights))
    chances = [0.0] * len(table[0])
    for z, h, best in zip(table, noisy, chosen, strict=True):
        for expert in range(len(z)):
            others = sorted((h[each] for each in range(len(h)) if each != expert), reverse=True)
            if k == len(h) or z[expert] == others[k - 1] == -INF or std == 0:
                chances[expert] += expert in best  # as without noise
            else:
                chances[expert] += normal_cdf((z[expert] - others[k - 1]) / std)
    mean = sum(chances) / len(chances)
    expected = sum((chance / mean - 1) ** 2 for chance in chances) / len(chances)
    assert LOSSES["load"](routing, k=k).item() == pytest.approx(expected, rel=1e-3, abs=1e-3)


@given(tables.filter(lambda table: len(table[0]) > 1), st.data())
def test_gshard_and_its_random_second(table: Table, data: st.DataObject) -> None:
    seats = data.draw(st.sampled_from([None, 1, 2]))
    uniform = [data.draw(st.sampled_from([0.01, 0.3, 0.7, 0.999])) for _ in table]
    chosen = by_scores(table, 2)
    weights = [softmax_of(*each) for each in zip(table, chosen, strict=True)]
    pairs = zip(chosen, weights, uniform, strict=True)
    sent = [[first, second] if u < 2 * own[second] else [first] for (first, second), own, u in pairs]
    routing = gshard(float32(table), capacity=seats, uniform_T=torch.tensor(uniform))
    agree(routing, Plain([softmax_of(row) for row in table], chosen, weights, sent, seats))


@given(tables, st.data())
def test_deepseek_with_bias_and_groups(table: Table, data: st.DataObject) -> None:
    experts = len(table[0])
    groups = data.draw(st.sampled_from([n for n in range(1, experts + 1) if experts % n == 0]))
    kept = data.draw(st.integers(1, groups))
    k = data.draw(st.integers(1, kept * experts // groups))
    bias = [data.draw(st.sampled_from([0.0, 0.0, 0.5, -1.0])) for _ in range(experts)]
    routing = deepseek_v3(
        float32(table), k=k, bias_E=torch.tensor(bias), num_groups=groups, num_kept_groups=kept, route_scale=2.5
    )
    chosen, weights, probs = [], [], []
    for row in table:
        # torch's sigmoid: one that differs in the last digit would part experts that tie
        score = torch.tensor(row, dtype=torch.float64).sigmoid().tolist()
        biased = [s + b if z > -INF else -INF for z, s, b in zip(row, score, bias, strict=True)]
        by_group = [biased[start : start + experts // groups] for start in range(0, experts, experts // groups)]
        best = wishes([[as_good_as(group) for group in by_group]])[0][:kept]
        allowed = [b if e // (experts // groups) in best else -INF for e, b in enumerate(biased)]
        chosen.append(wishes([allowed])[0][:k])
        logs = [log_sigmoid(value) for value in row]
        probs.append(softmax_of(logs))
        whole = [[2.5 * sigmoid(value) for value in row], [2.5 * w for w in softmax_of(logs, chosen[-1])]][k > 1]
        weights.append([w * (e in chosen[-1]) for e, w in enumerate(whole)])
    agree(routing, Plain(probs, chosen, weights))


@given(tables, st.data())
def test_expert_choice(table: Table, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(table[0])))
    routing = expert_choice(float32(table), k=k)
    # torch's softmax in float64 decides: another's last digit would part tokens that tie
    columns = torch.tensor(table, dtype=torch.float64).softmax(-1).T.tolist()
    places = -(-len(table) * k // len(table[0]))
    taken = [set(order[:places]) for order in wishes(columns)]
    assert routing.chosen_TE.T.tolist() == [[t in own for t in range(len(table))] for own in taken]
    weights = [[p * (t in taken[e]) for e, p in enumerate(softmax_of(row))] for t, row in enumerate(table)]
    assert torch.allclose(
        routing.gates_TE.double(), torch.tensor(weights, dtype=torch.float64), rtol=2e-5, atol=SMALLEST
    )


@given(tables, st.data())
def test_soft_and_hash(table: Table, data: st.DataObject) -> None:
    columns = list(zip(*table, strict=True))
    routing = soft(float32(table))
    expected = [[softmax_of(row) for row in table], list(zip(*map(softmax_of, columns), strict=True))]
    if all(max(column) > -INF for column in columns):
        for found, own in zip((routing.combine_TE, routing.dispatch_TE), expected, strict=True):
            assert torch.allclose(found.double(), torch.tensor(own, dtype=torch.float64), rtol=2e-5, atol=SMALLEST)
    k = data.draw(st.integers(1, len(table[0])))
    ids = torch.arange(len(table))
    listed = hash(float32(table), k=k, token_T=ids)
    assert torch.equal(listed.gates_TE, hash(torch.zeros(len(table), len(table[0])), k=k, token_T=ids).gates_TE)


# ---- by hand -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", [top_k, mixtral, noisy_top_k])
def test_one_that_can_be_chosen_and_k_2(router: Callable[..., Routing]) -> None:
    # A alone can be chosen; the second place goes to the first of the others, and weighs nothing
    routing = router(torch.tensor([[3.0] + [-INF] * 8]), k=2)
    assert routing.chosen_TE.tolist() == [[True] * 2 + [False] * 7]
    assert torch.equal(routing.chosen_TE, routing.rank_TE < 2)
    assert routing.gates_TE.tolist() == [[1.0] + [0.0] * 8] == routing.probs_TE.tolist()


@pytest.mark.parametrize("k", [1, 2])
def test_sigmoids_that_round_to_0_still_have_shares(k: int) -> None:
    # far below 0 a sigmoid is exp(z): shares are those of a softmax. z = −200 and −200 − log 3: 3/4 and 1/4
    logits_TE = torch.tensor([[-200.0, -200 - math.log(3), -1000.0]], requires_grad=True)
    routing = deepseek_v3(logits_TE, k=k)
    assert torch.allclose(routing.probs_TE, torch.tensor([[0.75, 0.25, 0]]), atol=1e-5)
    if k == 2:
        assert torch.allclose(routing.gates_TE, torch.tensor([[0.75, 0.25, 0]]), atol=1e-5)
    # Switch's loss: N Σ f p = 3 (1/k · 3/4 + (k − 1)/k · 1/4): 9/4 at k = 1, 3/2 at k = 2
    loss = LOSSES["switch"](routing, k=k)
    assert loss.item() == pytest.approx(9 / 4 if k == 1 else 3 / 2, rel=1e-4)
    # ∂p_A/∂z_A = 3/4 · 1/4 and ∂p_B/∂z_A = −3/4 · 1/4: for A 3 · 3/16 at k = 1; at k = 2 the two are 0 together
    (gradient_TE,) = torch.autograd.grad(loss, logits_TE)
    assert gradient_TE[0, 0].item() == pytest.approx(9 / 16 if k == 1 else 0, abs=1e-4)


def test_sigmoids_that_round_to_1_are_told_apart() -> None:
    # 1 − s is 2·10⁻⁹ and 10⁻¹³ at logits of 20 and 30: both 1 in float32
    assert deepseek_v3(torch.tensor([[20.0, 30.0]]), k=1).chosen_TE.tolist() == [[False, True]]
    assert expert_choice(torch.tensor([[20.0, 0.0], [30.0, 0.0]]), k=1).chosen_TE.tolist() == [
        [False, True],
        [True, False],
    ]


def test_who_cannot_be_chosen_loses_to_the_smallest_score() -> None:
    for size in (1e10, 1e30, 3e38):
        for router in (top_k, mixtral, noisy_top_k, deepseek_v3):
            routing = router(torch.tensor([[-INF, -size, -size]]), k=1)
            assert routing.chosen_TE.tolist() == [[False, True, False]], (router, size)
            assert routing.probs_TE.tolist() == [[0, 0.5, 0.5]], (router, size)


def test_groups_whose_experts_nobody_can_choose_are_the_last() -> None:
    # A B | C D | E F: the first has nobody, the second one expert with .3, the third .2 + .05
    biased_TE = torch.tensor([[-INF, -INF, -INF, 0.3, 0.2, 0.05]])
    assert in_best_groups(biased_TE, 3, 1).tolist() == [[False, False, True, True, False, False]]
    assert in_best_groups(biased_TE, 3, 2).tolist() == [[False, False, True, True, True, True]]


@pytest.mark.parametrize("experts", [3, 8, 40])
@given(data=st.data())
def test_the_largest_are_those_of_the_first_ranks(experts: int, data: st.DataObject) -> None:
    wild = st.one_of(scores, st.sampled_from([INF, NAN, -BIGGEST, -INF]))
    row = data.draw(st.lists(wild, min_size=experts, max_size=experts))
    k = data.draw(st.integers(1, experts))
    scores_TE = torch.tensor([row])
    assert torch.equal(largest(scores_TE, k), rank(scores_TE) < k)
    # NaN before all, then by size, −∞ with the smallest number; the lower expert first
    order = sorted(
        range(experts), key=lambda e: (not math.isnan(row[e]), 0 if math.isnan(row[e]) else -max(row[e], -BIGGEST), e)
    )
    assert rank(scores_TE).argsort(-1).tolist() == [order]


@pytest.mark.parametrize("bad", [NAN, INF])
@pytest.mark.parametrize("router", [top_k, mixtral, noisy_top_k])
def test_a_score_that_is_no_number_spoils_its_own_token_alone(router: Callable[..., Routing], bad: float) -> None:
    table = [[0.0, 1.0, 2.0], [0.0, bad, 2.0]]
    routing, alone = router(float32(table), k=2), router(float32(table[:1]), k=2)
    assert torch.equal(routing.gates_TE[:1], alone.gates_TE) and torch.equal(routing.probs_TE[:1], alone.probs_TE)
    assert routing.probs_TE[1].isnan().all() and routing.gates_TE[1, 1:].isnan().all()
    assert routing.chosen_TE[1].tolist() == [False, True, True]


# ---- losses, metrics, gradients ------------------------------------------------------------------------------------


def routings_of(table: Table) -> list[tuple[str, Routing, list[Tensor]]]:
    """The routing of every router that reads scores, and what its gradient reaches."""
    found = []
    options: dict[str, tuple[Callable[..., Routing], dict[str, Any]]] = {
        "top_k": (top_k, {"k": 2}), "plain": (top_k, {"k": 1}), "mixtral": (mixtral, {"k": 2}),
        "noisy": (noisy_top_k, {"k": 2, "noise_std_TE": torch.ones(1), "noise_TE": torch.ones(1)}),
        "nearly still": (noisy_top_k, {"k": 2, "noise_std_TE": torch.full((1,), 1e-20), "noise_TE": torch.ones(1)}),
        "deepseek": (deepseek_v3, {"k": 2}), "sigmoid": (deepseek_v3, {"k": 1}), "experts": (expert_choice, {"k": 1}),
    }  # fmt: skip
    for name, (router, more) in options.items():
        logits_TE = float32(table).requires_grad_()
        more = {key: value.expand_as(logits_TE) if isinstance(value, Tensor) else value for key, value in more.items()}
        learned = [logits_TE, more["noise_std_TE"].requires_grad_()] if "noise_std_TE" in more else [logits_TE]
        found.append((name, router(logits_TE, **more), learned))
    return found


@given(st.integers(2, 6).flatmap(lambda experts: st.lists(rows(experts), min_size=1, max_size=5)))
def test_no_loss_has_a_gradient_that_is_no_number(table: Table) -> None:
    sure = max(abs(value) for row in table for value in row if value > -INF) < 1e15  # whose square is a number
    for name, routing, learned in routings_of(table):
        k = int(routing.chosen_TE[0].sum()) if name != "experts" else 1
        for key, loss in LOSSES.items():
            value = loss(routing, k=k)
            if key == "z" and not sure:
                continue
            assert value.isfinite(), (name, key)
            if value.requires_grad:
                slopes = torch.autograd.grad(value, learned, retain_graph=True, allow_unused=True)
                assert all(slope is None or slope.isfinite().all() for slope in slopes), (name, key)
        slopes = torch.autograd.grad(routing.gates_TE.square().sum(), learned)
        assert all(slope.isfinite().all() for slope in slopes), name


@given(
    st.lists(st.integers(0, 100), min_size=2, max_size=8).filter(any), st.sampled_from([1e-30, 1e-15, 1.0, 1e15, 1e30])
)
def test_unevenness_does_not_depend_on_the_unit(amounts: list[int], unit: float) -> None:
    # mean 1, say: CV² = Σ (a/m − 1)²/N, whatever the unit
    mean = sum(amounts) / len(amounts)
    expected = sum((amount / mean - 1) ** 2 for amount in amounts) / len(amounts)
    found = metrics.cv_squared(unit * torch.tensor(amounts, dtype=torch.float32))
    assert found.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_of_nothing_at_all_nobody_has_more() -> None:
    amounts_E = torch.zeros(4, requires_grad=True)
    value = metrics.cv_squared(amounts_E)
    assert value == 0 and torch.autograd.grad(value, amounts_E)[0].isfinite().all()


def test_who_serves_is_one_of_those_that_kept_the_token() -> None:
    # token 1: its first choice A has no seat left, and its second, C, weighs exp(−200) = 0 in float32
    routing = top_k(torch.tensor([[200.0, 0.0, -INF], [200.0, -INF, 0.0]]), k=2, capacity=1)
    assert routing.kept_TE.tolist() == [[True, True, False], [False, False, True]]
    assert metrics.server(routing).tolist() == [0, 2]
