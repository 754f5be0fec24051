"""The Balance lab without a browser: its twins, their address and widgets, and what the page asks of the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from moeviz.config import KNOBS, RunConfig
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.content import twins
from moeviz.content.regimes import REGIMES
from moeviz.content.twins import dense_twin
from moeviz.training import Training
from moeviz.training.views.skill import wanted_loss
from tests.pages.test_pages import RecordedEngine, address, engine, healthy, no_search, picture, visit

__all__ = ["engine", "no_search"]  # fixtures
REGIMES_BY_LABEL = {regime.label: regime for regime in REGIMES.values()}


def lambdas(app: AppTest) -> list[Any]:
    """What the twins' select boxes say of λ."""
    return [each.value for each in app.selectbox if str(each.key).startswith("twin_balance_coef")]


def box(app: AppTest, key: str) -> Any:
    return next(each for each in app.selectbox if each.key == key)


def button(app: AppTest, label: str) -> Any:
    return next(each for each in app.button if each.label == label)


# ---- which twins ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", twins.VARIED)
def test_twins_differ_in_one_knob_and_what_must_follow_from_it(name):
    configs = twins.twins(RunConfig(), name, twins.VARIED[name])
    assert [getattr(config, name) for config in configs] == list(twins.VARIED[name])
    assert twins.FEWEST <= len(configs) <= twins.MOST
    for config in configs:
        differ = {each for each in KNOBS if getattr(config, each) != getattr(RunConfig(), each)}
        assert differ <= {name} | ({"top_k"} if ROUTER_INFO[config.router].k != "any" else set())


@given(st.sampled_from(list(twins.VARIED)), st.data())
def test_values_are_written_so_that_they_are_read_back(name, data):
    knob = KNOBS[name].on_page
    one: Any = st.sampled_from(knob.choices) if knob.choices else st.integers(1, 32)
    if knob.kind is float:
        one = st.floats(knob.low, knob.high)
    values = tuple(data.draw(st.lists(one | (st.none() if knob.optional else st.nothing()), min_size=2, max_size=6)))
    assert twins.read(name, twins.write(name, values)) == (values, [])


def test_values_that_cannot_be_are_named():
    assert twins.read("balance_coef", "0,1000") == (
        (0.0, 100.0), ["balance_coef must be from 0 to 100: got 1000; using 100"],
    )  # fmt: skip
    assert twins.read("top_k", "2") == ((1, 2, 4), ["values must name 2 to 6 twins: got 1; using 1,2,4"])
    assert len(twins.read("balance_coef", ",".join("1" * 9))[0]) == twins.MOST


def test_titles_say_the_value_and_a_k_that_followed():
    said = twins.titles(RunConfig(), "router", ("top_k", "switch"), ("total",))
    assert said == ["top-k", "Switch, k = 1", "Dense, equal total"]
    assert twins.titles(RunConfig(), "capacity_factor", (None, 1.25), ()) == ["no seat limit", "seats = 1.25"]
    assert twins.titles(RunConfig(), "top_k", (2, 1, 2), ()) == ["k = 2, twin 1", "k = 1", "k = 2, twin 3"]
    assert twins.titles(RunConfig(), "gate_form", ("plain", "auto"), ()) == ["no (plain)", "automatic"]


def test_a_dense_network_that_cannot_be_is_left_out_with_its_reason():
    found, complaints = twins.dense(RunConfig(expert="linear"), ("active", "total"))
    assert found == [] and len(complaints) == 2 and "expert=linear" in complaints[0]
    assert twins.dense(RunConfig(), ("active",)) == ([dense_twin(RunConfig(), "active")], [])


@pytest.mark.parametrize("start", twins.STARTS.values(), ids=list(twins.STARTS))
def test_a_start_can_be_trained_and_its_story_is_short(start):
    assert twins.twins(start.base, start.knob, start.values)
    if start.label in REGIMES_BY_LABEL:  # and they are the twins whose regime is measured
        assert twins.twins(start.base, start.knob, start.values) == list(REGIMES_BY_LABEL[start.label].twins)
    assert start.story.endswith((".", "?")) and len(start.story) < 130


# ---- what is measured ----------------------------------------------------------------------------------------------


def test_the_loss_where_an_expert_is_wanted_is_its_own_weighted_by_the_gate():
    training = Training([RunConfig(num_experts=3, top_k=1), RunConfig(num_experts=3, top_k=2, seed=1)])
    training.step(20)
    found = wanted_loss(training)
    for run in range(2):
        weights = {name: value[run] for name, value in training.parameters.items()}
        x_TD, target_T = training.data.measured_test.x_RTD[run], training.data.measured_test.target[run]
        probs_TE = torch.softmax(x_TD @ weights["gate_w"].T, -1)
        for expert in range(3):
            hidden = torch.relu(x_TD @ weights["w_in"][expert] + weights["b_in"][expert])
            y_TO = hidden @ weights["w_out"][expert] + weights["b_out"][expert]
            loss_T = -torch.log_softmax(y_TO, -1)[torch.arange(len(target_T)), target_T]
            p_T = probs_TE[:, expert]
            assert found[run, expert] == pytest.approx(float((p_T * loss_T).sum() / p_T.sum()), rel=1e-4)


