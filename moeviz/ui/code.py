""" "Show code": the very functions that a page just used, read from their files without importing them."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import streamlit as st


def show_code(*places: str) -> None:
    """An expander with the source of each place, written as "moeviz.routers:top_k"."""
    expander = st.expander("Show code", key="show_code", on_change="rerun")
    for place in places if expander.open else ():
        module, name = place.split(":")
        expander.caption(f"`{name}` in `{module}`: {caption(place)}")
        expander.code(source(place), language="python")


def source(place: str) -> str:
    """The source text of one function or class; ValueError if there is none."""
    text, node = _find(place)
    return ast.get_source_segment(text, node) or ""


def caption(place: str) -> str:
    """The first line of its docstring."""
    return (ast.get_docstring(_find(place)[1]) or "").split("\n")[0]


@cache
def _find(place: str) -> tuple[str, ast.FunctionDef | ast.ClassDef]:
    module, name = place.split(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"code to show must be in a module of moeviz: got {place}; check the module's name")
    text = Path(spec.origin).read_text(encoding="utf-8")
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
    for node in nodes:
        if node.name == name:
            return text, node
    raise ValueError(f"code to show must name a function or class of its module: got {place}; check the name")
