"""A training at one moment, as numbers. The names of header keys and pictures are those of moeviz.frames."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from moeviz.config import TASK_INFO
from moeviz.config.router_facts import ROUTER_INFO
from moeviz.frames.header import OF_EACH_RUN
from moeviz.frames.pictures import PROBED
from moeviz.training import divergence, from_configs, treatment
from moeviz.training.history import Record
from moeviz.training.measure import BY_EXPERT
from moeviz.training.state import State
from moeviz.training.views import maps
from moeviz.training.views.joined import arrays_together
from moeviz.training.views.probe import probed
from moeviz.training.views.registry import XY, Given, drawn, sorted_out

BESIDE_NUMBERS = {"groups", "skill", "liked", "pairs", "text_tables"}  # pictures of what is also measured: of one step
PER_RUN = (
    "task_loss", "train_metric", "test_loss", "test_metric", "cv_load", "specialization", "dropped_share",
    "random_drop", "unserved_share",
)  # fmt: skip
NOTHING = np.array(None)


@dataclass(frozen=True)
class Snapshot:
    """Named numbers (`header`, plain values) and named arrays; `snapshot.load` reads either."""

    header: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def __getattr__(self, name: str) -> Any:
        for place in ("arrays", "header"):
            if name in self.__dict__.get(place, {}):
                return self.__dict__[place][name]
        raise AttributeError(
            f"a snapshot holds {', '.join([*self.header, *self.arrays])}: not {name}; ask for it in `want`"
        )


@torch.inference_mode()
def take(
    state: State,
    want: Collection[str],
    probe: XY | None,
    given: Given | None,
    record: Record,
    details: dict[str, np.ndarray],
) -> Snapshot:
    """Draw the wanted pictures with the present weights, beside what was measured.

    Those that the task does not have are named in the header as `left_out`: a 1-D task has no maps to draw.
    """
    view = TASK_INFO[state.configs[0].task].view
    wanted, left_out = sorted_out(want, view)
    probe_xy, probe_arrays = probed(state, probe) if view in PROBED else ([0.0, 0.0], {})
    by_expert = {name: details[name] for name in BY_EXPERT}
    by_expert |= {"load": record.load_RE, "mean_prob": record.mean_prob_RE}
    arrays = {name: value.astype("f4") for name, value in by_expert.items()} | probe_arrays
    for name in wanted:
        arrays |= drawn(name, state, record, probe, given)
    if len(state.configs) > 1:
        divergence.end_curves(arrays, state.diverged_at)
    per_run = {name: _plain(value) for name, value in details.items() if name not in BY_EXPERT}
    return Snapshot(_header(state, record) | per_run | {"probe": probe_xy, "left_out": left_out}, arrays)


def _header(state: State, record: Record) -> dict[str, Any]:
    configs, task = state.configs, state.data.tasks[0]
    info = TASK_INFO[configs[0].task]
    low, high = maps.value_range(state)
    measured = {name: _plain(getattr(record, name)) for name in PER_RUN}
    return measured | {
        "balance_loss_value": _plain(record.balance_loss), "step": state.current_step, "measured_step": record.step,
        "task": configs[0].task, "router": [config.router for config in configs],
        "kind": info.kind, "view": info.view, "extent": maps.extent(state),
        "num_runs": len(configs), "num_experts": configs[0].num_experts, "num_outputs": task.num_outputs,
        "experts": [config.num_experts for config in configs],
        "ids": state.ids_RE.tolist(), "top_k": [config.top_k for config in configs],
        "balance_coef": [config.balance_coef for config in configs],
        "route_by": [config.route_by for config in configs],
        "renormalized": [config.renormalized for config in configs],
        "weights": [config.weights for config in configs],
        "choice": [ROUTER_INFO[config.router].choice for config in configs],
        "skips": [from_configs.skips(config) for config in configs],
        "balance_loss": [config.balance_loss for config in configs],
        "treated": treatment.by_place(state.treated, state.ids_RE),
        "dead": record.dead_RE.tolist(), **_cost(state),
        "died_at": np.where(record.dead_RE, record.idle_since_RE, NOTHING).tolist(),
        "metric_name": state.metric_name, "dispatch": state.dispatch, "device": str(state.device),
        "seconds": round(state.seconds, 4), "step_seconds": [state.step_seconds or None] * len(configs),
        "tape": state.tape.summary(state.current_step),
        "lo": low, "hi": high, "marks": [mark.as_data for mark in state.marks],
        "num_shared": configs[0].num_shared_experts, "reason": state.reason, "diverged_at": state.diverged_at,
        "diverged_why": divergence.why(configs, state.diverged_at),
        "batch_dependent": from_configs.batch_decides(configs), "limited": from_configs.has_seats(configs),
    }  # fmt: skip


def _cost(state: State) -> dict[str, list[int]]:
    """What each run's layer has to store, what one token uses of it, and the work for that token."""
    model, counts = state.model, [(config.num_experts, config.top_k) for config in state.configs]
    return {
        "num_parameters": [model.num_parameters(experts) for experts, _ in counts],
        "active_parameters": [model.num_active_parameters(experts, k) for experts, k in counts],
        "flops": [model.flops(experts, k) for experts, k in counts],
    }


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers for JSON, which has no NaN."""
    return np.where(np.isfinite(values), values, NOTHING).tolist()  # type: ignore[no-any-return]


# ---- runs of several shapes as one ---------------------------------------------------------------------------------


def take_together(parts: Sequence[Snapshot], run_R: np.ndarray) -> Snapshot:
    """Snapshots of several trainings as that of one, as far as all of them have the same pictures.

    Args:   run_R: the place that each run gets, in the order of the parts.
    """
    order_R = np.argsort(run_R)
    arrays = arrays_together([part.arrays for part in parts], order_R, "history_step")
    header = _header_together([part.header for part in parts], order_R)
    header["marks"] = _marks_together([part.header for part in parts], run_R)
    divergence.end_curves(arrays, header["diverged_at"])
    return Snapshot(header, arrays)


def _header_together(headers: Sequence[dict[str, Any]], order_R: np.ndarray) -> dict[str, Any]:
    """The first header, with one entry for each run where it has lists, and what is true of all or of any."""
    together = dict(headers[0])
    for name in headers[0]:
        if name in OF_EACH_RUN:
            entries = [entry for header in headers for entry in header[name]]
            together[name] = [entries[place] for place in order_R]
    return together | {
        "num_runs": len(order_R), "num_experts": max(header["num_experts"] for header in headers),
        "step": max(header["step"] for header in headers),
        "measured_step": max(header["measured_step"] for header in headers),
        "seconds": round(sum(header["seconds"] for header in headers), 4),
        "reason": divergence.reason(together["diverged_why"]),
        "dispatch": ", ".join(dict.fromkeys(header["dispatch"] for header in headers)),
        "limited": any(header["limited"] for header in headers),
        "batch_dependent": any(header["batch_dependent"] for header in headers),
    }  # fmt: skip


def _marks_together(headers: Sequence[dict[str, Any]], run_R: np.ndarray) -> list[dict[str, Any]]:
    """The marks of all parts, each with the places of its runs."""
    runs_of: dict[tuple[Any, ...], list[int]] = {}
    places = iter(run_R.tolist())
    for header in headers:
        own = list(itertools.islice(places, header["num_runs"]))
        for mark in header["marks"]:
            what = tuple((name, value) for name, value in mark.items() if name != "runs")
            runs_of.setdefault(what, []).extend(own[run] for run in mark["runs"])
    marks = [dict(what) | {"runs": sorted(runs)} for what, runs in runs_of.items()]
    return sorted(marks, key=lambda mark: (mark["step"], mark.get("knob") or mark["expert"]))
