""" "Show code": the very functions that a page just used, read from their files without importing them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[3]


def show_code(*places: str) -> None:
    """An expander with the source of each place, written as "moeviz.routers:top_k"."""
    expander = st.expander("Show code", key="show_code", on_change="rerun")
    for place in places if expander.open else ():
        module, name = place.split(":")
        expander.caption(f"`{name}` in `{module}`: {caption(place)}")
        expander.code(source(place), language="python")


def sources(places: Mapping[str, Sequence[str]]) -> dict[str, list[dict[str, str]]]:
    """The sources of several places under each name, for a picture that shows them itself."""
    return {name: [{"place": each, "source": source(each)} for each in some] for name, some in places.items()}


def source(place: str) -> str:
    """The source text of one function or class; ValueError if there is none."""
    text, node = _find(place)
    return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])  # whole lines: a comment may end the last


def caption(place: str) -> str:
    """The first line of its docstring."""
    return (ast.get_docstring(_find(place)[1]) or "").split("\n")[0]


@cache
def _find(place: str) -> tuple[str, ast.FunctionDef | ast.ClassDef]:
    module, name = place.split(":")
    # not by importlib, which would import the packages above the module, and torch with them
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        raise ValueError(f"code to show must be in a module of moeviz: got {place}; check the module's name")
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return text, node
        if isinstance(node, ast.ImportFrom) and any(name == (each.asname or each.name) for each in node.names):
            return _find(f"{node.module}:{name}")  # a package passes on what its files define
    raise ValueError(f"code to show must name a function or class of its module: got {place}; check the name")
