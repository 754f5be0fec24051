"""The article's claims: verdicts on numbers made by hand, trials in a process of their own, and what they say today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from moeviz.engine.server.printed_lines import Busy
from moeviz.experiments.claims import CLAIMS, STATES, trials
from moeviz.experiments.claims.process import MOST, Check, verdict

ROOT = Path(__file__).resolve().parents[2]
ARTICLE = (
    "Introduction", "1. Core idea", "2. Output and gate", "2c. Sparse choice", "3. Training", "4. Advantages",
    "5. Applications", "6. Summary",
)  # fmt: skip

GOOD: dict[str, dict[str, float]] = {  # numbers under which each trial's claims hold, with or without a caveat
    "efficiency": {"accuracy_sparse": 0.9, "accuracy_dense": 0.92, "flops_sparse": 544, "flops_dense": 2080},
    "routing": {
        "fewest": 2, "most": 2, "sets": 6, "sum_error": 1e-7, "least_probability": 1e-6, "wrong_order": 0, "nonzero": 2,
        "experts": 8,
    },
    "relevance": {"first": 0.5, "others": 4.0, "pairs_agree": 0.53},
    "inactive": {"others_unchanged": 1.0, "own_unchanged": 0.0},
    "weighted_sum": {"difference": 1e-7, "size": 10.0},
    "gate_size": {"gate": 16, "all": 1312, "outputs": 8},
    "cost": {"dense": 6.0, "twice_k": 2.1, "twice_n": 2.0, "four_times_experts": 1.4},
    "memory": {"kept": 1600, "used": 200, "activations_dense": 1600, "activations_sparse": 200},
    "balance": {
        "least_updates": 0.1, "most_updates": 1.0, "cv_0": 0.8, "cv_0.1": 0.6, "cv_1": 0.4, "cv_10": 0.2,
        "dead_0": 2, "dead_10": 0, "busiest_0": 0.24,
    },
    "counts": {"loss": 5e-5, "cv_probability": 0.02, "cv_load": 0.5},
    "formula": {"program": 0.5, "by_hand": 0.5, "identity": 0.5},
    "too_much": {"accuracy_0": 0.85, "accuracy_100": 0.65, "cv_0": 1.4, "cv_100": 1.1},
    "capacity": {
        "accuracy_1": 0.5, "accuracy_4": 0.7, "accuracy_16": 0.85, "parameters_1": 8, "parameters_4": 32,
        "parameters_16": 128, "expert_parameters_16": 6,
    },
    "kinds_of_data": {"spiral": 0.98, "piecewise": 0.98, "digits": 0.96},
    "expert_kinds": {"mlp": 0.8, "conv": 0.85, "transformer": 0.8},
    "language": {"loss_mixture": 2.1, "loss_one": 2.2, "flops_mixture": 101, "flops_one": 100},
    "modalities": {
        "pictures_with": 1, "words_with": 2, "pictures_without": 0, "words_without": 1, "recall": 0.1,
    },
    "pictures": {"test_mixture": 0.98, "test_one": 0.95, "specialization": 0.7},
    "best_choice": {"best": 0.1, "chosen_loss": 0.3, "best_loss": 0.001, "random_loss": 8.0},
}  # fmt: skip
BAD: dict[str, dict[str, float]] = {  # ... and, for each claim, numbers of one seed that refute it
    "efficient": {"accuracy_sparse": 0.8}, "few": {"most": 3}, "relevant": {"first": 5.0},
    "inactive": {"others_unchanged": 0.99}, "kinds": {"conv": 0.2}, "dynamic": {"sets": 1},
    "sum": {"difference": 0.1}, "language": {"loss_mixture": 2.3}, "multimodal": {"words_with": 0},
    "softmax": {"sum_error": 0.01}, "gate": {"gate": 700}, "relevance": {"first": 5.0}, "top_k": {"wrong_order": 1},
    "less_work": {"dense": 1.1}, "memory": {"activations_dense": 200}, "starving": {"least_updates": 0.9},
    "collapse": {"dead_0": 0}, "balanced": {"dead_10": 1}, "equal_counts": {"cv_probability": 0.3},
    "formula": {"by_hand": 0.4}, "lambda": {"cv_1": 0.7}, "too_much": {"cv_100": 1.5}, "linear_cost": {"twice_k": 5.0},
    "capacity": {"accuracy_4": 0.4}, "same_cost": {"four_times_experts": 4.0}, "flexible": {"spiral": 0.6},
    "keeps_capacity": {"used": 800}, "optimal": {"chosen_loss": 7.0}, "ensures": {"cv_10": 0.7},
}  # fmt: skip
TODAY = {  # what three seeds of the real trials say; the times of a layer are not among them, since machines differ
    **dict.fromkeys(
        (
            "efficient", "few", "relevant", "inactive", "dynamic", "sum", "softmax", "gate", "top_k", "starving",
            "collapse", "balanced", "formula", "lambda", "capacity", "flexible", "keeps_capacity", "ensures",
            "kinds", "multimodal",
        ),
        "holds",
    ),
    **dict.fromkeys(("relevance", "memory", "equal_counts", "too_much", "language", "pictures", "optimal"), "caveat"),
}  # fmt: skip
TIMED = {"less_work", "linear_cost", "same_cost"}


def claims_of(trial: str) -> list[str]:
    """The claims that one trial tests."""
    return [key for key, claim in CLAIMS.items() if claim.trial == trial]


TESTED = [key for key, claim in CLAIMS.items() if claim.trial is not None]


def test_claims_stand_in_the_articles_order_and_none_is_dropped() -> None:
    chapters = [claim.chapter for claim in CLAIMS.values()]
    assert tuple(dict.fromkeys(chapters)) == ARTICLE
    assert chapters == sorted(chapters, key=ARTICLE.index)
    assert {CLAIMS[key].trial for key in ("translation", "detection")} == {None}


def test_every_tested_claim_has_a_trial_and_every_trial_a_claim() -> None:
    assert {CLAIMS[key].trial for key in TESTED} == set(trials.TRIALS)
    assert all((claim.judge is None) == (claim.trial is None) for claim in CLAIMS.values())
    assert set(TODAY) | TIMED == set(TESTED)
    assert claims_of("cost") == ["less_work", "linear_cost", "same_cost"]


@pytest.mark.parametrize("key", TESTED)
def test_good_numbers_hold_and_bad_numbers_do_not(key: str) -> None:
    good = GOOD[str(CLAIMS[key].trial)]
    held = verdict(key, [good, good])
    assert held is not None and held.state in ("holds", "caveat") and held.words[-1] == "."
    if key != "pictures":  # equal generalization is a caveat, see below
        refuted = verdict(key, [good | BAD[key]])
        assert refuted is not None and refuted.state == "fails"


def test_pictures_that_generalize_alike_hold_only_with_a_caveat() -> None:
    good = GOOD["pictures"]
    better, alike = verdict("pictures", [good]), verdict("pictures", [good | {"test_one": 0.98}])
    assert better is not None and better.state == "holds"
    assert alike is not None and alike.state == "caveat" and "0.980" in alike.words
    worse = verdict("pictures", [good | {"test_mixture": 0.9}])  # .9 against .95
    assert worse is not None and worse.state == "fails" and "the same" not in worse.words


def test_a_verdict_quotes_the_mean_over_seeds() -> None:
    found = [GOOD["efficiency"] | {"accuracy_sparse": each} for each in (0.88, 0.92)]
    said = verdict("efficient", found)
    assert said is not None and said.words.startswith("2 of 8 experts reach accuracy 0.90, all 8 reach 0.92, with 26%")
    assert verdict("efficient", []) is verdict("translation", []) is None


def test_trials_run_in_a_process_of_their_own_and_come_one_by_one() -> None:
    check = Check(["memory", "weighted_sum", "memory"], seeds=2)
    assert check.wait(120) and check.error is None and check.progress == 1
    assert {name: len(found) for name, found in check.measured.items()} == {"memory": 2, "weighted_sum": 2}
    # 16 experts of (64·128 + 128) + (128·64 + 64) numbers and a gate column of 64 each; 1024 tokens, 128 hidden units
    assert check.measured["memory"][0] == {
        "kept": 16 * (16576 + 64), "used": 2 * 16576 + 16 * 64, "activations_sparse": 2 * 128 * 1024,
        "activations_dense": 16 * 128 * 1024,
    }  # fmt: skip


def test_only_so_many_checks_run_at_once_and_a_cancelled_one_makes_room() -> None:
    checks = [Check(["pictures"]) for _ in range(MOST)]
    with pytest.raises(Busy, match=f"runs {MOST} checks at once, and they are under way; try again"):
        Check(["memory"])
    for each in checks:
        each.cancel()
        assert each.wait(30) and each.error is None and each.progress < 1
    assert Check(["memory"], seeds=1).wait(120)


def test_a_trial_that_fails_says_so_and_frees_its_place() -> None:
    check = Check(["no_such_trial"])
    assert check.wait(120) and check.error is not None
    assert check.error.startswith("the trials stopped with exit status 2") and "no_such_trial" in check.error
    assert check.progress == 0


def test_the_command_refuses_what_is_no_trial() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "moeviz.trials", "nonsense"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "invalid choice: 'nonsense'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("trial", [name for name in trials.TRIALS if name != "cost"])
def test_three_seeds_say_today_what_the_page_says(trial: str) -> None:
    found = [trials.TRIALS[trial](seed) for seed in range(3)]
    for key in claims_of(trial):
        said = verdict(key, found)
        assert said is not None and said.state == TODAY[key], said
        assert said.state in STATES


@pytest.mark.slow
def test_a_layer_is_timed(report) -> None:
    found = [trials.cost(seed) for seed in range(3)]
    for name in found[0]:
        report(f"times of a layer, {name}", sorted(each[name] for each in found)[1], "×")
    assert all(value > 0 for each in found for value in each.values())
