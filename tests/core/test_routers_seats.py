"""switch and gshard: seats, the queue, the random second choice; by hand and against slow loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moeviz.routers import gshard, switch, top_k
from tests.router_cases import PROBS, close, logits_of, random_logits, small_logits, softmax_slowly, wishes


def test_switch_by_hand() -> None:
    # first choices A A B A; A has two places, so t3 is dropped. The weight is p itself.
    routing = switch(logits_of(PROBS), k=1, capacity=2)
    assert routing.position_TE.tolist() == [[0, -1, -1], [1, -1, -1], [-1, 0, -1], [2, -1, -1]]
    assert routing.chosen_TE.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert close(routing.gates_TE, [[0.6, 0, 0], [0.5, 0, 0], [0, 0.65, 0], [0, 0, 0]])
    # by priority t3 (.70), t0 (.60), t1 (.50): now t1 is dropped
    surest = switch(logits_of(PROBS), k=1, capacity=2, batch_prioritized=True)
    assert surest.position_TE.tolist() == [[1, -1, -1], [2, -1, -1], [-1, 0, -1], [0, -1, -1]]
    assert close(surest.gates_TE, [[0.6, 0, 0], [0, 0, 0], [0, 0.65, 0], [0.7, 0, 0]])
    assert close(switch(logits_of(PROBS), k=1).gates_TE, [[0.6, 0, 0], [0.5, 0, 0], [0, 0.65, 0], [0.7, 0, 0]])


def test_switch_learns_through_its_one_weight() -> None:
    # weight p of the chosen c: d p_c / d z_j = p_c (1[j = c] − p_j); a dropped token teaches nothing
    logits_TE = logits_of(PROBS).requires_grad_()
    (gradient_TE,) = torch.autograd.grad(switch(logits_TE, k=1, capacity=2).gates_TE.sum(), logits_TE)
    expected = [[p[c] * ((j == c) - p[j]) for j in range(3)] for p, c in zip(PROBS, (0, 0, 1, 0), strict=True)]
    assert close(gradient_TE, [*expected[:3], [0.0, 0.0, 0.0]])


def test_gshard_by_hand() -> None:
    # weights among the two best: t0 A 2/3, B 1/3 · t1 A 5/8, C 3/8 · t2 B 13/18, A 5/18 · t3 A 7/9, B 2/9
    # second choices are sent where u < 2 g2 = .667, .750, .556, .444: t0 (.9) is skipped, t1, t2 and t3 are sent.
    # queue: A takes t0 t1 t3 at 0 1 2, B t2 at 0; then t1 is C's 0, t2 is A's 3, t3 is B's 1. Two places each.
    uniform_T = torch.tensor([0.9, 0.1, 0.5, 0.4], dtype=torch.float64)
    routing = gshard(logits_of(PROBS), k=2, capacity=2, uniform_T=uniform_T)
    assert routing.chosen_TE.tolist() == [[1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 1, 0]]  # the skipped one was wanted
    assert routing.position_TE.tolist() == [[0, -1, -1], [1, -1, 0], [3, 0, -1], [2, 1, -1]]
    assert routing.kept_TE.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert close(routing.gates_TE, [[2 / 3, 0, 0], [5 / 8, 0, 3 / 8], [0, 13 / 18, 0], [0, 2 / 9, 0]])
    # the paper's listing: t0's skipped choice holds B's place 1, so t3 comes to B's 2 and is dropped
    counting = gshard(logits_of(PROBS), k=2, capacity=2, uniform_T=uniform_T, count_skipped=True)
    assert counting.position_TE.tolist() == [[0, 1, -1], [1, -1, 0], [3, 0, -1], [2, 2, -1]]
    assert counting.kept_TE.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_a_second_choice_of_half_the_weight_is_always_sent() -> None:
    # g2 = 1/2 gives probability min(1, 2 · 1/2) = 1; u is below 1; at g2 = 1/4, u = .51 is above .5.
    # A takes t0 at 0 and t1 at 1 as first choices; B has t0 alone, at 0
    logits_TE = logits_of([[0.5, 0.5], [0.75, 0.25]])
    sure = gshard(logits_TE, k=2, uniform_T=torch.tensor([0.999999, 0.51], dtype=torch.float64))
    assert sure.kept_TE.tolist() == [[True, True], [True, False]]
    assert close(sure.gates_TE, [[0.5, 0.5], [0.75, 0]])
    assert sure.position_TE.tolist() == [[0, 0], [1, -1]]


@pytest.mark.parametrize("options", [{}, {"second_policy": "all"}, {"second_policy": "random", "uniform_T": None}])
def test_without_a_draw_every_second_choice_is_sent(options: dict[str, Any]) -> None:
    routing, plain = gshard(logits_of(PROBS), k=2, capacity=2, **options), top_k(logits_of(PROBS), k=2, capacity=2)
    assert torch.equal(routing.gates_TE, plain.gates_TE) and torch.equal(routing.position_TE, plain.position_TE)
    nothing = gshard(logits_of(PROBS), k=2, second_policy="all", uniform_T=torch.ones(4, dtype=torch.float64))
    assert torch.equal(nothing.kept_TE, nothing.chosen_TE)  # a draw is not asked


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="second_policy must be random or all: got none; pass one of the two"):
        gshard(logits_of(PROBS), k=2, second_policy="none")


@pytest.mark.parametrize("second", [0.1, 0.25, 0.4])
def test_second_choices_are_sent_as_often_as_twice_their_weight(second: float) -> None:
    logits_TE = logits_of([[1 - second, second]]).expand(20_000, 2)
    uniform_T = torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sent = gshard(logits_TE, k=2, uniform_T=uniform_T).kept_TE[:, 1].double().mean().item()
    assert sent == pytest.approx(2 * second, abs=5 * math.sqrt(0.25 / 20_000))


def test_groups_have_seats_of_their_own() -> None:
    # the same four tokens twice, as two groups of a leading axis: each has two places at A
    grouped = gshard(logits_of([PROBS, PROBS]), k=2, capacity=2)
    assert grouped.kept_TE[:, :, 0].sum(-1).tolist() == [2, 2]
    assert torch.equal(grouped.position_TE[0], grouped.position_TE[1])


# ---- oracles -------------------------------------------------------------------------------------------------------


@given(small_logits, st.data(), st.booleans())
def test_switch_equals_slow_loops(logits: list[list[int]], data: st.DataObject, priority: bool) -> None:
    places = data.draw(st.none() | st.integers(0, len(logits)))
    routing = switch(torch.tensor(logits, dtype=torch.float64), k=1, capacity=places, batch_prioritized=priority)
    surest = routing.probs_TE.amax(-1).tolist()  # its own: rounding may part two tokens that are equal on paper
    seats_taken = [0 for _ in logits[0]]
    for token in sorted(range(len(logits)), key=lambda each: (-surest[each], each) if priority else (0, each)):
        expert, probs = wishes([logits[token]])[0][0], softmax_slowly(logits[token])
        expected = [0.0 for _ in probs]
        if places is None or seats_taken[expert] < places:
            expected[expert] = probs[expert]
        assert routing.position_TE[token, expert] == seats_taken[expert]
        assert close(routing.gates_TE[token], expected)
        seats_taken[expert] += 1
    assert routing.position_TE.max(-1).values.min() >= 0 and (routing.position_TE >= 0).sum() == len(logits)


@given(small_logits.filter(lambda rows: len(rows[0]) > 1), st.data(), st.booleans(), st.booleans())
def test_gshard_equals_slow_loops(
    logits: list[list[int]], data: st.DataObject, priority: bool, count_skipped: bool
) -> None:
    uniform = [data.draw(st.floats(0, 0.999)) for _ in logits]
    places = data.draw(st.none() | st.integers(0, len(logits)))
    routing = gshard(
        torch.tensor(logits, dtype=torch.float64), k=2, capacity=places, batch_prioritized=priority,
        uniform_T=torch.tensor(uniform, dtype=torch.float64), count_skipped=count_skipped,
    )  # fmt: skip
    surest = routing.probs_TE.amax(-1).tolist()
    line = sorted(range(len(logits)), key=lambda token: (-surest[token], token) if priority else (0, token))
    seats_taken = [0 for _ in logits[0]]
    position = [[-1 for _ in logits[0]] for _ in logits]
    weight = [[0.0 for _ in logits[0]] for _ in logits]
    for choice in (0, 1):
        for token in line:
            both = wishes([logits[token]])[0][:2]
            share = softmax_slowly([logits[token][expert] for expert in both])[choice]
            sent = choice == 0 or uniform[token] < 2 * share
            if sent or count_skipped:
                place = position[token][both[choice]] = seats_taken[both[choice]]
                seats_taken[both[choice]] += 1
                if sent and (places is None or place < places):
                    weight[token][both[choice]] = share
    assert routing.position_TE.tolist() == position
    assert close(routing.gates_TE, weight)
    assert torch.equal(routing.kept_TE, torch.tensor(weight) > 0)


@given(st.integers(0, 999), st.integers(1, 6))
def test_more_seats_never_drop_more(seed: int, places: int) -> None:
    logits_TE, uniform_T = random_logits(9, 4, seed=seed), random_logits(9, seed=seed).sigmoid()
    few, more = (gshard(logits_TE, k=2, capacity=places + extra, uniform_T=uniform_T) for extra in (0, 1))
    assert not (few.kept_TE & ~more.kept_TE).any()
    assert torch.equal(few.position_TE, more.position_TE)  # the queue does not know how many seats there are
