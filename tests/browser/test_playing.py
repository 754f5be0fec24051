"""The Playground as a machine to play with: every button, knob and gesture, and that what it shows is the real run."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.figures.palette import HUES, letter
from moeviz.training import Training
from moeviz.ui.address import HEARD
from tests.browser.driving import Stage, share, soon, stage_in

pytestmark = pytest.mark.browser
UNIT = 0.01  # shown shares are rounded down or up to this, so that they add up


def trained(config: RunConfig, steps: int = 50) -> Training:
    training = Training([config])
    training.step(steps)
    return training


def letters_of(training: Training) -> str:
    return "".join(letter(each) for each in training.ids_RE[0].tolist())


def check_probe(shown: dict[str, Any], snapshot: Any, slack: float = 0.0) -> None:
    """The probe's bars are those of the routing, to the shown rounding."""
    names = [letter(each) for each in snapshot.ids[0]]
    assert [bar["letter"] for bar in shown["probe"]] == names
    for bar, prob, weight, chosen in zip(
        shown["probe"], snapshot.probe_prob[0], snapshot.probe_weight[0], snapshot.probe_chosen[0], strict=True
    ):
        assert share(bar["value"]) == pytest.approx(prob, abs=UNIT + slack)
        assert share(bar["below"]) == pytest.approx(weight, abs=UNIT + slack)
        assert bool(bar["solid"]) == bool(chosen)
    weights = sorted(zip(snapshot.probe_weight[0], names, strict=True), reverse=True)
    for weight, name in weights[: snapshot.top_k[0]]:
        assert f"·E{name}(x)" in shown["line"], (weight, shown["line"])


def check_shown_probe(stage: Stage, snapshot: Any) -> None:
    check_probe(stage.numbers(), snapshot)


def check_numbers(shown: dict[str, Any], training: Training, probe: tuple[float, float] | None = None) -> None:
    """What the page says at this step is what the same run in this process says."""
    snapshot = training.snapshot(probe=probe)
    assert shown["step"] == snapshot.step
    assert shown["metric"] == f"test accuracy {math.floor(100 * snapshot.test_metric[0] + 0.5)} %"
    for bar, load, dead in zip(shown["load"], snapshot.load[0], snapshot.dead[0], strict=True):
        assert share(bar["value"]) == pytest.approx(100 * load, abs=100 * UNIT)
        assert ("†" in bar["value"]) == dead
    check_probe(shown, snapshot)


def check_map(stage: Stage, winners: np.ndarray) -> None:
    """Colors on the screen are the hues of the router's first choices, where neither marker nor border lies on them."""
    wanted = [HUES[winner] for winner in winners.flat]  # nobody has come or gone: ids are 0 to 7
    seen = [pair for pair in zip(stage.colors("canvas", 64), wanted, strict=True) if pair[0] in HUES]
    assert len(seen) > 0.5 * 64 * 64
    assert np.mean([color == hue for color, hue in seen]) > 0.97  # borders are smoothed
    assert len({hue for _, hue in seen}) >= 4


def test_play_pause_step_and_reset(stage):
    stage.open("/playground")
    stage.until("stage.step > value", stage.step)
    stage.press("play")
    stage.until("stage.state === 'paused'")
    at = stage.step
    assert stage.part("counter").inner_text() == str(at)
    stage.press("step")
    stage.until("stage.step > value", at)
    assert stage.step == at + 1  # more, if it had not really paused
    stage.press("leap")
    stage.until("stage.step >= value", at + 51)
    assert stage.step == at + 51
    stage.press("play")
    stage.until("stage.state === 'running' && stage.step > value", at + 60)
    stage.press("play", "reset")
    stage.until("stage.state === 'paused' && stage.step === 0")
    assert stage.part("counter").inner_text() == "0"


def test_reset_gives_the_same_curve_and_another_seed_another(stage):
    stage.open()
    stage.train_to(52)
    first, curve = stage.numbers(), stage.curve()
    stage.press("reset")
    stage.until("stage.step === 0")
    assert stage.curve() != curve and stage.numbers() != first
    stage.train_to(52)
    assert stage.numbers() == first and stage.curve() == curve
    assert curve["task loss x"] == [0, 10, 20, 30, 40, 50, 52]
    stage.page.get_by_text("More", exact=True).click()
    stage.page.locator(".st-key-knob_seed input").fill("1")
    stage.page.keyboard.press("Enter")
    stage.until("stage.step === 0")
    stage.page.get_by_test_id("stToast").get_by_text("Started again from step 0").wait_for()
    stage.train_to(52)
    assert stage.curve()["task loss y"] != curve["task loss y"]
    stage.until_query(play="0", seed="1")


def test_turning_knobs_keeps_the_run(stage):
    """λ, k and N act on the very weights that were there: the same run, in this process, goes the same way."""
    stage.open().train_to(20)
    run = trained(RunConfig(), 20)
    stage.turn("balance_coef", "End")
    run.set(balance_coef=100.0)
    stage.train_to(50)
    run.step(30)
    stage.turn("top_k", "ArrowRight")
    run.set(top_k=3)
    check_numbers(stage.numbers(), run)
    stage.until_query(play="0", balance_coef="100", top_k="3")
    stage.curve()
    assert [20, "λ 0→100"] in stage.chart_labels()  # every change leaves a mark
    stage.turn("num_experts", "ArrowRight")
    run.set(num_experts=9)
    assert stage.letters() == "ABCDEFGHI" and stage.step == 50
    check_numbers(stage.numbers(), run)
    for num_experts in (8, 7, 6):  # the least loaded leaves each time; the others keep their letters
        stage.turn("num_experts", "ArrowLeft")
        run.set(num_experts=num_experts)
        assert stage.letters() == letters_of(run)
    stage.train_to(60)
    run.step(10)
    check_numbers(stage.numbers(), run)
    stage.press("play")
    stage.until("stage.step > 60 && stage.state === 'running'")


