"""The Playground as a machine to play with: every button, knob and gesture, and that what it shows is the real run."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from moeviz.config import RunConfig
from moeviz.figures.palette import HUES, letter
from moeviz.training import Training
from moeviz.ui.run.address import HEARD
from tests.browser.opened_page import Stage, share, soon, stage_in

pytestmark = pytest.mark.browser
UNIT = 0.01  # shown loads are rounded down or up to this, so that they add up; what is said of one token is rounded


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
        assert share(bar["value"]) == pytest.approx(prob, abs=UNIT / 2 + 1e-4 + slack)
        assert share(bar["below"]) == pytest.approx(weight, abs=UNIT / 2 + 1e-4 + slack)
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert curve["balance loss, before λ y"] == pytest.approx(history["balance_loss"].tolist(), rel=1e-3)


@pytest.mark.slow
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


def channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


def expected_colors(picture: str, run: Training) -> list[list[str]]:
    """The colors that each of 64 × 64 cells may have in a picture, where no token and no line covers it."""
    snapshot = run.snapshot(want=("first_choice", "confidence", "prediction"))
    first = snapshot.winner[0].ravel()
    chosen = np.unpackbits(snapshot.chosen[0].reshape(len(first), -1), axis=-1, bitorder="little").astype(bool)
    if picture == "top_k":
        return [[HUES[place] for place in np.flatnonzero(each)] for each in chosen]
    if picture == "prediction":
        return [[("#D6D6D6", "#5E5E5E")[int(each)]] for each in snapshot.prediction[0].ravel()]
    light, dark = np.array([244, 239, 250]), np.array([45, 0, 75])
    shades = [np.rint(light + each / 255 * (dark - light)).astype(int) for each in snapshot.confidence[0].ravel()]
    return [["#" + "".join(f"{each:02X}" for each in shade)] for shade in shades]


def off(color: str, allowed: list[str]) -> float:
    """How far a color is, in its worst channel, from an allowed one, or from a mix of two (at the edge of a stripe)."""
    seen, first, last = (np.array(channels(each), dtype=float) for each in (color, allowed[0], allowed[-1]))
    along = last - first
    share = np.clip((seen - first) @ along / max(along @ along, 1), 0, 1)
    return float(np.abs(seen - first - share * along).max())


@pytest.mark.parametrize(
    "picture", ["top_k", *(pytest.param(name, marks=pytest.mark.slow) for name in ("confidence", "prediction"))]
)
def test_every_picture_agrees_with_the_routing(stage, picture):
    stage.open().train_to(50)
    stage.page.locator(f'[data-tab="{picture}"]').click()
    stage.until("stage.picture === value", picture)
    shown = stage.colors("canvas", 64)
    allowed = expected_colors(picture, trained(RunConfig()))
    near = [off(color, may) <= 6 for color, may in zip(shown, allowed, strict=True)]
    assert np.mean(near) > 0.8  # the rest lies under tokens, letters and borders
    stage.page.locator('[data-tab="first_choice"]').click()
    stage.until("stage.picture === 'first_choice'")


# The colors at the lower left of each small map's badge.
BADGES = """
(canvas, count) => {
    const [columns, ratio] = [Math.ceil(Math.sqrt(count)), canvas.width / canvas.clientWidth];
    const side = (canvas.clientWidth - 6 * (columns - 1)) / columns;
    return Array.from({ length: count }, (_, index) => {
        const [x, y] = [index % columns, Math.floor(index / columns)].map((at) => at * (side + 6));
        const { data } = canvas.getContext('2d').getImageData((x + 5) * ratio, (y + 27) * ratio, 1, 1);
        return '#' + [...data].slice(0, 3).map((byte) => byte.toString(16).padStart(2, '0')).join('').toUpperCase();
    });
}
"""


@pytest.mark.slow
def test_small_maps_show_every_expert_and_the_ring_comes_back(stage):
    stage.open("/playground?num_experts=12&play=0")
    for picture in ("gate", "expert_output"):
        stage.page.locator(f'[data-tab="{picture}"]').click()
        stage.until("stage.picture === value && part('ring').hidden", picture)
        assert stage.part("canvas").evaluate(BADGES, 12)[:8] == list(HUES)
    stage.page.locator('[data-tab="first_choice"]').click()
    stage.until("stage.picture === 'first_choice' && !part('ring').hidden")


def test_from_k_3_one_asks_where_an_expert_is_chosen(stage):
    stage.open("/playground?top_k=3&play=0").train_to(50)
    stage.page.locator('[data-tab="top_k"]').click()
    stage.until("stage.picture === 'top_k'")
    snapshot = trained(RunConfig(top_k=3)).snapshot(want=("first_choice",))
    chosen = np.unpackbits(snapshot.chosen[0].reshape(4096, -1), axis=-1, bitorder="little").astype(bool)
    for place in (2, 5):
        stage.part("field").focus()
        stage.page.keyboard.press("ABCDEFGH"[place].lower())
        stage.until("part('heading').textContent.includes(`Where is ${value} among`)", "ABCDEFGH"[place])
        shown = np.array([color == HUES[place] for color in stage.colors("canvas", 64)])
        assert np.mean(shown == chosen[:, place]) > 0.85


@pytest.mark.slow
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
    expect(stage.slider("num_experts")).to_have_value("8")  # the page follows its picture
    assert stage.step == 100
    stage.until_query(seed="3", play="0", balance_coef="0.01")
    stage.page.go_back()
    stage.until("stage.revision === 4")
    stage.until_query(seed="3", play="0")
    expect(stage.slider("balance_coef")).to_have_attribute("aria-valuetext", "0")
    assert stage.step == 100


@pytest.mark.slow
def test_the_probe_stays_where_it_was_put_each_time(stage):
    stage.open().train_to(1)
    snapshot = trained(RunConfig(), 1).snapshot
    for across, down in [(60, 90), (300, 120), (200, 330), (330, 60)]:
        stage.part("field").click(position={"x": across, "y": down})
        stage.turn("balance_coef", "ArrowRight")  # the page runs again, and sends its data
        stage.page.wait_for_function("() => new URLSearchParams(location.search).has('probe')")
        width = stage.part("field").evaluate("field => field.clientWidth")
        extent = snapshot().extent
        wanted = ((2 * across / width - 1) * extent, (1 - 2 * down / width) * extent)
        soon(partial(check_shown_probe, stage, snapshot(probe=wanted)))


def test_the_gray_ghost_is_the_run_without_the_last_change(stage):
    stage.open().train_to(50)
    stage.turn("balance_coef", "End")
    stage.train_to(100)
    untouched = trained(RunConfig(), 100)
    stage.until("part('load-note').textContent.endsWith('Gray: without λ 0→100.')")
    share = "bar.querySelector('.mv-ghost').offsetHeight / bar.querySelector('.mv-track').clientHeight"
    heights = stage.part("load-0").locator(".mv-bar").evaluate_all(f"bars => bars.map((bar) => {share})")
    load = untouched.snapshot().load[0]
    assert np.corrcoef(heights, load)[0, 1] > 0.99
    gray = stage.curve()["gray: task loss y"]
    assert gray == pytest.approx(untouched.history["task_loss"][5:].tolist(), rel=1e-3)
    stage.press("reset")
    stage.until("stage.step === 0 && part('load-note').textContent.endsWith('the first only.')")


SAMPLED = """async (count) => {
    const root = document.querySelector('.mv-stage');
    const bars = (part) => [...root.querySelectorAll(`[data-part="${part}"] .mv-bar`)].map((bar) => [
        parseFloat(bar.querySelector('.mv-fill').style.height), bar.querySelector('.mv-value').textContent,
        bar.classList.contains('mv-solid'), bar.querySelector('.mv-below').textContent,
    ]);
    const part = (name) => root.querySelector(`[data-part="${name}"]`).textContent;
    const found = [];
    while (found.length < count) {
        await new Promise(requestAnimationFrame);
        const steps = ['counter', 'load-note', 'spoken'].map(part);
        found.push([bars('probe-bars'), bars('load-0'), ...steps]);
    }
    return found;
}"""


def test_bars_and_their_numbers_are_of_one_frame_at_any_speed(stage):
    """At every refresh of the screen what is read off is what is seen; and what comes more slowly says its step."""
    stage.open("/playground")
    stage.page.locator('[data-speed="fast"]').click()
    stage.until("stage.step > 100")
    samples = stage.page.evaluate(SAMPLED, 120)
    assert len({str(loads) for _, loads, *_ in samples}) > 5  # they changed meanwhile
    for probe, loads, counter, note, spoken in samples:
        step = int(counter.replace("\u202f", ""))
        for height, value, solid, below in probe:
            assert abs(height / 100 - share(value)) < 0.0101 and solid == bool(below)
        whole = sum(height for height, *_ in loads)
        for height, value, *_ in loads:
            shown = float(value.rstrip("†").replace("<1", "0"))
            assert abs(height / whole - shown / 100) < 0.0101 and ("†" not in value or height == 0)
        said = [int(text.split(":")[0].removeprefix("Step ").replace("\u202f", "")) for text in (note, spoken) if text]
        assert all(each <= step for each in said) and said[0] > step - 50, (step, note, spoken)
