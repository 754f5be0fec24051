"""The pictures of a snapshot, each a function `Training -> arrays`; names, shapes and units stand in moeviz.frames."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from moeviz import metrics
from moeviz.config import TASK_INFO
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.models.moe_layer import RoutingKnobs
from moeviz.routers import Routing
from moeviz.tasks import TASKS, TaskData
from moeviz.tensors.rng import stream
from moeviz.training import history, rows
from moeviz.training.arrays import Arrays, floats, integers, shades
from moeviz.training.data import Tokens
from moeviz.training.evaluation import in_each, match, segments, told

if TYPE_CHECKING:
    from moeviz.training.core import Training

MAP, SMALL_MAP, LINE = 64, 32, 200  # cells per side; points along a 1-D picture
SHOWN = 250  # at most this many train and as many test tokens are drawn
TRAVELING = 128  # at most this many tokens of a batch are shown on their way
SHUFFLES = 10  # the true groups are dealt anew so often, to see what match chance alone gives


def extent(training: Training) -> float:
    """Pictures show −extent to extent; the widest of the runs, so that all share one scale."""
    return max(task.extent for task in training.data.tasks)


def grid(training: Training, side: int) -> Tensor:
    """Cell centers `[R, G, D]` of a square map, row by row from the upper left."""
    return _square(extent(training), side, training.device, training.dtype).expand(len(training.configs), -1, -1)


@lru_cache(maxsize=32)
def _square(half: float, side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    center_G = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 * half - half
    y_GG, x_GG = torch.meshgrid(-center_G, center_G, indexing="ij")
    return torch.stack([x_GG, y_GG], dim=-1).flatten(0, 1).to(device, dtype)


def line(training: Training) -> Tensor:
    """Points `[R, G, 1]` along the input of a 1-D task."""
    half = extent(training)
    return _for_all_runs(training, torch.linspace(-half, half, LINE, dtype=torch.float64).unsqueeze(-1))


def _for_all_runs(training: Training, x_GD: Tensor) -> Tensor:
    return x_GD.to(training.device, training.dtype).expand(len(training.configs), -1, -1)


def alone(training: Training) -> RoutingKnobs:
    """The router's preference for a token by itself: a map is no batch, so nobody queues, and nothing is drawn.

    Where tokens are compared with each other (expert choice) or mixed (Soft MoE), the test tokens stand for a batch.
    """
    others_RTD = training.data.measured_test.x_RTD
    return training.model.alone(training.rows_REP, others_RTD, training.routing_knobs_for(others_RTD.shape[1]))


def first_choice(training: Training) -> Arrays:
    """Each cell's first choice, and a bit mask of all chosen experts."""
    routing = training.model.route(training.rows_REP, grid(training, MAP), alone(training))
    whole_bytes_TE = torch.nn.functional.pad(routing.chosen_TE, (0, -routing.chosen_TE.shape[-1] % 8))
    chosen = np.packbits(whole_bytes_TE.cpu().numpy(), bitorder="little")
    winner = integers(metrics.first_choice(routing))
    shape = (len(winner), MAP, MAP)
    return {"winner": winner.reshape(shape), "chosen": chosen.reshape(*shape, -1)}


def confidence(training: Training) -> Arrays:
    """Each cell's largest gate probability."""
    routing = training.model.route(training.rows_REP, grid(training, MAP), alone(training))
    return {"confidence": shades(routing.probs_TE.amax(-1)).reshape(-1, MAP, MAP)}


def prediction(training: Training) -> Arrays:
    """Each cell's answer: the class, or the value between `lo` and `hi`."""
    y_RGO, _ = training.model(training.rows_REP, grid(training, MAP), alone(training))
    return {"prediction": _answer(training, y_RGO).reshape(-1, MAP, MAP)}


def gate(training: Training) -> Arrays:
    """Each expert's gate probability, small."""
    routing = training.model.route(training.rows_REP, grid(training, SMALL_MAP), alone(training))
    return {"gate": shades(routing.probs_TE.mT).reshape(len(training.configs), -1, SMALL_MAP, SMALL_MAP)}


def expert_output(training: Training) -> Arrays:
    """Each expert's own answer, chosen or not, small."""
    y_REGO = training.model.layer.expert_outputs(training.rows_REP, grid(training, SMALL_MAP))
    return {"expert_output": _answer(training, y_REGO).reshape(len(training.configs), -1, SMALL_MAP, SMALL_MAP)}


