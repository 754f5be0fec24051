"""Standard output and error of every command: of few characters, full, closed, or with nobody who reads."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from moeviz.cli import COMMANDS, main
from moeviz.experiments import terminal
from moeviz.experiments.claims import trials
from moeviz.experiments.cost import measured
from moeviz.experiments.terminal import ended

ROOT = Path(__file__).resolve().parents[2]
QUICK = "-m moeviz address --host 10.1.2.3".split()  # imports little
TRAIN = "-m moeviz train --task plane --num-experts 2 --top-k 1 --steps 1 --device cpu".split()


def shell(redirected: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these words and a shell's redirections."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirected}', sys.executable, *words], cwd=ROOT, text=True, timeout=120,
        capture_output=True, check=False, env=os.environ | environment,
    )  # fmt: skip


class Screen(io.TextIOWrapper):
    """A terminal of one encoding that, as usual, is strict."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict")

    @property
    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


def on_screen(monkeypatch: pytest.MonkeyPatch, encoding: str, *words: str) -> str:
    """What a command writes to both outputs of such a terminal."""
    screens = Screen(encoding), Screen(encoding)
    monkeypatch.setattr(sys, "stdout", screens[0])
    monkeypatch.setattr(sys, "stderr", screens[1])
    try:
        main(words)
    except SystemExit as asked:  # --help
        assert asked.code == 0
    return "".join(each.text for each in screens)


# ---- few characters -------------------------------------------------------------------------------------------------

ENCODINGS = ("ascii", "cp1252", "cp936", "cp437", "koi8-r", "utf-8")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_command_helps_on_every_terminal(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COMMANDS:
        assert on_screen(monkeypatch, encoding, name, "--help").startswith("usage: python -m moeviz")
    assert on_screen(monkeypatch, encoding).startswith("python -m moeviz COMMAND")
    assert "--top-k: top_k must be a whole number" in on_screen(monkeypatch, encoding, "train", "--top-k", "λ專")


def test_a_result_can_be_read_on_every_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    words = TRAIN[2:]
    assert "test R^2 " in on_screen(monkeypatch, "ascii", *words)
    assert "test R² " in on_screen(monkeypatch, "cp1252", *words)
    assert "(N=2, k=1, lambda=0)" in on_screen(monkeypatch, "cp1252", *words)
    assert "(N=2, k=1, λ=0)" in on_screen(monkeypatch, "cp936", *words)


def test_what_cannot_be_shown_reads_well(monkeypatch: pytest.MonkeyPatch) -> None:
    said = on_screen(monkeypatch, "ascii", "train", "--help")
    assert "Balance weight (lambda): The balance loss" in said and "squared: sum (1/N - P)^2" not in said
    assert "In Chinese: \\u4e13\\u5bb6." in said  # no letters can spell it
    assert "专家" in on_screen(monkeypatch, "cp936", "train", "--help")
    screen = Screen("ascii")
    screen.reconfigure(errors=terminal.spell.__name__)
    screen.write("Σ (1/N − P)² ≤ 1…, “José” → \udcff")
    screen.flush()
    assert screen.text == 'sum (1/N - P)^2 <= 1..., "Jose" -> \\udcff'


@pytest.mark.parametrize("encoding", ["cp1252:strict", "ascii:strict", "utf-16"])
def test_a_process_is_told_its_encoding(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "moeviz", "train", "--help"], cwd=ROOT, capture_output=True, check=False,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0 and "Experts (N)" in done.stdout.decode(encoding.partition(":")[0])


def test_no_locale_at_all() -> None:
    done = shell("", *TRAIN, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0 and "test R^2 " in done.stdout and "lambda=0" in done.stderr


# ---- full, closed, gone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [QUICK, ["-m", "moeviz", "train", "--help"], ["-m", "moeviz"]])
def test_a_full_output_is_an_error_in_one_line(words: list[str]) -> None:
    done = shell(">/dev/full", *words)
    rule = "moeviz: standard output must take what is written"
    assert (done.returncode, done.stderr) == (2, f"{rule}: got No space left on device; name a file, or make room\n")


@pytest.mark.parametrize("words", [QUICK, ["-m", "moeviz", "sweep", "--help"]])
def test_nobody_who_reads_is_no_error_to_speak_of(words: list[str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "w") as pipe:
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")  # as a program that SIGPIPE has ended


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_ends_it_in_silence(unbuffered: str) -> None:
    command = [sys.executable, "-m", "moeviz", "train", "--help"]  # three times what this pipe holds
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=4096, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert os.read(process.stdout.fileno(), 10) == b"usage: pyt"
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(60) == 141


def test_a_closed_output_is_an_error_in_one_line() -> None:
    done = shell(">&-", *QUICK)
    rule = "moeviz: standard output must take what is written"
    assert (done.returncode, done.stderr) == (2, f"{rule}: got a closed one; name a file, or make room\n")


def test_progress_that_cannot_be_told_goes_nowhere_else() -> None:
    done = shell("2>/dev/full", *TRAIN, "--json", "-")
    assert done.returncode == 0 and done.stdout.startswith('{\n  "config"') and done.stdout.endswith("}\n")
    done = shell("2>&-", "-m", "moeviz", "trian")
    assert (done.returncode, done.stdout) == (2, "")


def test_no_file_takes_the_place_of_a_closed_stream() -> None:
    code = "from moeviz.experiments.terminal import prepare; prepare(); raise SystemExit(open('/dev/null').fileno())"
    assert shell("<&- >&- 2>&-", "-c", code).returncode > 2


def test_an_interrupt_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert ended(interrupted) == 130
    assert capsys.readouterr().err == "moeviz: interrupted\n"


# ---- the commands behind the pages ----------------------------------------------------------------------------------


def run_trials(words: list[str]) -> int:
    return main(["trials", *words])


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        (run_trials, ["balance", "--seeds", "0"], "--seeds must be a whole number from 1: got 0; take more"),
        (run_trials, ["balance", "--seeds", "x"], "argument --seeds: invalid int value: 'x'; see "),
        (run_trials, ["balanced"], "argument TRIAL: invalid choice: 'balanced'"),
        (run_trials, [], "the following arguments are required: TRIAL; see python -m moeviz trials --help"),
        (measured.main, ["--top-k", "99"], "top_k must be "),
        (measured.main, ["--seconds", "soon"], "argument --seconds: invalid float value: 'soon'; see "),
    ],
)
def test_they_refuse_in_one_line_too(command, words, said, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(lambda: command(words)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"moeviz: {said}") and err.count("\n") == 1


def test_trials_end_in_silence_too_where_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trials.TRIALS, "routing", lambda seed: {"most": 1.0})
    monkeypatch.setattr(os, "nice", lambda more: 0)
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "w") as pipe, tempfile.TemporaryFile("w+") as said:
        monkeypatch.setattr(sys, "stdout", pipe)
        monkeypatch.setattr(sys, "stderr", said)
        assert ended(lambda: run_trials(["routing"])) == 141
        said.seek(0)
        assert said.read() == ""
