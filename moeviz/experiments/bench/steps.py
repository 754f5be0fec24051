"""Training steps, frames and sweeps at the sizes of the pages, against the usual ways of writing them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import plotly.graph_objects as go
import torch

from moeviz import frames
from moeviz.config import RunConfig, expand
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.content.methods import PAPERS
from moeviz.experiments.bench.comparison import PlainMoE, Result, result, side_by_side
from moeviz.experiments.sweep import Job, Pool, plan
from moeviz.training import Training

SIZE = RunConfig(
    task="spiral", num_experts=8, top_k=2, hidden_width=32, batch_size=256, learning_rate=0.01, balance_coef=1.0
)
STEPS = 20  # in one timing
ROUNDS = 25  # timings of each side
SWEEP_STEPS = 500  # of each run of a sweep


def plain_step(config: RunConfig) -> Callable[[], None]:
    """One training step of the plain module with torch's default Adam, on the same tokens as ours."""
    data = Training([config]).data
    x_TD, target_T = data.train.x_RTD[0], data.train.target[0]
    model = PlainMoE(x_TD.shape[-1], config.hidden_width, data.tasks[0].num_outputs, config.num_experts, config.top_k)
    model.to(x_TD.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)

    def step() -> None:
        row_T = torch.randint(len(x_TD), (config.batch_size,), device=x_TD.device)
        y_TO, probs_TE = model(x_TD[row_T])
        balance = ((1 / config.num_experts - probs_TE.mean(0)) ** 2).sum()
        loss = torch.nn.functional.cross_entropy(y_TO, target_T[row_T]) + config.balance_coef * balance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def step_benchmark(num_runs: int) -> Result:
    """A whole training step (autograd, recording and every default feature), for each run, against the plain module."""
    training = Training(expand(SIZE, seed=list(range(num_runs))))
    plain = plain_step(SIZE)
    ours_s, plain_s = side_by_side(lambda: training.step(STEPS), lambda: [plain() for _ in range(STEPS)], ROUNDS)
    scale = 1e6 / STEPS
    return result(
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
    ours_s, theirs_s = side_by_side(lambda: ours.step(STEPS), lambda: theirs.step(STEPS), ROUNDS)
    scale = 1e6 / STEPS
    return result(name, "µs per step and run", [s * scale for s in ours_s], [s * scale for s in theirs_s])


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

    ours_s, plain_s = side_by_side(frame, charts, ROUNDS)
    return result("frame_pack", "ms", [s * 1e3 for s in ours_s], [s * 1e3 for s in plain_s])


def plotly_json(arrays: dict[str, np.ndarray]) -> list[str]:
    """The same picture as four plotly charts, as Streamlit would send them."""
    x_T, y_T = arrays["point_xy"][0].T
    traces = [
        go.Heatmap(z=arrays["winner"][0]),
        go.Scatter(x=x_T, y=y_T, mode="markers", marker={"color": arrays["point_choice"][0]}),
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
    return result("sweep_48", f"s, {len(plain)} × {SWEEP_STEPS} steps", [ours_s], [time.perf_counter() - started])


BENCHMARKS: dict[str, Callable[[], Result]] = {
    "step_r1": lambda: step_benchmark(1),
    "step_r16": lambda: step_benchmark(16),
    "frame_pack": frame_pack,
    "sweep_48": sweep_48,
    **{f"router_{name}": partial(router_benchmark, name) for name in ROUTER_NAMES if name != SIZE.router},
    "router_queue": router_queue,
}
