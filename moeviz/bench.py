"""Side-by-side measurements: ours against a plain baseline, in turn within one run, so that a busy machine slows both.

`python -m moeviz bench` prints medians and the median of the pairwise ratios (above 1: ours is better).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from json import dumps
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import torch

from moeviz import frames
from moeviz.config import RunConfig, expand
from moeviz.device import use_one_thread
from moeviz.knob import shown
from moeviz.methods import PAPERS
from moeviz.rules import ROUTER_NAMES
from moeviz.sweeping import Job, Pool, plan
from moeviz.training import Training

SIZE = RunConfig(
    task="spiral", num_experts=8, top_k=2, hidden_width=32, batch_size=256, learning_rate=0.01, balance_coef=1.0
)
STEPS = 20  # in one timing
ROUNDS = 25  # timings of each side
SWEEP_STEPS = 500  # of each run of a sweep


@dataclass(frozen=True)
class Result:
    """One line of the bench. `value` and `baseline` in `unit`; `ratio` = baseline / value, median of the pairs."""

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float


class PlainMoE(torch.nn.Module):
    """The same layer as tutorials write it: a loop over experts that picks each one's tokens with torch.where."""

    def __init__(self, width: int, hidden: int, outputs: int, num_experts: int, k: int) -> None:
        super().__init__()
        self.k, self.outputs = k, outputs
        self.gate = torch.nn.Linear(width, num_experts, bias=False)
        self.experts = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, outputs))
            for _ in range(num_experts)
        )

    def forward(self, x_TD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probs_TE = torch.softmax(self.gate(x_TD), dim=-1)
        gates_TK, chosen_TK = torch.topk(probs_TE, self.k, dim=-1)
        gates_TK = gates_TK / gates_TK.sum(-1, keepdim=True)
        y_TO = torch.zeros(len(x_TD), self.outputs)
        for index, expert in enumerate(self.experts):
            token, slot = torch.where(chosen_TK == index)
            y_TO.index_add_(0, token, expert(x_TD[token]) * gates_TK[token, slot, None])
        return y_TO, probs_TE


def plain_step(config: RunConfig) -> Callable[[], None]:
    """One training step of the plain module with torch's default Adam, on the same tokens as ours."""
    data = Training([config]).data
    x_TD, target_T = data.train.x_RTD[0], data.train.target[0]
    model = PlainMoE(x_TD.shape[-1], config.hidden_width, data.tasks[0].num_outputs, config.num_experts, config.top_k)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)

    def step() -> None:
        row_B = torch.randint(len(x_TD), (config.batch_size,))
        y_BO, probs_BE = model(x_TD[row_B])
        balance = ((1 / config.num_experts - probs_BE.mean(0)) ** 2).sum()
        loss = torch.nn.functional.cross_entropy(y_BO, target_T[row_B]) + config.balance_coef * balance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def step_benchmark(num_runs: int) -> Result:
    """A whole training step (autograd, recording and every default feature), for each run, against the plain module."""
    training = Training(expand(SIZE, seed=list(range(num_runs))))
    plain = plain_step(SIZE)
    ours_s, plain_s = side_by_side(lambda: training.step(STEPS), lambda: [plain() for _ in range(STEPS)])
    scale = 1e6 / STEPS
    return _result(
        f"step_r{num_runs}", "µs per step and run", [s * scale / num_runs for s in ours_s], [s * scale for s in plain_s]
    )


def router_benchmark(router: str) -> Result:
    """A training step with a router, as its paper uses it, against one of `top_k` at the same size."""
    config, _ = SIZE.nearest(router=router, **PAPERS.get(router, {}))
    return against(f"router_{router}", config, SIZE)


def router_queue() -> Result:
    """A training step of `top_k` with limited seats, for which tokens queue, against one without."""
    return against("router_queue", SIZE.with_(capacity_factor=1.25), SIZE)


def against(name: str, config: RunConfig, plain: RunConfig) -> Result:
    """A training step of one config against that of another."""
    ours, theirs = Training([config]), Training([plain])
    ours_s, theirs_s = side_by_side(lambda: ours.step(STEPS), lambda: theirs.step(STEPS))
    scale = 1e6 / STEPS
    return _result(name, "µs per step and run", [s * scale for s in ours_s], [s * scale for s in theirs_s])


