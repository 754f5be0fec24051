"""The page Image and text: unseen emoji, who serves them, and what is found for a name, a picture and a word."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.opened_page import Stage

pytestmark = pytest.mark.browser


def test_a_word_brings_pictures_and_an_emoji_its_names_while_it_trains(stage: Stage) -> None:
    stage.open("/image_text?num_experts=4&batch_size=8&hidden_width=8")
    buttons = stage.part("gallery").locator("button")
    expect(buttons).to_have_count(200)
    stage.part("own").fill("red cat")
    for run in range(2):
        expect(stage.part(f"own-pictures-{run}").locator("li canvas")).to_have_count(5)
        assert stage.part(f"own-words-{run}").locator("b").all_inner_texts() == ["red", "cat"]
        expect(stage.part(f"table-{run}").locator("tbody tr")).to_have_count(4)
        owners = stage.part(f"owners-{run}").inner_text()
        assert sorted(re.findall(r"\b[A-D]\b", owners)) == list("ABCD")  # each expert is one thing: own, both's or idle
    buttons.nth(7).click()
    expect(buttons.nth(7)).to_have_attribute("aria-pressed", "true")
    name = buttons.nth(7).get_attribute("aria-label")
    assert name and name.split()[0].lower() in stage.part("words-0").locator("li").first.inner_text().lower()
    expect(stage.part("names-1").locator("li")).to_have_count(5)
    letters = stage.part("route-1").locator("b").all_inner_texts()
    assert len(letters) == 16 and set(letters) <= set("ABCD")
    stage.until("stage.step >= 5")
    stage.part("own").fill("")
    expect(stage.part("own-0")).to_be_hidden()
    assert not stage.errors


def test_a_run_that_waits_answers_too(stage: Stage) -> None:
    stage.open("/image_text?play=0&num_experts=4&hidden_width=8")
    buttons = stage.part("gallery").locator("button")
    buttons.nth(150).click()
    expect(buttons.nth(150)).to_have_attribute("aria-pressed", "true")
    for word, shown in (("red cat", ["red", "cat"]), ("moon", ["moon"])):
        stage.part("own").fill(word)
        expect(stage.part("own-words-1").locator("b")).to_have_text(shown)
        expect(stage.part("own-pictures-1").locator("li canvas")).to_have_count(5)
    assert stage.step == 0
