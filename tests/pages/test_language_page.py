"""The page Language without a browser: how it opens, what its switches ask for, and that its task stays there."""

from __future__ import annotations

import pytest

from moeviz.config import TASK_INFO, RunConfig
from moeviz.content.presets import LANGUAGE, LEARNS_TEXT
from moeviz.content.twins import dense_twin
from tests.pages.test_pages import address, config, engine, healthy, picture, press, visit, widget

__all__ = ["engine"]


def test_it_opens_with_context_routing_and_plays(engine):
    app = healthy(visit("language"))
    assert engine.asked == [("open", (LEARNS_TEXT,))] and engine.plays == [True]
    shown = picture(app)
    assert shown["layout"] == "language" and shown["names"]["kinds"] == list(TASK_INFO["languages"].segments)
    assert RunConfig.from_url(address(app))[0] == LEARNS_TEXT


def test_the_switch_and_the_starts_begin_again_and_the_dense_network_trains_beside(engine):
    app = visit("language")
    healthy(app.radio(key="knob_route_by").set_value("token").run())
    assert engine.asked[-1] == ("reset", (LEARNS_TEXT.with_(route_by="token"),))
    press(app, "GShard")
    gshard = LANGUAGE["gshard"].config.with_(route_by="token")  # what the gate sees stays as it was chosen
    assert engine.asked[-1] == ("reset", (gshard,)) and widget(app, "top_k").disabled
    healthy(app.toggle(key="dense_beside").set_value(True).run())
    assert engine.asked[-1] == ("reset", (gshard, dense_twin(gshard, "active")))
    assert picture(app)["titles"] == ["experts", "dense network"]


def test_an_address_opens_its_own_run(engine):
    healthy(visit("language", router="switch", capacity_factor="1", seed="3"))
    assert engine.asked == [("open", (LEARNS_TEXT.with_(router="switch", capacity_factor=1.0, seed=3),))]


def test_the_address_names_what_is_turned_to_a_default(engine):
    app = visit("language")
    healthy(app.radio(key="knob_route_by").set_value("token").run())
    healthy(widget(app, "top_k").set_value(RunConfig().top_k).run())
    healthy(visit("language", **address(app)))  # another visitor, by that address
    assert engine.asked[-1] == ("open", (LEARNS_TEXT.with_(route_by="token", top_k=RunConfig().top_k),))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"task": "spiral"}, []),
        ({"router": "soft"}, ["router must choose for each token apart"]),
        ({"task": "pairs"}, ["Pictures and words has [a page of its own](image_text), so this page shows Languages"]),
    ],
)
def test_what_an_address_does_not_name_is_not_complained_about(engine, named, said):
    app = healthy(visit("language", **named))
    assert config(app) == LEARNS_TEXT and len(app.warning) == len(said)
    for text, warning in zip(said, app.warning, strict=True):
        assert text in warning.value and warning.value.count("must") <= 1  # nothing of the page's own k


def test_the_task_stays_on_its_page_and_what_came_before_is_there_afterwards(engine):
    app = visit("playground", num_experts="5")
    healthy(app.switch_page("../../pages/language.py").run())
    assert engine.asked[-1] == ("open", (LEARNS_TEXT,))
    healthy(widget(app, "balance_coef").set_value(0.1).run())
    healthy(app.switch_page("../../pages/playground.py").run())
    assert config(app) == RunConfig(num_experts=5) and not app.warning


@pytest.mark.parametrize("page", ["playground", "lab"])
def test_another_page_says_where_the_task_is(engine, page):
    app = healthy(visit(page, task="languages"))
    assert config(app) == RunConfig()
    assert [each.value for each in app.warning] == [
        "Languages has [a page of its own](language), so this page shows Clusters instead."
    ]
