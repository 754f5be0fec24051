"""The page that checks the article, without a browser: what its buttons start, and what it says of the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from moeviz.engine.server.printed_lines import Busy
from moeviz.experiments.claims import CLAIMS, STATES
from moeviz.ui.page_parts import article

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "article.py")


class PretendedCheck:
    """Trials whose numbers are there at once."""

    made: list[tuple[str, ...]]
    numbers: dict[str, dict[str, float]]
    refused = cancelled = False
    fails: str | None = None

    def __init__(self, trials):
        if type(self).refused:
            raise Busy("this server runs 2 checks at once, and they are under way; try again in a minute")
        self.trials, self.seeds, self.error = tuple(dict.fromkeys(trials)), 3, self.fails
        self.measured = {name: [self.numbers[name]] * 3 for name in self.trials if name in self.numbers}
        self.over, self.progress = True, 1.0
        self.made.append(self.trials)

    def cancel(self):
        self.over = True


@pytest.fixture
def pretended(monkeypatch):
    memory = {"kept": 1600, "used": 200, "activations_dense": 1600, "activations_sparse": 200}
    fresh = type("Fresh", (PretendedCheck,), {"made": [], "numbers": {"memory": memory}})
    monkeypatch.setattr(article, "Check", fresh)
    return fresh


def said(page: AppTest) -> str:
    return "\n".join(each.value for each in page.markdown)


def test_all_claims_stand_on_the_page_and_none_is_judged_before_it_ran(pretended) -> None:
    page = AppTest.from_file(PAGE).run()
    assert not page.exception
    assert all(f"**{claim.says}**" in said(page) for claim in CLAIMS.values())
    untested = sum(claim.trial is None for claim in CLAIMS.values())
    assert (
        f"**{len(CLAIMS)} sentences.** · not run yet: {len(CLAIMS) - untested} · not tested here: {untested}"
        in said(page)
    )
    assert not any(words in said(page) for words in STATES.values())


def test_running_one_claim_judges_all_that_its_trial_tests(pretended) -> None:
    page = AppTest.from_file(PAGE).run()
    page.button(key="run_memory").click().run()
    assert not page.exception and pretended.made == [("memory",)]
    assert (
        f"**{STATES['caveat']}.** The numbers inside the experts shrink 8 times. But the parameters stay: 1,600"
        in said(page)
    )
    assert f"**{STATES['holds']}.** 16 experts of which 2 work: one input uses 200 of 1,600 parameters (12%)." in said(
        page
    )


def test_check_all_asks_for_every_trial_once(pretended) -> None:
    page = AppTest.from_file(PAGE).run()
    page.button(key="check_all").click().run()
    (asked,) = pretended.made
    assert set(asked) == {claim.trial for claim in CLAIMS.values() if claim.trial is not None}


def test_a_button_that_is_pressed_when_the_trials_end_is_not_lost(pretended, monkeypatch) -> None:
    went: list[str] = []
    monkeypatch.setattr(article.st, "switch_page", went.append)
    page = AppTest.from_file(PAGE).run()
    page.session_state.check = pretended(["memory"])  # over by the next look
    page.button(key="see_balanced").click().run()
    assert not page.exception and went == [article.PLAYGROUND]


def test_a_server_that_checks_enough_says_so(pretended) -> None:
    pretended.refused = True
    page = AppTest.from_file(PAGE).run()
    page.button(key="run_memory").click().run()
    assert not page.exception and "try again in a minute" in page.error[0].value


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (
            {"fails": "the trials ended early: stopped from outside (signal 9)"},
            "stopped from outside (signal 9). Press the button",
        ),
        ({"cancelled": True}, "The trials were stopped. What has come of them is kept; press a button"),
    ],
)
def test_trials_that_end_too_soon_say_so_and_can_be_run_again(pretended, ended, words) -> None:
    for name, value in ended.items():
        setattr(pretended, name, value)
    page = AppTest.from_file(PAGE).run()
    page.button(key="check_all").click().run()
    told = [each.value for each in (*page.error, *page.info)]
    assert len(told) == 1 and words in told[0]
    assert not page.button(key="check_all").disabled
    for name in ended:
        delattr(pretended, name)
    page.button(key="check_all").click().run()
    assert not [*page.error, *page.info]