def points(training: Training) -> Arrays:
    """Where the shown tokens lie and what they are; changes only with the data."""
    tokens = shown(training)
    x_RTD, target = tokens.x_RTD, tokens.target
    is_train = np.zeros(x_RTD.shape[:2], dtype="u1")
    is_train[:, : min(SHOWN, training.data.train.x_RTD.shape[1])] = 1
    value = target[..., 0].float() if target.is_floating_point() else target.to(torch.uint8)
    return {
        "point_xy": view(training, x_RTD, target), "point_target": value.cpu().numpy(), "point_train": is_train,
        "point_segment": integers(tokens.segment_RT),
    }  # fmt: skip


def shown(training: Training) -> Tokens:
    """The tokens that are drawn: some of the train set, then some of the test set."""
    return training.data.train.first(SHOWN).then(training.data.test.first(SHOWN))


def view(training: Training, x_RTD: Tensor, target: Tensor) -> np.ndarray:
    """View coordinates `[R, T, 2]`: the input, its two principal components, or (1-D) input and target."""
    if TASK_INFO[training.configs[0].task].view == "projection":
        x_RTD = torch.stack([_project(task, x_TD) for task, x_TD in zip(training.data.tasks, x_RTD, strict=True)])
    elif x_RTD.shape[-1] == 1:
        x_RTD = torch.cat([x_RTD, target[..., :1]], dim=-1)
    return floats(x_RTD)


def _project(task: TaskData, x_TD: Tensor) -> Tensor:
    if task.mean_D is None or task.project_DV is None:
        raise ValueError("a task shown as a projection must say on which plane: got none; see TaskData.project_DV")
    return (x_TD - task.mean_D.to(x_TD)) @ task.project_DV.to(x_TD)


def choices(training: Training) -> Arrays:
    """Who really serves the shown tokens as one batch: of the kept choices, the one with the largest weight.

    (A batch of train tokens and one of test tokens, where these would be compared with each other.)
    """
    x_RTD = shown(training).x_RTD
    apart = ROUTER_INFO[training.configs[0].router].batchwise
    parts = x_RTD.tensor_split([min(SHOWN, training.data.train.count)], dim=1) if apart else [x_RTD]
    servers, served = zip(*(_servers(training, part_RTD) for part_RTD in parts), strict=True)
    return {
        "point_choice": integers(torch.cat(servers, dim=1)),
        "point_kept": integers(torch.cat(served, dim=1)),
    }


def _servers(training: Training, x_RTD: Tensor) -> tuple[Tensor, Tensor]:
    """For each token of a batch: who serves it (else: its first choice), and whether anybody does."""
    routing = training.model.route(training.rows_REP, x_RTD, training.routing_knobs_for(x_RTD.shape[1]))
    return metrics.server(routing), routing.kept_TE.any(-1)


def batch(training: Training) -> Arrays:
    """The tokens of the next training step, and who is to get them, in the whole batch's queue."""
    drawn = training.batch()
    knobs = drawn.knobs(training.routing_knobs, training.bias_REL)
    routing = training.model.route(training.rows_REP, drawn.x_RTD, knobs).tokens(slice(TRAVELING))
    return {
        "batch_xy": view(training, drawn.x_RTD[:, :TRAVELING], drawn.target[:, :TRAVELING]),
        "batch_chosen": integers(routing.chosen_TE),
        "batch_kept": integers(routing.kept_TE),
    }


def groups(training: Training) -> Arrays:
    """Share of each true group's test tokens by first choice, and the match that shuffled groups would give."""
    tokens, count = training.data.measured_test, training.data.tasks[0].num_segments
    routing = training.model.route(training.rows_REP, tokens.x_RTD, training.routing_knobs_for(tokens.count))
    generators = (stream(training.configs[0].seed, "shuffle", each) for each in range(SHUFFLES))
    orders = [torch.randperm(tokens.count, generator=each).to(training.device) for each in generators]
    layered = routing.layered
    by_chance = [match(layered, segments(training, order_T), count) for order_T in orders]
    share_RLES = metrics.share_of_each(layered, in_each(layered, segments(training)), count)
    return {"group_share": floats(told(share_RLES)), "group_baseline": floats(told(torch.stack(by_chance).mean(0)))}


def curve(training: Training) -> Arrays:
    """A 1-D task: what to learn, the answer, and each expert's own answer and gate probability along the line."""
    x_RGD = line(training)
    y_RGO, routing = training.model(training.rows_REP, x_RGD, alone(training))
    experts_REG = training.model.layer.expert_outputs(training.rows_REP, x_RGD)[..., 0]
    clean = TASKS[training.configs[0].task](training.configs[0].with_(noise=0.0)).train
    order_T = clean.x_TD[:, 0].argsort()
    x_G = x_RGD[0, :, 0].double().cpu().numpy()
    target_G = np.interp(x_G, clean.x_TD[order_T, 0].numpy(), clean.target[order_T, 0].numpy())
    return {
        "curve_x": x_G.astype("f4"), "curve_target": target_G.astype("f4"), "curve_prediction": floats(y_RGO[..., 0]),
        "curve_expert": floats(experts_REG), "curve_gate": floats(routing.probs_TE.mT),
        "curve_winner": integers(metrics.first_choice(routing)),
    }  # fmt: skip


