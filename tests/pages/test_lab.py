"""What the Balance lab shows, by other means: equal twins stay equal, and gradients and shares are what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from moeviz.config import RunConfig
from moeviz.training import Training

SMALL = RunConfig(batch_size=32, hidden_width=4, num_experts=5, balance_coef=2.0)


def test_equal_twins_stay_bit_equal_at_the_default_shapes() -> None:
    training = Training([RunConfig(), RunConfig()])
    training.step(300)
    shot = training.snapshot(("history", "first_choice", "gate", "choices", "groups", "seating"), (0.5, -0.5))
    for name, value in shot.arrays.items():
        if not name.endswith("_step"):
            assert np.array_equal(value[0], value[1], equal_nan=True), name
    assert torch.equal(*training.rows_RAP) and torch.equal(*training.adam.square_RAP)


def test_twins_of_one_knob_are_equal_until_it_is_turned() -> None:
    training = Training([RunConfig(), RunConfig()])
    training.step(30)
    training.set(balance_coef=[0.0, 10.0])
    assert torch.equal(*training.rows_RAP)
    training.step(30)
    assert not torch.equal(*training.rows_RAP)


def by_hand(training: Training, run: int) -> tuple[list[float], list[bool]]:
    """Each expert’s gradient norm in the next step, and whether it gets a token: loops, autograd, float64."""
    config = training.configs[run]
    part = {name: value[run].detach().double().requires_grad_() for name, value in training.parameters.items()}
    x_RTD, target_RT = training.data.batch(training.current_step)
    losses, probs, served = [], [], [False] * config.num_experts
    for x_D, target in zip(x_RTD[run].double(), target_RT[run].tolist(), strict=True):
        logits = [x_D @ part["gate_w"][expert] for expert in range(config.num_experts)]
        total = sum(logit.exp() for logit in logits)
        prob = [logit.exp() / total for logit in logits]
        chosen = sorted(range(config.num_experts), key=lambda expert: -float(logits[expert].detach()))[: config.top_k]
        weight = sum(prob[expert] for expert in chosen) if config.top_k > 1 else 1.0
        y_O = torch.zeros(training.data.tasks[0].num_outputs, dtype=torch.float64)
        for expert in chosen:
            served[expert] = True
            hidden_H = (x_D @ part["w_in"][expert] + part["b_in"][expert]).clamp(min=0)
            y_O = y_O + prob[expert] / weight * (hidden_H @ part["w_out"][expert] + part["b_out"][expert])
        losses.append(y_O.logsumexp(0) - y_O[target])
        probs.append(torch.stack(prob))
    mean_E = torch.stack(probs).mean(0)
    balance = ((1 / config.num_experts - mean_E) ** 2).sum()
    loss = sum(losses) / len(losses) + config.balance_coef * balance
    gradients = torch.autograd.grad(loss, list(part.values()), allow_unused=True)
    squares = [0.0] * config.num_experts
    for gradient in gradients:
        for expert in range(config.num_experts):
            squares[expert] += float((gradient[expert] ** 2).sum())
    assert sum(squares) < 100  # below the clipping at a norm of 10
    return [math.sqrt(each) for each in squares], served


def test_gradient_norms_and_update_shares_equal_a_computation_by_hand() -> None:
    training = Training([SMALL, SMALL.with_(top_k=1, seed=1, balance_coef=0.0)])
    steps = 8
    counts = np.zeros((2, 5))
    for _ in range(steps):
        wanted = [by_hand(training, run) for run in range(2)]
        counts += [served for _, served in wanted]
        training.step()
    shot = training.snapshot()
    assert shot.gradient_norm == pytest.approx(np.array([norm_E for norm_E, _ in wanted]), rel=1e-4, abs=1e-6)
    assert shot.update_share == pytest.approx(counts / steps)
    assert (shot.update_share < 1).any()


def test_before_its_first_step_nobody_knows_who_learns() -> None:
    training = Training([SMALL, SMALL.with_(seed=1)])
    shot = training.snapshot()
    assert np.isnan(shot.gradient_norm).all() and np.isnan(shot.update_share).all()
    assert shot.gate_gradient == [None, None] and shot.step_seconds == [None, None]
    training.step()
    shot = training.snapshot()
    assert np.isfinite(shot.gradient_norm).all() and np.isfinite(shot.update_share).all()
    assert None not in shot.gate_gradient


def test_newcomers_are_counted_from_their_arrival() -> None:
    training = Training([SMALL, SMALL.with_(top_k=1, seed=1)])
    steps, later = 8, 3
    counts, since = np.zeros((2, 8)), np.zeros((2, 8))
    before = training.snapshot()
    for step in range(steps + later):
        if step == steps:
            training.set(num_experts=8)
            shot = training.snapshot()  # paused: the five are as before, of the three nothing is known
            assert shot.update_share[:, :5] == pytest.approx(counts[:, :5] / steps)
            assert np.isnan(shot.update_share[:, 5:]).all() and np.isnan(shot.gradient_norm[:, 5:]).all()
            assert shot.gradient_norm[:, :5] == pytest.approx(before.gradient_norm) and shot.gate_gradient == [None] * 2
        count = training.configs[0].num_experts
        counts[:, :count] += [by_hand(training, run)[1] for run in range(2)]
        since[:, :count] += 1
        training.step()
        before = training.snapshot()
    assert before.update_share == pytest.approx(counts / since)
    assert since.tolist() == [[11] * 5 + [3] * 3] * 2 and np.isfinite(before.gradient_norm).all()
    assert (before.update_share < 1).any()


def test_a_run_that_has_stopped_counts_no_more_steps() -> None:
    """Of two runs one diverges: its shares stay as they were, and it has no gradient any more."""
    task = SMALL.with_(task="bumps", balance_coef=0.0)
    training = Training([task, task.with_(learning_rate=10.0)])
    counts, steps = np.zeros(5), 0
    while bool(training.step_state.healthy_R[1]):
        routing = training.model.route(training.rows_RAP, training.batch().x_RTD, training.routing_knobs)
        before_E, before_steps = counts, steps
        counts, steps = counts + routing.kept_TE[1].any(0).numpy(force=True), steps + 1
        training.step()
        assert steps < 200
    training.step(20)  # the step in which it stopped changed nothing, and these do not either
    shot = training.snapshot()
    assert shot.update_share[1] == pytest.approx(before_E / before_steps)
    assert np.isnan(shot.gradient_norm[1]).all() and np.isfinite(shot.gradient_norm[0]).all()
    assert shot.gate_gradient[1] is None and shot.gate_gradient[0] > 0


def test_load_importance_and_mean_probability_equal_a_count_by_hand() -> None:
    training = Training([SMALL, SMALL.with_(top_k=1)])
    training.step(25)
    shot = training.snapshot()
    for run, config in enumerate(training.configs):
        gate_ED = training.parameters["gate_w"][run].double().numpy(force=True)
        load, importance, mean = np.zeros(5), np.zeros(5), np.zeros(5)
        tokens = training.data.test.x_RTD[run, :1024].double().numpy(force=True)
        for x_D in tokens:
            p_E = np.exp(gate_ED @ x_D) / np.exp(gate_ED @ x_D).sum()
            mean += p_E / len(tokens)
            chosen = np.argsort(-p_E)[: config.top_k]
            for expert in chosen:
                load[expert] += 1 / (config.top_k * len(tokens))
                importance[expert] += p_E[expert] / p_E[chosen].sum() if config.top_k > 1 else p_E[expert]
        assert shot.load[run] == pytest.approx(load, abs=1e-3)  # a token on a border may fall to either side
        assert shot.importance[run] == pytest.approx(importance, rel=1e-3, abs=1)
        assert shot.mean_prob[run] == pytest.approx(mean, abs=1e-5)


def test_the_cost_of_a_step_is_told_for_each_run() -> None:
    training = Training([SMALL] * 3)
    assert training.snapshot().step_seconds == [None] * 3
    training.step(40)
    own = training.snapshot().step_seconds
    assert own[0] == own[1] == own[2] > 0
