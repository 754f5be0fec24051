"""Changing the number of experts while a run trains: who leaves, who is copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from moeviz.tensors.axes import over
from moeviz.tensors.rng import stream
from moeviz.training.adam import Adam
from moeviz.training.step import StepState

COPY_NOISE = 0.1  # a new expert's numbers differ from its parent's by about this share: enough to part ways


@dataclass(frozen=True)
class Resized:
    """For every run and place on the new E axis: the expert's id, its place before, and whether it is new."""

    ids_RE: np.ndarray
    source_RE: np.ndarray
    new_RE: np.ndarray
    num_before: int  # experts that there were

    def move(self, value_RE: Tensor) -> Tensor:
        """Per-expert numbers `[R, E, …]` in their new places; new experts get their parent's.

        What follows the experts (shared experts, whom nobody chooses) stays behind them.
        """
        num_runs, num_before = len(self.ids_RE), self.num_before
        others_RA = np.broadcast_to(
            np.arange(num_before, value_RE.shape[1]), (num_runs, value_RE.shape[1] - num_before)
        )
        source_RE = torch.from_numpy(np.concatenate([self.source_RE, others_RA], axis=1)).to(value_RE.device)
        return torch.stack(
            [value_E.index_select(0, source_E) for value_E, source_E in zip(value_RE, source_RE, strict=True)]
        )

    def move_without_newcomers(self, value_RE: Tensor, start: float) -> Tensor:
        """What was counted or measured of each expert `[R, E, …]`, in the new places: that of a newcomer is `start`."""
        moved_RE = self.move(value_RE)
        new_RE = torch.zeros(moved_RE.shape[:2], dtype=torch.bool)
        new_RE[:, : self.new_RE.shape[1]] = torch.from_numpy(self.new_RE)
        return moved_RE.masked_fill(over(new_RE.to(moved_RE.device), moved_RE.dim() - 2), start)

    def move_and_disturb(self, rows_RAP: Tensor, seeds: Sequence[int], step: int) -> Tensor:
        """Parameters in their new places; new experts are noisy copies of their parents."""
        rows_RAP = self.move(rows_RAP).clone()
        for run, seed in enumerate(seeds):
            generator = stream(seed, "copy", step)
            for place in np.flatnonzero(self.new_RE[run]):
                row_P = rows_RAP[run, place]
                noise_P = torch.randn(len(row_P), generator=generator, dtype=torch.float64).to(row_P)
                rows_RAP[run, place] = row_P + COPY_NOISE * row_P.abs() * noise_P
        return rows_RAP


def moved(before: StepState, resized: Resized, seeds: Sequence[int], step: int) -> StepState:
    """All that a step changes, for the experts that there are after a change of their number."""
    return replace(
        before,
        rows_RAP=resized.move_and_disturb(before.rows_RAP, seeds, step),
        adam=Adam(resized.move(before.adam.mean_RAP), resized.move(before.adam.square_RAP), before.adam.num_steps),
        gradient_RAP=resized.move_without_newcomers(before.gradient_RAP, torch.nan),
        updated_REL=resized.move_without_newcomers(before.updated_REL, 0),
        present_RE=resized.move_without_newcomers(before.present_RE, 0),
        bias_REL=resized.move(before.bias_REL),
    )


def resize(ids_RE: np.ndarray, load_RE: Float[np.ndarray, "R E"], num_experts: int) -> Resized:
    """Grow or shrink every run to `num_experts`: copies of the busiest arrive, the least loaded leave.

    Survivors keep their id and new experts take the lowest free ids; the E axis stays sorted by id.
    """
    rows = [_resize_run(ids_E, load_E, num_experts) for ids_E, load_E in zip(ids_RE, load_RE, strict=True)]
    ids, source, new = (np.array(column) for column in zip(*rows, strict=True))
    return Resized(ids, source, new, ids_RE.shape[1])


def _resize_run(ids_E: np.ndarray, load_E: np.ndarray, num_experts: int) -> tuple[list[int], list[int], list[bool]]:
    busiest = np.argsort(-load_E, kind="stable")
    members = [(int(ids_E[place]), int(place), False) for place in busiest[:num_experts]]
    taken = {expert_id for expert_id, _, _ in members}
    free = (expert_id for expert_id in range(len(ids_E) + num_experts) if expert_id not in taken)
    for arrival in range(num_experts - len(members)):
        members.append((next(free), int(busiest[arrival % len(busiest)]), True))
    ids, source, new = zip(*sorted(members), strict=True)
    return list(ids), list(source), list(new)
