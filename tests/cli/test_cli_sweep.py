"""`python -m moeviz sweep` as people meet it: a process, its outputs, and what is left when it is killed."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from moeviz.config import RunConfig
from moeviz.experiments.sweep import File
from tests.cli.test_cli import ROOT, moeviz, strict_json

WORDS = (
    "sweep --vary num_experts=2,4,8 --vary balance_coef=0,1 --seeds 4 --batch-size 16 --hidden-width 4 --device cpu"
).split()
PATIENCE = 120.0


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "moeviz", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def until_something_is_kept(process: subprocess.Popen[str], file: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not lines(file):
        assert process.poll() is None and time.monotonic() < deadline, "no run finished"
        time.sleep(0.005)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    file = tmp_path_factory.mktemp("sweep") / "map.csv"
    words = "sweep --vary num_experts=1,4 --vary top-k=1,2 --seeds 2 --seed 3 --steps 30 --batch-size 16 --device cpu"
    return moeviz(*words.split(), "--csv", str(file), "--json", "-"), file


def test_a_sweep_writes_one_line_for_each_run(swept) -> None:
    done, file = swept
    assert done.returncode == 0, done.stderr
    found = rows(file.read_text())
    told = [(each["num_experts"], each["top_k"], each["seed"]) for each in found]
    # N = 1 with k = 2 is no run
    assert told == [
        ("1", "1", "3"),
        ("1", "1", "4"),
        ("4", "1", "3"),
        ("4", "1", "4"),
        ("4", "2", "3"),
        ("4", "2", "4"),
    ]
    assert all(0 <= float(each["test_metric"]) <= 1 and each["diverged"] == "False" for each in found)


def test_its_json_says_what_was_asked_for_and_left_out(swept) -> None:
    done, file = swept
    result = strict_json(done.stdout)
    assert set(result) == {"base", "vary", "seeds", "steps", "complete", "left_out", "runs"}
    assert result["vary"] == {"num_experts": [1, 4], "top_k": [1, 2]} and result["complete"] is True
    (left,) = result["left_out"]
    assert left["values"] == {"num_experts": 1, "top_k": 2} and "at most num_experts" in left["why"]
    assert [each["test_loss"] for each in result["runs"]] == [
        float(each["test_loss"]) for each in rows(file.read_text())
    ]


def test_it_says_on_stderr_what_it_does(swept) -> None:
    said = swept[0].stderr.splitlines()
    assert said[0] == "training 6 runs of 30 steps: num_experts in 2 values, top_k in 2 values"
    assert said[1].startswith("left out 1 of 4 combinations, which no run can have: top_k must be at most num_experts")
    assert all(re.fullmatch(r" +\d of 6 runs +\d+%  about \d+ s left", line) for line in said[2:])


def test_without_a_file_it_prints_the_means_for_people() -> None:
    done = moeviz(*"sweep --vary top_k=1,2 --num-experts 2 --seeds 1 --steps 5 --batch-size 8 --device cpu".split())
    assert done.returncode == 0, done.stderr
    head, *body = done.stdout.splitlines()
    assert "Accuracy" in head and "Unevenness of load (CV)" in head
    assert [line.split()[0] for line in body] == ["1", "2"]


def test_killing_it_loses_no_finished_run_and_it_continues(tmp_path: Path) -> None:
    file, store = tmp_path / "map.csv", tmp_path / "map.csv.jsonl"
    words = [*WORDS, "--steps", "800", "--csv", str(file)]
    with started(*words) as process:
        until_something_is_kept(process, store)
        workers = psutil.Process(process.pid).children()
        process.kill()
    kept = [line for line in store.read_text().split("\n")[:-1] if line]
    assert 0 < len(kept) < 24 and not file.exists()
    psutil.wait_procs(workers, timeout=10)
    assert workers and not [worker for worker in workers if worker.is_running()]

    done = moeviz(*words)
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} of them are in {store} already" in done.stderr
    assert lines(store)[: len(kept)] == kept and len(lines(store)) == 24  # none was trained again
    again = File(store)
    for each in rows(file.read_text()):
        config = RunConfig(
            num_experts=int(each["num_experts"]), balance_coef=float(each["balance_coef"]), seed=int(each["seed"]),
            batch_size=16, hidden_width=4, device="cpu",
        )  # fmt: skip
        found = again.get(config, 800)
        assert found is not None and found.test_loss == float(each["test_loss"])


def test_ctrl_c_keeps_finished_runs_and_says_how_to_continue(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    with started(*WORDS, "--steps", "1500", "--csv", str(file)) as process:
        until_something_is_kept(process, tmp_path / "map.csv.jsonl")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Traceback" not in stderr
    found = rows(file.read_text())
    assert 0 < len(found) < 24
    last = (
        f"moeviz: {len(found)} of 24 runs are finished; finished runs are in {file}.jsonl; the same command continues"
    )
    assert stderr.splitlines()[-1] == last


def test_bad_input_is_found_before_torch_is_imported() -> None:
    words = ["sweep", "--vary", "top_k=9"]
    check = f"import sys; from moeviz.cli import main; main({words}); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr.count("\n") == 1


def test_a_store_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.csv.jsonl").write_text(json.dumps({"a": 1}) + "\n")
    done = moeviz(*WORDS, "--steps", "1", "--csv", str(tmp_path / "map.csv"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "must hold what a sweep has written" in done.stderr and "choose another file" in done.stderr


def test_a_device_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    from tests.viewers import missing_device

    done = moeviz(*"sweep --vary top_k=1 --seeds 1 --steps 1 --device".split(), missing_device())
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("moeviz: device must be present") and done.stderr.endswith("use auto\n")
