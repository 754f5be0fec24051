"""One token's journey: every number against a forward pass in numpy, and every slope against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.training import Training
from moeviz.training.views.snapshot import Snapshot

# every router whose weights multiply the experts' own answers (Soft MoE's multiply answers to mixtures)
ROUTERS: list[dict[str, Any]] = [
    {"top_k": 2}, {"top_k": 2, "gate_form": "plain"}, {"top_k": 1}, {"top_k": 1, "gate_form": "renormalized"},
    {"top_k": 8}, {"top_k": 3, "capacity_factor": 0.5}, {"router": "noisy_top_k"}, {"router": "switch", "top_k": 1},
    {"router": "gshard"}, {"router": "mixtral"}, {"router": "deepseek_v3"}, {"router": "expert_choice"},
    {"router": "hash"},
]  # fmt: skip
TASKS: list[dict[str, Any]] = [
    {"task": "clusters"}, {"task": "digits"}, {"task": "piecewise"}, {"task": "linear_clusters", "expert": "linear"}
]  # fmt: skip


def trained(steps: int = 30, **knobs: Any) -> Training:
    training = Training([RunConfig(seed=3, batch_size=64, hidden_width=4).with_(**knobs)])
    training.step(steps)
    return training


def at(training: Training, index: int) -> Snapshot:
    """The journey of a test token, at its place on the picture."""
    points = training.snapshot(want=("points",))
    tests = np.flatnonzero(points.point_train[0] == 0)
    x, y = points.point_xy[0, tests[index]].tolist()
    return training.snapshot(want=("journey",), probe=(x, y))


def parts(training: Training) -> dict[str, np.ndarray]:
    return {name: value[0].double().numpy(force=True) for name, value in training.parameters.items()}


def answers(part: dict[str, np.ndarray], x_D: np.ndarray) -> np.ndarray:
    """Each expert's own output, `[N, O]`: no code of ours."""
    if "w_in" not in part:
        return np.einsum("d,edo->eo", x_D, part["w_out"]) + part["b_out"]
    hidden_EH = np.maximum(np.einsum("d,edh->eh", x_D, part["w_in"]) + part["b_in"], 0)
    return np.einsum("eh,eho->eo", hidden_EH, part["w_out"]) + part["b_out"]


def loss_of(shot: Snapshot, y_O: np.ndarray) -> float:
    target = shot.journey_target[0]
    if shot.kind == "regression":
        return float(((y_O - target) ** 2).mean())
    return float(np.log(np.exp(y_O - y_O.max()).sum()) + y_O.max() - y_O[int(target[0])])


def softmax(z: np.ndarray) -> np.ndarray:
    grown = np.exp(z - z.max())
    return grown / grown.sum()


def weights_of(form: str, z_E: np.ndarray, k: int) -> np.ndarray:
    """Each way to weigh the k largest, by its own definition."""
    among = np.argsort(-z_E, kind="stable")[:k]
    weights_E = np.zeros_like(z_E)
    if form == "after":  # top-k, then softmax
        weights_E[among] = softmax(z_E[among])
        return weights_E
    weights_E[among] = softmax(z_E)[among]
    return weights_E / weights_E.sum() if form == "renormalized" else weights_E


