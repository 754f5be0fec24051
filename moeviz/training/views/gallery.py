"""The pictures of the view `pictures`: who serves which patch, what each expert likes, and a visitor's own drawing."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from moeviz import metrics
from moeviz.tasks.pictures import SIDE, centered, fitted, ink, patches, unpatched
from moeviz.training import from_configs
from moeviz.training.state import State
from moeviz.training.views.bytes import Arrays, floats, integers, shades

OF_EACH_CLASS = 2  # test pictures that are drawn
LIKED = 5  # pictures that each expert likes most


def gallery(state: State) -> Arrays:
    """Some test pictures of every class: what the model answers, and who serves each patch."""
    test = state.data.measured_test
    shown_RM = torch.stack([some_of_each(target_T) for target_T in test.target])
    x_RMD = _picked(test.x_RTD, shown_RM)
    y_RMO, routing = state.model(state.rows_RAP, x_RMD, state.routing_knobs_for(x_RMD.shape[1]))
    return {
        "gallery_pixels": _ink(x_RMD), "gallery_target": integers(test.target.gather(1, shown_RM)),
        "gallery_answer": integers(y_RMO.argmax(-1)),
        "gallery_expert": integers(from_configs.by_token(state.configs, metrics.server(routing))),
    }  # fmt: skip


def some_of_each(target_T: Int[Tensor, " T"]) -> Int[Tensor, " P"]:
    """The places of the first few of every class, class by class; of a rare one the last of them again."""
    places = [(target_T == each).nonzero()[:OF_EACH_CLASS, 0] for each in range(int(target_T.max()) + 1)]
    return torch.cat([torch.cat([each, each[-1:].expand(OF_EACH_CLASS - len(each))]) for each in places if len(each)])


def liked(state: State) -> Arrays:
    """Which expert serves which class, which pictures its gate probability is largest for, and how each domain fares.

    Of a picture whose patches go separate ways, the mean over its patches counts.
    """
    test, classes = state.data.measured_test, state.data.tasks[0].num_outputs
    y_RMO, routing = state.model(state.rows_RAP, test.x_RTD, state.routing_knobs_for(test.count))
    units = from_configs.units_per_input(state.configs)
    share_REO = metrics.share_of_each(routing, test.target.repeat_interleave(units, dim=-1), classes)
    prob_RME = routing.probs_TE.unflatten(1, (-1, units)).mean(2)
    best = prob_RME.mT.topk(min(LIKED, test.count))
    x_REMD = torch.stack([x_MD[liked_EM] for x_MD, liked_EM in zip(test.x_RTD, best.indices, strict=True)])
    right_RM = (y_RMO.argmax(-1) == test.target).float()
    domain_RMJ = torch.nn.functional.one_hot(test.segment_RT, state.data.tasks[0].num_segments).float()
    return {
        "class_share": floats(share_REO),
        "liked_pixels": _ink(x_REMD), "liked_prob": floats(best.values),
        "domain_metric": floats((right_RM.unsqueeze(1) @ domain_RMJ).squeeze(1) / domain_RMJ.sum(1)),
    }  # fmt: skip


def drawn(state: State, given: tuple[float, ...]) -> Arrays:
    """What the model makes of a visitor's own picture, which is fitted first; nothing of one of another size."""
    if len(given) != SIDE * SIDE:
        return {}
    image_YX = fitted(torch.tensor(given, dtype=torch.float64).unflatten(0, (SIDE, SIDE)))
    x_R1D = patches(centered(image_YX)).to(state.rows_RAP).expand(len(state.configs), 1, -1)
    others_RMD = state.data.measured_test.x_RTD
    knobs = state.model.alone(state.rows_RAP, others_RMD, state.routing_knobs_for(1))  # it need not queue
    y_R1O, routing = state.model(state.rows_RAP, x_R1D, knobs)
    return {
        "drawn_pixels": _ink(x_R1D)[:, 0], "drawn_class": floats(y_R1O[:, 0].softmax(-1)),
        "drawn_prob": floats(routing.probs_TE.mean(1)), "drawn_weight": floats(routing.gates_TE.mean(1)),
        "drawn_expert": integers(from_configs.by_token(state.configs, metrics.server(routing))[:, 0]),
    }  # fmt: skip


def _picked(x_RTD: Float[Tensor, "R T D"], place_RM: Int[Tensor, "R M"]) -> Float[Tensor, "R M D"]:
    return x_RTD.gather(1, place_RM.unsqueeze(-1).expand(-1, -1, x_RTD.shape[-1]))


def _ink(x_TD: Float[Tensor, "*T D"]) -> np.ndarray:
    """Pixels row by row, 0 = white to 255 = black."""
    return shades(ink(unpatched(x_TD)).flatten(-2))
