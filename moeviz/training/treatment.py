"""Experts that somebody interferes with: killed (nobody can choose them), frozen (they do not learn), or set free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from moeviz.config import RunConfig
from moeviz.config.changes import KnobChange, Treatment
from moeviz.config.letters import letter
from moeviz.config.router_facts import ROUTER_INFO, TREATMENTS
from moeviz.models.language_model import Model

Treated = tuple[Mapping[int, str], ...]  # for each run: expert id -> killed or frozen; free experts are not listed
Changed = dict[str, dict[KnobChange | Treatment, list[int]]]  # by knob or expert: what changed -> in which runs


def treated(
    before: Treated, configs: Sequence[RunConfig], ids_RE: np.ndarray, expert_id: int, how: str, run: int | None
) -> Treated:
    """Who is treated once an expert is, in one run or in all that have it among several; ValueError if it cannot be.

    Args:   how: a key of moeviz.config.router_facts.TREATMENTS.
    """
    if how not in TREATMENTS:
        raise ValueError(f"how must be one of {', '.join(TREATMENTS)}: got {how!r}; choose one of them")
    if run is not None and not 0 <= run < len(configs):
        raise ValueError(f"run must be from 0 to {len(configs) - 1}, or none for all: got {run}; choose one of them")
    runs = [each for each in runs_with(ids_RE, expert_id) if run in (None, each)]
    if not runs:
        known = ", ".join(letter(each) for each in sorted({*ids_RE.flatten().tolist()}))
        raise ValueError(f"an expert that is treated must be one of several, of {known}: got id {expert_id}")
    after = [dict(own) for own in before]
    for each in runs:
        after[each].pop(expert_id, None)
        if (state := TREATMENTS[how]) is not None:
            after[each][expert_id] = state
    check(tuple(after), configs, ids_RE)
    return tuple(after)


def runs_with(ids_RE: np.ndarray, expert_id: int) -> list[int]:
    """The runs that have this expert among several."""
    return [run for run, ids_E in enumerate(ids_RE.tolist()) if len(ids_E) > 1 and expert_id in ids_E]


def check(after: Treated, configs: Sequence[RunConfig], ids_RE: np.ndarray) -> None:
    """ValueError unless every token still finds k experts that it can choose."""
    for config, ids_E, own in zip(configs, ids_RE.tolist(), after, strict=True):
        if "killed" not in own.values():
            continue
        if not ROUTER_INFO[config.router].by_scores:
            raise ValueError(
                f"an expert can be killed only where tokens choose by scores: got router={config.router}; "
                "freeze it instead, or use another router"
            )
        alive = np.array([own.get(expert_id) != "killed" for expert_id in ids_E])
        by_group = np.sort(alive.reshape(config.expert_groups, -1).sum(1))  # a token uses some of the groups
        left = int(by_group[: config.kept_groups].sum())
        if left < config.top_k:
            raise ValueError(
                f"at least k experts that a token can choose must be left: got {left} for top_k={config.top_k}; "
                "lower k or set an expert free"
            )


def staying(before: Treated, ids_RE: np.ndarray) -> Treated:
    """Without the experts that have left, whose ids others may get."""
    return tuple(
        {expert_id: how for expert_id, how in own.items() if expert_id in ids_E}
        for own, ids_E in zip(before, ids_RE.tolist(), strict=True)
    )


def by_place(now: Treated, ids_RE: np.ndarray) -> list[list[str | None]]:
    """What each expert is, in the order of the E axis: killed, frozen, or None."""
    return [[own.get(expert_id) for expert_id in ids_E] for own, ids_E in zip(now, ids_RE.tolist(), strict=True)]


@dataclass(frozen=True)
class Masks:
    """Who is treated, as a step reads it; None = nobody, which costs nothing."""

    killed_RE: Bool[Tensor, "R E"] | None
    frozen_RAP: Bool[Tensor, "R A P"] | None  # numbers that do not learn: the experts' own, not the gate's


def masks(now: Treated, ids_RE: np.ndarray, model: Model, rows_RAP: Tensor) -> Masks:
    """The masks of a step with these parameters."""
    killed_RE, frozen_RE = (
        torch.from_numpy(where(now, ids_RE, how)).to(rows_RAP.device) for how in ("killed", "frozen")
    )
    frozen_RA = torch.nn.functional.pad(frozen_RE, (0, rows_RAP.shape[1] - frozen_RE.shape[1]))
    own_P = ~model.is_gate_P.to(rows_RAP.device)
    return Masks(killed_RE if killed_RE.any() else None, frozen_RA.unsqueeze(-1) & own_P if frozen_RE.any() else None)


def where(now: Treated, ids_RE: np.ndarray, how: str) -> np.ndarray:
    """Which experts are so treated `[R, E]`."""
    return np.array([[each == how for each in own] for own in by_place(now, ids_RE)])


def treatments(before: Treated, after: Treated, same_number: bool = True) -> Changed:
    """What changed, by expert, and the runs in which it did.

    Args:   same_number: of experts; else who is no longer listed may have left, which is no treatment.
    """
    changed: Changed = {}
    for expert_id in sorted({expert_id for own in (*before, *after) for expert_id in own}):
        for run, each in enumerate(zip(before, after, strict=True)):
            old, new = (own.get(expert_id) for own in each)
            if old != new and (new or same_number):
                what = Treatment(letter(expert_id), new or "free")
                changed.setdefault(f"treat {expert_id}", {}).setdefault(what, []).append(run)
    return changed
