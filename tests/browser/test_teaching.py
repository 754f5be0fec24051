"""The Playground in front of a class: first steps, keys, present mode, slow motion, the panels below, and the words."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from moeviz.config import RunConfig
from moeviz.content.presets import PRESETS
from moeviz.figures.palette import letter
from moeviz.training import Training
from tests.browser.opened_page import Stage, soon, stage_on

pytestmark = pytest.mark.browser
TO_10 = ("End", "ArrowLeft", "ArrowLeft", "ArrowLeft")  # λ's slider ends with the stops 10, 20, 50, 100
DRAWN = """part('travel').width > 300 && part('travel').getContext('2d')
    .getImageData(0, 0, part('travel').width, part('travel').height).data.some(Boolean)"""  # 300: as a canvas is born

SLOW = "Slow: each dot is an input"
KEYS_ARE_OFF = """
() => {
    const covers = () => {
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'h', bubbles: true }));
        return !document.querySelector('[data-part=cover]').hidden;
    };
    return !covers() || covers();
}
"""  # what it covered is uncovered again


def trained(config: RunConfig, steps: int = 50) -> Training:
    training = Training([config])
    training.step(steps)
    return training


def press_key(stage: Stage, name: str) -> None:
    """A key pressed by somebody who is not inside any part of the page."""
    stage.page.evaluate("() => document.activeElement?.blur()")
    stage.page.keyboard.press(name)


def turn_to_10(stage: Stage) -> None:
    stage.turn("balance_coef", *TO_10)
    stage.until("new URLSearchParams(location.search).get('balance_coef') === '10'")


def show_tab(stage: Stage, name: str) -> None:
    stage.page.locator(f'[data-tab="{name}"]').click()
    stage.page.locator(".mv-panel:visible").scroll_into_view_if_needed()


# --- the first steps -------------------------------------------------------------------------------------------------


def test_the_first_steps_tick_themselves_and_a_story_takes_their_place(stage):
    stage.open()
    stage.until("part('guide').dataset.seen === '' && part('guide').textContent.includes('1 of 3: Watch')")
    stage.train_to(300)
    stage.until(
        "part('guide').dataset.seen === '0' && part('guide').textContent.includes('2 of 3: Drag λ to about 10')"
    )
    turn_to_10(stage)
    assert stage.part("guide").get_attribute("data-seen") == "0" and stage.part("idle").inner_text() != "0"
    stage.until("part('guide').textContent.includes('Paused: press Play')")
    stage.press("play")
    stage.until("part('guide').dataset.seen === '01' && part('guide').textContent.includes('3 of 3: Set k to 1')")
    stage.press("play")
    stage.turn("top_k", "ArrowLeft")
    stage.part("field").focus()
    for name in ["Shift+ArrowLeft"] * 20 + ["Shift+ArrowRight"] * 20:  # from side to side
        stage.page.keyboard.press(name)
        if stage.part("guide").get_attribute("data-seen") == "012":
            break
    stage.until("part('guide').dataset.seen === '012' && part('guide').textContent.includes('All three seen')")
    assert stage.part("guide").locator("b").inner_text() == "✓ ✓ ✓"
    stage.page.get_by_role("button", name="Spiral", exact=True).click()
    stage.until("part('guide').textContent.trim() === value && stage.step === 0", PRESETS["spiral"].story)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_keys_train_reset_hide_and_ask_for_an_expert(stage):
    stage.open("/playground?top_k=3&play=0")
    press_key(stage, " ")
    stage.until("stage.state === 'running' && stage.step > value", stage.step)
    stage.page.locator('[data-tab="confidence"]').click()
    stage.page.keyboard.press(" ")  # not the tab that was clicked a moment ago
    stage.until("stage.state === 'paused'")
    stage.page.locator('[data-tab="first_choice"]').click()
    at = stage.step
    press_key(stage, ".")
    stage.until("stage.step > value", at)
    assert stage.step == at + 1
    press_key(stage, "r")
    stage.until("stage.step === 0 && stage.state === 'paused'")
    press_key(stage, "h")
    stage.until("!part('cover').hidden && part('main').inert && part('cover').contains(document.activeElement)")
    for name in ("Tab", "Shift+Tab"):
        stage.page.keyboard.press(name)
        assert not stage.part("main").evaluate("main => main.contains(document.activeElement)")
    press_key(stage, "h")
    stage.until("part('cover').hidden && !part('main').inert")
    stage.page.locator('[data-tab="top_k"]').click()
    stage.until("stage.picture === 'top_k'")
    stage.part("field").focus()
    stage.page.keyboard.press("h")
    stage.until("part('heading').textContent.includes('Where is H among the 3 chosen?')")
    assert stage.part("cover").is_hidden()
    press_key(stage, "h")  # away from the map it hides again
    stage.until("!part('cover').hidden")
    stage.part("cover").get_by_role("button").click()
    stage.until("part('cover').hidden && !part('main').inert")


def test_number_keys_start_presets_and_p_presents(stage):
    stage.open("/playground?seed=3&play=0").train_to(3)
    presets = list(enumerate(PRESETS.items(), 1))
    for number, (name, preset) in [presets[0], *presets[2:4]]:  # the opening one has its story, too
        press_key(stage, str(number))
        stage.until("stage.step === 0 && part('guide').textContent.trim() === value", preset.story)
        stage.until_query(play="0", **preset.config.to_url())
        assert stage.letters() == "".join(map(letter, range(preset.config.num_experts))), name
        expect(stage.slider("num_experts")).to_have_value(str(preset.config.num_experts))
        stage.train_to(2)
    press_key(stage, "p")
    stage.until("root.classList.contains('mv-present')")
    soon(lambda: check_presented(stage, True))
    press_key(stage, "p")
    stage.until("!root.classList.contains('mv-present')")
    soon(lambda: check_presented(stage, False))
    assert stage.step == 2  # the run went on


def check_presented(stage: Stage, presented: bool) -> None:
    assert ("present" in stage.query()) == presented
    assert stage.page.get_by_text("More", exact=True).is_visible() != presented
    assert stage.page.get_by_role("button", name="Spiral", exact=True).is_visible() != presented


@pytest.mark.slow
def test_keys_mean_nothing_while_typing_with_ctrl_or_switched_off(stage):
    stage.open().train_to(1)
    query = stage.query()
    stage.page.get_by_text("More", exact=True).click()
    for knob, text in (("task", " .rhp3"), ("seed", ".")):
        field = stage.page.locator(f".st-key-knob_{knob} input")
        field.click()
        field.press_sequentially(text)
        field.press("Escape")
    stage.page.locator(".st-key-knob_seed input").fill("0")
    for name in ("Control+.", "Control+h", "Alt+3", "Control+ "):
        press_key(stage, name)
    press_key(stage, ".")  # answers come in order: had a key before it counted, there would be more than one step
    stage.until("stage.step === 2 && stage.state === 'paused'")
    assert stage.part("cover").is_hidden() and stage.query() == query
    stage.page.locator(".st-key-keys label").click()

    stage.page.wait_for_function(KEYS_ARE_OFF, polling=250)
    for name in (".", " ", "3", "p", "r"):
        press_key(stage, name)
    stage.press("step")
    stage.until("stage.step === 3 && stage.state === 'paused'")
    assert stage.query() == query


# --- present mode and slow motion ------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_experts", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_present_mode_is_large_and_all_on_one_screen(stage, num_experts):
    stage.open(f"/playground?present=1&play=0&num_experts={num_experts}")
    press_key(stage, ".")
    stage.until("stage.step === 1")
    texts = stage.texts()
    assert [(text, size) for text, size in texts if size < 20] == []
    labels = ["Experts (N)", "Active experts (k)", "Balance weight (λ)"]
    assert {*labels, "Leave (P)", "Play"} <= {text for text, _ in texts}
    sliders = [stage.slider(name) for name in ("num_experts", "top_k", "balance_coef")]
    shown = [stage.part(name) for name in ("play", "canvas", "probe-bars", "load-0")]
    stage.in_view(*shown, *sliders, *(stage.page.get_by_text(label, exact=True) for label in labels))
    buttons = stage.page.locator("button:visible").all_inner_texts()
    assert [text for text in buttons if text] == [
        "Leave (P)",
        "Play",
        "Reset",
        "Hide (H)",
    ]  # beside the knobs' question marks
    assert not stage.page.locator("summary:visible, [role=tab]:visible, [data-testid=stHeader]:visible").count()


def test_slow_motion_sends_the_batch_on_its_way(stage):
    stage.open()
    stage.page.locator('[data-speed="slow"]').click()
    stage.press("play")
    stage.until(DRAWN)
    stage.until(f"part('guide').textContent.includes('{SLOW}')")
    stage.page.locator('[data-tab="gate"]').click()
    stage.until(f"stage.picture === 'gate' && !part('guide').textContent.includes('{SLOW}')")
    stage.page.locator('[data-tab="first_choice"]').click()
    stage.page.locator('[data-speed="watch"]').click()
    stage.press("play")
    stage.until(f"!({DRAWN})")


@pytest.mark.slow
def test_who_wants_no_motion_sees_no_token_fly(warm_context, server):
    with stage_on(warm_context, server, reduced_motion="reduce") as stage:
        stage.open()
        stage.page.locator('[data-speed="slow"]').click()
        stage.press("play")
        stage.until("stage.step >= 2")
        assert not stage.page.evaluate(
            f"() => {{ const part = (name) => document.querySelector(`[data-part=${{name}}]`); return {DRAWN}; }}"
        )
        assert SLOW not in stage.part("guide").inner_text()


# --- below the map ---------------------------------------------------------------------------------------------------


def test_squares_groups_and_log_say_what_the_run_says(stage):
    stage.open("/playground?play=0&seed=3").train_to(50)
    turn_to_10(stage)
    run = trained(RunConfig(seed=3))
    show_tab(stage, "squares")
    panel = stage.page.locator(".mv-panel:visible")
    panel.locator(".mv-squares").wait_for()
    probs = run.snapshot().mean_prob[0].astype(float)
    errors = [prob - 1 / 8 for prob in probs]
    total = sum(error**2 for error in errors)
    said = panel.locator("p").first
    expect(said).to_contain_text("λ = 10")
    numbers = [float(each) for each in re.findall(r"\d+\.\d+", said.inner_text())]
    assert numbers == pytest.approx([total, 10 * total], abs=1e-3)
    assert numbers[0] == pytest.approx(total, abs=1e-4)
    cells = panel.locator(".mv-squares > div")
    assert cells.count() == 8
    for index, error in enumerate(errors):
        text = cells.nth(index).locator("span").inner_text()
        assert float(text.replace("−", "-")) == pytest.approx(error, abs=0.0051)
        side = cells.nth(index).locator("i").bounding_box()
        assert side is not None
        assert side["width"] == pytest.approx(max(96 * abs(error) / max(map(abs, [*errors, 1 / 8])), 4), abs=1)
    show_tab(stage, "groups")
    table = panel.locator("tbody")
    table.wait_for()
    shot = run.snapshot(want=("groups",))
    shown = [[float(each) for each in row.locator("td").all_inner_texts()] for row in table.locator("tr").all()]
    beside = zip(shot.group_share[0], shot.load[0], strict=True)  # each expert's load is the last column
    assert shown == [pytest.approx([*(100 * share_J), 100 * load], abs=0.99) for share_J, load in beside]
    assert (np.sum(shown, 0) == 100).all()  # a unit more or less where they would not add up
    numbers = [float(each) for each in re.findall(r"\d\.\d\d", panel.locator("p").first.inner_text())]
    assert numbers == pytest.approx([shot.specialization[0], shot.group_baseline[0]], abs=0.0051)
    show_tab(stage, "numbers")
    shown = [[float(each) for each in row.locator("td").all_inner_texts()] for row in table.locator("tr").all()]
    columns = ("probe_prob", "probe_weight", "load", "mean_prob", "importance", "gradient_norm", "update_share")
    for name, column in zip(columns, np.transpose(shown), strict=True):
        assert column == pytest.approx(getattr(shot, name)[0], abs=0.051 if name == "importance" else 6e-5)
    assert f"train loss {shot.task_loss[0]:.4f}" in panel.locator("p").first.inner_text()
    assert "Share of steps with an input" in panel.inner_text()
    assert "token" not in stage.page.locator(".mv-stage").inner_text()
    show_tab(stage, "changes")
    expect(panel.locator("li")).to_have_text(["step 50: λ 0→10"])


def test_of_experts_that_have_just_arrived_nothing_is_made_up(stage):
    stage.open("/playground?play=0").train_to(50)
    stage.turn("num_experts", *["ArrowRight"] * 3)
    show_tab(stage, "numbers")
    table = stage.page.locator(".mv-panel:visible").locator("tbody")

    def check() -> None:
        rows = [row.locator("td").all_inner_texts() for row in table.locator("tr").all()]
        assert [row[-2:] for row in rows[8:]] == [["–", "–"]] * 3  # gradient norm, share of steps
        assert all("–" not in row for row in rows[:8]) and all("–" not in row[:-2] for row in rows[8:])

    soon(check)


def test_a_run_that_has_settled_says_so_and_stands_still(stage):
    stage.open("/playground?task=plane&expert=linear&num_experts=1&top_k=1&learning_rate=0.1")
    stage.page.locator('[data-speed="fast"]').click()
    stage.until("part('guide').textContent.includes('Settled') && stage.state === 'paused'")
    assert stage.step >= 600  # 60 measurements


# --- in words --------------------------------------------------------------------------------------------------------


def told(run: Training) -> dict[str, list[float]]:
    """The percentages that each picture's words must name, in their order."""
    shot = run.snapshot(want=("first_choice", "confidence", "prediction", "gate"))
    chosen = np.unpackbits(shot.chosen[0].reshape(64 * 64, -1), axis=-1, bitorder="little").mean(0)
    first, answers = (np.bincount(cells[0].ravel()) / cells[0].size for cells in (shot.winner, shot.prediction))
    sure = shot.confidence[0] / 255
    found = {
        "first_choice": sorted(first[first > 0], reverse=True), "top_k": chosen,
        "confidence": [(sure >= 0.9).mean(), (sure < 0.5).mean()],
        "prediction": sorted(answers[answers > 0], reverse=True), "gate": shot.gate[0].mean((1, 2)) / 255,
        "expert_output": chosen,
    }  # fmt: skip
    return {name: [100 * each for each in shares] for name, shares in found.items()}


@pytest.mark.slow
def test_every_picture_is_told_in_words_with_its_step(stage):
    stage.open().train_to(50)
    heard = set()
    for picture, percents in told(trained(RunConfig())).items():
        stage.page.locator(f'[data-tab="{picture}"]').click()
        stage.until("stage.picture === value", picture)
        opening = re.escape(f"{stage.part('heading').inner_text()}. Step 50. ")
        expect(stage.part("field")).to_have_attribute("aria-label", re.compile(f"^{opening}"))
        said = stage.part("field").get_attribute("aria-label") or ""
        assert [float(each) for each in re.findall(r"(\d+) %", said)] == pytest.approx(percents, abs=0.51), picture
        heard.add(said)
    assert len(heard) == 6
