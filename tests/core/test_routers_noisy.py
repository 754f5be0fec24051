"""noisy_top_k and mixtral: worked examples, loops of the definition, and who learns."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moeviz.routers import mixtral, noisy_top_k, top_k
from tests.router_cases import close, logits_of, random_logits, small_logits, softmax_slowly, wishes


def test_noise_by_hand() -> None:
    # clean: e^z = 4, 3, 1, so p = (.5, .375, .125), best A. The noise adds 1 · ln 2 to B and nothing to A and C:
    # e^H = 4, 6, 1, so B is first and A second; their weights are 6/10 and 4/10.
    logits_TE = torch.tensor([[4.0, 3.0, 1.0]], dtype=torch.float64).log()
    std_TE = torch.tensor([[5.0, math.log(2), 7.0]], dtype=torch.float64)
    noise_TE = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    routing = noisy_top_k(logits_TE, k=2, noise_std_TE=std_TE, noise_TE=noise_TE)
    assert routing.rank_TE.tolist() == [[1, 0, 2]]
    assert routing.chosen_TE.tolist() == [[True, True, False]]
    assert close(routing.gates_TE, [[0.4, 0.6, 0]])
    assert close(routing.probs_TE, [[0.5, 0.375, 0.125]])
    assert routing.noisy_logits_TE is not None and close(routing.noisy_logits_TE.exp(), [[4.0, 6.0, 1.0]])
    assert routing.noise_std_TE is not None and torch.equal(routing.noise_std_TE, std_TE)


def test_without_noise_it_is_the_renormalized_top_k() -> None:
    logits_TE = random_logits(9, 5)
    plain = top_k(logits_TE, k=2, renormalize=True)
    for std_TE in (None, torch.ones(9, 5, dtype=torch.float64)):  # a size without a draw is evaluation too
        routing = noisy_top_k(logits_TE, k=2, noise_std_TE=std_TE)
        assert torch.equal(routing.gates_TE, plain.gates_TE) and torch.equal(routing.rank_TE, plain.rank_TE)
        assert routing.noisy_logits_TE is None and routing.noise_std_TE is None


def test_a_draw_without_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="noise_TE needs its size: got noise_std_TE=None; pass noise_std_TE"):
        noisy_top_k(random_logits(2, 3), k=1, noise_TE=random_logits(2, 3))


@given(small_logits, st.data())
def test_noisy_top_k_equals_slow_loops(logits: list[list[int]], data: st.DataObject) -> None:
    whole = st.lists(st.integers(-2, 2), min_size=len(logits[0]), max_size=len(logits[0]))  # whole numbers tie
    noise = [data.draw(whole) for _ in logits]
    std = [[1 + abs(value) for value in data.draw(whole)] for _ in logits]
    k = data.draw(st.integers(1, len(logits[0])))
    as_tensor = [torch.tensor(rows, dtype=torch.float64) for rows in (logits, std, noise)]
    routing = noisy_top_k(as_tensor[0], k=k, noise_std_TE=as_tensor[1], noise_TE=as_tensor[2])
    for token, row in enumerate(logits):
        noisy = [z + s * e for z, s, e in zip(row, std[token], noise[token], strict=True)]
        best = wishes([noisy])[0]
        weights = softmax_slowly([noisy[expert] for expert in best[:k]])
        assert routing.rank_TE[token].argsort().tolist() == best
        assert close(routing.gates_TE[token, best[:k]], weights)
        assert routing.chosen_TE[token].sum() == k and routing.kept_TE[token].sum() == k
        assert close(routing.probs_TE[token], softmax_slowly(row))


def test_scores_and_size_of_the_noise_are_learned() -> None:
    # d weight / d std_i = d weight / d H_i · ε_i, and d H / d z = 1
    logits_TE, noise_TE = random_logits(6, 4).requires_grad_(), random_logits(6, 4, seed=1)
    std_TE = random_logits(6, 4, seed=2).abs().requires_grad_()
    routing = noisy_top_k(logits_TE, k=2, noise_std_TE=std_TE, noise_TE=noise_TE)
    value = (routing.gates_TE * random_logits(6, 4, seed=3)).sum()
    on_logits_TE, on_std_TE = torch.autograd.grad(value, (logits_TE, std_TE))
    assert (on_logits_TE[routing.chosen_TE].abs() > 0).all()
    assert close(on_std_TE, on_logits_TE * noise_TE)


@given(st.integers(0, 99))
def test_noise_lets_the_second_best_win_as_often_as_it_should(seed: int) -> None:
    # z = (.5, 0) with noise of std 1 on each: B wins where a normal of std sqrt 2 exceeds .5: 1 − Φ(.5/sqrt 2) = .3618
    logits_TE = torch.tensor([0.5, 0.0], dtype=torch.float64).expand(4000, 2)
    ones_TE = torch.ones(4000, 2, dtype=torch.float64)
    routing = noisy_top_k(logits_TE, k=1, noise_std_TE=ones_TE, noise_TE=random_logits(4000, 2, seed=seed))
    expected = 0.5 * (1 - math.erf(0.5 / 2))
    assert routing.chosen_TE[:, 1].double().mean().item() == pytest.approx(expected, abs=5 * math.sqrt(0.25 / 4000))


# ---- mixtral -------------------------------------------------------------------------------------------------------


def test_mixtral_by_hand() -> None:
    # e^z = 5, 3, 2: the best two are A and B, weights 5/8 and 3/8; with all three .5 .3 .2
    logits_TE = torch.tensor([[5.0, 3.0, 2.0]], dtype=torch.float64).log()
    assert close(mixtral(logits_TE, k=2).gates_TE, [[0.625, 0.375, 0]])
    assert close(mixtral(logits_TE, k=3).gates_TE, [[0.5, 0.3, 0.2]])
    assert close(mixtral(logits_TE, k=2).probs_TE, [[0.5, 0.3, 0.2]])


@given(small_logits, st.data())
def test_mixtral_equals_slow_loops(logits: list[list[int]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(logits[0])))
    routing = mixtral(torch.tensor(logits, dtype=torch.float64), k=k)
    for token, (row, best) in enumerate(zip(logits, wishes(logits), strict=True)):
        expected = [0.0 for _ in row]
        for expert, weight in zip(best[:k], softmax_slowly([row[each] for each in best[:k]]), strict=True):
            expected[expert] = weight
        assert close(routing.gates_TE[token], expected)
        assert routing.kept_TE[token].tolist() == [value > 0 for value in expected]


@given(st.integers(0, 999), st.integers(1, 5))
def test_top_k_then_softmax_is_softmax_then_top_k_renormalized(seed: int, k: int) -> None:
    logits_TE = random_logits(7, 5, seed=seed)
    probs_TE = logits_TE.softmax(-1)
    among_TE = probs_TE * mixtral(logits_TE, k=k).chosen_TE
    assert close(mixtral(logits_TE, k=k).gates_TE, among_TE / among_TE.sum(-1, keepdim=True))


@pytest.mark.parametrize("router", [mixtral, noisy_top_k])
def test_with_one_expert_the_task_teaches_the_router_nothing(router) -> None:
    logits_TE = random_logits(6, 4).requires_grad_()
    routing = router(logits_TE, k=1)
    assert torch.equal(routing.gates_TE, routing.chosen_TE.double())
    (gradient_TE,) = torch.autograd.grad((routing.gates_TE * random_logits(6, 4, seed=1)).sum(), logits_TE)
    assert (gradient_TE == 0).all()


def test_equal_scores_go_to_the_lower_expert() -> None:
    assert mixtral(logits_of([[0.25] * 4]), k=2).chosen_TE.tolist() == [[True, True, False, False]]
    # z = (0, 1, 0, 0) and noise +1 on D: B and D tie at 1, A and C at 0
    routing = noisy_top_k(
        torch.tensor([[0.0, 1.0, 0.0, 0.0]]), k=3, noise_std_TE=torch.ones(1, 4),
        noise_TE=torch.tensor([[0.0, 0.0, 0.0, 1.0]]),
    )  # fmt: skip
    assert routing.rank_TE.tolist() == [[2, 0, 3, 1]]