def test_trails_are_what_each_snapshot_measured():
    training = Training([RunConfig(), RunConfig(balance_coef=10.0)])
    seen = []
    for _ in range(4):
        shot = training.snapshot()
        seen.append((shot.mean_prob, shot.importance / shot.importance.sum(-1, keepdims=True)))
        training.step(10)
    arrays = training.snapshot(["history", "trails"]).arrays
    assert arrays["history_step"].tolist() == [0, 10, 20, 30, 40]
    for name, column in (("history_mean_prob", 0), ("history_importance", 1)):
        wanted = np.stack([each[column] for each in seen], -1)
        np.testing.assert_allclose(arrays[name][..., :4], wanted, rtol=1e-5)


# ---- the page ------------------------------------------------------------------------------------------------------


def test_the_lab_opens_three_twins_of_lambda(engine: RecordedEngine):
    app = healthy(visit("lab"))
    assert engine.asked == [("open", tuple(twins.twins(RunConfig(), "balance_coef", (0.0, 1.0, 10.0))))]
    shown = picture(app)
    assert shown["layout"] == "lab" and shown["titles"] == ["λ = 0", "λ = 1", "λ = 10"]
    assert {"loss", "metric", "uneven", "dead", "match", "load-0", "load-2"} <= set(shown["charts"])


@pytest.mark.parametrize("name", twins.VARIED)
def test_knob_and_values_are_in_the_address_both_ways(engine: RecordedEngine, name):
    values = twins.VARIED[name][::-1]
    app = healthy(visit("lab", vary=name, values=twins.write(name, values), num_experts="6", dense="active"))
    base = RunConfig(num_experts=6)
    wanted = (*twins.twins(base, name, values), dense_twin(base, "active"))
    assert engine.asked == [("open", wanted)] and len(picture(app)["titles"]) == len(wanted)
    expected = {"vary": name, "values": twins.write(name, values), "num_experts": "6", "dense": "active"}
    assert address(app) == expected


def test_a_twins_value_turns_live_and_the_others_stay(engine: RecordedEngine):
    app = visit("lab")
    box(app, "twin_balance_coef_1").set_value(2.0)
    healthy(app.run())
    assert engine.asked[-1] == ("set", {"balance_coef": [0.0, 2.0, 10.0]}) and lambdas(app) == [0.0, 2.0, 10.0]
    assert address(app)["values"] == "0,2,10"


def test_more_twins_fewer_and_another_knob_start_again_and_say_so(engine: RecordedEngine):
    app = visit("lab")
    button(app, "Add a twin").click()
    healthy(app.run())
    assert engine.asked[-1] == ("reset", tuple(twins.twins(RunConfig(), "balance_coef", (0.0, 1.0, 10.0, 10.0))))
    button(app, "Remove one").click()
    app.run()
    button(app, "Remove one").click()
    healthy(app.run())
    assert len(engine.asked[-1][1]) == 2 and button(app, "Remove one").disabled
    box(app, "choose_vary").set_value("router")
    healthy(app.run())
    assert engine.asked[-1] == ("reset", tuple(twins.twins(RunConfig(), "router", twins.VARIED["router"])))
    assert app.toast[-1].value == "Started “twins of Router” from step 0."


@pytest.mark.parametrize("name", twins.STARTS)
def test_a_scene_shows_its_twins_and_opens_its_question(engine: RecordedEngine, name):
    app, start = visit("lab", vary="top_k", dense="total"), twins.STARTS[name]
    button(app, start.label).click()
    healthy(app.run())
    assert engine.asked[-1] == ("reset", tuple(twins.twins(start.base, start.knob, start.values)))
    assert picture(app)["section"] == start.section
    shown = [each.value for each in app.selectbox if str(each.key).startswith(f"twin_{start.knob}")]
    assert shown == list(start.values)
    assert any(start.story in each.value for each in app.markdown)


def test_strange_addresses_are_answered(engine: RecordedEngine):
    app = healthy(visit("lab", vary="<b>", values="**", dense="<i>", section="no"))
    said = " ".join(each.value for each in app.warning)
    assert "vary must be one of" in said and "values must name 2 to 6 twins" in said
    assert engine.asked == [("open", tuple(twins.twins(RunConfig(), "balance_coef", (0.0, 1.0, 10.0))))]


def test_a_dense_network_beside_linear_experts_is_refused_in_words(engine: RecordedEngine):
    app = healthy(visit("lab", expert="linear", dense="active,total"))
    assert len(engine.asked[0][1]) == 3 == len(picture(app)["titles"])
    assert any("must have hidden units" in each.value for each in app.caption)
