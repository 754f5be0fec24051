"""The page Image and text without a browser: its twins, the dense network beside them, and what λ turns."""

from __future__ import annotations

from moeviz.config import RunConfig
from moeviz.content.presets import LEARNS_PAIRS
from moeviz.content.twins import dense_twin
from tests.pages.test_pages import address, engine, healthy, picture, visit, widget

__all__ = ["engine"]
WITHOUT = LEARNS_PAIRS.with_(balance_coef=0.0)


def test_it_opens_with_twins_and_plays(engine):
    app = healthy(visit("image_text"))
    assert engine.asked == [("open", (WITHOUT, LEARNS_PAIRS))] and engine.plays == [True]
    shown = picture(app)
    assert shown["layout"] == "pairs" and shown["titles"] == ["Without entropy losses", "With entropy losses"]
    assert RunConfig.from_url(address(app))[0] == LEARNS_PAIRS


def test_lambda_turns_one_twin_and_the_dense_network_trains_beside(engine):
    app = visit("image_text")
    healthy(widget(app, "balance_coef").set_value(1.0).run())
    assert engine.asked[-1] == ("set", {"balance_coef": [0.0, 1.0]})
    healthy(app.toggle(key="dense_beside").set_value(True).run())
    turned = LEARNS_PAIRS.with_(balance_coef=1.0)
    assert engine.asked[-1] == ("reset", (WITHOUT, turned, dense_twin(turned, "active")))
    assert picture(app)["titles"][2] == "Dense, equal active"


def test_its_losses_are_the_entropy_losses_whatever_an_address_says(engine):
    healthy(visit("image_text", balance_loss="switch", seed="2"))
    ((_, configs),) = engine.asked
    assert [(config.balance_loss, config.seed) for config in configs] == [("entropy", 2)] * 2