def time_charts(training: Training) -> Arrays:
    """The history so far, thinned, the newest measurement included, and every death, not thinned."""
    records = charted(training)
    arrays = {f"history_{name}": value_RS for name, value_RS in history.charts(records).items()}
    arrays["history_step"] = history.steps(records)
    arrays["history_load"] = history.by_id(records)
    arrays["deaths"] = history.deaths_by_id(records[-1], arrays["history_load"].shape[-2])
    return {name: value.astype("f4") for name, value in arrays.items()}


def charted(training: Training) -> list[history.Record]:
    """The records that time charts show."""
    newest = training.measure(fresh=False)
    return history.thin(training.records if training.records[-1] is newest else [*training.records, newest])


def probe(training: Training, place: tuple[float, float] | None) -> tuple[list[float], Arrays]:
    """Where the probe is (in view coordinates) and what the layer does with the token there."""
    xy, x_RTD, routing = routed_probe(training, training.rows_REP, place)
    layer, rows_REP = training.model.layer, training.model.layer_rows(training.rows_REP)
    experts_RETO = layer.weighted_outputs(rows_REP, x_RTD, routing)
    y_RTO = (routing.gates_TE.mT.unsqueeze(-1) * experts_RETO).sum(1)
    if layer.num_shared:
        y_RTO = y_RTO + layer.shared_output(rows_REP, x_RTD)
    at = int(xy[1]) if x_RTD.shape[1] > 1 else 0  # the row, of an input that is routed as a whole
    return xy, {
        "probe_prob": floats(routing.probs_TE[:, 0]), "probe_weight": floats(routing.gates_TE[:, 0]),
        "probe_chosen": integers(routing.chosen_TE[:, 0]), "probe_output": floats(y_RTO[:, at]),
        "probe_first": integers(metrics.first_choice(routing))[:, :1],
        "probe_expert_output": floats(experts_RETO[:, :, at]),
    }  # fmt: skip


def routed_probe(
    training: Training, rows_REP: Tensor, place: tuple[float, float] | None
) -> tuple[list[float], Tensor, Routing]:
    """Where the probe is, the token there, and what a router with these weights decides about it."""
    xy, x_R1D, id_R1 = _token_at(training, place)
    model, knobs = training.model, replace(alone(training), id_RU=id_R1)
    return xy, x_R1D, model.layer.route(model.layer_rows(rows_REP), x_R1D, knobs)


def _token_at(training: Training, place: tuple[float, float] | None) -> tuple[list[float], Tensor, Tensor]:
    """The token at a place of the picture, and its id: any point of a map or a line, else the nearest shown test token.

    Where inputs are shown row by row it is one row, as router and experts get it: after attention, normed; or all rows
    of the input, where it is routed as a whole.
    """
    shape = TASK_INFO[training.configs[0].task].view
    if shape == "rows":
        digit, row = rows.row_at(training, place)
        return [float(digit), float(row)], *rows.unit_at(training, digit, row)
    if place is None:
        first = training.data.test.first(1)
        place = tuple(view(training, first.x_RTD, first.target)[0, 0].tolist())
    if shape == "projection":
        test = training.data.test.first(SHOWN)
        xy_RT2 = view(training, test.x_RTD, test.target)
        nearest_R = ((xy_RT2 - np.array(place)) ** 2).sum(-1).argmin(-1)
        x_R1D = torch.stack([x_TD[[token]] for x_TD, token in zip(test.x_RTD, nearest_R.tolist(), strict=True)])
        return xy_RT2[0, nearest_R[0]].tolist(), x_R1D, training.model.ids(x_R1D)
    half = extent(training)
    bounded = [min(max(float(each), -half), half) for each in place]
    coordinates = bounded[:1] if shape == "curve" else bounded
    x_R1D = _for_all_runs(training, torch.tensor([coordinates], dtype=torch.float64))
    return bounded, x_R1D, training.model.ids(x_R1D)


def value_range(training: Training) -> tuple[float, float]:
    """The values that regression pictures are shaded between: those of the train targets."""
    target = training.data.train.target
    return (float(target.min()), float(target.max())) if target.is_floating_point() else (0.0, 1.0)


def _answer(training: Training, y: Tensor) -> np.ndarray:
    """The class, or the first output between `lo` and `hi` as 0 to 255."""
    if not training.data.train.target.is_floating_point():
        return integers(y.argmax(-1))
    low, high = value_range(training)
    return shades((y[..., 0] - low) / (high - low))


PLANE = ("map", "curve", "projection")  # views where a token is a point
