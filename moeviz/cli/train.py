"""`train`: one run from the command line."""

from __future__ import annotations

import argparse
import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from moeviz.cli.flags import add_json, add_knob
from moeviz.cli.outputs import check_outputs, write_json
from moeviz.config import KNOBS, Knob, RunConfig
from moeviz.experiments.terminal import UsageError, out, tell, tell_at_once

if TYPE_CHECKING:
    from moeviz.training import Snapshot, Training

STEPS = Knob(name="steps", kind=int, default=500, low=0, high=10_000_000, label="Steps", help="Training steps.")
SLICE = 10  # steps between two looks at Ctrl-C


def add_flags(parser: argparse.ArgumentParser) -> None:
    for knob in (*KNOBS.values(), STEPS):
        add_knob(parser, knob)
    add_json(parser, "the result")


def run(arguments: argparse.Namespace) -> int:
    """Train and print; Ctrl-C keeps what was computed (status 130), a diverged run says why (status 1)."""
    check_outputs({"--json": arguments.json})
    with stop_on_interrupt() as stop:
        try:
            config = RunConfig(**{name: getattr(arguments, name) for name in KNOBS})
            training = _training(config, arguments.steps)
        except ValueError as error:
            raise UsageError(str(error)) from None
        train(training, arguments.steps, stop)
    snapshot = training.snapshot()
    if arguments.json:
        write_json(result(training, snapshot), arguments.json)
    if arguments.json != "-":
        out(summary(training, snapshot))
    if training.diverged:
        tell(f"moeviz: {snapshot.header['reason'] or 'the run diverged; lower learning_rate'}")
        return 1
    return 130 if stop.is_set() else 0


def train(training: Training, steps: int, stop: Event) -> None:
    """Up to `steps` steps, ten lines of progress on stderr; stops early when asked to or when diverged."""
    config = training.configs[0]
    sizes = f"N={config.num_experts}, k={config.top_k}, λ={config.balance_coef:g}"
    tell(f"training {config.task} ({sizes}) for {steps} steps on {training.device}")
    report_every = max(1, steps // 10)
    while training.current_step < steps and not stop.is_set() and not training.diverged:
        before = training.current_step
        training.step(min(SLICE, report_every - before % report_every, steps - before))
        if training.current_step % report_every == 0:
            tell(progress(training.snapshot()))


def progress(snapshot: Snapshot) -> str:
    """One line: how far, how well, how even; of a model with several layers, how even each of them is."""
    header = snapshot.header
    numbers = {
        "task loss": header["task_loss"][0],
        f"test {header['metric_name']}": header["test_metric"][0],
        "CV(load)": header["cv_load"][0],
    }
    words = [f"{name} {_of_layers(number, _written)}" for name, number in numbers.items()]
    return f"step {header['step']:>6}  {'  '.join(words)}  dead experts {_of_layers(dead_experts(snapshot), str)}"


def dead_experts(snapshot: Snapshot) -> int | list[int]:
    """How many experts are dead; of several layers, how many in each."""
    return np.sum(snapshot.header["dead"][0], axis=-1).tolist()  # type: ignore[no-any-return]


def _of_layers(value: Any, written: Callable[[Any], str]) -> str:
    """A number in words, or that of each layer: "0.512 | 0.731"."""
    return " | ".join(map(written, value)) if isinstance(value, list) else written(value)


def _written(number: float | None) -> str:
    return "-" if number is None else format(number, ".3f")


def result(training: Training, snapshot: Snapshot) -> dict[str, Any]:
    """The object that `--json` prints; `load` is in the order of the experts' letters.

    Of a model with several layers `load`, `cv_load`, `dead_experts` and `specialization` are lists, layer by layer.
    """
    header = snapshot.header
    return {
        "config": dataclasses.asdict(training.configs[0]),
        "steps": header["step"],
        "seconds": header["seconds"],
        "test_metric": header["test_metric"][0],
        "test_loss": header["test_loss"][0],
        "load": snapshot.arrays["load"][0],
        "cv_load": header["cv_load"][0],
        "dead_experts": dead_experts(snapshot),
        "specialization": header["specialization"][0],
        "history": training.history.to_dict("records"),
        "dispatch": header["dispatch"],
        "device": header["device"],
    }


def summary(training: Training, snapshot: Snapshot) -> str:
    """The result for people."""
    from moeviz.figures.palette import letter  # brings plotly, which `--json -` does without

    header, load = snapshot.header, snapshot.arrays["load"][0]
    letters = [letter(identity) for identity in header["ids"][0]]
    loads = {"load": load} if load.ndim == 1 else {f"load, layer {at}": load_E for at, load_E in enumerate(load, 1)}
    return "\n".join(
        [
            progress(snapshot).strip(),
            *(
                f"{name:<11}  " + "  ".join(f"{each} {share:.3f}" for each, share in zip(letters, load_E, strict=True))
                for name, load_E in loads.items()
            ),
            f"took         {header['seconds']:.2f} s, {header['dispatch']} dispatch on {header['device']}",
        ]
    )


@contextmanager
def stop_on_interrupt(
    said: str = "stopping after this step; press Ctrl-C again to end at once",
) -> Iterator[Event]:
    """An event that the first Ctrl-C sets, so that a step is never cut in half; a second Ctrl-C ends at once."""
    stop = Event()

    def ask(signum: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tell_at_once(said)

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _training(config: RunConfig, steps: int) -> Training:
    import torch  # seconds of import: only after the flags are known to be good

    from moeviz.training import Training

    torch.set_num_threads(1)  # as the app's workers do: rounding, and so the run itself, depends on the thread count
    return Training([config], record_every=max(10, steps // 1000))
