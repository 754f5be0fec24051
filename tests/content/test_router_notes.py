"""Notes on routers and balance methods: one for each that there is, whole, with formulas that can be typeset."""

from __future__ import annotations

import dataclasses
import re

import pytest

from moeviz.config import LOSS_NAMES, ROUTER_NAMES
from moeviz.content.router_notes import BALANCE_NOTES, ROUTER_NOTES, Note

NOTES = [
    pytest.param(note, id=f"{kind} {key}")
    for kind, notes in (("router", ROUTER_NOTES), ("balance", BALANCE_NOTES))
    for key, note in notes.items()
]
WITHOUT_A_LOSS = {"none", "bias", "expert_choice", "drops"}  # ways to balance that add nothing to the loss


def test_every_router_and_way_to_balance_has_its_note() -> None:
    assert tuple(ROUTER_NOTES) == ROUTER_NAMES
    assert set(BALANCE_NOTES) == set(LOSS_NAMES) - {"importance_load"} | WITHOUT_A_LOSS  # the sum of two that have one
    for notes in (ROUTER_NOTES, BALANCE_NOTES):
        assert len({note.name for note in notes.values()}) == len(notes)


@pytest.mark.parametrize("note", NOTES)
def test_every_field_is_filled(note: Note) -> None:
    for field in dataclasses.fields(note):
        value = getattr(note, field.name)
        assert value if isinstance(value, int) else value.strip() == value != "", field.name
    assert 1991 <= note.year <= 2026
    assert re.fullmatch(r"\d{4}\.\d{5}|–", note.arxiv)
    if note.arxiv != "–":  # an identifier begins with year and month, of the paper's own or the year before
        assert 2000 + int(note.arxiv[:2]) in (note.year, note.year - 1)


@pytest.mark.parametrize("note", NOTES)
def test_an_idea_is_a_paragraph_of_three_to_five_sentences(note: Note) -> None:
    assert len(re.findall(r"[.:;?!](?= |$)", note.idea)) >= 3 and len(re.findall(r"\.(?= |$)", note.idea)) <= 5
    assert "\n" not in note.idea and len(note.idea) < 500


@pytest.mark.parametrize("note", NOTES)
def test_a_formula_can_be_typeset(note: Note) -> None:
    assert problems(note.formula) == []


@pytest.mark.parametrize(
    ("formula", "problem"),
    [(r"\frac{1}{N", "open: {"), (r"a}", "closed too often: }"), (r"\left(x", r"\left without \right"), ("a$b", "$")],
)
def test_the_check_of_formulas_finds_what_is_wrong(formula: str, problem: str) -> None:
    assert problem in problems(formula)


def problems(formula: str) -> list[str]:
    """What keeps a formula from being typeset: braces that do not match, unmatched \\left, dollar signs."""
    found, depth = [], 0
    for sign in re.findall(r"\\.|[{}]", formula):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            found.append("closed too often: }")
            depth = 0
    if depth:
        found.append("open: {")
    if len(re.findall(r"\\left\b", formula)) != len(re.findall(r"\\right\b", formula)):
        found.append(r"\left without \right")
    return found + (["$"] if "$" in formula else [])
