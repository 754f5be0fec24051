"""What presets say beside their stories, which `test_behavior.py` tests: nothing that their page does not have."""

from __future__ import annotations

import re

import pytest

from moeviz.config import TASK_INFO, TASK_NAMES, RunConfig
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.content.presets import PRESETS, try_next
from tests.scripts import javascript

ROUTERS = tuple(ROUTER_INFO)


@pytest.fixture(scope="module")
def tabs() -> tuple[set[str], set[str]]:
    """Pictures of a map, and what the Playground has below it."""
    pictures, panels, charts = javascript("""
        globalThis.document = { fonts: {} };
        const labels = (all) => Object.values(all).map(({ label }) => label);
        const { PICTURES } = await import('$/maps/pictures.js');
        const { PANELS } = await import('$/panels/panels.js');
        const { CHART_TITLES } = await import('$/charts/place.js');
        console.log(JSON.stringify([labels(PICTURES), labels(PANELS), CHART_TITLES]));""")
    return set(pictures), {*panels, charts["load"]}


def wrong(text: str, config: RunConfig, tabs: tuple[set[str], set[str]]) -> list[str]:
    """What is asked for that is not there."""
    info, (pictures, below) = TASK_INFO[config.task], tabs
    metric = "R²" if info.kind == "regression" else "Accuracy"
    there = (
        below | {metric} | (pictures if info.view == "map" else set()) | ({"Slow"} if info.view != "rows" else set())
    )
    fixed = {"k"} if ROUTER_INFO[config.router].k != "any" else set()
    asked = [each for each in re.findall("“([^”]+)”", text) if each not in there]
    return asked + [each for each in re.findall("drag (N|k|λ)", text) if each in fixed]


def test_every_preset_has_things_of_its_own_to_try_and_all_are_there(tabs):
    said = {name: try_next(preset.config, preset) for name, preset in PRESETS.items()}
    assert all(said.values()) and len(set(said.values())) == len(said)
    assert {name: wrong(said[name], preset.config, tabs) for name, preset in PRESETS.items()} == {
        name: [] for name in said
    }


@pytest.mark.parametrize(
    "task", [each for each in TASK_NAMES if TASK_INFO[each].view in ("map", "curve", "projection", "rows")]
)
def test_any_other_run_is_told_what_its_task_and_router_have(task, tabs):
    for router in ROUTERS:
        config, _ = RunConfig().nearest(task=task, router=router)
        said = try_next(config, None)
        assert said and wrong(said, config, tabs) == [], (router, said)
        alone, _ = config.nearest(num_experts=1, top_k=1)
        assert alone.num_experts > 1 or "drag N down" not in try_next(alone, None)


def test_a_sentence_that_asks_for_what_is_not_there_is_found(tabs):
    rows = RunConfig(task="digit_rows")
    assert wrong("choose “Sure” · choose “Slow” · drag k to 1", rows, tabs) == ["Sure", "Slow"]
    assert wrong("drag k to 1", RunConfig(router="switch", top_k=1), tabs) == ["k"]
