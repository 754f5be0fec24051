"""The command line as people meet it: a process, its two outputs and its exit status."""

from __future__ import annotations

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import types
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segno
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from moeviz.cli import COMMANDS, address, doctor, main
from moeviz.cli.outputs import write_json
from moeviz.config import KNOBS, RunConfig
from moeviz.experiments.bench import BENCHMARKS, Result

ROOT = Path(__file__).resolve().parents[2]
REPORTED = ("platform", "device", "devices", "cores", "threads", "browser")
RESULT_KEYS = {
    "config", "steps", "seconds", "test_metric", "test_loss", "load", "cv_load", "dead_experts", "specialization",
    "history", "dispatch", "device",
}  # fmt: skip
HISTORY = (
    "run", "step", "task_loss", "balance_loss", "train_metric", "test_metric", "cv_load", "dead_experts",
    "specialization",
)  # fmt: skip


def moeviz(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m moeviz` in a process of its own."""
    command = [sys.executable, "-m", "moeviz", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def strict_json(text: str) -> Any:
    """JSON as other languages read it: NaN and Infinity are errors."""

    def refuse(word: str) -> None:
        raise ValueError(f"JSON must not hold {word}")

    return json.loads(text, parse_constant=refuse)


# --- train


@pytest.fixture(scope="module")
def spiral() -> tuple[dict[str, Any], str]:
    """The result of a short run, and what it said on stderr."""
    words = (
        "train --task spiral --num-experts 4 --top-k 1 --balance-coef 1 --gate-bias --steps 60 --device cpu --json -"
    )
    done = moeviz(*words.split())
    assert done.returncode == 0, done.stderr
    return strict_json(done.stdout), done.stderr


def test_train_prints_one_json_object_with_the_promised_keys(spiral: tuple[dict[str, Any], str]) -> None:
    result, _ = spiral
    assert set(result) == RESULT_KEYS
    expected = RunConfig(task="spiral", num_experts=4, top_k=1, balance_coef=1.0, gate_bias=True, device="cpu")
    assert RunConfig(**result["config"]) == expected
    assert result["steps"] == 60 and result["device"] == "cpu" and result["dispatch"] in ("dense", "sparse")
    assert 0 < result["seconds"] < 60 and math.isfinite(result["test_loss"])
    assert 0 <= result["test_metric"] <= 1 and 0 <= result["specialization"] <= 1


def test_the_load_of_the_result_agrees_with_its_unevenness(spiral: tuple[dict[str, Any], str]) -> None:
    result, _ = spiral
    load = result["load"]
    assert len(load) == 4 and sum(load) == pytest.approx(1)
    # CV = standard deviation / mean, and the mean of 4 shares is 1/4
    assert result["cv_load"] == pytest.approx(
        math.sqrt(sum((share - 0.25) ** 2 for share in load) / 4) / 0.25, rel=1e-4
    )
    assert result["dead_experts"] <= sum(share == 0 for share in load)


def test_the_history_is_records_that_end_at_the_result(spiral: tuple[dict[str, Any], str]) -> None:
    result, _ = spiral
    assert all(tuple(record) == HISTORY for record in result["history"])
    steps = [record["step"] for record in result["history"]]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 60
    assert {record["run"] for record in result["history"]} == {0}
    last = result["history"][-1]
    for key in ("test_metric", "cv_load", "dead_experts", "specialization"):
        assert last[key] == pytest.approx(result[key]), key
    assert last["task_loss"] < result["history"][0]["task_loss"]


def test_progress_goes_to_stderr(spiral: tuple[dict[str, Any], str]) -> None:
    lines = spiral[1].splitlines()
    assert lines[0] == "training spiral (N=4, k=1, λ=1) for 60 steps on cpu"
    assert len(lines) == 11
    assert lines[-1].startswith("step     60  task loss ")
    assert all("test accuracy" in line and "CV(load)" in line and "dead experts" in line for line in lines[1:])


def test_without_json_on_stdout_train_prints_a_summary_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    words = "train --task plane --num-experts 2 --top-k 1 --steps 7 --device cpu --json".split()
    assert main([*words, str(file)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^load +A \d\.\d{3}  B \d\.\d{3}$", out, re.MULTILINE)
    assert "test R²" in out
    assert strict_json(file.read_text(encoding="utf-8"))["steps"] == 7


def test_equal_commands_train_equal_runs(capsys: pytest.CaptureFixture[str]) -> None:
    words = "train --num-experts 2 --top-k 1 --steps 20 --seed 5 --device cpu --json -".split()
    results = []
    for _ in range(2):
        assert main(words) == 0
        results.append({**strict_json(capsys.readouterr().out), "seconds": 0})
    assert results[0] == results[1]


def test_ctrl_c_keeps_what_was_computed() -> None:
    command = [sys.executable, "-m", "moeviz", *"train --steps 1000000 --device cpu --json -".split()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("training clusters")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    result = strict_json(stdout)
    assert process.returncode == 130
    assert set(result) == RESULT_KEYS and 0 <= result["steps"] < 1_000_000
    assert result["history"][-1]["step"] <= result["steps"]
    assert "Traceback" not in stderr and "stopping after this step" in stderr


def test_a_diverged_run_says_which_knob_to_lower_and_still_prints_its_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "train --task bumps --learning-rate 10 --expert linear --steps 300 --device cpu --json -".split()
    assert main(words) == 1
    out, err = capsys.readouterr()
    result = strict_json(out)
    assert set(result) == RESULT_KEYS and result["steps"] < 300
    assert "diverged" in err.splitlines()[-1] and "ower the learning rate" in err.splitlines()[-1]


# --- bad input: one line with rule, value and remedy, status 2


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["train", "--top-k", "9"], ["top_k must be at most num_experts", "top_k=9", "lower top_k"]),
        (["train", "--top-k", "two"], ["top_k must be a whole number from 1 to 64", "top_k='two'", "choose"]),
        (["train", "--learning-rate", "nan"], ["learning_rate must be a number", "learning_rate=nan", "choose"]),
        (["train", "--learning-rate=-1e-3"], ["learning_rate must be a number", "learning_rate=-0.001", "choose"]),
        (["train", "--task", "spirals"], ["task must be one of clusters", "task='spirals'", "choose"]),
        (["train", "--task", "plane", "--num-classes", "3"], ["num_classes must be none", "num_classes=3", "none"]),
        (["train", "--steps", "-1"], ["steps must be a whole number from 0", "steps=-1", "choose"]),
        (["train", "--gate-bias", "maybe"], ["gate_bias must be true or false", "gate_bias='maybe'", "choose"]),
        (["train", "--seed", "9" * 5000], ["seed must be a whole number", "seed='999", "choose"]),
        (["train", "--json", "/no/such/folder/x.json"], ["--json must be", "/no/such/folder/x.json", "use -"]),
        (["train", "--seed", "9" * 400], ["seed must be a whole number", "seed=999", "choose"]),
        (["train", "--json", "x" * 5000], ["--json must be", "'xxx", "use -"]),
        (["train", "--json", "a\0b"], ["--json must be", r"'a\x00b'", "use -"]),
        (["train", "--steps", "0", "--json", "/dev/full"], ["--json must be", "/dev/full", "choose another"]),
        (["x" * 5000], ["the command must be one of train, sweep, trials, bench", "'xxx", "see --help"]),
        (["train", "x" * 5000], ["flags it knows", "'xxx", "see --help"]),
        (["bench", "--only", "a\n" * 500], ["a benchmark must be one of step_r1", r"'a\na\n", "check the spelling"]),
        (["address", "--host", "x" * 6000], ["--host must be a host name or an address", "'xxx", "use 0.0.0.0"]),
        (["address", "--host", "\udcff"], ["--host must be a host name or an address", r"'\udcff'", "use 0.0.0.0"]),
        (["train", "--json"], ["--json", "expected one argument", "see python -m moeviz train --help"]),
        (["train", "--lambda", "1"], ["flags it knows", "--lambda", "see --help"]),
        (["train", "--topk", "1"], ["flags it knows", "--topk", "did you mean --top-k?"]),
        (["train", "spiral"], ["flags it knows", "spiral", "see --help"]),
        (["sweep"], ["a sweep must vary at least one knob", "got none", "name one"]),
        (["sweep", "--vary", "top_k"], ["--vary must be KNOB=VALUE", "'top_k'", "write --vary num_experts=2,4,8"]),
        (["sweep", "--vary", "topk=1"], ["must be a knob", "'topk'", "did you mean top_k?"]),
        (["sweep", "--vary", "seed=1"], ["must not vary seed", "got seed", "how many seeds"]),
        (["sweep", "--vary", "top_k=1,x"], ["top_k must be a whole number", "top_k='x'", "choose"]),
        (["sweep", "--vary", "top_k=1", "--vary", "top-k=2"], ["a knob once", "'top_k' twice", "list all"]),
        (["sweep", "--vary", "top_k=9"], ["a combination that fits", "top_k=9", "lower top_k"]),
        (["sweep", "--vary", "top_k=1", "--steps", "0"], ["steps must be", "steps=0", "choose"]),
        (["sweep", "--vary", "top_k=1", "--seeds", "1e9"], ["seeds must be", "seeds='1e9'", "choose"]),
        (
            ["sweep", "--vary", "top_k=1,2", "--seeds", "100", "--steps", "1000000"],
            ["runs × steps", "200 runs", "take"],
        ),
        (["sweep", "--vary", "top_k=1", "--csv", "/no/such/x"], ["--csv must be", "/no/such/x", "make its folder"]),
        (["sweep", "--vary", "top_k=1", "--csv", "-", "--json=-"], ["stdout must have one form", "got", "write one"]),
        (["trian"], ["the command must be one of train, sweep, trials, bench", "trian", "did you mean train?"]),
        (["address", "--port", "0"], ["port must be a whole number from 1 to 65535", "port=0", "choose"]),
    ],
)
def test_bad_input_is_one_line_with_rule_value_and_remedy(
    words: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    err = err.removeprefix("training clusters (N=8, k=2, λ=0) for 0 steps on cpu\n")  # found out at the end only
    assert err.startswith("moeviz: ") and err.count("\n") == 1 and len(err) < 800
    positions = [err.find(part) for part in parts]
    assert -1 not in positions, err


FLAGS = [
    "vary",
    "seeds",
    "csv",
    "task",
    "num-experts",
    "top-k",
    "learning-rate",
    "gate-bias",
    "seed",
    "steps",
    "json",
    "only",
    "host",
    "port",
]
NOT_HERE = {"--device=cuda", "--device=mps", "--json=-"}  # may be there, and takes its time; prints
odd = (
    some.text(max_size=20)
    | some.text(some.characters(), max_size=5)
    | some.integers().map(str)
    | some.floats().map(str)
)
odd |= some.sampled_from(
    ["", "-", "--", "-1", "nan", "inf", "1e999", "9" * 400, "/", "/dev/full", "no/such", "\0", "%s", "@x"]
)
anything = some.builds("--{}={}".format, some.sampled_from([*FLAGS, *(name.replace("_", "-") for name in KNOBS)]), odd)
anything |= odd | odd.map("--{}".format) | odd.map("-{}".format)
quick = anything.filter(lambda word: word not in NOT_HERE and not re.fullmatch(r"--steps=\s*[\d_]{2,8}\s*", word))
arguments = some.lists(quick, max_size=3)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=some.sampled_from([*COMMANDS]), words=arguments)
@example(command="train", words=["--steps=9" + "9" * 400])
@example(command="train", words=["--steps=1e3"])
@example(command="train", words=["--step=1"])  # no abbreviations
@example(command="doctor", words=["--json=/no/such/folder/x"])
@example(command="address", words=["--port=-1"])
def test_whatever_is_written_behind_a_command_ends_with_a_status(
    command: str, words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in BENCHMARKS:
        monkeypatch.setitem(BENCHMARKS, name, lambda: Result("frame_pack", 1.0, "ms", 1.0, 1.0))
    nothing: dict[str, Any] = {"versions": {}, "problems": [], "open_files": None}
    monkeypatch.setattr(doctor, "report", lambda: dict.fromkeys(REPORTED, ()) | nothing)
    monkeypatch.chdir(tmp_path)
    words = [*words, "--steps=1"] if command == "train" and not any("--steps" in word for word in words) else words
    capsys.readouterr()
    try:
        status = main([command, *words])
    except SystemExit as ended:  # --help
        status = int(ended.code or 0)
    out, err = capsys.readouterr()
    assert status in (0, 1, 2) and "Traceback" not in err
    if status == 2:
        last = err.splitlines()[-1]
        assert out == "" and err.endswith("\n") and last.startswith("moeviz: ") and "; " in last and len(last) < 400


def test_bad_input_is_found_before_torch_is_imported() -> None:
    check = "import sys; from moeviz.cli import main; main(['train', '--top-k', '9']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr.count("\n") == 1


def test_a_device_that_is_not_there_is_bad_input_too(capsys: pytest.CaptureFixture[str]) -> None:
    from moeviz.tensors.device import available

    absent = next(name for name in ("mps", "cuda") if name not in available())
    assert main(["train", "--device", absent, "--steps", "1"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("moeviz: device must be present") and err.endswith("use auto\n") and err.count("\n") == 1


# --- flags and help


def test_every_knob_is_a_flag_with_its_bounds_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, knob in KNOBS.items():
        assert f"--{name.replace('_', '-')}" in text and knob.rule in text


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_the_overview_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_json_has_null_where_a_number_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": math.nan, "b": [math.inf, 1.5, np.float32("nan"), np.int64(3)], "c": np.array([1.0, math.nan])}
    write_json({**value, "d": None, "λ": True}, "-")
    expected = {"a": None, "b": [None, 1.5, None, 3], "c": [1.0, None], "d": None, "λ": True}
    assert strict_json(capsys.readouterr().out) == expected


# --- bench


def test_bench_hands_its_flags_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Any] = []
    stand_in = types.ModuleType("moeviz.experiments.bench")
    result = Result("frame_pack", 2.0, "ms", 3.0, 1.5)

    def run(only: Any) -> list[Result]:
        asked.append(only)
        return [result]

    vars(stand_in).update(run=run, as_text=lambda results: "a table")
    monkeypatch.setitem(sys.modules, "moeviz.experiments.bench", stand_in)
    assert main(["bench"]) == 0 and capsys.readouterr().out == "a table\n"
    assert main(["bench", "--only", "step_r1", "frame_pack", "--json", "-"]) == 0
    assert strict_json(capsys.readouterr().out) == [asdict(result)]
    assert asked == [(), ["step_r1", "frame_pack"]]


# --- doctor


def test_doctor_tells_versions_device_cores_threads_and_browser() -> None:
    done = moeviz("doctor", "--json", "-")
    report = strict_json(done.stdout)
    assert set(report) == {
        "versions", "platform", "cores", "open_files", "device", "devices", "threads", "browser", "problems",
    }  # fmt: skip
    assert report["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert report["versions"]["torch"].split("+")[0] == doctor.pinned(ROOT / "requirements.txt")["torch"]
    assert report["cores"] == os.cpu_count() and report["device"] in report["devices"] and "cpu" in report["devices"]
    assert report["browser"] == doctor.find_browser()
    assert report["open_files"] is None or report["open_files"] > 100
    assert done.returncode == (1 if report["problems"] else 0)


def test_doctor_names_what_is_missing_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: None if name == "segno" else "0.0.1")
    monkeypatch.setattr(doctor, "find_browser", lambda: None)
    monkeypatch.setattr(doctor, "raised_limit", lambda: 50)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^problem +segno must be [\d.]+: got nothing; run .*pip install", out, re.MULTILINE)
    assert re.search(r"^problem +numpy must be [\d.]+: got 0.0.1; run .*pip install", out, re.MULTILINE)
    assert re.search(
        r"^problem +open files must be at least 60: got 50; raise the limit with ulimit -n", out, re.MULTILINE
    )
    assert re.search(r"^open files +at most 50, enough for 0 visitors at once \(12 each\)", out, re.MULTILINE)
    assert re.search(r"^test browser +none: install Chromium or Chrome, or set MOEVIZ_BROWSER", out, re.MULTILINE)


def test_a_browser_is_looked_for_by_name_and_where_browsers_install_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MOEVIZ_BROWSER", raising=False)
    monkeypatch.setattr(doctor, "BROWSER_FILES", [each for each in doctor.BROWSER_FILES if each.startswith("~")])
    assert doctor.find_browser() is None
    own = tmp_path / ".cache/ms-playwright/chromium-1234/chrome-linux64/chrome"
    command, chosen = tmp_path / "google-chrome", tmp_path / "mine"
    for file in (own, command, chosen):  # each one found later is preferred to those before
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o755)
        if file == chosen:
            monkeypatch.setenv("MOEVIZ_BROWSER", str(chosen))
        assert doctor.find_browser() == str(file)
    monkeypatch.setenv("MOEVIZ_BROWSER", "no-such-browser")
    assert doctor.find_browser() is None


# --- address


def test_the_address_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["address", "--port", "8600"]) == 0
    assert capsys.readouterr().out == "moeviz on this computer: http://localhost:8600\n"


def test_the_address_for_a_class_comes_as_text_and_qr_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(address, "lan_address", lambda: "10.1.2.3")
    assert main(["address", "--host", "0.0.0.0"]) == 0
    out = capsys.readouterr().out
    assert "on this computer: http://localhost:8501\n" in out
    assert "For the class:           http://10.1.2.3:8501\n" in out
    drawn = io.StringIO()
    segno.make("http://10.1.2.3:8501", micro=False).terminal(drawn, compact=True)
    assert drawn.getvalue().rstrip() in out


def test_a_colored_code_is_white_on_black_in_every_line() -> None:
    lines = address.qr_code("http://10.1.2.3:8501", colored=True).splitlines()
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in lines)
    assert len({len(line) for line in lines}) == 1


def test_without_a_network_the_class_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(self: object, place: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("socket.socket.connect", unreachable, raising=False)
    assert address.lan_address() is None
    assert main(["address", "--host", "0.0.0.0"]) == 0
    assert "in no network; join one and start again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", "http://localhost:80"), ("fe80::1", "http://[fe80::1]:80")]
)
def test_a_host_with_colons_goes_into_brackets(host: str, expected: str) -> None:
    assert address.url(host, 80) == expected
