"""Files that commands write: whole or not at all, each its own, and what stood there is kept until then."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from moeviz.cli import main, outputs
from moeviz.cli.outputs import write_json, write_text
from moeviz.cli.sweep import _store_file
from moeviz.experiments.sweep import File, Job, Pool
from moeviz.experiments.terminal import UsageError
from tests.experiments.test_sweep_store import disk_of
from tests.pretend_workers import FOUND, SMALL, Workers

SWEEP = "sweep --vary top_k=1 --seeds 1 --steps 1".split()
TRAIN = "train --steps 0 --num-experts 2 --top-k 1 --device cpu --json".split()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- two that are one -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("csv", "json"),
    [
        ("r", "r"), ("r", "./r"), ("r", "folder/../r"), ("old", "link"), ("old", "hard"), ("link", "hard"),
        ("new", "ahead"), ("map", "map.jsonl"), ("map.jsonl", "./map.jsonl"), ("old", "old.jsonl"),
        ("/dev/full", "/dev/full"), ("r", "here/r"),
    ],
)  # fmt: skip
def test_two_outputs_with_one_place_are_refused_before_anything_starts(
    csv: str, json: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "old").write_text("old")
    (here / "folder").mkdir()
    (here / "link").symlink_to("old")
    (here / "ahead").symlink_to("new")  # which is not there yet
    (here / "here").symlink_to(".")
    os.link(here / "old", here / "hard")
    before = sorted(path.name for path in here.iterdir())
    assert main([*SWEEP, "--csv", csv, "--json", json]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "must be two files: got" in said and said.endswith("; choose another\n")
    assert sorted(path.name for path in here.iterdir()) == before and (here / "old").read_text() == "old"


def test_a_file_that_the_shell_writes_too_is_refused(here: Path) -> None:
    for name in ("stdout", "stderr"):
        with (here / "log").open("w") as log, pytest.MonkeyPatch.context() as patched:
            patched.setattr(f"sys.{name}", log)
            with pytest.raises(UsageError, match=f"--json must be a file of its own: got './log', where {name} goes; "):
                outputs.check_outputs({"--json": "./log", "--csv": "-"})


def test_finished_runs_are_not_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    File(here / "map.csv.jsonl").put({SMALL: FOUND}, 1)
    (here / "link").symlink_to("map.csv.jsonl")
    before = (here / "map.csv.jsonl").read_bytes()
    for words in ([*SWEEP, "--csv"], [*SWEEP, "--csv", "r", "--json"], TRAIN, ["doctor", "--json"]):
        for name in ("map.csv.jsonl", "./link"):
            assert main([*words, name]) == 2
            said = capsys.readouterr().err
            assert f"must not take the place of finished runs: got '{name}', where a sweep keeps them; choose" in said
    assert (here / "map.csv.jsonl").read_bytes() == before


def test_nothing_is_said_of_the_null_device(capsys: pytest.CaptureFixture[str]) -> None:
    outputs.check_outputs({"--json": "/dev/null", "--csv": "/dev/null"})
    assert main([*TRAIN, "/dev/null"]) == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "no/such/x", "folder", "old/x", "loop/x", ""])
def test_what_cannot_be_written_is_refused_before_anything_starts(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "old").write_text("old")
    (here / "folder").mkdir()
    (here / "loop").symlink_to("loop")
    for words in (["train", "--json", name], [*SWEEP, "--csv", name], ["doctor", "--json", name]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "must be a file that can be written" in said and "use -" in said


# ---- whole or not at all --------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_what_was_there(here: Path) -> None:
    file = here / "result.json"
    for old in (None, "the result of yesterday"):
        if old:
            file.write_text(old)
        with (
            disk_of(1000),
            pytest.raises(UsageError, match=r"--json must be a file that can be written: got .*File to"),
        ):
            write_json({"numbers": list(range(1000))}, str(file))
        assert [path.read_text() for path in here.iterdir()] == ([old] if old else [])  # and nothing beside it
    write_json({"a": 1}, str(file))
    assert json.loads(file.read_text()) == {"a": 1}


def test_an_interrupt_while_it_is_written_leaves_what_was_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(number: int) -> None:
        raise KeyboardInterrupt

    (here / "old").write_text("old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text("new", "old", "--csv")
    assert [path.read_text() for path in here.iterdir()] == ["old"]


def test_a_link_stays_a_link_and_rights_stay(here: Path) -> None:
    (here / "folder").mkdir()
    file, link = here / "folder" / "old", here / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("folder/old")
    write_text("new", "link", "--csv")
    assert link.is_symlink() and file.read_text() == "new" and stat.S_IMODE(file.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        write_text("new", "other", "--csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((here / "other").stat().st_mode) == 0o640  # 0o666 without 0o027
    assert sorted(path.name for path in here.rglob("*")) == ["folder", "link", "old", "other"]


def test_where_nothing_can_stand_beside_it_a_file_is_written_in_its_place(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "old").write_text("a longer old text")
    number = (here / "old").stat().st_ino
    monkeypatch.setattr(outputs, "_is_open", lambda folder: False)
    write_text("new", "old", "--csv")
    assert (here / "old").read_text() == "new" and (here / "old").stat().st_ino == number
    with pytest.raises(UsageError, match="must be a file that can be written"):
        outputs.check_outputs({"--csv": "new"})


def test_a_pipe_is_written_as_a_pipe(here: Path) -> None:
    os.mkfifo(here / "pipe")
    reads = os.open(here / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    outputs.check_outputs({"--json": "pipe"})
    write_json([1], "pipe")
    assert json.loads(os.read(reads, 100)) == [1] and stat.S_ISFIFO((here / "pipe").stat().st_mode)
    os.close(reads)


# ---- a sweep's ------------------------------------------------------------------------------------------------------


def test_a_strangers_file_beside_the_map_is_refused_before_anything_starts(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "x.csv.jsonl").write_bytes(b"notes\nlast line")
    assert main([*SWEEP, "--csv", "x.csv"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("moeviz: x.csv.jsonl must hold what a sweep has written: got 'notes' in line 1; ")
    assert (here / "x.csv.jsonl").read_bytes() == b"notes\nlast line" and len(list(here.iterdir())) == 1


def test_a_device_has_no_file_beside_it() -> None:
    assert _store_file("/dev/null", None) is None and _store_file("-", None) is None
    assert _store_file("-", "r") == "r.jsonl" == _store_file("/dev/full", "r") and _store_file("a", "r") == "a.jsonl"


def test_a_map_that_cannot_be_written_does_not_cost_the_other_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    class Quick(Workers):
        """Workers that finish while the command looks away."""

        def __call__(self, on_message: Any, on_exit: Any) -> Any:
            made = super().__call__(on_message, on_exit)
            looks.append(made.finish)
            return made

    looks: list[Any] = []

    def wait(job: Job, timeout: float | None = None) -> bool:
        while looks:
            looks.pop()()
        return job.over

    monkeypatch.setattr(Job, "wait", wait)
    with Pool(1, start=Quick()) as pool:
        monkeypatch.setattr("moeviz.experiments.sweep.job.shared_pool", lambda: pool)
        assert main([*SWEEP, "--csv", "/dev/full", "--json", "r"]) == 2
    assert json.loads((here / "r").read_text())["complete"] is True
    assert "--csv must be a file that can be written: got '/dev/full' (No space left" in capsys.readouterr().err
