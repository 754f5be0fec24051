"""The pictures of a snapshot, each a function `State -> arrays`; what these are stands in moeviz.frames.pictures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from moeviz import metrics
from moeviz.config import TASK_INFO
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.models.moe_layer import RoutingKnobs
from moeviz.tasks import TASKS, TaskData
from moeviz.tensors.rng import stream
from moeviz.training.data import Tokens
from moeviz.training.measure import in_each, match, segments, without_one_layer
from moeviz.training.state import State
from moeviz.training.views.bytes import Arrays, floats, integers, shades

MAP, SMALL_MAP, LINE = 64, 32, 200  # cells per side; points along a 1-D picture
SHOWN = 250  # at most this many train and as many test tokens are drawn
TRAVELING = 128  # at most this many tokens of a batch are shown on their way
SHUFFLES = 10  # the true groups are dealt anew so often, to see what match chance alone gives


def extent(state: State) -> float:
    """Pictures show −extent to extent; the widest of the runs, so that all share one scale."""
    return max(task.extent for task in state.data.tasks)


def grid(state: State, side: int) -> Tensor:
    """Cell centers, a token each, `[R, T, D]` of a square map, row by row from the upper left."""
    return _square(extent(state), side, state.device, state.dtype).expand(len(state.configs), -1, -1)


@lru_cache(maxsize=32)
def _square(half: float, side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    center_X = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 * half - half
    y_YX, x_YX = torch.meshgrid(-center_X, center_X, indexing="ij")
    return torch.stack([x_YX, y_YX], dim=-1).flatten(0, 1).to(device, dtype)


def line(state: State) -> Tensor:
    """Points `[R, T, 1]` along the input of a 1-D task."""
    half = extent(state)
    return for_all_runs(state, torch.linspace(-half, half, LINE, dtype=torch.float64).unsqueeze(-1))


def for_all_runs(state: State, x_TD: Tensor) -> Tensor:
    return x_TD.to(state.device, state.dtype).expand(len(state.configs), -1, -1)


def alone(state: State) -> RoutingKnobs:
    """The router's preference for a token by itself: a map is no batch, so nobody queues, and nothing is drawn.

    Where tokens are compared with each other (expert choice) or mixed (Soft MoE), the test tokens stand for a batch.
    """
    others_RTD = state.data.measured_test.x_RTD
    return state.model.alone(state.rows_RAP, others_RTD, state.routing_knobs_for(others_RTD.shape[1]))


def first_choice(state: State) -> Arrays:
    """Each cell's first choice, and a bit mask of all chosen experts."""
    routing = state.model.route(state.rows_RAP, grid(state, MAP), alone(state))
    whole_bytes_TE = torch.nn.functional.pad(routing.chosen_TE, (0, -routing.chosen_TE.shape[-1] % 8))
    chosen = np.packbits(whole_bytes_TE.cpu().numpy(), bitorder="little")
    winner = integers(metrics.first_choice(routing))
    shape = (len(winner), MAP, MAP)
    return {"winner": winner.reshape(shape), "chosen": chosen.reshape(*shape, -1)}


def confidence(state: State) -> Arrays:
    """Each cell's largest gate probability."""
    routing = state.model.route(state.rows_RAP, grid(state, MAP), alone(state))
    return {"confidence": shades(routing.probs_TE.amax(-1)).reshape(-1, MAP, MAP)}


def prediction(state: State) -> Arrays:
    """Each cell's answer: the class, or the value between `lo` and `hi`."""
    y_RTO, _ = state.model(state.rows_RAP, grid(state, MAP), alone(state))
    return {"prediction": _answer(state, y_RTO).reshape(-1, MAP, MAP)}


def gate(state: State) -> Arrays:
    """Each expert's gate probability, small."""
    routing = state.model.route(state.rows_RAP, grid(state, SMALL_MAP), alone(state))
    return {"gate": shades(routing.probs_TE.mT).reshape(len(state.configs), -1, SMALL_MAP, SMALL_MAP)}


def expert_output(state: State) -> Arrays:
    """Each expert's own answer, chosen or not, small."""
    y_RETO = state.model.layer.expert_outputs(state.rows_RAP, grid(state, SMALL_MAP))
    return {"expert_output": _answer(state, y_RETO).reshape(len(state.configs), -1, SMALL_MAP, SMALL_MAP)}


def points(state: State) -> Arrays:
    """Where the shown tokens lie and what they are; changes only with the data."""
    tokens = shown(state)
    x_RTD, target = tokens.x_RTD, tokens.target
    is_train = np.zeros(x_RTD.shape[:2], dtype="u1")
    is_train[:, : min(SHOWN, state.data.train.x_RTD.shape[1])] = 1
    value = target[..., 0].float() if target.is_floating_point() else target.to(torch.uint8)
    return {
        "point_xy": view(state, x_RTD, target), "point_target": value.cpu().numpy(), "point_train": is_train,
        "point_segment": integers(tokens.segment_RT),
    }  # fmt: skip


def shown(state: State) -> Tokens:
    """The tokens that are drawn: some of the train set, then some of the test set."""
    return state.data.train.first(SHOWN).then(state.data.test.first(SHOWN))


