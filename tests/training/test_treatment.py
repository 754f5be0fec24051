"""Experts that are killed, frozen or set free: who gets tokens, who learns, and that nobody else can tell."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from moeviz.config import LOSS_NAMES, RunConfig
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.training import Buckets, Training, opened, step_together
from tests.marks import said, treated

SMALL = RunConfig(batch_size=64, hidden_width=4, num_experts=6, balance_coef=1.0)
SCORED = [name for name, info in ROUTER_INFO.items() if info.by_scores]
OTHERS = [name for name, info in ROUTER_INFO.items() if not info.by_scores]


def trained(*configs: RunConfig, steps: int = 15) -> Training:
    training = Training(configs)
    training.step(steps)
    return training


def config_of(router: str, **knobs: Any) -> RunConfig:
    return SMALL.nearest(router=router, **knobs)[0]


# ---- killed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dispatch", ["dense", "sparse"])
@pytest.mark.parametrize("router", SCORED)
def test_a_killed_expert_gets_no_token_and_no_gradient(router: str, dispatch: str) -> None:
    training = trained(config_of(router, dispatch=dispatch))
    training.treat(2, "kill")
    updated = float(training.updated_REL[0, 2, 0])
    for _ in range(20):
        training.step()
        assert not training.gradient_RAP[0, 2].any() and torch.isfinite(training.gradient_RAP).all()
    assert float(training.updated_REL[0, 2, 0]) == updated  # in none of these steps
    shot = training.snapshot(("choices", "batch", "first_choice", "gate", "seating", "journey"))
    assert shot.load[0, 2] == shot.mean_prob[0, 2] == shot.importance[0, 2] == 0
    assert not (shot.point_choice == 2).any() and not (shot.winner == 2).any() and not shot.gate[0, 2].any()
    assert not shot.batch_chosen[..., 2].any() and not shot.seating_chosen[..., 2].any()
    assert shot.probe_prob[0].sum() == pytest.approx(1) and shot.load[0].sum() == pytest.approx(1)
    assert shot.treated == [[None, None, "killed", None, None, None]]
    assert shot.marks == [treated(15, "C", "killed")]


@pytest.mark.parametrize("balance_loss", LOSS_NAMES)
@pytest.mark.parametrize(
    ("router", "dispatch"), [("top_k", "sparse"), ("noisy_top_k", "dense"), ("deepseek_v3", "dense")]
)
def test_no_loss_and_no_gradient_becomes_nan(router: str, balance_loss: str, dispatch: str) -> None:
    training = trained(config_of(router, top_k=2, balance_loss=balance_loss, dispatch=dispatch), steps=5)
    for expert_id in (0, 1, 3, 5):  # as many as can be: the two that are left are all chosen
        training.treat(expert_id, "kill")
    training.step(15)
    assert torch.isfinite(training.gradient_RAP).all() and training.gradient_RAP[0, [2, 4]].any(-1).all()
    assert not training.gradient_RAP[0, [0, 1, 3, 5]].any() and training.reason is None
    assert all(value is not None for value in training.snapshot().header["balance_loss_value"])


@pytest.mark.parametrize("router", SCORED)
def test_a_killed_expert_is_chosen_at_no_score(router: str) -> None:
    # scores of −10¹² and less: a finite number in the place of −∞ would be above them
    training = trained(config_of(router), steps=1)
    training.treat(0, "kill")
    knobs, x_RTD = training.routing_knobs_for(64), torch.ones(1, 64, 2)
    rows_RAP = training.rows_RAP.clone()
    rows_RAP[..., :2] = -torch.logspace(12, 13, 6)[:, None]  # the gate's columns: B is the largest, F the smallest
    routing = training.model.route(rows_RAP, x_RTD, knobs)
    assert not routing.chosen_TE[..., 0].any() and routing.first_TE[..., 1].all()
    assert not routing.probs_TE[..., 0].any() and torch.isfinite(routing.gates_TE).all()


@pytest.mark.parametrize("router", OTHERS)
def test_where_nothing_is_chosen_by_scores_killing_is_refused(router: str) -> None:
    training = trained(config_of(router))
    before = training.rows_RAP
    with pytest.raises(ValueError, match=f"only where tokens choose by scores: got router={router}; freeze it instead"):
        training.treat(1, "kill")
    training.treat(1, "freeze")
    training.step(5)
    assert torch.equal(own(training, 1), own(training, 1, before))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((9, "kill"), "must be one of several, of A, B, C, D, E, F: got id 9"),
        ((1, "eat"), "how must be one of kill, freeze, free: got 'eat'"),
        ((1, "kill", 2), "run must be from 0 to 1, or none for all: got 2"),
        ((1, "kill", -1), "run must be from 0 to 1, or none for all: got -1"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(arguments: tuple[Any, ...], words: str) -> None:
    training = trained(SMALL, SMALL.with_(top_k=5))
    with pytest.raises(ValueError, match=words):
        training.treat(*arguments)
    assert training.treated == ({}, {}) and training.marks == []


def test_k_experts_must_be_left() -> None:
    training = trained(SMALL, SMALL.with_(top_k=5))
    training.treat(0, "kill")
    with pytest.raises(ValueError, match="must be left: got 4 for top_k=5; lower k or set an expert free"):
        training.treat(1, "kill")
    training.treat(1, "kill", run=0)
    with pytest.raises(ValueError, match="must be left: got 4 for top_k=5"):
        training.set(top_k=5)
    assert [config.top_k for config in training.configs] == [2, 5]
    training.treat(0, "free")
    training.set(top_k=5)
    assert training.snapshot().treated == [[None, "killed", *[None] * 4], [None] * 6]


def test_deepseeks_groups_must_hold_enough_too() -> None:
    training = trained(config_of("deepseek_v3", expert_groups=3, kept_groups=1))  # A B | C D | E F, a token uses one
    with pytest.raises(ValueError, match="must be left: got 1 for top_k=2"):
        training.treat(3, "kill")
    training.set(kept_groups=2)
    training.treat(3, "kill")
    training.step(20)
    assert training.snapshot().load[0, 3] == 0


def test_deepseeks_bias_balances_those_that_are_left() -> None:
    training = trained(config_of("deepseek_v3", bias_rate=0.01, balance_coef=0.0), steps=3)
    training.treat(4, "kill")
    before_E = training.bias_REL[0, :, 0].clone()
    x_RTD, _ = training.data.batch(training.current_step)
    scores_TE = (x_RTD[0] @ training.parameters["gate_w"][0].T).sigmoid() + before_E
    scores_TE[:, 4] = -100
    counts = [0] * 6
    for row in scores_TE.tolist():
        for expert in sorted(range(6), key=lambda each: -row[each])[:2]:
            counts[expert] += 1
    training.step()
    fair = 64 * 2 / 5  # five are left
    wanted = [0.0 if place == 4 else 0.01 * ((fair > count) - (fair < count)) for place, count in enumerate(counts)]
    assert (training.bias_REL[0, :, 0] - before_E).tolist() == pytest.approx(wanted, abs=1e-7)


# ---- frozen ----------------------------------------------------------------------------------------------------


def own(training: Training, place: int, rows_RAP: torch.Tensor | None = None) -> torch.Tensor:
    """An expert's own numbers: all of its row but the gate's."""
    rows_RAP = training.rows_RAP if rows_RAP is None else rows_RAP
    return rows_RAP[0, place, training.model.layer.gate_width :]


@pytest.mark.parametrize("task", ["clusters", "digit_rows"])
@pytest.mark.parametrize("dispatch", ["dense", "sparse"])
def test_a_frozen_experts_weights_stay_and_its_gate_learns(dispatch: str, task: str) -> None:
    training = trained(SMALL.with_(dispatch=dispatch, task=task))
    training.treat(1, "freeze")
    before, adam, width = training.rows_RAP, training.adam, training.model.layer.gate_width
    training.step(20)
    assert torch.equal(own(training, 1), own(training, 1, before))
    assert torch.equal(own(training, 1, training.adam.mean_RAP), own(training, 1, adam.mean_RAP))
    assert not own(training, 1, training.gradient_RAP).any()
    moved_RA = (training.rows_RAP[..., :width] != before[..., :width]).any(-1)
    assert moved_RA[0, :6].all()  # every gate column, the frozen expert's among them
    assert all((own(training, place) != own(training, place, before)).any() for place in (0, 2, 3, 4, 5))
    assert training.snapshot().load[0, 1] > 0
    training.treat(1, "free")
    training.step(5)
    assert not torch.equal(own(training, 1), own(training, 1, before))
    assert said(training.marks) == [(15, "B frozen", [0]), (35, "B free", [0])]


# ---- nobody else can tell ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("router", ["top_k", "noisy_top_k", "deepseek_v3"])
def test_a_treated_run_in_a_crowd_is_the_run_alone_and_disturbs_nobody(router: str) -> None:
    def crowd() -> list[Training]:
        configs = [config_of(router, dispatch="dense").with_(seed=seed) for seed in range(4)]
        return [Training([config], dtype=torch.float64) for config in configs]

    treated, plain, alone = crowd(), crowd(), crowd()
    for trainings in (treated, alone):
        trainings[1].treat(3, "kill")
        trainings[2].treat(3, "freeze")
    for _ in range(20):
        step_together(treated)
        step_together(plain)
    for seed in (0, 3):
        assert torch.equal(treated[seed].rows_RAP, plain[seed].rows_RAP)
        assert torch.equal(treated[seed].adam.square_RAP, plain[seed].adam.square_RAP)
    for seed in (1, 2):
        alone[seed].step(20)
        torch.testing.assert_close(treated[seed].rows_RAP, alone[seed].rows_RAP, rtol=0, atol=1e-9)
        assert not torch.equal(treated[seed].rows_RAP, plain[seed].rows_RAP)


def test_one_of_several_runs_is_treated() -> None:
    treated, plain = (trained(*[SMALL.with_(seed=seed, dispatch="dense") for seed in range(3)]) for _ in range(2))
    treated.treat(0, "kill", run=1)
    treated.step(20)
    plain.step(20)
    assert torch.equal(treated.rows_RAP[[0, 2]], plain.rows_RAP[[0, 2]])
    assert treated.snapshot().load[:, 0].tolist()[1] == 0 != plain.snapshot().load[1, 0]
    assert said(treated.marks) == [(15, "A killed", [1])]


# ---- what else the run does ----------------------------------------------------------------------------------------


def test_reset_frees_all_and_a_state_keeps_them() -> None:
    training = trained(SMALL)
    training.treat(0, "kill")
    state = training.state()
    training.step(7)
    after = training.rows_RAP
    training.reset()
    assert training.treated == ({},) and training.marks == []
    training.restore(state)
    training.step(7)
    assert training.snapshot().treated[0][0] == "killed" and torch.equal(training.rows_RAP, after)


def test_killed_experts_leave_first_and_those_who_get_their_ids_are_free() -> None:
    training = trained(SMALL)
    training.treat(0, "kill")
    training.treat(4, "freeze")
    training.set(num_experts=5)
    assert training.ids_RE.tolist() == [[1, 2, 3, 4, 5]]
    assert sorted(said(training.marks)) == [(15, "E frozen", [0]), (15, "N 6→5", [0])]
    training.step()
    training.set(num_experts=7)
    assert training.snapshot().treated[0][:5] == [None, None, None, None, "frozen"]  # A, B, C, D, E: A came anew


def test_what_is_undone_at_the_same_step_leaves_no_mark() -> None:
    training = trained(SMALL)
    training.treat(0, "kill")
    training.set(balance_coef=2.0)
    training.treat(0, "free")
    assert said(training.marks) == [(15, "λ 1→2", [0])]


def test_buckets_treat_the_runs_that_have_the_expert() -> None:
    configs = [SMALL, SMALL.with_(num_experts=2), config_of("mixtral"), SMALL.with_(num_experts=1, top_k=1)]
    several = opened(configs)
    assert isinstance(several, Buckets)
    several.treat(4, "kill")
    several.treat(1, "freeze", run=1)
    several.step(10)
    shot = several.snapshot()
    dead = [None, None, None, None, "killed", None]
    assert shot.treated == [dead, [None, "frozen"], dead, [None]]
    assert shot.load[0, 4] == shot.load[2, 4] == 0
    with pytest.raises(ValueError, match="must be left: got 1 for top_k=2"):
        several.treat(0, "kill")  # in run 1
    assert several.snapshot().treated == shot.treated
    with pytest.raises(ValueError, match=r"must be one of several, of .*: got id 9"):
        several.treat(9, "kill")
    with pytest.raises(ValueError, match="run must be from 0 to 3, or none for all: got 4"):
        several.treat(0, "kill", run=4)


def test_a_calmer_knob_that_is_refused_leaves_a_diverged_run_where_it_is() -> None:
    wild = RunConfig(task="bumps", learning_rate=10.0, batch_size=32, hidden_width=4, num_experts=4)
    training = Training([wild, wild.with_(learning_rate=0.01)])
    training.step(30)
    for expert_id in (0, 1):
        training.treat(expert_id, "kill")
    before = training.configs, training.diverged_at, training.current_step, training.tape.steps
    with pytest.raises(ValueError, match="at least k experts that a token can choose must be left"):
        training.set(learning_rate=0.01, top_k=3)
    assert (training.configs, training.diverged_at, training.current_step, training.tape.steps) == before
    assert training.diverged
    assert training.set(learning_rate=0.01)[0].startswith("went back to step") and not training.diverged
