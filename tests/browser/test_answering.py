"""The page "Ask a question": found by words or by address, and answered by a run that trains."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def measured(stage, run):
    """The numbers beside a run, by label."""
    script = "pairs => pairs.map((pair) => [pair.firstChild.textContent, pair.lastChild.textContent])"
    return dict(stage.part(f"measured-{run}").locator("div").evaluate_all(script))


def test_an_address_opens_an_answer_whose_number_is_measured_live(stage):
    stage.open("/questions?ask=zero_gradient&play=0")
    stage.page.get_by_role("heading", name="Why is the router’s gradient zero at k = 1?").wait_for()
    stage.train_to(50)
    plain, renormalized = (measured(stage, run)["Size of the gate’s gradient"] for run in (0, 1))
    assert renormalized == "0.0000" and float(plain) > 0.001
    assert stage.letters("load-0") == stage.letters("load-1") == "ABCDEFGH"
    assert all(stage.hues(f"canvas-{run}") for run in (0, 1))


def test_a_search_finds_a_question_and_its_link_opens_it(stage):
    stage.open("/questions?ask=letters")
    stage.page.get_by_label("Search the questions").press_sequentially("halve mem")
    stage.page.locator(".st-key-found").get_by_role("link", name="Does top-k halve the memory?").click()
    stage.page.get_by_role("heading", name="Does top-k halve the memory?").wait_for()
    stage.until("part('measured-1')?.children.length === 3 && stage.step > 0")
    assert [measured(stage, run)["Parameters used for one input"] for run in (0, 1)] == ["352", "100"]
    stage.until_query(ask="memory")
    stage.page.go_back()
    stage.page.get_by_role("heading", name="Do letters name jobs?").wait_for()


@pytest.mark.slow
def test_a_run_that_diverges_says_so_and_goes_on_in_the_playground(stage):
    stage.open("/questions?ask=nan")
    stage.until("stage.state === 'diverged'")
    assert int(measured(stage, 0)["Training loss"].replace("\u202f", "")) > 1000
    stage.page.get_by_role("button", name="Open this in the Playground").click()
    stage.until("part('guide') && stage.state === 'diverged'")
    stage.until_query(task="bumps", learning_rate="10")


@pytest.mark.slow
def test_home_leads_to_the_questions_that_arise_there(stage):
    stage.open("/")
    stage.page.get_by_role("button", name="Questions about this").click()
    stage.page.get_by_role("link", name="Why are the regions pizza slices?").click()
    stage.until("part('probe-bars') && stage.step > 0")
    stage.until_query(ask="pizza")
    small = [(text, size) for text, size in stage.texts() if size < 16]
    assert not small
