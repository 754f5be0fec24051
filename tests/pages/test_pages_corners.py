"""No combination of what a page offers, and no address, ends in anything but a picture: a walk of their corners."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from moeviz.config import KNOBS, TASK_INFO, workload
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.ui.run import visitor
from tests.pages.test_pages import RecordedEngine, healthy, picture, visit

PAGES = {"playground": "", "journey": "", "lab": "", "routers": "", "methods": "", "language": "languages",
         "vision": "pictures", "image_text": "pairs"}  # fmt: skip
"""Pages with knobs and a run, and the only task of those that have one."""


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> RecordedEngine:
    """One that refuses what would take too much, as workers do."""
    recorded = RecordedEngine()
    monkeypatch.setattr(visitor, "engine", lambda: recorded)
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    return recorded


def corners(name: str) -> list[str]:
    """The ends of a knob, as an address names them, or all its choices."""
    knob = KNOBS[name].on_page
    if knob.choices:
        return list(knob.choices)
    ends = ["false", "true"] if knob.kind is bool else [knob.write(knob.low), knob.write(knob.high)]
    return [*ends, *(["none"] if knob.optional else [])]


def checked(app: AppTest, engine: RecordedEngine) -> None:
    """Without an exception or an error, the picture is there, of runs that a page may have."""
    healthy(app)
    assert [each.value for each in app.error] == []
    refused = [each.value for each in app.warning if "did not take" in each.value or "could not" in each.value]
    assert refused == []
    for what, asked in engine.asked:
        if what in ("open", "reset"):
            assert workload.fits(asked)
    shown = picture(app)
    configs = next(asked for what, asked in reversed(engine.asked) if what in ("open", "reset"))
    if shown["titles"]:
        assert len(shown["titles"]) == len(configs)


# --- addresses -------------------------------------------------------------------------------------------------------

KNOWN = {  # addresses that were errors
    "language, dense network of 320 units": ("language", {"dense": "active", "top_k": "5"}),
    "language, dense network of 512 units": ("language", {"dense": "active", "hidden_width": "256", "top_k": "2"}),
    "image and text, dense network of 512": ("image_text", {"dense": "active", "hidden_width": "256", "top_k": "2"}),
    "vision, all of 32": ("vision", {"num_experts": "32", "top_k": "32"}),
    "vision, MLPs": ("vision", {"num_experts": "32", "top_k": "32", "experts": "mlp"}),
    "language, batch": ("language", {"batch_size": "512"}),
}  # fmt: skip


@pytest.mark.parametrize(("page", "address"), KNOWN.values(), ids=KNOWN)
def test_addresses_that_were_errors_show_their_page(engine, page, address):
    app = visit(page, **address)
    checked(app, engine)
    network = next(asked for what, asked in engine.asked if what == "open")[-1]
    no_dense = any("A dense twin may have at most 256 hidden units" in each.value for each in app.caption)
    assert no_dense is (network.num_experts > 1 and "batch_size" not in address)
    if "batch_size" in address:
        assert any("batch\\_size must be at most" in each.value for each in app.warning)


HEAVY = {"task": "digit_rows", "num_experts": "32", "top_k": "32", "hidden_width": "256", "batch_size": "512"}


@pytest.mark.parametrize("page", [page for page in PAGES if page != "journey"])  # whose points are never too much
def test_what_an_address_asked_too_much_of_is_said_before_the_picture(page):
    """Not below it: beside six twins on a phone that would be five screens further down."""
    app = visit(page, **HEAVY | ({"task": PAGES[page]} if PAGES[page] else {}))
    said = [f"{each.type} {getattr(each, 'value', '')}" for each in app.main]
    notice = next(place for place, each in enumerate(said) if "here, as more would" in each)
    assert notice < next(place for place, each in enumerate(said) if each.startswith("bidi_component"))


def test_a_journey_that_leaves_a_task_is_lowered_for_the_task_that_it_shows():
    """What would be too much for digits in rows is not too much for points, so nothing has to give way."""
    app = visit("journey", **HEAVY)
    config = app.session_state.config
    assert (config.task, config.hidden_width, config.batch_size) == ("clusters", 256, 512)
    assert not any("here, as more would" in each.value for each in app.warning)


def addresses(page: str, count: int) -> Iterator[dict[str, str]]:
    """All knobs at their lowest, all at their highest, and at random corners."""
    names = [name for name in KNOBS if name not in ("device", "seed", "task")]
    task = {"task": PAGES[page]} if PAGES[page] else {}
    yield task | {name: corners(name)[0] for name in names}
    yield task | {name: corners(name)[1] for name in names}
    for seed in range(count):
        pick = random.Random(seed)
        shared = [name for name, info in TASK_INFO.items() if not info.page]
        also = task or {"task": pick.choice(shared)}
        size = {"num_experts": "32", "top_k": pick.choice(["1", "5", "32"]), "hidden_width": "256", "dense": "active"}
        yield also | {name: pick.choice(corners(name)) for name in pick.sample(names, 8)} | size


def walk(page: str, count: int) -> None:
    for address in addresses(page, count):
        recorded = RecordedEngine()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(visitor, "engine", lambda recorded=recorded: recorded)
            print(page, json.dumps(address))  # shown where it fails
            checked(visit(page, **address), recorded)


@pytest.mark.parametrize("page", PAGES)
def test_addresses_of_all_knobs_at_their_corners_show_the_page(page):
    walk(page, 1)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_many_addresses_of_all_knobs_at_their_corners_show_the_page(page):
    walk(page, 16)


# --- widgets ---------------------------------------------------------------------------------------------------------


def turns(app: AppTest) -> list[tuple[str, Any, Any]]:
    """Kind, key and value of each end of each widget that a page shows now."""
    found: list[tuple[str, Any, Any]] = []
    for each in app.slider:
        found += [("slider", each.key, each.min), ("slider", each.key, each.max)]
    for each in (*app.select_slider, *app.selectbox):
        found += [(each.type, each.key, index) for index in (0, len(each.options) - 1)]
    found += [("toggle", each.key, value) for each in app.toggle for value in (True, False)]
    return [each for each in found if each[1] not in (None, "keys", "ghost")]


def turn(app: AppTest, kind: str, key: str, value: Any) -> bool:
    """Turn a widget, if the page still has it and it can be turned."""
    widget: Any = next((each for each in app.get(kind) if each.key == key), None)
    if widget is None or widget.disabled:
        return False
    if kind in ("select_slider", "selectbox"):
        if value >= len(widget.options):
            return False
        (widget.set_value if kind == "select_slider" else widget.select_index)(
            widget.options[value] if kind == "select_slider" else value
        )
    else:
        widget.set_value(value)
    app.run()
    return True


def walk_widgets(page: str, engine: RecordedEngine, count: int) -> None:
    """So many pairs of corners, turned one after the other without going back: what came before stays turned."""
    app = visit(page, **({"dense": "active"} if page in ("language", "image_text", "lab") else {}))
    checked(app, engine)
    pairs = list(itertools.combinations(turns(app), 2))
    for number, pair in enumerate(random.Random(page).sample(pairs, min(count, len(pairs)))):
        for each in pair:
            print(number, page, *each)  # shown where it fails
            turn(app, *each)
            checked(app, engine)


@pytest.mark.parametrize("page", PAGES)
def test_pairs_of_widgets_at_their_corners_show_the_page(engine, page):
    walk_widgets(page, engine, 3)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_many_pairs_of_widgets_at_their_corners_show_the_page(engine, page):
    walk_widgets(page, engine, 40)


def test_a_dense_network_that_cannot_be_leaves_with_a_caption_and_comes_back(engine):
    app = visit("language", dense="active", num_experts="12", top_k="4", batch_size="8")
    checked(app, engine)
    assert len(picture(app)["titles"]) == 2
    for k, count in ((5, 1), (4, 2)):
        turn(app, "slider", "knob_top_k", k)
        checked(app, engine)
        assert len(picture(app)["titles"]) == count
        assert any("A dense twin" in each.value for each in app.caption) is (count == 1)


def test_more_work_than_fits_is_lowered_with_a_word_and_the_widgets_follow(engine):
    app = visit("playground", task="digit_rows", num_experts="32", hidden_width="256", top_k="1", batch_size="128")
    checked(app, engine)
    turn(app, "slider", "knob_top_k", 32)
    checked(app, engine)
    config = app.session_state.config
    assert (config.num_experts, config.top_k) == (32, 32) and config.hidden_width < 256
    assert any("more would hold up other visitors" in each.value for each in app.toast)
    assert next(each for each in app.select_slider if each.key == "knob_hidden_width").value == config.hidden_width


def test_a_sweep_of_runs_that_take_too_much_says_so_before_any_is_trained():
    app = healthy(
        visit("sweep", task="digit_rows", batch_size="512", x="num_experts:32", y="top_k:32", each="hidden_width:256")
    )
    assert any("the runs of a page may take at most" in each.value for each in app.error)


def test_every_router_is_among_the_corners():
    assert corners("router") == list(ROUTER_NAMES) and corners("num_experts") == ["1", "32"]
