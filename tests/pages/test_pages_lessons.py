"""The page "Lessons" without a browser: where its address leads, what it asks of the engine, and when it grades."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from moeviz.engine import Engine
from moeviz.lessons import lessons
from moeviz.ui.page_parts import lessons as way
from moeviz.ui.page_parts.lessons import LessonStep, neighbor
from moeviz.ui.run import visitor
from tests.pages.test_pages import address, healthy, picture, visit

pytest.importorskip("torch")  # here, and not first in the engine's thread while pages are drawn

PATIENCE = 300.0


@pytest.fixture(scope="module", autouse=True)
def real() -> Iterator[Engine]:
    """An engine in this process behind the pages, whose runs need nobody to watch them."""
    with Engine(in_process=True, idle_pause=600, idle_free=600) as engine, pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
        for module in (visitor, way):
            patch.setattr(module, "engine", lambda: engine)
        yield engine


def button(app: AppTest, label: str) -> Any:
    return next(each for each in app.button if each.label == label)


def said(app: AppTest) -> str:
    return "\n".join(each.value for each in [*app.markdown, *app.success, *app.error, *app.warning])


def train(real: Engine, app: AppTest, until: int) -> None:
    """Let the page's run come to this step, as the browser asks for the first steps of one that waits."""
    token = picture(app)["token"]
    real.play(token, until=until)
    arrived(real, token, until)


def arrived(real: Engine, token: str, step: int) -> None:
    real.speed(token, "fast")
    deadline = time.monotonic() + PATIENCE
    while real.info(token)["step"] < step:
        assert time.monotonic() < deadline, real.info(token)
        time.sleep(0.02)


# ---- where ----------------------------------------------------------------------------------------------------------


def test_the_first_lesson_opens_paused_and_the_address_says_where(real: Engine) -> None:
    app = healthy(visit("lessons"))
    first = next(iter(lessons().values()))
    assert address(app) == {"lesson": first.key, "step": "1"}
    assert first.title in said(app) and first.steps[0].say in said(app)
    shown = picture(app)
    assert shown["lesson"] == "asking" and real.info(shown["token"])["state"] == "paused"
    healthy(button(app, "Next ▶").click().run())
    assert address(app)["step"] == "2" and first.steps[1].say in said(app)
    assert picture(app)["token"] != shown["token"]


@pytest.mark.parametrize(
    ("opened", "where", "notice"),
    [
        ({"lesson": "top_k", "step": "2"}, ("top_k", "2"), None),
        ({"lesson": "top_k", "step": "99"}, ("top_k", "2"), "step must be a whole number from 1 to 2: got '99'"),
        ({"lesson": "top_k", "step": "٣"}, ("top_k", "1"), "step must be a whole number from 1 to 2"),
        ({"lesson": "nonsense"}, ("mixture", "1"), "lesson must be one of mixture, softmax, top_k"),
        ({"lesson": "top_k", "passed": "cost,x"}, ("top_k", "1"), "passed must list lessons, among mixture, softmax"),
        ({"lesson": "top_k", "seed": "-4"}, ("top_k", "1"), "seed must be from 0 to 2147483647: got -4; using 0"),
    ],
)
def test_any_address_leads_somewhere_and_says_what_was_changed(
    opened: dict[str, str], where: tuple[str, str], notice: str | None
) -> None:
    app = healthy(visit("lessons", **opened))
    assert (address(app)["lesson"], address(app)["step"]) == where
    warned = "".join(each.value for each in app.warning).replace("\\", "").replace("\u2060", "")
    assert (notice or "") in warned and bool(warned) == bool(notice)
    assert ("passed" in address(app)) == ("passed" in opened)


def test_a_step_leads_to_the_next_but_a_lesson_only_once_it_is_marked() -> None:
    import streamlit as st

    first, second, *_, last = lessons().values()
    end = LessonStep(first, first.num_steps)
    assert neighbor(LessonStep(first), -1) is None and neighbor(LessonStep(first), 1) == LessonStep(first, 2)
    assert neighbor(end, 1) is None
    st.session_state["lessons_passed"] = {first.key, last.key}
    assert neighbor(end, 1) == LessonStep(second) and neighbor(LessonStep(second), -1) == end
    assert neighbor(LessonStep(last, last.num_steps), 1) is None
    st.session_state.clear()