@pytest.mark.parametrize("task", TASKS, ids=lambda knobs: knobs["task"])
@pytest.mark.parametrize("router", ROUTERS, ids=str)
def test_twenty_tokens_and_every_expert_as_an_independent_forward_pass(task, router):
    """Scores, outputs and losses; and what each expert alone would have answered: the one-hot weight forced."""
    training = trained(**task, **router)
    part = parts(training)
    test = training.data.test
    for index in range(20):
        shot = at(training, index)
        x_D = shot.journey_x[0].astype(float)
        np.testing.assert_allclose(x_D, test.x_RTD[0, index].numpy(force=True), atol=1e-6)
        assert shot.journey_distance[0, 0] < 1e-5
        np.testing.assert_allclose(shot.journey_target[0], np.ravel(test.target[0, index]), atol=1e-6)
        z_E = part["gate_w"] @ x_D + part.get("gate_b", 0.0)
        np.testing.assert_allclose(shot.journey_logit[0], z_E, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            shot.journey_gate_w[0].astype(float) @ x_D + shot.journey_gate_b[0], z_E, rtol=1e-4, atol=1e-4
        )
        y_EO = answers(part, x_D)
        y_O = shot.probe_weight[0].astype(float) @ y_EO
        np.testing.assert_allclose(shot.probe_output[0], y_O, rtol=1e-3, atol=1e-3)
        assert shot.journey_loss[0, 0] == pytest.approx(loss_of(shot, y_O), rel=1e-3, abs=1e-3)
        for expert in range(len(z_E)):
            forced_O = np.eye(len(z_E))[expert] @ y_EO
            np.testing.assert_allclose(shot.probe_expert_output[0, expert], forced_O, rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(shot.journey_alone_output[0, expert], forced_O, rtol=1e-3, atol=1e-3)
            assert shot.journey_alone_loss[0, expert] == pytest.approx(loss_of(shot, forced_O), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("task", TASKS, ids=lambda knobs: knobs["task"])
def test_soft_moe_mixes_the_test_tokens_and_alone_an_expert_computes_the_token_itself(task):
    training = trained(router="soft", top_k=8, **task)
    part, x_TD = parts(training), training.data.measured_test.x_RTD[0].double().numpy(force=True)
    z_TE = x_TD @ part["gate_w"].T + part.get("gate_b", 0.0)
    dispatch_TE = np.exp(z_TE) / np.exp(z_TE).sum(0)
    mixture_ED = dispatch_TE.T @ x_TD
    for index in range(20):
        shot = at(training, index)
        x_D = shot.journey_x[0].astype(float)
        own_EO = np.array([answers(part, mixture_ED[expert])[expert] for expert in range(8)])
        np.testing.assert_allclose(shot.journey_mixture[0], mixture_ED, atol=1e-4)
        share_E = np.exp(shot.journey_logit[0] - shot.journey_mixed_size[0])
        np.testing.assert_allclose(share_E, dispatch_TE[index], rtol=1e-3, atol=1e-5)
        y_O = softmax(z_TE[index]) @ own_EO
        np.testing.assert_allclose(shot.probe_output[0], y_O, rtol=1e-3, atol=1e-3)
        assert shot.journey_loss[0, 0] == pytest.approx(loss_of(shot, y_O), rel=1e-3, abs=1e-3)
        for expert, forced_O in enumerate(answers(part, x_D)):
            np.testing.assert_allclose(shot.journey_alone_output[0, expert], forced_O, rtol=1e-3, atol=1e-3)
            assert shot.journey_alone_loss[0, expert] == pytest.approx(loss_of(shot, forced_O), rel=1e-3, abs=1e-3)


def test_shared_experts_answer_beside_the_one_that_is_alone():
    training = trained(num_shared_experts=2)
    shot, part = at(training, 0), parts(training)
    forced_EO = answers(part, shot.journey_x[0].astype(float)) + shot.journey_shared[0]
    np.testing.assert_allclose(shot.journey_alone_output[0], forced_EO, rtol=1e-3, atol=1e-3)
    assert shot.journey_alone_loss[0, 3] == pytest.approx(loss_of(shot, forced_EO[3]), rel=1e-3, abs=1e-3)


def test_what_decides_beside_the_scores_is_told():
    """Each choice, made again from what is told of it."""
    deepseek = trained(router="deepseek_v3", bias_rate=0.02, expert_groups=4, kept_groups=2, route_scale=2.5)
    choice, table = trained(router="expert_choice"), trained(router="hash", top_k=3)
    for index in range(20):
        shot = at(deepseek, index)
        biased_E = 1 / (1 + np.exp(-shot.journey_logit[0])) + shot.journey_choice_bias[0]
        pairs_G = biased_E.reshape(4, 2).sum(1)  # a group of two: the sum of both
        allowed_E = np.isin(np.arange(8) // 2, np.argsort(-pairs_G)[:2])
        np.testing.assert_array_equal(shot.journey_allowed[0], allowed_E)
        chosen = np.argsort(-np.where(allowed_E, biased_E, -np.inf))[:2]
        assert set(np.flatnonzero(shot.probe_chosen[0])) == set(chosen) and shot.journey_route_scale[0, 0] == 2.5
        shot = at(choice, index)
        np.testing.assert_array_equal(shot.probe_prob[0] >= shot.journey_threshold[0], shot.probe_chosen[0])
        shot = at(table, index)
        number, size, place, expert = shot.journey_table[0].astype(int)
        assert place == number % size and size % 8 == 0
        assert set(np.flatnonzero(shot.probe_chosen[0])) == {expert, (expert + 1) % 8, (expert + 2) % 8}
    probs_TE = np.array(
        [softmax(z) for z in choice.data.measured_test.x_RTD[0].double().numpy(force=True) @ parts(choice)["gate_w"].T]
    )
    places = -(-len(probs_TE) * 2 // 8)
    np.testing.assert_allclose(at(choice, 0).journey_threshold[0], np.sort(probs_TE, axis=0)[-places], atol=1e-5)


@pytest.mark.parametrize(
    "router", [{"top_k": 1, "gate_form": "plain"}, {"capacity_factor": 0.5}, {"gate_skew": 1.5}], ids=str
)
def test_what_the_balance_losses_are_made_of(router):
    training = trained(**router)
    shot, part = training.snapshot(want=("journey",)), parts(training)
    k = router.get("top_k", 2)
    tilt_E = router.get("gate_skew", 0) * np.linspace(1, -1, 8)
    z_TE = training.data.measured_train.x_RTD[0].double().numpy(force=True) @ part["gate_w"].T + tilt_E
    weights_TE = np.array([weights_of("plain" if k == 1 else "renormalized", z_E, k) for z_E in z_TE])
    probs_TE = np.array([softmax(z_E) for z_E in z_TE])
    assert shot.journey_batch_tokens[0, 0] == len(z_TE)
    np.testing.assert_allclose(shot.journey_weight_sum[0], weights_TE.sum(0), rtol=1e-3, atol=0.01)  # before drops
    np.testing.assert_allclose(shot.journey_likely_count[0], (weights_TE > 0).sum(0), atol=1.01)
    first_E = np.bincount(z_TE.argmax(-1), minlength=8) / len(z_TE)
    np.testing.assert_allclose(shot.journey_first_share[0], first_E, atol=2e-3)
    entropy = -(probs_TE * np.log(probs_TE)).sum(-1).mean()
    assert shot.journey_mean_entropy[0, 0] == pytest.approx(entropy, rel=1e-3)
    np.testing.assert_allclose(shot.journey_gate_b[0], part.get("gate_b", np.zeros(8)) + tilt_E, atol=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=lambda knobs: knobs["task"])
@pytest.mark.parametrize("k", [1, 2, 8])
def test_slopes_of_every_form_are_finite_differences(task, k):
    training = trained(**task, top_k=k)
    part = parts(training)
    for index in range(4):
        shot = at(training, index)
        z_E, y_EO = shot.journey_logit[0].astype(float), answers(part, shot.journey_x[0].astype(float))
        cases = [(form, kk) for kk in (k, 1) for form in ("plain", "renormalized", "after")]
        for place, (form, kk) in enumerate(cases):
            weights_E = weights_of(form, z_E, kk)
            np.testing.assert_allclose(shot.journey_form_weight[0, place], weights_E, atol=1e-4)
            np.testing.assert_allclose(shot.journey_form_output[0, place], weights_E @ y_EO, rtol=1e-3, atol=1e-3)
            wanted = loss_of(shot, weights_E @ y_EO)
            assert shot.journey_form_loss[0, place] == pytest.approx(wanted, rel=1e-3, abs=1e-3)
            step = 1e-5
            slopes_E = [
                sum(sign * loss_of(shot, weights_of(form, z_E + sign * step * way, kk) @ y_EO) for sign in (1, -1))
                / (2 * step)
                for way in np.eye(len(z_E))
            ]
            np.testing.assert_allclose(shot.journey_form_gradient[0, place], slopes_E, rtol=2e-3, atol=2e-3)
            if kk == 1 and form != "plain":
                assert (shot.journey_form_gradient[0, place] == 0).all()  # exactly: the weight is 1 whatever z is
        own = 0 if k == 1 else 1  # the opening form: plain at k = 1, renormalized beyond
        np.testing.assert_allclose(shot.journey_gradient[0], shot.journey_form_gradient[0, own], atol=1e-6)
        assert shot.journey_loss[0, 0] == pytest.approx(shot.journey_form_loss[0, own], abs=1e-5)


@pytest.mark.parametrize("balance_loss", ["squared", "switch"])
def test_the_balance_loss_is_that_of_the_measured_train_tokens(balance_loss):
    training = trained(balance_loss=balance_loss, balance_coef=1.0)
    shot = training.snapshot(want=("journey",))
    x_TD, part = training.data.measured_train.x_RTD[0].double().numpy(force=True), parts(training)
    probs_TE = np.array([softmax(z_E) for z_E in x_TD @ part["gate_w"].T])
    top_TE = np.argsort(-probs_TE, axis=-1)[:, :2]
    load_E = np.bincount(top_TE.ravel(), minlength=8) / top_TE.size
    mean_E = probs_TE.mean(0)
    np.testing.assert_allclose(shot.journey_mean_prob[0], mean_E, atol=1e-5)
    np.testing.assert_allclose(shot.journey_batch_load[0], load_E, atol=2e-3)
    wanted = ((1 / 8 - mean_E) ** 2).sum() if balance_loss == "squared" else 8 * (load_E * mean_E).sum()
    assert shot.journey_balance_loss[0, 0] == pytest.approx(wanted, rel=1e-2)
    assert shot.journey_balance_loss[0, 0] == pytest.approx(shot.balance_loss_value[0], rel=1e-5)


def test_between_tokens_the_target_is_that_of_the_nearest():
    training = trained(0)
    shot = training.snapshot(want=("journey",), probe=(0.31, -0.72))
    far_T = np.hypot(*(training.data.test.x_RTD[0].numpy(force=True) - [0.31, -0.72]).T)
    assert shot.journey_distance[0, 0] == pytest.approx(far_T.min(), abs=1e-6)
    assert shot.journey_target[0, 0] == training.data.test.target[0, far_T.argmin()]
    assert shot.probe == [0.31, -0.72]


def test_looking_changes_nothing_and_runs_are_apart():
    """The same training with and without looks; two runs in lockstep as each alone."""
    configs = [RunConfig(seed=seed, batch_size=64, hidden_width=4, top_k=1 + seed) for seed in range(2)]
    both, left, right = Training(configs), Training(configs[:1]), Training(configs[1:])
    for each in (both, left, right):
        each.step(5)
    unseen = both.rows_RAP.clone()
    shot = both.snapshot(want=("journey",), probe=(1.0, 0.5))
    assert (both.rows_RAP == unseen).all() and not both.rows_RAP.requires_grad
    for run, alone in enumerate((left, right)):
        own = alone.snapshot(want=("journey",), probe=(1.0, 0.5))
        for name, value in own.arrays.items():
            if name.startswith("journey"):
                np.testing.assert_allclose(shot.arrays[name][run], value[0], rtol=1e-3, atol=1e-4, err_msg=name)
