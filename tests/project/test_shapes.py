"""The check of shapes itself: each function is looked at in its first calls, at new shapes, and in the next test."""

from __future__ import annotations

from dataclasses import dataclass

import jaxtyping
import pytest
import torch
from jaxtyping import Float, jaxtyped
from torch import Tensor

from moeviz.models.moe_layer import MoE
from tests import shapes


@jaxtyped(typechecker=shapes.checked)
def first(a_TD: Float[Tensor, "T D"], b_D: Float[Tensor, " D"]) -> Float[Tensor, "T D"]:
    return a_TD


@jaxtyped(typechecker=shapes.checked)
def second(a_T: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    return a_T.unsqueeze(0)  # not what it says


@jaxtyped(typechecker=shapes.checked)
@dataclass
class Both:
    a_T: Float[Tensor, " T"]
    b_T: Float[Tensor, " T"]


def wrong(columns: int = 4) -> None:
    first(torch.ones(2, 3), torch.ones(columns))


def test_a_function_is_looked_at_in_its_first_calls_at_new_shapes_and_in_the_next_test() -> None:
    for _ in range(shapes.ALWAYS):
        with pytest.raises(jaxtyping.TypeCheckError):
            wrong()
    wrong()
    with pytest.raises(jaxtyping.TypeCheckError):
        wrong(columns=5)
    wrong(columns=5)
    with pytest.raises(jaxtyping.TypeCheckError):  # another function, and what it returns
        second(torch.ones(3))
    shapes.begin()
    with pytest.raises(jaxtyping.TypeCheckError):
        wrong()


def test_new_shapes_are_looked_at_in_so_many_calls() -> None:
    for columns in range(4, shapes.AT_MOST + 4):
        with pytest.raises(jaxtyping.TypeCheckError):
            wrong(columns)
    wrong(columns=1000)


def test_so_is_what_a_dataclass_is_made_of() -> None:
    Both(torch.ones(2), torch.ones(2))
    with pytest.raises(jaxtyping.TypeCheckError):
        Both(torch.ones(2), b_T=torch.ones(3))
    for _ in range(shapes.ALWAYS):
        Both(torch.ones(2), torch.ones(2))
    with pytest.raises(jaxtyping.TypeCheckError):
        Both(a_T=torch.ones(2), b_T=torch.ones(4))


def test_so_is_a_function_of_the_app() -> None:
    model = MoE("top_k", "linear", "dense", 2, 1, 1, biased_gate=False)
    no_runs_AP = torch.zeros(3, model.row_width)  # numbers have their runs in front: R, A, P
    with pytest.raises(jaxtyping.TypeCheckError, match="R A P"):
        model.routed(no_runs_AP)


def test_a_test_may_ask_that_nothing_be_looked_at() -> None:
    with shapes.unexecuted():
        wrong()
    with pytest.raises(jaxtyping.TypeCheckError):
        wrong()