def frame_pack() -> Result:
    """A frame of the Playground's first screen, drawn and packed, against the same numbers as plotly charts."""
    training = Training([RunConfig()])
    wanted = ("first_choice", "choices")
    points = training.snapshot(("points",)).arrays

    def frame() -> bytes:
        snapshot = training.snapshot(wanted, fresh=False)
        return frames.pack(snapshot.header, snapshot.arrays)

    def charts() -> list[str]:
        return plotly_json(training.snapshot(wanted, fresh=False).arrays | points)

    ours_s, plain_s = side_by_side(frame, charts)
    return _result("frame_pack", "ms", [s * 1e3 for s in ours_s], [s * 1e3 for s in plain_s])


def plotly_json(arrays: dict[str, np.ndarray]) -> list[str]:
    """The same picture as four plotly charts, as Streamlit would send them."""
    x_P, y_P = arrays["point_xy"][0].T
    traces = [
        go.Heatmap(z=arrays["winner"][0]),
        go.Scatter(x=x_P, y=y_P, mode="markers", marker={"color": arrays["point_choice"][0]}),
        go.Bar(y=arrays["probe_prob"][0]),
        go.Bar(y=arrays["load"][0]),
    ]
    return [str(go.Figure(trace).to_json()) for trace in traces]


def sweep_48() -> Result:
    """A sweep of 48 runs with all that belongs to it, starting its workers too, against the plain module.

    The plain module trains the same runs for as many steps, one after the other, and measures nothing. Each side once.
    """
    planned = plan(vars(RunConfig()), {"num_experts": [2, 4, 8, 16], "balance_coef": [0.0, 0.1, 1.0, 10.0]}, seeds=3)
    plain = [plain_step(config) for config in planned.configs]
    started = time.perf_counter()
    with Pool() as pool:
        job = Job(planned.configs, SWEEP_STEPS, pool=pool)
        job.wait()
        ours_s = time.perf_counter() - started
    if job.errors:
        raise RuntimeError("; ".join(job.errors))
    started = time.perf_counter()
    for step in plain:
        for _ in range(SWEEP_STEPS):
            step()
    return _result("sweep_48", f"s, {len(plain)} × {SWEEP_STEPS} steps", [ours_s], [time.perf_counter() - started])


def side_by_side(ours: Callable[[], object], plain: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Seconds of each call, taken in turn, after one call of each that does not count."""
    ours(), plain()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for call, kept in zip((ours, plain), seconds, strict=True):
            started = time.perf_counter()
            call()
            kept.append(time.perf_counter() - started)
    return seconds


def _result(name: str, unit: str, values: Sequence[float], baselines: Sequence[float]) -> Result:
    ratio = statistics.median(b / v for v, b in zip(values, baselines, strict=True))
    return Result(name, statistics.median(values), unit, statistics.median(baselines), ratio)


BENCHMARKS: dict[str, Callable[[], Result]] = {
    "step_r1": lambda: step_benchmark(1),
    "step_r16": lambda: step_benchmark(16),
    "frame_pack": frame_pack,
    "sweep_48": sweep_48,
    **{f"router_{name}": partial(router_benchmark, name) for name in ROUTER_NAMES if name != SIZE.router},
    "router_queue": router_queue,
}


def run(only: Sequence[str] = ()) -> list[Result]:
    """The chosen benchmarks (all if none are named), one after the other, on one thread."""
    unknown = sorted(set(only) - set(BENCHMARKS))
    if unknown:
        raise ValueError(
            f"a benchmark must be one of {', '.join(BENCHMARKS)}: got {shown(unknown[0])}; check the spelling"
        )
    use_one_thread()
    return [BENCHMARKS[name]() for name in only or BENCHMARKS]


def main(only: Sequence[str] | None = None, json: str | None = None) -> int:
    """Print the measurements as a table, or as JSON to a file or (`-`) standard output."""
    results = run(only or ())
    if json is None:
        for each in results:
            against = f"baseline {each.baseline:10.1f}  ratio {each.ratio:6.2f}"
            print(f"{each.name:<20} {each.value:10.1f} {each.unit:<20}  {against}")
    else:
        text = dumps([asdict(each) for each in results], indent=2)
        print(text) if json == "-" else Path(json).write_text(text + "\n", encoding="utf-8")
    return 0
