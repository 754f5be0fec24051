"""Side-by-side measurements: ours against a plain baseline, in turn within one run, so that a busy machine slows both.

`python -m moeviz bench` prints medians and the median of the pairwise ratios baseline / value (above 1: ours is
better). Where the same layer is on both sides, as in `sparse_growth_8_64`, 1 / ratio is how much its time grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from moeviz.config.knob import shown
from moeviz.experiments.bench import layers, peers, steps
from moeviz.experiments.bench.comparison import Result, keep_memory
from moeviz.experiments.terminal import tell
from moeviz.tensors.device import use_one_thread

BENCHMARKS: dict[str, Callable[[], Result]] = steps.BENCHMARKS | layers.BENCHMARKS | peers.BENCHMARKS


def run(only: Sequence[str] = ()) -> list[Result]:
    """The chosen benchmarks (all if none are named), one after the other, on one thread."""
    unknown = sorted(set(only) - set(BENCHMARKS))
    if unknown:
        raise ValueError(
            f"a benchmark must be one of {', '.join(BENCHMARKS)}: got {shown(unknown[0])}; check the spelling"
        )
    for name in only:
        peers.check(name)
    use_one_thread()
    keep_memory()
    return [BENCHMARKS[name]() for name in only or present()]


def present() -> list[str]:
    """All benchmarks but those of peers that are not installed; says so to stderr."""
    missing = [name for name in BENCHMARKS if peers.missing(name)]
    if missing:
        tell(f"left out: {', '.join(missing)}; {peers.REMEDY}")
    return [name for name in BENCHMARKS if name not in missing]


def as_text(results: Sequence[Result]) -> str:
    """The measurements for people, one on each line."""
    return "\n".join(
        f"{each.name:<24} {each.value:10.1f} {each.unit:<20}  baseline {each.baseline:10.1f}  ratio {each.ratio:6.2f}"
        for each in results
    )
