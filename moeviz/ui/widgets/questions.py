"""Questions and answers on pages: links to them, the search, and the way from an answer to the Playground."""

from __future__ import annotations

import streamlit as st

from moeviz.config import RunConfig
from moeviz.content.questions import MEASURED, QUESTIONS, Example, Question, about, find
from moeviz.ui.run.knobs import show

PAGE, PLAYGROUND = "../../pages/questions.py", "../../pages/playground.py"
FIRST = next(iter(QUESTIONS))
LONGEST = 200  # letters of a search that are read


def questions_about(place: str) -> None:
    """A button that unfolds the questions that arise on a page, each a link to its answer."""
    opened = st.popover("Questions about this", key="questions_about", on_change="rerun")
    if opened.open:
        with opened, st.container(key="about", gap="xxsmall"):
            links(about(place))


def links(keys: list[str]) -> None:
    """A link for each question."""
    for key in keys:
        st.page_link(PAGE, label=QUESTIONS[key].text, query_params={"ask": key})


def asked() -> str:
    """The key of the question that the address asks; the first one where it asks none that there is."""
    key = st.query_params.get("ask")
    if key in QUESTIONS:
        st.query_params["ask"] = key  # a link from one question to another leaves the browser's address as it was
        return key
    if key is not None:
        st.warning("The address asks a question that is not here. Search for it, or choose one below.")
    return FIRST


def search() -> None:
    """A box that finds questions while somebody types."""
    text = st.text_input("Search the questions", key="search", placeholder="gradient zero", live=True, type="search")
    if not text:
        return
    matches = find(text[:LONGEST])
    with st.container(key="found", gap="xxsmall"):
        links(matches)
        if not matches:
            st.markdown("No question has all these words. Try fewer, or choose one below.")


def choose_example(key: str, question: Question) -> Example:
    """The setting to show: the one chosen where there are several."""
    examples = {example.label: example for example in question.examples}
    if len(examples) == 1:
        return next(iter(examples.values()))
    label = st.segmented_control(
        "Setting", list(examples), default=next(iter(examples)), key=f"scene_{key}", required=True
    )
    return examples[label]


def numbers(question: Question) -> list[tuple[str, str, int]]:
    """The live numbers that prove the point, for the stage: label, name in the frame's header, digits."""
    return [(MEASURED[name][0], name, MEASURED[name][1]) for name in question.numbers]


def open_in_playground(example: Example) -> None:
    """A button for each run of an example that takes it to the Playground."""
    for index, config in enumerate(example.configs):
        name = f"“{example.titles[index]}”" if example.titles else "this"
        if st.button(f"Open {name} in the Playground", key=f"open_{index}", on_click=show_config, args=[config]):
            st.switch_page(PLAYGROUND)


def show_config(config: RunConfig) -> None:
    """The Playground opens with what the visitor's session says."""
    show(config)
    st.session_state.pop("preset", None)
