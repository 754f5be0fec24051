"""deepseek_v3: the bias decides who is chosen and never what a choice weighs; groups; the step of the bias."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from moeviz.metrics import cv, load
from moeviz.routers import bias_step, deepseek_v3
from tests.router_cases import close, random_logits, scored, small_logits, wishes


def bias(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_scores_and_weights_by_hand() -> None:
    # s = .8 .6 .4 .2, sum 2: probabilities .4 .3 .2 .1. k = 2: A and B, weights .8/1.4 = 4/7 and .6/1.4 = 3/7
    routing = deepseek_v3(scored(0.8, 0.6, 0.4, 0.2), k=2)
    assert close(routing.probs_TE, [[0.4, 0.3, 0.2, 0.1]])
    assert close(routing.gates_TE, [[4 / 7, 3 / 7, 0, 0]])
    assert close(deepseek_v3(scored(0.8, 0.6, 0.4, 0.2), k=2, route_scale=2.5).gates_TE, [[10 / 7, 7.5 / 7, 0, 0]])
    # at k = 1 the weight is s itself, times the scale
    assert close(deepseek_v3(scored(0.8, 0.6, 0.4, 0.2), k=1).gates_TE, [[0.8, 0, 0, 0]])
    assert close(deepseek_v3(scored(0.8, 0.6, 0.4, 0.2), k=1, route_scale=2.5).gates_TE, [[2, 0, 0, 0]])


def test_the_bias_chooses_but_does_not_weigh() -> None:
    # s + b = .8 .1 .4 .7: A and D are chosen, with weights .8/(.8+.2) and .2/(.8+.2)
    routing = deepseek_v3(scored(0.8, 0.6, 0.4, 0.2), k=2, bias_E=bias(0, -0.5, 0, 0.5))
    assert routing.rank_TE.tolist() == [[0, 3, 2, 1]]
    assert close(routing.gates_TE, [[0.8, 0, 0, 0.2]])
    assert close(routing.probs_TE, [[0.4, 0.3, 0.2, 0.1]])


def test_groups_by_hand() -> None:
    # two groups of three, s = .9 .1 .1 | .5 .6 .2: the two best of each sum to 1.0 and 1.1, so the second group is
    # kept although it does not hold the best expert; weights .6/1.1 and .5/1.1
    routing = deepseek_v3(scored(0.9, 0.1, 0.1, 0.5, 0.6, 0.2), k=2, num_groups=2, num_kept_groups=1)
    assert routing.chosen_TE.tolist() == [[False, False, False, True, True, False]]
    assert close(routing.gates_TE, [[0, 0, 0, 5 / 11, 6 / 11, 0]])
    # the bias counts in the groups' scores: +.2 on B makes it 1.2 to 1.1, and A and B (.3) are chosen
    biased = deepseek_v3(
        scored(0.9, 0.1, 0.1, 0.5, 0.6, 0.2), k=2, num_groups=2, num_kept_groups=1, bias_E=bias(0, 0.2, 0, 0, 0, 0)
    )
    assert close(biased.gates_TE, [[0.9, 0.1, 0, 0, 0, 0]])
    # groups of one expert are as good as that expert; equal groups: the lower number
    single = deepseek_v3(scored(0.3, 0.7, 0.5, 0.7), k=1, num_groups=4, num_kept_groups=2)
    assert single.rank_TE.tolist() == [[2, 0, 3, 1]]
    assert deepseek_v3(scored(0.5, 0.5, 0.5, 0.5), k=1, num_groups=2).chosen_TE.tolist() == [
        [True, False, False, False]
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_groups": 4}, "got num_groups=4 for 6 experts; use a divisor of 6"),
        ({"num_groups": 0}, "got num_groups=0 for 6 experts; use a divisor of 6"),
        ({"num_groups": 2, "num_kept_groups": 3}, "got num_kept_groups=3, num_groups=2; keep fewer groups"),
        ({"num_groups": 2, "num_kept_groups": 0}, "got num_kept_groups=0, num_groups=2; keep fewer groups"),
        ({"num_kept_groups": 2}, "got num_kept_groups=2, num_groups=1; keep fewer groups"),
        ({"num_groups": 3}, "got k=3 for 2 experts in them; lower k or keep more groups"),
        ({"num_groups": 3, "k": torch.tensor([1, 3])}, "got k=3 for 2 experts in them; lower k or keep more groups"),
    ],
)
def test_groups_that_cannot_be_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deepseek_v3(random_logits(2, 4, 6), **{"k": 3, **options})


# ---- the bias's step -----------------------------------------------------------------------------------------------


def test_the_step_by_hand() -> None:
    # four tokens at k = 1: A gets 3, B 1, C 0, D 0; the mean is 1: A down, B stays, C and D up
    logits_TE = torch.eye(4, dtype=torch.float64)[[0, 0, 1, 0]]
    before_E = bias(0.5, 0, -0.2, 0)
    after_E = bias_step(before_E, deepseek_v3(logits_TE, k=1), rate=0.1)
    assert close(after_E, [0.4, 0, -0.1, 0.1])
    assert close(before_E, [0.5, 0, -0.2, 0])  # a new tensor


def test_each_run_has_its_own_step() -> None:
    routing = deepseek_v3(random_logits(3, 9, 4), k=2)
    bias_RE, rate_R = random_logits(3, 4, seed=1), torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    stepped_RE = bias_step(bias_RE, routing, rate=rate_R)
    for run in range(3):
        alone = deepseek_v3(random_logits(3, 9, 4)[run], k=2)
        assert torch.equal(stepped_RE[run], bias_step(bias_RE[run], alone, rate=rate_R[run].item()))
    assert torch.equal(stepped_RE[0], bias_RE[0])


@given(small_logits, st.data())
def test_the_step_equals_slow_loops(logits: list[list[int]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(logits[0])))
    routing = deepseek_v3(torch.tensor(logits, dtype=torch.float64), k=k)
    count = [sum(bool(row[expert]) for row in routing.chosen_TE) for expert in range(len(logits[0]))]
    stepped_E = bias_step(torch.zeros(len(count), dtype=torch.float64), routing, rate=0.5)
    fair = k * len(logits)  # times the number of experts, to stay with whole numbers
    assert stepped_E.tolist() == [0.5 * ((fair > c * len(count)) - (fair < c * len(count))) for c in count]


@pytest.mark.parametrize("seed", range(3))
def test_steps_even_out_the_load_and_large_ones_swing(seed: int) -> None:
    # logits with a favorite order: without a bias the load is very uneven
    logits_TE = random_logits(512, 8, seed=seed) + torch.linspace(2, -2, 8)
    unevenness = {}
    for rate in (0.003, 1.0):
        bias_E = torch.zeros(8, dtype=torch.float64)
        for _ in range(400):
            routing = deepseek_v3(logits_TE, k=2, bias_E=bias_E)
            bias_E = bias_step(bias_E, routing, rate=rate)
        unevenness[rate] = cv(load(routing, k=2)).item()
    assert cv(load(deepseek_v3(logits_TE, k=2), k=2)).item() > 0.7
    assert unevenness[0.003] < 0.1
    assert unevenness[1.0] > 0.5  # a step larger than any score: whoever was behind wins everything


# ---- oracle --------------------------------------------------------------------------------------------------------


@given(small_logits, st.data())
def test_the_router_equals_slow_loops(logits: list[list[int]], data: st.DataObject) -> None:
    num_experts = len(logits[0])
    num_groups = data.draw(st.sampled_from([n for n in range(1, num_experts + 1) if num_experts % n == 0]))
    num_kept = data.draw(st.integers(1, num_groups))
    size, scale = num_experts // num_groups, data.draw(st.sampled_from([1.0, 2.5]))
    k = data.draw(st.integers(1, num_kept * size))
    biases = [data.draw(st.integers(-2, 2)) / 2 for _ in range(num_experts)]
    routing = deepseek_v3(
        torch.tensor(logits, dtype=torch.float64), k=k, bias_E=bias(*biases), num_groups=num_groups,
        num_kept_groups=num_kept, route_scale=scale,
    )  # fmt: skip
    for token, row in enumerate(logits):
        # torch's sigmoid: one that differs in the last digit would part experts that tie
        score = torch.tensor(row, dtype=torch.float64).sigmoid().tolist()
        biased = [s + b for s, b in zip(score, biases, strict=True)]
        groups = [biased[start : start + size] for start in range(0, num_experts, size)]
        kept = wishes([[sum(sorted(group)[-2:][::-1]) for group in groups]])[0][:num_kept]
        best = wishes([[value if e // size in kept else -math.inf for e, value in enumerate(biased)]])[0][:k]
        total = sum(score[expert] for expert in best) if k > 1 else 1
        expected = [scale * score[expert] / total if expert in best else 0 for expert in range(num_experts)]
        assert [routing.rank_TE[token, expert] for expert in best] == list(range(k))
        assert close(routing.gates_TE[token], expected)
        assert close(routing.probs_TE[token], [s / sum(score) for s in score])


# ---- gradients -----------------------------------------------------------------------------------------------------


def test_no_gradient_reaches_the_bias() -> None:
    bias_E = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    logits_TE = random_logits(6, 4).requires_grad_()
    routing = deepseek_v3(logits_TE, k=2, bias_E=bias_E)
    value = (routing.gates_TE * random_logits(6, 4, seed=1)).sum() + routing.probs_TE.square().sum()
    value.backward()
    assert bias_E.grad is None
    assert logits_TE.grad is not None and (logits_TE.grad != 0).all()
    assert not bias_step(bias_E, routing, rate=0.1).requires_grad


def test_a_single_choice_is_learned() -> None:
    # weight s: d s / d z = s (1 − s) on the chosen expert, 0 elsewhere
    logits_TE = scored(0.8, 0.6, 0.4, 0.2).requires_grad_()
    (gradient_TE,) = torch.autograd.grad(deepseek_v3(logits_TE, k=1).gates_TE.sum(), logits_TE)
    assert close(gradient_TE, [[0.8 * 0.2, 0, 0, 0]])


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_extreme_logits_stay_finite(size: float, k: int) -> None:
    # at −10000 every sigmoid rounds to 0: weights 0, not 0/0
    logits_TE = torch.full((3, 4), size, requires_grad=True)
    routing = deepseek_v3(logits_TE, k=k)
    (gradient_TE,) = torch.autograd.grad(routing.gates_TE.sum() + routing.probs_TE.square().sum(), logits_TE)
    assert routing.gates_TE.isfinite().all() and routing.probs_TE.isfinite().all() and gradient_TE.isfinite().all()
