"""Runs of several shapes that train side by side and are looked at as one: other routers, losses or experts."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from moeviz.config import KNOBS, RunConfig, Value
from moeviz.config.groups import comparable
from moeviz.training import divergence, settings, treatment
from moeviz.training.checkpoints import moment
from moeviz.training.ghost import Ghosts
from moeviz.training.tape import LIMIT, summary
from moeviz.training.training import Training
from moeviz.training.views.registry import XY, Given
from moeviz.training.views.snapshot import Snapshot, take_together

if TYPE_CHECKING:
    import pandas


def opened(configs: Sequence[RunConfig]) -> Training | Buckets:
    """A training of these runs: in lockstep where they have one shape, else in buckets of one shape each."""
    return Training(configs) if len({config.bucket() for config in configs}) <= 1 else Buckets(configs)


class Buckets:
    """Twins that differ in more than a number: each bucket of one shape is a Training, and all take the same steps.

    It can be used like a Training. Runs keep the order of `configs`, whatever bucket they are in.

    Args:   configs: twins in their data (see `comparable`); numbers of experts may differ.
    """

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        configs = comparable(configs)
        places: dict[tuple[Value, ...], list[int]] = {}
        for run, config in enumerate(configs):
            places.setdefault(config.bucket(), []).append(run)
        self.runs = tuple(tuple(runs) for runs in places.values())  # for each bucket: which runs are in it
        parts = [Training([configs[run] for run in runs]) for runs in self.runs]
        sizes = [moment(part).nbytes for part in parts]
        for part, size in zip(parts, sizes, strict=True):  # so that all thin out at the same steps
            part.limit_tape(LIMIT * size // sum(sizes))
        self.parts = tuple(parts)

    # ---- training -------------------------------------------------------------------------------------------------

    def step(self, num_steps: int = 1) -> None:
        """Each bucket trains for `num_steps` steps, step by step in turn; one that has diverged stands still."""
        for _ in range(num_steps):
            for part in self.parts:
                part.step()

    def reset(self) -> None:
        """All runs back to step 0 with the present knobs."""
        for part in self.parts:
            part.reset()

    def set(self, **changes: Value | Sequence[Value]) -> list[str]:
        """Change live knobs, for all runs (one value) or each (a sequence); returns notices, as Training.set does.

        Raises ValueError and changes nothing when one of the runs cannot take it. If a run has diverged and this calms
        it, all start again, so that they stay at one step.
        """
        own = [self._own(changes, runs) for runs in self.runs]
        after = self._would_set(own)
        if self.configs != tuple(self._in_order(after)):
            self.branch()
        again = self.diverged and any(
            settings.calmer(part.configs, configs) for part, configs in zip(self.parts, after, strict=True)
        )
        said = [notice for part, each in zip(self.parts, own, strict=True) for notice in part.set(**each)]
        if again:
            self.reset()
            said = ["started again from step 0, since a run had diverged"]
        return list(dict.fromkeys(said))

    def would_set(self, **changes: Value | Sequence[Value]) -> tuple[RunConfig, ...]:
        """What `configs` would be after `set`; ValueError where that would be refused."""
        return tuple(self._in_order(self._would_set([self._own(changes, runs) for runs in self.runs])))

    def _would_set(self, own: Sequence[dict[str, Any]]) -> list[tuple[RunConfig, ...]]:
        after = [part.would_set(**each) for part, each in zip(self.parts, own, strict=True)]
        comparable(self._in_order(after))
        return after

    def treat(self, expert_id: int, how: str, run: int | None = None) -> None:
        """Kill, freeze or free an expert in one run, or in all that have it, as Training.treat does."""
        if run is not None and not 0 <= run < len(self.configs):
            raise ValueError(f"run must be from 0 to {len(self.configs) - 1}, or none for all: got {run}; choose one")
        asked: list[tuple[Training, int | None]]
        if run is None:
            asked = [(part, None) for part in self.parts if treatment.runs_with(part.ids_RE, expert_id)]
        else:
            asked = [(part, runs.index(run)) for part, runs in zip(self.parts, self.runs, strict=True) if run in runs]
        after = [part.would_treat(expert_id, how, place) for part, place in asked or [(self.parts[0], None)]]
        if any(part.treated != each for (part, _), each in zip(asked, after, strict=True)):
            self.branch()
        for part, place in asked:
            part.treat(expert_id, how, place)

    def _own(self, changes: dict[str, Any], runs: Sequence[int]) -> dict[str, Any]:
        """What these changes say of one bucket's runs."""
        own: dict[str, Any] = {}
        for name, value in changes.items():
            if isinstance(value, (list, tuple)):
                if len(value) != len(self.configs):
                    raise ValueError(
                        f"{name} must be one value, or a list with one for each of the {len(self.configs)} runs: "
                        f"got {len(value)} values; pass {len(self.configs)}"
                    )
                value = [value[run] for run in runs]
                if name in KNOBS and not KNOBS[name].per_run and len(set(value)) == 1:
                    value = value[0]
            own[name] = value
        return own

    def recover(self) -> list[str]:
        """Leave a diverged state: all start again from step 0, with a tenth of the learning rate, at most .03."""
        for part in self.parts:
            part.recover()
        rate = min(config.learning_rate for config in self.configs)
        self.set(learning_rate=rate)
        self.reset()
        return [f"started again from step 0 and lowered the learning rate to {rate:g}"]

    # ---- going back -----------------------------------------------------------------------------------------------

    def rewind(self, step: int) -> None:
        """Show the newest state up to this step that all runs have recorded, as Training.rewind does."""
        at = max((each for each in self.tape["steps"] if each <= step), default=0)
        for part in self.parts:
            part.rewind(at)

    @property
    def rewound(self) -> bool:
        """Whether the runs were wound back, and have not come to their last step again."""
        return any(part.rewound for part in self.parts)

    def branch(self) -> None:
        """Go on from here anew: what was recorded after this step is dropped."""
        for part in self.parts:
            part.branch()

    @property
    def tape(self) -> dict[str, Any]:
        """What frames tell of the tapes: steps that all runs have recorded, or stopped at before."""
        tapes = [part.tape.summary(part.current_step) for part in self.parts]
        steps = sorted({step for each in tapes for step in each["steps"]})
        shared = [step for step in steps if all(step in each["steps"] or step > each["end"] for each in tapes)]
        nbytes, limit = (sum(getattr(part.tape, name) for part in self.parts) for name in ("nbytes", "limit"))
        return summary(shared, max(each["end"] for each in tapes), nbytes, limit)

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """Those of all runs, in the order in which they were given."""
        return tuple(self._in_order([part.configs for part in self.parts]))

    def _in_order(self, by_bucket: Sequence[Sequence[Any]]) -> list[Any]:
        placed = {
            run: each
            for runs, values in zip(self.runs, by_bucket, strict=True)
            for run, each in zip(runs, values, strict=True)
        }
        return [placed[run] for run in sorted(placed)]

    @property
    def current_step(self) -> int:
        """The step of all runs that train; one that has diverged stands still."""
        return max(part.current_step for part in self.parts)

    @property
    def measured_step(self) -> int:
        """The step of the last measurement; -1 if a knob has been turned since."""
        return max(part.measured_step for part in self.parts)

    @property
    def diverged(self) -> bool:
        """Whether any run has diverged."""
        return any(part.diverged for part in self.parts)

    @property
    def stuck(self) -> bool:
        """Whether every run has diverged, so that there is nothing left to train."""
        return all(part.stuck for part in self.parts)

    @property
    def diverged_at(self) -> list[int | None]:
        """The step at which each run was seen to have diverged; None for those that train."""
        return self._in_order([part.diverged_at for part in self.parts])

    @property
    def reason(self) -> str | None:
        """Why runs stand still, and which knob to lower; None while all is well."""
        return divergence.reason(divergence.why(self.configs, self.diverged_at))

    @property
    def lockstep(self) -> Hashable:
        """What the first bucket must share with trainings that step together with it."""
        return self.parts[0].lockstep

    def settled(self, since: int) -> bool:
        """Whether nothing has changed for a while in any run that trains."""
        return all(part.stuck or part.settled(since) for part in self.parts)

    def ghost(self, kind: str) -> Ghosts | None:
        """As it was recorded, if asked for; else none: these runs are each other's comparison."""
        if kind != "recorded":
            return None
        return Ghosts(tuple(part.ghost(kind) for part in self.parts), np.concatenate(self.runs))

    @property
    def history(self) -> pandas.DataFrame:
        """One row per run and recorded step, as in Training.history."""
        import pandas

        tables = []
        for runs, part in zip(self.runs, self.parts, strict=True):
            table = part.history
            tables.append(table.assign(run=np.asarray(runs)[table["run"].to_numpy()]))
        return pandas.concat(tables).sort_values(["run", "step"]).reset_index(drop=True)

    def snapshot(
        self, want: Collection[str] = (), probe: XY | None = None, given: Given | None = None, *, fresh: bool = True
    ) -> Snapshot:
        """The present state of all runs; pictures that not all of them have are left out."""
        together = len({part.measured_step for part in self.parts if not part.stuck}) == 1
        parts = [part.snapshot(want, probe, given, fresh=fresh or not together) for part in self.parts]
        shot = take_together(parts, np.concatenate(self.runs))
        return Snapshot(shot.header | {"tape": self.tape}, shot.arrays)