# ---- predict, run, grade -------------------------------------------------------------------------------------------


def test_nothing_runs_before_the_prediction_and_the_run_marks_it(real: Engine) -> None:
    lesson = lessons()["cost"]
    app = healthy(visit("lessons", lesson="cost", step="2"))
    token = picture(app)["token"]
    assert button(app, "Run it").disabled and button(app, "Next lesson ▶").disabled
    assert real.info(token)["step"] == 0 and real.info(token)["state"] == "paused"
    healthy(app.number_input[0].set_value(9.0).run())
    healthy(button(app, "Run it").click().run())
    assert picture(app)["lesson"] == "running" and picture(app)["token"] == token
    assert lesson.prediction.because[:20] not in said(app) and not app.success and not app.error
    arrived(real, token, lesson.run.end)
    healthy(app.run())
    assert picture(app)["lesson"] == "told" and "You said 9; it is 3.67." in app.error[0].value
    assert "288 operations with k = 1, 1056 with k = 4" in said(app) and "passed" not in address(app)
    assert not button(app, "Next lesson ▶").disabled
    healthy(button(app, "Try another seed").click().run())
    assert address(app)["seed"] == "1" and picture(app)["token"] != token
    assert [config.seed for config in real.info(picture(app)["token"])["configs"]] == [1, 1]
    assert button(app, "Run it").disabled and not app.error


def test_a_knob_is_turned_where_the_run_waits_and_not_before(real: Engine) -> None:
    lesson = lessons()["balance"]
    app = healthy(visit("lessons", lesson="balance", step="2"))
    token = picture(app)["token"]
    assert picture(app)["warm"] == lesson.run.wait == 300
    healthy(app.number_input[0].set_value(0).run())
    healthy(button(app, "Run it").click().run())  # the browser has not yet let it come to step 300
    assert real.info(token)["configs"][0].balance_coef == 0
    train(real, app, 300)
    healthy(app.run())
    assert real.info(token)["configs"][0].balance_coef == 10
    arrived(real, token, lesson.run.end)
    healthy(app.run())
    assert "You said 0; it is 0." in app.success[0].value and address(app)["passed"] == "balance"
    healthy(app.switch_page("../../pages/home.py").run())
    healthy(app.switch_page("../../pages/lessons.py").run())
    assert address(app) == {"lesson": "balance", "step": "2", "passed": "balance"}
    assert app.success  # the grade stands, and its run is shown again


def test_a_setting_is_run_as_it_was_chosen(real: Engine) -> None:
    lesson = lessons()["together"]
    app = healthy(visit("lessons", lesson="together", step="2"))
    healthy(app.radio[0].set_value("dense").run())
    healthy(button(app, "Run it").click().run())
    token = picture(app)["token"]
    (config,) = real.info(token)["configs"]
    assert (config.num_experts, config.top_k, config.balance_coef) == (8, 8, 3.0)
    assert picture(app)["titles"] == [lesson.prediction.choices["dense"].text]


def test_a_run_that_went_too_far_begins_again(real: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = lessons()["cost"]
    app = healthy(visit("lessons", lesson="cost", step="2", seed="3"))
    token = picture(app)["token"]
    healthy(app.number_input[0].set_value(4.0).run())
    healthy(button(app, "Run it").click().run())
    arrived(real, token, lesson.run.end)
    real.step(token)  # as somebody might who is quicker than the page
    arrived(real, token, lesson.run.end + 1)
    healthy(app.run())
    assert picture(app)["token"] != token and picture(app)["lesson"] == "running"
    arrived(real, picture(app)["token"], lesson.run.end)
    healthy(app.run())
    assert "You said 4; it is 3.67." in app.success[0].value
