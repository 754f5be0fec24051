"""The page Language: text in its experts' colors, a reader's own among it, and samples while it trains."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import expect

from moeviz.content.presets import LEARNS_TEXT
from moeviz.figures.palette import HUES
from moeviz.training import Training
from tests.browser.opened_page import Stage, soon
from tests.browser.test_looks import overflow

pytestmark = pytest.mark.browser
BANDS = r"""part => [...part.querySelectorAll('.mv-char')].map(cell => {
    const [red, green, blue] = cell.lastChild.style.backgroundImage.match(/\d+/g).map(Number);
    return '#' + [red, green, blue].map(each => each.toString(16).padStart(2, '0')).join('').toUpperCase();
})"""


def read(stage: Stage, part: str) -> str:
    """The characters of a part, without the letters beneath them; a space is drawn as one that does not break."""
    characters: str = stage.part(part).evaluate(
        "part => [...part.querySelectorAll('.mv-char')].map(cell => cell.firstChild.textContent).join('')"
    )
    return characters.replace("\u00a0", " ")


def test_text_is_colored_own_text_too_and_the_model_writes_while_it_trains(stage: Stage) -> None:
    stage.open("/language?num_experts=4&batch_size=8")
    assert len(read(stage, "texts")) == 6 * 64
    assert set(stage.part("texts").evaluate(BANDS)) <= set(HUES[:4])
    stage.part("own").fill("Ab 12 漢字")
    stage.until("[...part('own-text').querySelectorAll('.mv-char')].length === value", 8)
    assert read(stage, "own-text") == "Ab 12 □□"  # which are all the same to the model
    assert set(stage.part("own-text").evaluate(BANDS)) <= set(HUES[:4])
    stage.until("stage.step >= 5")
    stage.until("part('samples').children.length === 6")
    before = stage.part("samples").inner_text()
    stage.until("part('samples').innerText !== value", before)
    stage.part("own-text").locator(".mv-char").first.hover()
    expect(stage.part("pointed")).to_have_text("Gate probability at “A”, %")
    assert sum(int(bar["value"]) for bar in stage.bars("prob-bars")) == pytest.approx(100, abs=3)  # rounded, each of 4
    expect(stage.part("kinds").locator("tbody tr")).to_have_count(4)
    stage.part("own").fill("")
    expect(stage.part("own-text").locator(".mv-char")).to_have_count(0)
    expect(stage.part("pointed")).not_to_have_text("Gate probability at “A”, %")
    stage.page.set_viewport_size({"width": 390, "height": 844})
    soon(lambda: check_narrow(stage))
    assert not stage.errors


def check_narrow(stage: Stage) -> None:
    assert {name: wide for name, wide in overflow(stage).items() if wide > 0} == {}


def test_load_and_idle_experts_are_those_of_the_chosen_layer(stage: Stage) -> None:
    knobs = {"num_experts": 16, "batch_size": 8, "hidden_width": 8, "learning_rate": 0.03, "balance_coef": 0.0}
    run = Training([LEARNS_TEXT.with_(**knobs)])
    run.step(20)
    header, load_LE = run.snapshot().header, run.snapshot().load[0]
    assert header["dead"][0][0] != header["dead"][0][1]
    stage.open("/language?play=0&" + "&".join(f"{name}={value}" for name, value in knobs.items()))
    stage.train_to(20)
    for layer in (0, 1):
        stage.part("layers").locator("button").nth(layer).click()
        expect(stage.part("load-title")).to_have_text(f"Load in layer {layer + 1}, %")
        expect(stage.part("kind-match")).to_contain_text(
            f"in layer {layer + 1} (0-1): {header['specialization'][0][layer]:.2f}"
        )
        soon(partial(check_load, stage, header["dead"][0][layer], load_LE[layer].tolist()))


def check_load(stage: Stage, dead: list[bool], load: list[float]) -> None:
    bars = stage.bars("load-bars")
    assert [bar["value"] == "†" for bar in bars] == dead
    for bar, share in zip(bars, load, strict=True):
        if bar["value"] == "<1":
            assert 0 < share < 0.01
        elif bar["value"] != "†":
            assert float(bar["value"]) == pytest.approx(100 * share, abs=0.6)