def test_two_browsers_at_one_address_see_the_run_that_a_script_trains(stage, browser, server):
    config = RunConfig(num_experts=6, top_k=1, balance_coef=10.0, seed=3, noise=0.1)
    address = "/playground?play=0&" + "&".join(f"{name}={value}" for name, value in config.to_url().items())
    stage.open(address).train_to(50)
    with stage_in(browser, server) as other:
        other.open(address).train_to(50)
        assert other.numbers() == stage.numbers() and other.curve() == stage.curve()
    run = trained(config)
    check_numbers(stage.numbers(), run)
    history, curve = run.history, stage.curve()
    assert curve["task loss x"] == history["step"].tolist() == [0, 10, 20, 30, 40, 50]
    assert curve["task loss y"] == pytest.approx(history["task_loss"].tolist(), rel=1e-4)
    assert curve["balance loss, raw y"] == pytest.approx(history["balance_loss"].tolist(), rel=1e-3)


def test_arrow_keys_move_the_probe_and_agree_with_the_routing(stage):
    stage.open("/playground?play=0&probe=1,0.5&top_k=3").train_to(50)
    run = trained(RunConfig(top_k=3))
    check_numbers(stage.numbers(), run, (1.0, 0.5))
    extent = run.snapshot().extent
    stage.part("field").focus()
    x, y = 1.0, 0.5
    before = stage.data()["firstChoice"]
    for key, dx, dy in [("ArrowLeft", -1, 0), ("Shift+ArrowLeft", -4, 0), ("Shift+ArrowDown", 0, -4)] * 6:
        stage.page.keyboard.press(key)
        x, y = (min(max(each, -extent), extent) for each in (x + dx * extent / 40, y + dy * extent / 40))
        soon(partial(check_shown_probe, stage, run.snapshot(probe=(x, y))))
    assert stage.data()["firstChoice"] != before  # half across the map: another expert


def test_the_map_and_a_dragged_probe_agree_with_the_routing(stage):
    stage.open().train_to(50)
    run = trained(RunConfig())
    winners, names = run.snapshot(want=("first_choice",)).winner[0], letters_of(run)
    check_map(stage, winners)
    box = stage.part("field").bounding_box()
    assert box is not None
    stage.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    stage.page.mouse.down()
    letters = set()
    for across, down in [(0.8, 0.2), (0.2, 0.2), (0.2, 0.8), (0.8, 0.8), (0.9, 0.5)]:
        stage.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=4)
        wanted = names[winners[int(64 * down), int(64 * across)]]
        stage.until("stage.firstChoice === value", wanted)
        assert stage.bars("probe-bars")["ABCDEFGH".index(wanted)]["solid"]
        letters.add(wanted)
    assert len(letters) >= 3  # or it would not have shown much
    stage.page.mouse.up()
    stage.page.wait_for_function("() => new URLSearchParams(location.search).has('probe')")
    x, y = (float(each) for each in stage.query()["probe"].split(","))
    extent = run.snapshot().extent
    assert (x / extent, y / extent) == pytest.approx((0.8, 0.0), abs=0.02)
    check_probe(stage.numbers(), run.snapshot(probe=(x, y)), slack=0.01)  # the address has three digits
    stage.open(stage.page.url.removeprefix(stage.address)).train_to(50)
    check_probe(stage.numbers(), run.snapshot(probe=(x, y)))


def test_the_probe_stays_in_the_address_when_a_knob_is_turned(stage):
    stage.open("/playground?seed=3&play=0")
    stage.part("field").click(position={"x": 60, "y": 90})
    stage.page.wait_for_function("() => new URLSearchParams(location.search).has('probe')")
    probe = stage.query()["probe"]
    stage.turn("balance_coef", "ArrowRight")
    stage.until_query(seed="3", play="0", balance_coef="0.01", probe=probe)


def test_back_undoes_a_knob_and_keeps_the_run(stage):
    stage.open("/playground?seed=3&play=0").train_to(100)
    stage.turn("balance_coef", "ArrowRight")
    stage.until_query(seed="3", play="0", balance_coef="0.01")
    stage.turn("num_experts", "ArrowLeft")
    stage.until_query(seed="3", play="0", balance_coef="0.01", num_experts="7")
    stage.page.wait_for_timeout(1000 * HEARD)
    stage.page.go_back()
    stage.until("part('load-0').querySelectorAll('.mv-bar').length === 8")
    assert stage.slider("num_experts").input_value() == "8" and stage.step == 100
    stage.until_query(seed="3", play="0", balance_coef="0.01")
    stage.page.go_back()
    stage.until("stage.revision === 4")
    stage.until_query(seed="3", play="0")
    assert stage.slider("balance_coef").get_attribute("aria-valuetext") == "0" and stage.step == 100
