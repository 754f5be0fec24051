"""The page "Ask a question" and the links to it, without a browser."""

# ruff: noqa: F401, F811  # fixtures that another file has

from __future__ import annotations

from typing import Any

import pytest

from moeviz.config import RunConfig
from moeviz.content.questions import MEASURED, QUESTIONS, about
from moeviz.ui.widgets.questions import FIRST, LONGEST
from tests.pages.test_pages import address, engine, healthy, no_search, picture, visit

EVERY = list(QUESTIONS)


def texts(app):
    return " ".join(each.value for each in app.markdown)


def links(app):
    return [each.proto.label for each in app.get("page_link")]


@pytest.mark.parametrize("key", EVERY)
def test_an_address_opens_a_question_with_its_answer_and_run(engine, key):
    question = QUESTIONS[key]
    app = healthy(visit("questions", ask=key))
    assert question.text in texts(app) and question.answer in texts(app)
    example = question.examples[0]
    assert engine.asked == [("open", example.configs)]
    shown = picture(app)
    assert shown["layout"] == ("twins" if example.titles else "playground") and shown["titles"] == list(example.titles)
    assert shown["numbers"] == [[MEASURED[name][0], name, MEASURED[name][1]] for name in question.numbers]
    assert question.look == shown["story"] or question.look in texts(app)
    assert len(app.code) == len(question.code)
    assert address(app)["ask"] == key


@pytest.mark.parametrize("asked", [{}, {"ask": "no such thing"}, {"ask": "<b>x</b> [a](b)"}])
def test_any_other_address_opens_the_first_question(engine, asked):
    app = healthy(visit("questions", **asked))
    assert QUESTIONS[FIRST].text in texts(app) and len(engine.asked) == 1
    assert len(app.warning) == len(asked) and not any(asked.get("ask", "?") in each.value for each in app.warning)


def test_another_question_is_another_run_from_step_0(engine):
    app = visit("questions", ask="letters")
    first = engine.open_run
    app.query_params["ask"] = "memory"
    healthy(app.run())
    assert [what for what, _ in engine.asked] == ["open", "open"] and engine.replaced == [None, first]


def test_another_setting_of_a_question_is_another_run(engine):
    app = visit("questions", ask="pizza")
    chooser: Any = app.get("button_group")[0]
    chooser.set_value("Gate bias")
    healthy(app.run())
    assert [configs[0].gate_bias for _, configs in engine.asked] == [False, True]


def test_a_search_lists_what_it_finds_as_links(engine):
    app = visit("questions")
    assert links(app) == [question.text for question in QUESTIONS.values()]
    healthy(app.text_input(key="search").set_value("slices pizza").run())
    assert links(app)[0] == QUESTIONS["pizza"].text and len(links(app)) == 1 + len(QUESTIONS)
    healthy(app.text_input(key="search").set_value("blockchain").run())
    assert len(links(app)) == len(QUESTIONS) and "No question has all these words" in texts(app)
    healthy(app.text_input(key="search").set_value("memory " * LONGEST).run())
    assert links(app)[0] == QUESTIONS["memory"].text
    assert len(engine.asked) == 1  # the run goes on meanwhile


@pytest.mark.parametrize(("place", "page"), [("home", "home"), ("playground", "playground")])
def test_pages_link_to_the_questions_that_arise_there(engine, place, page):
    app = visit(page)
    assert not links(app)  # folded up
    app.session_state.questions_about = True
    healthy(app.run())
    assert links(app) == [QUESTIONS[key].text for key in about(place)]
    assert [each.proto.query_string for each in app.get("page_link")] == [f"ask={key}" for key in about(place)]


def test_a_run_goes_to_the_playground(engine):
    app = visit("questions", ask="zero_loss")
    healthy(app.button(key="open_1").click().run())
    assert engine.asked[-1] == ("open", (RunConfig(top_k=1, balance_coef=100.0),))
    assert address(app) == {"top_k": "1", "balance_coef": "100"} and picture(app)["layout"] == "playground"
