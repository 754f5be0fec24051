"""Pictures and words that a model compares: who serves which tokens, and what is found for what, among test items."""

from __future__ import annotations

import json
import weakref

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz import metrics
from moeviz.config import TASK_INFO
from moeviz.routers import Routing
from moeviz.tasks.pairs import PIXELS, catalog, tokens, word_numbers
from moeviz.training.measure import segments
from moeviz.training.objective import NEAREST
from moeviz.training.state import State
from moeviz.training.views.bytes import Arrays, floats, integers

LEAST, MOST = 0.2, 0.75  # of a fair share of all tokens; of an expert's own tokens


def items(state: State) -> Arrays:
    """The test items themselves: pictures, and names with the four tokens of each; changes only with the data."""
    emoji = catalog()
    number_M = state.data.measured_test.target[0].tolist()
    named = [[[name, *tokens(name)] for name in emoji.names[number]] for number in number_M]
    return {"item_picture": emoji.pictures_MYX3[number_M], "item_words": _text(named)}


def pairs(state: State, probe: tuple[float, float] | None) -> Arrays:
    """Who serves every token of the test items, and what the model finds for the chosen one, both ways."""
    tested = state.data.measured_test
    y_RMO, routing = answers(state)
    item = round(min(max(probe[0] if probe else 0, 0), tested.count - 1))
    cosine_RNMN = cosines(y_RMO[:, [item]], y_RMO)[:, :, 0]  # of the chosen item's parts with all parts of all items
    by_name_RNM, by_picture_RMN = cosine_RNMN[:, 1:, :, 0], cosine_RNMN[:, 0, :, 1:]
    picture, name = by_name_RNM.topk(NEAREST), by_picture_RMN.mT.topk(NEAREST)
    share_REN = shares(state, routing)
    return {
        "pair_share": floats(share_REN), "pair_owner": integers(owners(share_REN)),
        "pair_expert": integers(metrics.server(routing).unflatten(1, (tested.count, -1))),
        "pair_picture": _numbers(picture.indices), "pair_picture_score": floats(picture.values),
        "pair_name": _numbers(name.indices), "pair_name_score": floats(name.values),
        "pair_item": np.full((len(y_RMO), 1), item, dtype="i2"),
    }  # fmt: skip


def found(state: State, given: str) -> Arrays:
    """The nearest test pictures to a visitor's own word, which need not queue, and who serves its tokens."""
    others_RMD = state.data.measured_test.x_RTD
    x_R1D = others_RMD[:, :1].clone()
    x_R1D[..., PIXELS:] = torch.tensor(word_numbers(given)).flatten().repeat(_names()).to(x_R1D)
    knobs = state.model.alone(state.rows_RAP, others_RMD, state.routing_knobs_for(1))
    y_R1O, routing = state.model(state.rows_RAP, x_R1D, knobs)
    nearest = cosines(y_R1O, answers(state)[0])[:, 1, 0, :, 0].topk(NEAREST)
    first, count = TASK_INFO["pairs"].parts[:2]
    return {
        "found_picture": _numbers(nearest.indices), "found_score": floats(nearest.values),
        "found_expert": integers(metrics.server(routing)[:, first : first + count]),
        "found_words": _text(tokens(given)),
    }  # fmt: skip


_answered: weakref.WeakKeyDictionary[State, tuple[Tensor, object, tuple[Tensor, Routing]]]
_answered = weakref.WeakKeyDictionary()


def answers(state: State) -> tuple[Float[Tensor, "R M O"], Routing]:
    """What the present weights make of the test items, computed once for all pictures of a moment."""
    rows_RAP, setting, known = _answered.get(state, (None, None, None))
    if known is None or rows_RAP is not state.rows_RAP or setting != state.setting:
        tested = state.data.measured_test
        known = state.model(state.rows_RAP, tested.x_RTD, state.routing_knobs_for(tested.count))
        _answered[state] = state.rows_RAP, state.setting, known
    return known


def cosines(a_RMO: Float[Tensor, "R M O"], b_RMO: Float[Tensor, "R M2 O"]) -> Float[Tensor, "R N M M2 N"]:
    """How alike every part of every item in `a` is to every part of every item in `b`: 1 = the same direction."""
    a_RMNO, b_RMNO = (
        torch.nn.functional.normalize(each.unflatten(-1, (_names() + 1, -1)), dim=-1) for each in (a_RMO, b_RMO)
    )
    return torch.einsum("raps,rbqs->rpabq", a_RMNO, b_RMNO)


def shares(state: State, routing: Routing) -> Float[Tensor, "R E N"]:
    """Of the tokens of pictures, and of names in each language: the share that each expert is the first choice of."""
    return metrics.share_of_each(routing, segments(state), state.data.tasks[0].num_segments)


def owners(share_EN: Float[Tensor, "*R E N"]) -> Int[Tensor, "*R E"]:
    """Whose expert each one is: 0 nobody's, 1 of pictures, 2 of words (most of its tokens are of these), 3 of both.

    A part counts by its tokens. Nobody's is an expert with less than a fifth of a fair share of all tokens.
    """
    count_EN = share_EN * torch.tensor(TASK_INFO["pairs"].parts).to(share_EN)
    total_E, pictures_E = count_EN.sum(-1), count_EN[..., 0]
    served = total_E >= LEAST * total_E.mean(-1, keepdim=True)
    return served * (3 - 2 * (pictures_E > MOST * total_E).long() - (pictures_E < (1 - MOST) * total_E).long())


def _names() -> int:
    return len(TASK_INFO["pairs"].parts) - 1


def _text(value: object) -> np.ndarray:
    """JSON as bytes."""
    return np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), dtype="u1")


def _numbers(value: Tensor) -> np.ndarray:
    return value.to(torch.int16).cpu().numpy()
