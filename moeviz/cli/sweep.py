"""`sweep`: many runs over values of a few knobs, on all cores; one that was interrupted continues where it stopped."""

from __future__ import annotations

import argparse
import math
import re
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from moeviz.cli.flags import add_json, add_knob
from moeviz.cli.outputs import check_outputs, is_file, write_json, write_text
from moeviz.cli.train import stop_on_interrupt
from moeviz.config import KNOBS, Value
from moeviz.config.knob import shown
from moeviz.experiments.sweep import File, Job, Plan, measure_label, plan, read_values, table
from moeviz.experiments.sweep.plan import SEEDS, STEPS, check_devices, check_work
from moeviz.experiments.terminal import UsageError, out, tell

if TYPE_CHECKING:
    import pandas

LOOK, SILENCE = 0.2, 10.0  # seconds between two looks at the job, and between two lines
SUMMARY = ("test_metric", "cv_load", "dead_experts", "specialization")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--vary", action="append", metavar="KNOB=VALUE,VALUE…", help="a knob and its values; give it for each knob"
    )
    for knob in (SEEDS, STEPS, *KNOBS.values()):
        add_knob(parser, knob)
    parser.add_argument(
        "--csv", metavar="-|FILE",
        help="write one line for each run to FILE, or to stdout with -; beside FILE, FILE.jsonl keeps finished runs",
    )  # fmt: skip
    add_json(parser, "the runs")


def run(arguments: argparse.Namespace) -> int:
    """Train and print; Ctrl-C keeps finished runs (status 130), runs that are missing are explained (status 1)."""
    store_file = _store_file(arguments.csv, arguments.json)
    check_outputs({"--csv": arguments.csv, "--json": arguments.json}, store_file)
    try:
        planned = plan(
            {name: getattr(arguments, name) for name in KNOBS}, varied(arguments.vary or []), arguments.seeds
        )
        check_work(planned.configs, arguments.steps)
        check_devices(planned.configs)
        store = None if store_file is None else File(Path(store_file))
        with stop_on_interrupt("stopping; finished runs are kept; press Ctrl-C again to end at once") as stop:
            job = Job(planned.configs, arguments.steps, store=store)
            _say_what(planned, job, store)
            _watch(job, stop)
            job.cancel()
            job.wait()
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        _write(planned, job, arguments)
    finally:
        status = _ending(job, store)
    return status


def varied(words: list[str]) -> dict[str, tuple[Value, ...]]:
    """The knobs and values of all `--vary KNOB=VALUE,VALUE`."""
    axes: dict[str, tuple[Value, ...]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"--vary must be KNOB=VALUE,VALUE: got {shown(word)}; write --vary num_experts=2,4,8")
        if name in axes:
            raise UsageError(f"--vary must name a knob once: got {shown(name)} twice; list all its values together")
        axes[name] = read_values(name, text)
    return axes


def _store_file(csv: str | None, json: str | None) -> str | None:
    """The file that keeps finished runs: beside the file that is asked for, if there is one."""
    return next((f"{each}.jsonl" for each in (csv, json) if is_file(each)), None)


def _say_what(planned: Plan, job: Job, store: File | None) -> None:
    varied = ", ".join(f"{name} in {len(values)} values" for name, values in planned.vary.items())
    said = [f"training {len(job.configs)} runs of {job.steps} steps: {varied}"]
    if planned.left_out:
        count, total = len(planned.left_out), math.prod(map(len, planned.vary.values()))
        said.append(f"left out {count} of {total} combinations, which no run can have: {planned.left_out[0].reason}")
    if job.progress.done:
        said.append(f"{job.progress.done} of them are in {store and store.path} already")
    if store is not None and store.others:
        said.append(f"{store.others} runs in {store.path} were made by other versions and are not used")
    if store is not None and store.torn:
        said.append(f"not written to their end in {store.path}, and not used: {store.torn}")
    tell("\n".join(said))


def _watch(job: Job, stop: Event) -> None:
    """A line whenever runs have finished or failed, and in between when nothing was said for a while."""
    counted, said = "", 0.0
    while not job.wait(LOOK) and not stop.is_set():
        at, now = job.progress, time.monotonic()
        if at.counted != counted or now - said > SILENCE:
            left = f"about {max(1, round(at.seconds_left))} s left"
            tell(f"  {at.counted:<18}{at.share:>4.0%}  {left}")
            counted, said = at.counted, now


def _write(planned: Plan, job: Job, arguments: argparse.Namespace) -> None:
    frame = table(job, list(planned.vary))
    try:
        if arguments.csv:
            write_text(frame.to_csv(index=False), arguments.csv, "--csv")
    finally:
        if arguments.json:
            write_json(_as_json(planned, job, frame, vars(arguments)), arguments.json)
    if "-" not in (arguments.csv, arguments.json) and len(frame):
        out(summary(frame, list(planned.vary), arguments.task))


def _as_json(planned: Plan, job: Job, frame: pandas.DataFrame, knobs: dict[str, Any]) -> dict[str, Any]:
    return {
        "base": {name: knobs[name] for name in KNOBS if name not in planned.vary},
        "vary": {name: list(values) for name, values in planned.vary.items()},
        "seeds": knobs["seeds"], "steps": job.steps, "complete": None not in job.results,
        "left_out": [{"values": each.values, "why": each.reason} for each in planned.left_out],
        "runs": frame.astype(object).where(frame.notna(), None).to_dict("records"),
    }  # fmt: skip


def summary(frame: pandas.DataFrame, names: list[str], task: str) -> str:
    """The means over seeds, one line for each combination."""
    columns = [column for name in SUMMARY for column in frame if re.fullmatch(rf"{name}(_\d+)?", str(column))]
    means = frame.groupby(names, sort=False, dropna=False)[columns].mean()
    labels = {column: measure_label(column, task) for column in columns}
    shown = means.rename(columns=labels).reset_index()
    return str(shown.to_string(index=False, float_format=lambda x: f"{x:.3f}", na_rep="-"))


def _ending(job: Job, store: File | None) -> int:
    """The status, and what to do about runs that are missing."""
    missing = job.results.count(None)
    for error in job.errors:
        tell(f"moeviz: {error}")
    if missing:
        kept = f"finished runs are in {store.path}; the same command continues" if store is not None else (
            "the rest is lost; with --csv FILE the same command would continue"
        )  # fmt: skip
        tell(f"moeviz: {len(job.results) - missing} of {len(job.results)} runs are finished; {kept}")
    return 1 if job.errors else 130 if missing else 0