def view(state: State, x_RTD: Tensor, target: Tensor) -> np.ndarray:
    """View coordinates `[R, T, 2]`: the input, its two principal components, or (1-D) input and target."""
    if TASK_INFO[state.configs[0].task].view == "projection":
        x_RTD = torch.stack([_project(task, x_TD) for task, x_TD in zip(state.data.tasks, x_RTD, strict=True)])
    elif x_RTD.shape[-1] == 1:
        x_RTD = torch.cat([x_RTD, target[..., :1]], dim=-1)
    return floats(x_RTD)


def _project(task: TaskData, x_TD: Tensor) -> Tensor:
    if task.mean_D is None or task.project_D2 is None:
        raise ValueError("a task shown as a projection must say on which plane: got none; see TaskData.project_D2")
    return (x_TD - task.mean_D.to(x_TD)) @ task.project_D2.to(x_TD)


def choices(state: State) -> Arrays:
    """Who really serves the shown tokens as one batch: of the kept choices, the one with the largest weight.

    (A batch of train tokens and one of test tokens, where these would be compared with each other.)
    """
    x_RTD = shown(state).x_RTD
    apart = ROUTER_INFO[state.configs[0].router].batchwise
    parts = x_RTD.tensor_split([min(SHOWN, state.data.train.count)], dim=1) if apart else [x_RTD]
    servers, served = zip(*(_servers(state, part_RTD) for part_RTD in parts), strict=True)
    return {
        "point_choice": integers(torch.cat(servers, dim=1)),
        "point_kept": integers(torch.cat(served, dim=1)),
    }


def _servers(state: State, x_RTD: Tensor) -> tuple[Tensor, Tensor]:
    """For each token of a batch: who serves it (else: its first choice), and whether anybody does."""
    routing = state.model.route(state.rows_RAP, x_RTD, state.routing_knobs_for(x_RTD.shape[1]))
    return metrics.server(routing), routing.kept_TE.any(-1)


def batch(state: State) -> Arrays:
    """The tokens of the next training step, and who is to get them, in the whole batch's queue."""
    drawn = state.batch()
    knobs = drawn.knobs(state.routing_knobs, state.bias_REL)
    routing = state.model.route(state.rows_RAP, drawn.x_RTD, knobs).tokens(slice(TRAVELING))
    return {
        "batch_xy": view(state, drawn.x_RTD[:, :TRAVELING], drawn.target[:, :TRAVELING]),
        "batch_chosen": integers(routing.chosen_TE),
        "batch_kept": integers(routing.kept_TE),
    }


def groups(state: State) -> Arrays:
    """Share of each true group's test tokens by first choice, and the match that shuffled groups would give."""
    tokens, count = state.data.measured_test, state.data.tasks[0].num_segments
    routing = state.model.route(state.rows_RAP, tokens.x_RTD, state.routing_knobs_for(tokens.count))
    generators = (stream(state.configs[0].seed, "shuffle", each) for each in range(SHUFFLES))
    orders = [torch.randperm(tokens.count, generator=each).to(state.device) for each in generators]
    layered = routing.layered
    by_chance = [match(layered, segments(state, order_T), count) for order_T in orders]
    share_RLEJ = metrics.share_of_each(layered, in_each(layered, segments(state)), count)
    return {
        "group_share": floats(without_one_layer(share_RLEJ)),
        "group_baseline": floats(without_one_layer(torch.stack(by_chance).mean(0))),
    }


def curve(state: State) -> Arrays:
    """A 1-D task: what to learn, the answer, and each expert's own answer and gate probability along the line."""
    x_RTD = line(state)
    y_RTO, routing = state.model(state.rows_RAP, x_RTD, alone(state))
    experts_RET = state.model.layer.expert_outputs(state.rows_RAP, x_RTD)[..., 0]
    clean = TASKS[state.configs[0].task](state.configs[0].with_(noise=0.0)).train
    order_T = clean.x_TD[:, 0].argsort()
    x_X = x_RTD[0, :, 0].double().cpu().numpy()
    target_X = np.interp(x_X, clean.x_TD[order_T, 0].numpy(), clean.target[order_T, 0].numpy())
    return {
        "curve_x": x_X.astype("f4"), "curve_target": target_X.astype("f4"), "curve_prediction": floats(y_RTO[..., 0]),
        "curve_expert": floats(experts_RET), "curve_gate": floats(routing.probs_TE.mT),
        "curve_winner": integers(metrics.first_choice(routing)),
    }  # fmt: skip


def value_range(state: State) -> tuple[float, float]:
    """The values that regression pictures are shaded between: those of the train targets."""
    target = state.data.train.target
    return (float(target.min()), float(target.max())) if target.is_floating_point() else (0.0, 1.0)


def _answer(state: State, y: Tensor) -> np.ndarray:
    """The class, or the first output between `lo` and `hi` as 0 to 255."""
    if not state.data.train.target.is_floating_point():
        return integers(y.argmax(-1))
    low, high = value_range(state)
    return shades((y[..., 0] - low) / (high - low))
