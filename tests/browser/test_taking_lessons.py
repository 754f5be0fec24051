"""Lessons in the browser: a prediction before the run, a mark by the run, keys alone, and in front of a class."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from moeviz.config import RunConfig
from moeviz.lessons import lessons
from moeviz.lessons.lesson import Lesson
from moeviz.training import Training
from tests.browser.opened_page import Stage, soon
from tests.browser.test_access import findings

pytestmark = pytest.mark.browser


def button(stage: Stage, name: str):
    return stage.page.get_by_role("button", name=name, exact=True)


def open_at(stage: Stage, lesson: Lesson, step: int, more: str = "") -> None:
    stage.open(f"/lessons?lesson={lesson.key}&step={step}{more}")
    stage.until("stage.lesson === 'asking' && stage.state === 'paused' && stage.step === value", waits(lesson, step))


def waits(lesson: Lesson, step: int) -> int:
    return lesson.run.wait if step == lesson.num_steps else lesson.steps[step - 1].train


def predict(stage: Stage, lesson: Lesson, answer: str | float, seed: int = 0) -> None:
    """Give a prediction and start the run; until then there is no way to train."""
    expect(button(stage, "Run it")).to_be_disabled()
    expect(button(stage, "Next lesson ▶")).to_be_disabled()
    for part in ("play", "step", "leap", "reset"):
        expect(stage.part(part)).to_be_hidden()
    if isinstance(answer, str):
        stage.page.get_by_text(lesson.prediction.choices[answer].text, exact=True).click()
    else:
        box = stage.page.locator(f".st-key-answer_{lesson.key}_{seed} input")
        box.fill(f"{answer:g}")
        box.press("Enter")
    button(stage, "Run it").click()
    stage.until("stage.lesson !== 'asking' && stage.step > value", lesson.run.wait)
    stage.page.locator('[data-speed="fast"]').click()


def verdict(stage: Stage, lesson: Lesson) -> str:
    """All that the page says once the run has come to its end and is marked."""
    stage.until("stage.lesson === 'told' && stage.step === value && stage.state === 'paused'", lesson.run.end)
    stage.page.locator('[data-testid="stAlert"]').wait_for()
    stage.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    return stage.page.locator('[data-testid="stMain"]').inner_text()


def test_a_wrong_prediction_is_marked_wrong_by_this_run_and_may_be_tried_again(stage):
    lesson = lessons()["cost"]
    open_at(stage, lesson, 2)
    expect(stage.page.get_by_text("Wrong.")).to_have_count(0)
    predict(stage, lesson, 8)
    said = verdict(stage, lesson)
    assert "Wrong. You said 8; it is 3.67." in said
    # by hand, for one input: gate 2·2·8 = 32, an expert 2·(2·32 + 32·2) = 256; 32 + 256, and 32 + 4·256
    assert "288 operations with k = 1, 1056 with k = 4" in said
    stage.page.get_by_role("link", name="✗ not yet right").wait_for()
    assert "passed" not in stage.query()
    button(stage, "Try another seed").click()
    stage.until("stage.lesson === 'asking' && stage.step === 0")
    stage.until_query(lesson="cost", step="2", seed="1")
    predict(stage, lesson, 4, seed=1)
    assert "Right. You said 4; it is 3.67." in verdict(stage, lesson)
    stage.until_query(lesson="cost", step="2", seed="1", passed="cost")
    training = Training([RunConfig(hidden_width=32, top_k=1, seed=1)])
    training.step(200)
    shown = re.search(r"Accuracy: (\d+)% and", verdict(stage, lesson))
    assert shown and float(shown[1]) / 100 == pytest.approx(training.history["test_metric"].iloc[-1], abs=0.02)
    button(stage, "Next lesson ▶").click()
    stage.until_query(lesson="more_experts", step="1", passed="cost")
    stage.page.get_by_role("heading", name="More experts, more capacity").wait_for()


def test_no_lesson_passes_by_next_and_progress_outlives_another_page(stage):
    open_at(stage, lessons()["collapse"], 1, "&passed=softmax,top_k")
    button(stage, "Next ▶").click()
    stage.until_query(lesson="collapse", step="2", passed="softmax,top_k")
    expect(button(stage, "Next lesson ▶")).to_be_disabled()
    for key in ("ArrowRight", " ", ".", "r"):
        stage.page.evaluate("() => document.activeElement?.blur()")
        stage.page.keyboard.press(key)
    button(stage, "Back").or_(button(stage, "◀ Back")).click()
    stage.until_query(lesson="collapse", step="1", passed="softmax,top_k")
    assert stage.step == 0
    stage.page.get_by_role("link", name="Home", exact=True).click()
    stage.page.get_by_role("button", name="Turn the knobs yourself").wait_for()
    stage.page.get_by_role("link", name="Lessons", exact=True).click()
    stage.page.get_by_role("heading", name="Collapse").wait_for()
    soon(lambda: expect(stage.page.get_by_role("link", name="✓ right")).to_have_count(2))


@pytest.mark.slow
@pytest.mark.parametrize("key", lessons())
def test_every_lesson_passes_from_its_first_step_to_its_mark(stage, key):
    lesson = lessons()[key]
    open_at(stage, lesson, 1)
    for step, look in enumerate(lesson.steps, 1):
        stage.until("stage.lesson === 'asking' && stage.step === value", waits(lesson, step))
        stage.page.get_by_text(look.say.replace("**", "")[:30]).first.wait_for()
        button(stage, "Next ▶").click()
        stage.until_query(lesson=key, step=str(step + 1))
    stage.until("stage.lesson === 'asking' && stage.step === value", lesson.run.wait)
    predict(stage, lesson, lesson.prediction.expected)
    said = verdict(stage, lesson)
    assert "Right. You said" in said and "Wrong." not in said
    assert findings(stage) == []
    for point in lesson.points:
        assert point.claim.split("**")[1] in said and point.about in said
    stage.until_query(lesson=key, step=str(lesson.num_steps), passed=key)


@pytest.mark.slow
def test_keys_alone_take_a_class_through_a_lesson(stage):
    lesson = lessons()["collapse"]
    open_at(stage, lesson, 1, "&present=1")
    small = [(text, size) for text, size in stage.texts() if size < 20]
    assert not small
    expect(stage.page.get_by_role("link", name="Home", exact=True)).to_be_hidden()
    stage.page.keyboard.press("ArrowRight")
    stage.until_query(lesson="collapse", step="2", present="1")
    stage.page.keyboard.press("ArrowLeft")
    stage.until_query(lesson="collapse", step="1", present="1")
    stage.page.keyboard.press("ArrowRight")
    stage.until_query(lesson="collapse", step="2", present="1")
    stage.until("stage.lesson === 'asking' && stage.step === 0")
    tab_to(stage, "input")
    stage.page.keyboard.type("3")
    stage.page.keyboard.press("Enter")
    expect(button(stage, "Run it")).to_be_enabled()
    tab_to(stage, "button", "Run it")
    stage.page.keyboard.press("Enter")
    assert "Right. You said 3" in verdict(stage, lesson)
    assert not [(text, size) for text, size in stage.texts() if size < 20]
    stage.page.evaluate("() => document.activeElement?.blur()")
    stage.page.keyboard.press("ArrowRight")
    stage.until_query(lesson="balance", step="1", present="1", passed="collapse")
    stage.page.keyboard.press("p")
    stage.until_query(lesson="balance", step="1", passed="collapse")
    stage.page.get_by_role("link", name="Home", exact=True).wait_for()


def tab_to(stage: Stage, tag: str, text: str = "") -> None:
    """Press Tab until such an element has the focus."""
    for _ in range(40):
        stage.page.keyboard.press("Tab")
        here = stage.page.evaluate("() => [document.activeElement.localName, document.activeElement.textContent]")
        if here[0] == tag and text in here[1]:
            return
    raise AssertionError(f"the Tab key never comes to {tag} {text!r}")
