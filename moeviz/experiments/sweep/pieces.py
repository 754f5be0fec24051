"""How a sweep is cut into pieces, and how long they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from moeviz.config import TASK_INFO, RunConfig, Value, workload

# Measured on one core: per run, lockstep of 12 takes a fifth of the time of a run alone, 24 a tenth less than 12.
MOST, FEWEST = 12, 4
LONGEST = 20.0  # seconds that a piece should take at most: so much a kill may lose, and so long the map may stand still
LARGEST = 400.0  # megabytes of the runs of a piece, unless a single one takes more
STEP, TOKEN, TOKEN_EXPERT, TOKEN_UNIT = 1.7e-3, 0.5e-6, 0.055e-6, 0.008e-6  # seconds: what a step is made of
WIDE = 2.0  # times that, where an input is more than two numbers
HIDDEN: dict[str, Callable[[int, int], int]] = {  # (hidden units, width) -> those of an MLP that multiplies as much
    "conv": lambda units, width: 5 * units, "transformer": lambda units, width: units + 2 * width,
}  # fmt: skip


def cut(configs: Sequence[RunConfig], steps: int, num_workers: int) -> list[list[RunConfig]]:
    """Runs of one shape together, few enough that results come soon, and the longest pieces first."""
    buckets: dict[tuple[Value, ...], list[RunConfig]] = {}
    for config in configs:
        buckets.setdefault(config.bucket(), []).append(config)
    most = MOST if len(configs) >= MOST * num_workers else MOST // 2
    pieces = []
    for bucket in buckets.values():
        fit = round(LONGEST / seconds(bucket, steps) * len(bucket))
        size = max(FEWEST, min(most, fit))
        while size > 1 and workload.cost(bucket[:size]).memory > LARGEST:
            size -= 1
        count = -(-len(bucket) // size)
        pieces += [bucket[part * len(bucket) // count : (part + 1) * len(bucket) // count] for part in range(count)]
    return sorted(pieces, key=lambda piece: -seconds(piece, steps))


def seconds(piece: Sequence[RunConfig], steps: int) -> float:
    """About how long one core of the machine on which this was measured trains these runs in lockstep."""
    first = piece[0]
    task = TASK_INFO[first.task]
    tokens = first.batch_size * task.tokens_per_input * (1.0 if task.view in ("map", "curve") else WIDE)
    hidden = HIDDEN.get(first.expert, lambda units, width: units)(first.hidden_width, task.width)
    units = sum(config.top_k for config in piece) * hidden
    shared = len(piece) * (TOKEN + TOKEN_EXPERT * first.num_experts)
    return steps * (STEP + tokens * (shared + TOKEN_UNIT * units))
