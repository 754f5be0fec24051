"""A few tokens as a batch of their own: what the page of routers draws is the routing of just these tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from moeviz.config import RunConfig
from moeviz.config.router_facts import BALANCED_VALUES, ROUTER_NAMES
from moeviz.content.methods import as_in_its_paper
from moeviz.routers import ROUTERS, capacity
from moeviz.training import Training
from moeviz.training.views.seating import FEW


def shown(steps: int = 0, **knobs: Any) -> tuple[Training, dict[str, np.ndarray]]:
    training = Training([RunConfig().nearest(**knobs)[0]])
    training.step(steps)
    arrays = training.snapshot(("seating",)).arrays
    return training, {name.removeprefix("seating_"): value[0] for name, value in arrays.items() if "seating" in name}


def logits(training: Training) -> torch.Tensor:
    """W_gᵀx of the first train tokens, in float64."""
    x_TD = training.data.train.x_RTD[0, :FEW].double()
    return x_TD @ training.parameters["gate_w"][0].double().mT


@pytest.mark.parametrize("router", ["top_k", "switch", "mixtral", "gshard"])
def test_it_is_the_routing_of_these_tokens_with_seats_for_them(router: str) -> None:
    """gshard without chance, so that its second choices are all sent."""
    k = 1 if router == "switch" else 2
    seats = {} if router == "mixtral" else {"capacity_factor": 1.0}
    training, drawn = shown(20, router=router, top_k=k, router_noise=1.0 if router == "mixtral" else 0.0, **seats)
    places = capacity(FEW, 8, k, 1.0) if seats else None
    routing = ROUTERS[router](logits(training), k=k, **({"capacity": places} if seats else {}))
    assert (drawn["chosen"] == routing.chosen_TE.numpy(force=True)).all()
    assert (drawn["kept"] == routing.kept_TE.numpy(force=True)).all()
    assert (drawn["position"] == routing.position_TE.numpy(force=True)).all()
    assert drawn["weight"] == pytest.approx(routing.gates_TE.numpy(force=True), abs=1e-5)
    assert drawn["places"].tolist() == [FEW if places is None else places]


def test_dropped_choices_are_counted_beside_what_chance_would_drop() -> None:
    # T = 16, N = 8, k = 1, factor 1: two seats each; an expert wanted by n tokens drops n - 2
    _, drawn = shown(300, router="switch", capacity_factor=1.0)
    wanted = drawn["chosen"].sum(0).tolist()
    assert drawn["dropped"][0] == pytest.approx(sum(max(each - 2, 0) for each in wanted) / FEW)
    over = sum((n - 2) * math.comb(16, n) * (1 / 8) ** n * (7 / 8) ** (16 - n) for n in range(3, 17))
    assert drawn["dropped"][1] == pytest.approx(8 * over / 16, rel=1e-5)
    assert drawn["unserved"] == pytest.approx(drawn["dropped"][0])  # k = 1: who is dropped has nobody
    assert np.isnan(shown(router="mixtral")[1]["dropped"]).all()


def test_experts_that_choose_all_take_the_same_number() -> None:
    _, drawn = shown(50, router="expert_choice")
    assert drawn["chosen"].sum(0).tolist() == [4] * 8  # ⌈16 · 2 / 8⌉
    assert sorted(drawn["position"][drawn["chosen"] == 1].tolist()) == sorted(list(range(4)) * 8)
    assert drawn["unserved"][0] == pytest.approx((drawn["chosen"].sum(1) == 0).mean())


def test_a_second_choice_that_chance_skips_is_neither_kept_nor_queued() -> None:
    _, drawn = shown(100, router="gshard")
    skipped = (drawn["chosen"] == 1) & (drawn["kept"] == 0)
    assert skipped.any() and (drawn["position"][skipped] == -1).all() and (drawn["weight"][skipped] == 0).all()
    _, calm = shown(100, router="gshard", router_noise=0.0)
    assert (calm["chosen"] == calm["kept"]).all()


def test_the_losses_stand_in_their_order() -> None:
    _, drawn = shown(30)
    mean = drawn["prob"].mean(0)
    load = drawn["chosen"].mean(0) / 2
    assert list(BALANCED_VALUES) == ["squared", "switch", "gshard", "importance", "load"]
    assert drawn["loss"][0] == pytest.approx(((1 / 8 - mean) ** 2).sum(), rel=1e-4)
    assert drawn["loss"][1] == pytest.approx(8 * (load * mean).sum(), rel=1e-4)
    first = np.bincount(drawn["prob"].argmax(1), minlength=8) / FEW
    assert drawn["loss"][2] == pytest.approx(8 * (first * mean).sum(), rel=1e-4)
    total = drawn["weight"].sum(0)
    assert drawn["loss"][3] == pytest.approx(total.var() / total.mean() ** 2, rel=1e-4)
    assert drawn["loss"][4] == pytest.approx(load.var() / load.mean() ** 2, rel=1e-4)  # without noise: plain counts
    assert drawn["load"] == pytest.approx(load) and drawn["importance"] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_it_is_there_for_every_router_and_always_of_the_same_tokens(router: str) -> None:
    training = Training([as_in_its_paper(RunConfig(), router)])
    before = training.snapshot(("seating",)).arrays
    training.step(3)
    after = training.snapshot(("seating",)).arrays
    assert before["seating_prob"].shape == (1, FEW, 8)
    if router == "hash":  # a table: nothing moves
        assert np.array_equal(before["seating_chosen"], after["seating_chosen"])


def test_the_rows_of_two_digits_are_sixteen_tokens() -> None:
    training, drawn = shown(5, task="digit_rows", router="switch", capacity_factor=1.0)
    routing = training.model.route(training.rows_RAP, training.data.train.first(2).x_RTD, training.routing_knobs_for(2))
    assert (drawn["chosen"] == routing.chosen_TE[0].numpy(force=True)).all() and drawn["places"].tolist() == [2]


# ---- skew and noise --------------------------------------------------------------------------------------------


def test_a_skew_is_added_to_the_scores() -> None:
    # N = 5, skew 2: 2, 1, 0, -1, -2
    plain, skewed = (Training([RunConfig(num_experts=5, gate_skew=skew)]) for skew in (0.0, 2.0))
    found = [each.snapshot(("journey",)).journey_logit[0] for each in (plain, skewed)]
    assert found[1] - found[0] == pytest.approx([2, 1, 0, -1, -2], abs=1e-5)


def test_skew_differs_by_run_and_acts_in_training_too() -> None:
    together = Training([RunConfig(gate_skew=skew, seed=1) for skew in (0.0, 3.0)])
    alone = Training([RunConfig(gate_skew=3.0, seed=1)])
    for training in (together, alone):
        training.step(10)
    assert together.measure().load_RE[1] == pytest.approx(alone.measure().load_RE[0], abs=0.02)
    assert together.measure().load_RE[1, :4].sum() > together.measure().load_RE[0, :4].sum() + 0.2


def noise_size(training: Training) -> torch.Tensor:
    batch = training.batch()
    knobs = batch.knobs(training.routing_knobs, training.bias_REL)
    found = training.model.route(training.rows_RAP, batch.x_RTD, knobs).noise_std_TE
    assert found is not None
    return found


@pytest.mark.parametrize("router", ["noisy_top_k", "gshard", "switch"])
def test_noise_times_0_is_no_noise(router: str) -> None:
    jitter: dict[str, Any] = {"gate_jitter": 0.1} if router == "switch" else {}
    calm, loud = (Training([RunConfig().nearest(router=router, router_noise=n, **jitter)[0]]) for n in (0.0, 2.0))
    usual = Training([RunConfig().nearest(router=router, **jitter)[0]])
    drawn = [training.batch().draws for training in (calm, loud, usual)]
    if router == "noisy_top_k":  # of a learned size, which is multiplied
        assert drawn[0] == {}
        assert torch.allclose(noise_size(loud), 2 * noise_size(usual))
        return
    (name,) = drawn[0]
    assert not drawn[0][name].any() and drawn[1][name].any()
    assert torch.equal(drawn[1][name], 2 * drawn[2][name])


def test_noise_of_0_beside_a_run_with_noise_is_next_to_none() -> None:
    configs = [RunConfig().nearest(router="noisy_top_k", router_noise=noise, balance_loss="load", balance_coef=1.0)[0]
               for noise in (0.0, 1.0)]  # fmt: skip
    together = Training(configs)
    together.step(20)
    assert not together.diverged and torch.isfinite(together.rows_RAP).all()
