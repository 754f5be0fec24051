"""Questions and answers: whole entries, a search that finds them, and runs that show what the answers claim."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
import torch

from moeviz.config import KNOBS, RunConfig, expand
from moeviz.content.questions import MEASURED, PLACES, QUESTIONS, Example, about, find
from moeviz.routers import bias_step, deepseek_v3, mixtral, top_k
from moeviz.training import Snapshot, Training
from moeviz.ui.widgets import code

SEEDS = [0, 1, 2]
EXAMPLES = [(key, example) for key, question in QUESTIONS.items() for example in question.examples]
EACH_EXAMPLE = [pytest.param(example, id=f"{key}: {example.label}") for key, example in EXAMPLES]


# ---- entries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", QUESTIONS)
def test_an_entry_is_whole(key: str) -> None:
    question = QUESTIONS[key]
    assert question.text.endswith("?") and key.isidentifier()
    assert len(re.findall(r"[.:](?= |$)", question.answer)) >= 2 and question.answer.endswith(".")
    assert len(re.findall(r"(?<!\si)[.](?= |$)", question.answer)) <= 5 and len(question.answer) < 480
    assert question.look.endswith(".") and len(question.look) < 130
    assert question.source and question.keywords and question.places and set(question.places) <= set(PLACES)
    assert set(question.numbers) <= set(MEASURED)
    for place in question.code:
        assert code.source(place) and code.caption(place)
    labels = [example.label for example in question.examples]
    assert len(set(labels)) == len(labels) > 0


def test_questions_and_numbers_are_all_in_use() -> None:
    assert len({question.text for question in QUESTIONS.values()}) == len(QUESTIONS)
    assert {name for question in QUESTIONS.values() for name in question.numbers} == set(MEASURED)
    assert {key for place in PLACES for key in about(place)} == set(QUESTIONS)
    assert all(about(place) for place in PLACES)


@pytest.mark.parametrize("example", [pytest.param(example, id=f"{key}: {example.label}") for key, example in EXAMPLES])
def test_twins_differ_in_one_knob_that_may_differ_within_a_run_group(example: Example) -> None:
    assert len(example.titles) == (len(example.configs) if len(example.configs) > 1 else 0)
    if len(example.configs) > 1:
        left, right = example.configs
        differ = [name for name in KNOBS if getattr(left, name) != getattr(right, name)]
        assert len(differ) == 1 and KNOBS[differ[0]].per_run


@pytest.mark.parametrize("example", EACH_EXAMPLE)
def test_every_setting_trains_and_measures_its_numbers(example: Example) -> None:
    training = Training(example.configs)
    training.step(20)
    header = training.snapshot().header
    assert set(MEASURED) <= set(header)
    assert all(len(header[name]) == len(example.configs) for name in MEASURED)
    assert training.current_step == 20 or training.diverged


def test_sizes_are_those_of_the_layer() -> None:
    # an expert from 2 inputs over 8 hidden units to 2 outputs: 2·8 + 8 + 8·2 + 2 = 42 numbers, its gate column: 2
    # all: 8·(42 + 2) = 352; one input, k = 2: 8·2 + 2·42 = 100; operations: 2·2·8 + 2·(2·8·(2 + 2)) = 160
    header = Training([RunConfig()]).snapshot().header
    assert (header["num_parameters"], header["active_parameters"], header["flops"]) == ([352], [100], [160])


# ---- search -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("softmax order", "softmax_order"), ("k=1 gradient", "zero_gradient"), ("GRADIENT zero", "zero_gradient"),
        ("differentiable", "not_differentiable"), ("f_i balanced", "load_share"),
        ("fᵢ", "load_share"), ("routers gradient", "zero_gradient"), ("loss constant", "constant_loss"),
        ("nan", "nan"), ("dropped", "dropped"), ("deepseek", "deepseek_bias"), ("load importance", "importance_load"),
        ("speciali", "specialization"), ("loss 0 even", "zero_loss"), ("letters", "letters"), ("pizza", "pizza"),
        ("vram", "memory"), ("λ compared", "lambda_units"), ("raise accuracy", "lambda_accuracy"),
    ],
)  # fmt: skip
def test_a_search_finds_words_of_question_answer_and_keywords_in_any_order(text: str, first: str) -> None:
    assert find(text)[0] == find(" ".join(reversed(text.split())))[0] == first


def test_no_words_find_everything_and_unknown_words_nothing() -> None:
    assert find("") == find("  ?! ") == list(QUESTIONS)
    assert find("blockchain") == find("gradient blockchain") == []


# ---- what the answers claim of the formulas -----------------------------------------------------------------------


def test_softmax_before_or_after_is_the_same_and_the_order_never_changes() -> None:
    logits_TE = torch.randn(50, 8, dtype=torch.float64)
    before, after = top_k(logits_TE, k=3, renormalize=True), mixtral(logits_TE, k=3)
    plain = top_k(logits_TE, k=3, renormalize=False)
    assert torch.allclose(before.gates_TE, after.gates_TE, rtol=1e-12)
    assert torch.equal(before.chosen_TE, plain.chosen_TE) and torch.equal(before.chosen_TE, after.chosen_TE)
    assert (plain.gates_TE.sum(-1) < 1).all()


def test_the_bias_of_deepseek_has_no_gradient_and_no_part_in_the_weights() -> None:
    logits_TE = torch.randn(40, 8, dtype=torch.float64, requires_grad=True)
    bias_E = torch.linspace(-0.5, 0.5, 8, dtype=torch.float64, requires_grad=True)
    routing = deepseek_v3(logits_TE, k=2, bias_E=bias_E)
    routing.gates_TE.square().sum().backward()
    assert logits_TE.grad is not None and bool(logits_TE.grad.any()) and bias_E.grad is None
    assert not torch.equal(routing.chosen_TE, deepseek_v3(logits_TE, k=2).chosen_TE)  # but it does decide
    assert not bias_step(bias_E, routing, rate=0.1).requires_grad


# ---- what the answers claim of the runs, over three seeds -----------------------------------------------------------


@cache
def trained(example: Example, steps: int, *want: str) -> list[Snapshot]:
    """A snapshot for each config of an example after so many steps; its numbers have one entry for each seed."""
    found = []
    for config in example.configs:
        training = Training(expand(config, seed=SEEDS))
        training.step(steps)
        found.append(training.snapshot(want))
    return found


def numbers(name: str, key: str, steps: int = 300, label: str | None = None) -> list[np.ndarray]:
    """A measured number of each twin, by seed."""
    example = next(example for example in QUESTIONS[key].examples if label in (None, example.label))
    return [np.array(shot.header[name]) for shot in trained(example, steps)]


@pytest.mark.slow
def test_at_k_1_a_renormalized_gate_has_no_gradient_and_never_moves() -> None:
    plain, renormalized = numbers("gate_gradient", "zero_gradient")
    assert (renormalized == 0).all() and (plain > 1e-3).all()
    example = QUESTIONS["zero_gradient"].examples[0]
    at_first, later = (trained(example, steps, "first_choice") for steps in (0, 300))
    assert (at_first[1].winner == later[1].winner).all()
    assert ((at_first[0].winner != later[0].winner).mean((1, 2)) > 0.1).all()
    first_loss, last_loss = numbers("task_loss", "zero_gradient", 0)[1], numbers("task_loss", "zero_gradient")[1]
    assert (last_loss < 0.7 * first_loss).all()  # the experts learn all the same


@pytest.mark.slow
def test_the_gate_learns_through_the_weights() -> None:
    example = QUESTIONS["not_differentiable"].examples[0]
    (at_first,), (later,) = (trained(example, steps, "first_choice") for steps in (0, 300))
    assert ((at_first.winner != later.winner).mean((1, 2)) > 0.1).all()
    assert (numbers("gate_gradient", "not_differentiable")[0] > 0.01).all()


@pytest.mark.slow
def test_switch_loss_is_1_where_load_is_even() -> None:
    (free, balanced), (free_cv, balanced_cv) = (
        numbers(name, "load_share") for name in ("balance_loss_value", "cv_load")
    )
    assert (abs(balanced - 1) < 0.03).all() and (free > 1.15).all()
    assert (balanced_cv < 0.6 * free_cv).all()


@pytest.mark.slow
def test_a_higher_lambda_evens_out_the_load_and_raises_accuracy_only_where_it_may() -> None:
    for label in ("Unequal groups", "Equal groups"):
        free, pressed = numbers("cv_load", "lambda_accuracy", 400, label)
        assert (pressed < 0.8 * free).all(), label
    free, pressed = numbers("test_metric", "lambda_accuracy", 400, "Unequal groups")
    assert (pressed < free - 0.03).all()
    free, pressed = numbers("test_metric", "lambda_accuracy", 400, "Equal groups")
    assert pressed.mean() > free.mean() - 0.02


@pytest.mark.slow
def test_a_loss_of_counts_is_constant() -> None:
    for steps in (0, 100, 300):
        _, all_chosen = numbers("balance_loss_value", "constant_loss", steps, "k = N")
        assert all_chosen == pytest.approx(1.0, abs=1e-5)
    (plain, fixed), (plain_0, fixed_0) = (
        numbers("balance_loss_value", "constant_loss", steps, "Importance, k = 1") for steps in (300, 0)
    )
    assert (fixed == fixed_0).all() and (abs(plain - plain_0) > 0.1).all()


@pytest.mark.slow
def test_a_learning_rate_of_10_stops_the_run_at_once() -> None:
    (config,) = QUESTIONS["nan"].examples[0].configs
    for seed in SEEDS:
        training = Training([config.with_(seed=seed)])
        training.step(50)
        assert training.diverged and training.current_step <= 10
        assert training.reason is not None and "learning rate" in training.reason
        assert training.recover() and not training.diverged


@pytest.mark.slow
def test_seats_drop_inputs_and_cost_accuracy_and_even_load_drops_less() -> None:
    unlimited, limited = numbers("dropped_share", "dropped", label="Seats")
    assert (unlimited == 0).all() and (limited > 0.25).all()
    accuracy, poorer = numbers("test_metric", "dropped", label="Seats")
    assert (poorer < accuracy - 0.05).all()
    free, balanced = numbers("dropped_share", "dropped", label="Balance helps")
    assert (balanced < 0.6 * free).all()


@pytest.mark.slow
def test_the_bias_alone_evens_the_load() -> None:
    free, biased = numbers("cv_load", "deepseek_bias", 300)
    assert (biased < 0.75 * free).all()


@pytest.mark.slow
def test_load_may_be_even_while_importance_is_not() -> None:
    load_2, load_4 = numbers("cv_load", "importance_load")
    importance_2, importance_4 = numbers("cv_importance", "importance_load")
    assert (load_4 < 0.1).all() and (load_2 > 0.5).all()
    assert (importance_4 > 0.5).all() and (importance_4 > 0.6 * importance_2).all()


@pytest.mark.slow
def test_even_load_may_be_less_specialized() -> None:
    free, balanced = numbers("cv_load", "specialization", 600)
    match, poorer = numbers("specialization", "specialization", 600)
    assert (balanced < 0.5 * free).all() and (poorer < match - 0.05).all()


@pytest.mark.slow
def test_a_balance_loss_of_0_leaves_load_uneven() -> None:
    for steps in (150, 300, 600):
        assert (numbers("balance_loss_value", "zero_loss", steps)[1] < 5e-4).all()
        assert (numbers("cv_load", "zero_loss", steps)[1] > 0.25).all()


@pytest.mark.slow
def test_another_seed_deals_other_regions_and_answers_about_as_well() -> None:
    example = QUESTIONS["letters"].examples[0]
    training = Training(expand(example.configs[0], seed=list(range(5))))
    training.step(300)
    shot = training.snapshot(["choices", "points"])
    lead_RJ = np.array(
        [
            [np.bincount(choice_T[segment_T == segment], minlength=8).argmax() for segment in range(8)]
            for choice_T, segment_T in zip(shot.point_choice, shot.point_segment, strict=True)
        ]
    )
    alike = [(lead_RJ[a] == lead_RJ[b]).sum() for a in range(5) for b in range(a)]
    assert max(alike) <= 4 and np.mean(alike) <= 2  # of 8 groups
    assert np.ptp(shot.header["test_metric"]) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("label", ["No gate bias", "Gate bias"])
def test_without_a_bias_the_first_choice_depends_on_the_direction_alone(label: str) -> None:
    (example,) = (example for example in QUESTIONS["pizza"].examples if example.label == label)
    (shot,) = trained(example, 300, "first_choice")
    center_X = (np.arange(64) + 0.5) / 32 - 1
    half_X = ((center_X / 2 + 1) * 32 - 0.5).round().astype(int)  # the cell half as far from the middle
    same_R = (shot.winner == shot.winner[:, half_X][:, :, half_X]).mean((1, 2))
    assert (same_R > 0.95).all() if label == "No gate bias" else (same_R < 0.85).all()  # cells at borders are rounded


@pytest.mark.slow
def test_memory_does_not_shrink_with_k_but_work_does() -> None:
    everyone, two = numbers("num_parameters", "memory", 0)
    assert (everyone == two).all()
    for name in ("active_parameters", "flops"):
        everyone, two = numbers(name, "memory", 0)
        assert (two < everyone / 3).all()


@pytest.mark.slow
def test_the_same_coefficient_means_something_else_with_another_loss() -> None:
    ratio = {}
    for label in ("The article’s", "Switch’s"):
        free, balanced = numbers("cv_load", "lambda_units", label=label)
        ratio[label] = balanced.mean() / free.mean()
    assert ratio["The article’s"] > 0.85 and ratio["Switch’s"] < 0.65, ratio
