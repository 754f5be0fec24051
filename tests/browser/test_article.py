"""The article, checked, in the browser: a trial that runs, its verdict, and the way to the Playground."""

from __future__ import annotations

import pytest

from moeviz.experiments.claims import STATES, trials
from moeviz.experiments.claims.process import verdict
from tests.browser.opened_page import PATIENCE, Stage, expect

pytestmark = pytest.mark.browser


def test_a_claim_is_run_and_judged_by_the_numbers_of_three_seeds(stage: Stage) -> None:
    stage.page.goto(f"{stage.address}/article")
    stage.page.locator(".st-key-run_memory button").click()
    wanted = verdict("memory", [trials.memory(seed) for seed in range(3)])
    assert wanted is not None
    row = stage.page.locator(".st-key-claim_memory")
    expect(row).to_contain_text(f"{STATES[wanted.state]}. {wanted.words}", timeout=PATIENCE * 1000)
    expect(row).to_contain_text("3 seeds", timeout=PATIENCE * 1000)


def test_a_claim_leads_to_the_run_that_shows_it(stage: Stage) -> None:
    stage.page.goto(f"{stage.address}/article")
    stage.page.locator(".st-key-see_balanced button").first.click()
    stage.until("stage.frames > 0")
    stage.until_query(balance_coef="10")
