"""Routers side by side and ways to balance, in the browser: what is drawn is the routing, and both train live."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest

from moeviz.config import RunConfig
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.content.methods import METHODS, all_methods, as_in_its_paper
from moeviz.training import opened
from tests.browser.opened_page import Stage, share, soon

pytestmark = pytest.mark.browser
TABLE = """(host) => [...host.querySelectorAll('tbody tr')].map((row) => [...row.querySelectorAll('td')].map(
    (cell) => [cell.dataset.state, cell.textContent]))"""
RACK = """(host) => [...host.querySelectorAll('.mv-rack:not(.mv-rack-head) .mv-rack-seats')].map(
    (rack) => [...rack.children].map((seat) => [seat.className.includes('mv-last'), seat.textContent]))"""


def open_routers(stage: Stage, **address: Any) -> Stage:
    stage.open(f"/routers?{urlencode(address)}")
    stage.until("part('seats-1').querySelector('td')")
    return stage


def drawn(configs: list[RunConfig], steps: int = 0) -> dict[str, Any]:
    """What the stage should draw of these runs."""
    runs = opened(configs)
    runs.step(steps)
    return {name: value.tolist() for name, value in runs.snapshot(("seating",)).arrays.items()}


def check_tables(stage: Stage, wanted: dict[str, Any], soft: tuple[bool, ...] = (False, False)) -> None:
    for run in range(2):
        table = stage.part(f"seats-{run}").evaluate(TABLE)
        for token, row in enumerate(table):
            for expert, (state, text) in enumerate(row):
                chosen, kept, position, weight = (
                    wanted[f"seating_{name}"][run][token][expert] for name in ("chosen", "kept", "position", "weight")
                )
                expected = "none" if not chosen else "kept" if kept else "skipped" if position < 0 else "dropped"
                written = f"{weight:.2f}".removeprefix("0") if soft[run] else str(position + 1)
                sign = {"none": "", "kept": written, "skipped": "–", "dropped": "✕"}[expected]
                assert (state, text) == (expected, sign), (run, token, expert)


def check_racks(stage: Stage, wanted: dict[str, Any], run: int) -> None:
    racks = stage.part(f"racks-{run}").evaluate(RACK)
    for expert, seats in enumerate(racks):
        queue = sorted(
            (row[expert], token) for token, row in enumerate(wanted["seating_position"][run]) if row[expert] >= 0
        )
        kept = wanted["seating_kept"][run]
        assert [text for _, text in seats[: len(queue)]] == [str(t + 1) if kept[t][expert] else "✕" for _, t in queue]
        if wanted["seating_dropped"][run][0] == wanted["seating_dropped"][run][0]:  # seats are limited
            (places,) = wanted["seating_places"][run]
            assert [place for place, (last, _) in enumerate(seats) if last] == [places - 1]
            assert len(seats) == max(places, len(queue))
    loads = stage.part(f"racks-{run}").locator(".mv-rack:not(.mv-rack-head) > span:nth-child(3)").all_inner_texts()
    assert sum(0 if "<" in each else share(each) for each in loads) == 100


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("switch", "gshard"),
        *(pytest.param(a, b, marks=pytest.mark.slow) for a, b in pairwise(ROUTER_NAMES)),
    ],
)
def test_positions_and_drops_are_those_of_the_routing(stage, left, right):
    open_routers(stage, left=left, right=right, capacity_factor=1, gate_skew=1)
    base = RunConfig(capacity_factor=1.0, gate_skew=1.0)
    configs = [as_in_its_paper(base, router) for router in (left, right)]
    wanted = drawn(configs)
    soon(lambda: check_tables(stage, wanted, (left == "soft", right == "soft")))
    for run, router in enumerate((left, right)):
        if router != "soft":
            check_racks(stage, wanted, run)


def test_both_train_live_and_the_tables_follow(stage):
    open_routers(stage)
    assert stage.data()["state"] == "paused" and stage.data()["step"] == "0"
    stage.part("charts").scroll_into_view_if_needed()
    soon(lambda: check_ticks(stage))
    stage.press("leap")
    stage.until("stage.step === 50 && stage.state === 'paused'")
    configs = [as_in_its_paper(RunConfig(capacity_factor=1.25), router) for router in ("switch", "gshard")]
    wanted = drawn(configs, 50)
    soon(lambda: check_tables(stage, wanted))
    stage.press("play")
    stage.until("stage.step > 60")
    stage.part("charts").scroll_into_view_if_needed()
    stage.until("part('charts').querySelectorAll('.legendtext').length >= 4")
    names = [text.text_content() for text in stage.page.locator('[data-part="charts"] .legendtext').all()]
    assert {"left", "right"} <= {str(name).partition(":")[0] for name in names}


def test_the_weights_can_be_read_instead_of_the_places(stage):
    open_routers(stage, left="top_k", right="mixtral")
    stage.page.locator('[data-choice="shows"][data-value="weight"]').click()
    row = stage.part("seats-1").evaluate(TABLE)[0]
    weights = [float(text) for state, text in row if state == "kept"]
    assert len(weights) == 2 and sum(weights) == pytest.approx(1, abs=0.011)


def test_a_slider_turns_both_and_a_router_is_exchanged(stage):
    open_routers(stage, left="top_k", right="gshard")
    stage.page.get_by_role("slider", name="Skew of the scores").press("End")
    stage.until("stage.revision > 0")
    wanted = drawn(
        [as_in_its_paper(RunConfig(capacity_factor=1.25, gate_skew=4.0), each) for each in ("top_k", "gshard")]
    )
    soon(lambda: check_tables(stage, wanted))
    stage.page.get_by_role("combobox", name="Router on the right").click()
    stage.page.get_by_role("option", name="expert choice: experts pick tokens").click()
    stage.until("part('title-1').textContent === 'expert choice, k = 2'")
    stage.until("part('says-1').textContent === 'Experts choose: read down a column.'")
    soon(lambda: check_right(stage, "expert_choice"))


def test_strange_addresses_are_answered(stage):
    open_routers(stage, left="nobody", right="<b>x</b>", draws="many", router="hash")
    stage.page.get_by_text("left must be one of").wait_for()
    assert stage.part("title-1").inner_text() == "GShard, k = 2"


def test_ways_to_balance_train_together_and_each_row_tells_its_numbers(stage):
    stage.open("/methods")
    stage.until("part('curves-0').querySelector('path').getAttribute('d') !== null")
    assert stage.data()["state"] == "paused"
    stage.press("leap")
    stage.until("stage.step === 50 && stage.state === 'paused'")
    runs = opened(all_methods(RunConfig()))
    runs.step(50)
    header = runs.snapshot().header

    def check() -> None:
        for run, method in enumerate(METHODS.values()):
            said = stage.part(f"curves-{run}").locator("b").all_inner_texts()
            names = ("test_metric", "cv_load", "specialization", method.lost)
            assert said == [f"{header[name][run]:.2f}" for name in names], method.label

    soon(check)
    assert stage.part("title-7").inner_text() == "Seats and drops"


def test_one_run_that_diverges_is_named_and_the_other_trains_on(stage):
    open_routers(stage, left="mixtral", right="noisy_top_k", task="bumps", learning_rate=1.5)
    stage.press("leap")
    stage.until("stage.step === 50 && stage.state === 'paused' && !part('stopped-0').hidden")
    said = "diverged near step 10: its loss exploded or is not a number. Lower the learning rate (1.5)."
    assert stage.part("stopped-0").inner_text() == f"Stands still: it {said}"
    assert not stage.part("stopped-1").is_visible()
    assert stage.part("banner").locator("span").inner_text() == f"Mixtral, k = 2 {said} The other trains on."
    stage.until("part('seats-0').outerHTML.includes('Stands still: it diverged near step 10')")  # in words too
    stage.page.get_by_role("button", name="Go back and lower the learning rate").click()
    stage.until("part('stopped-0').hidden && stage.step === 0")
    stage.page.wait_for_function("() => !new URLSearchParams(location.search).has('learning_rate')")


@pytest.mark.slow
def test_both_pages_show_a_first_picture_soon(stage, report):
    for path, ready in (
        ("/routers", "part('seats-1').querySelector('td')"),
        ("/methods", "part('curves-0').querySelector('b')"),
    ):
        stage.open(path)
        stage.until(ready)
        seconds = stage.page.evaluate("performance.now() / 1000")
        report(f"first picture of {path}, warm server", seconds, "s")


def check_ticks(stage: Stage) -> None:
    """No chart has two ticks of the same number, however small its numbers are."""
    script = "all => all.map((axis) => [...axis.querySelectorAll('.ytick, .y2tick')].map((tick) => tick.textContent))"
    axes = stage.part("charts").locator(".yaxislayer-above").evaluate_all(script)
    assert len(axes) >= 4 and all(len(set(ticks)) == len(ticks) > 0 for ticks in axes), axes


def check_right(stage: Stage, router: str) -> None:
    assert stage.query()["right"] == router
