"""The file of finished runs: nobody else's is touched, and whatever tears a line costs that run alone."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moeviz.config import expand
from moeviz.experiments.sweep import File, Job, Pool, Result
from moeviz.experiments.sweep.store import HEAD, made_by
from tests.pretend_workers import FOUND, SMALL, Workers

RUNS = expand(SMALL, seed=list(range(6)))
STEPS = 500


def put(file: Path, *seeds: int) -> bytes:
    """Keep these runs, and return what the file is then."""
    File(file).put({RUNS[seed]: FOUND for seed in seeds}, STEPS)
    return file.read_bytes()


def kept(file: Path) -> list[int]:
    """The seeds of the runs that are read from a file."""
    found = File(file)
    return [config.seed for config in RUNS if found.get(config, STEPS) == FOUND]


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """A disk on which no file has more than `size` bytes: the kernel then writes short, as on a full one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.jsonl"


# ---- whose a file is ------------------------------------------------------------------------------------------------

LINE = json.dumps({"made_by": "torch 1.0", "steps": 1, "config": {}, "result": {}}, separators=(",", ":")).encode()
STRANGERS = {
    "text": b"notes\nlast line", "one line": b"a letter without an end", "binary": bytes(range(256)) * 9,
    "a brace": b"{", "nearly": HEAD[:-1], "json": b'{"made_by":"me","steps":3}\n', "blank": b"\n", "zeros": bytes(4096),
    "utf-16": '{"made_by":"torch 1"}'.encode("utf-16"), "marked": b"\xef\xbb\xbf" + LINE, "late": b"\n" + LINE,
    "ours and text": LINE + b"\nnotes\n", "ours and more": LINE + b" and more\n",
    "ours and binary": LINE + b"\n\xff\xfe",
}  # fmt: skip


@pytest.mark.parametrize("content", STRANGERS.values(), ids=STRANGERS)
def test_a_strangers_file_is_refused_and_not_touched(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    os.utime(file, ns=(1, 1))
    before = file.stat()
    with pytest.raises(ValueError, match=r"must hold what a sweep has written: got .* in line \d; move it away or"):
        File(file)
    after = file.stat()
    assert file.read_bytes() == content and (after.st_mtime_ns, after.st_ino) == (1, before.st_ino)


def test_lines_of_ours_begin_as_a_file_must(file: Path) -> None:
    assert put(file, 0).startswith(HEAD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("result", None), ("result", {}), ("result", [FOUND.test_metric]), ("config", [1]), ("config", None),
        ("test_metric", "0.5"), ("dead_experts", 0.5), ("diverged", 1), ("seconds", None), ("parameters", True),
    ],
)  # fmt: skip
def test_a_run_of_this_version_must_be_one(name: str, value: object, file: Path) -> None:
    line = json.loads(put(file, 0))
    place = line if name in line else line["result"]
    assert name in place
    place[name] = value
    file.write_text(json.dumps(line, separators=(",", ":")) + "\n")
    with pytest.raises(ValueError, match="must hold what a sweep has written"):
        File(file)


def test_a_run_of_another_version_may_have_other_measures(file: Path) -> None:
    text = put(file, 0).decode().replace(made_by(), "torch 99.0, numpy 9").replace('"diverged"', '"exploded"')
    file.write_text(text)
    assert put(file, 1) == text.encode() + file.read_bytes()[len(text) :]
    assert kept(file) == [1] and File(file).others == 1


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")  # to read it would wait forever
    for place in (tmp_path, pipe):
        with pytest.raises(ValueError, match=r"got no regular file in line 1; move it away"):
            File(place)


def test_a_file_that_cannot_be_read_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*how: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    put(file, 0)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=r"must be a file that can be read: got Permission denied; choose another"):
        File(file)


# ---- what is torn ---------------------------------------------------------------------------------------------------


def test_a_torn_line_costs_that_run_alone_wherever_it_is_torn(file: Path) -> None:
    whole, lines = put(file, 0), put(file, 1)
    for end in [*range(len(whole) + 1, len(lines), 9), len(lines) - 2, len(lines) - 1]:
        file.write_bytes(lines[:end])
        is_whole = end == len(lines) - 1  # without its newline only
        assert kept(file) == [0, 1][: 1 + is_whole]
        assert put(file, 2, 3).startswith(lines[:end])  # nothing is cut from it
        assert kept(file) == ([0, 1, 2, 3] if is_whole else [0, 2, 3])


def test_so_does_the_first_one(file: Path) -> None:
    line = put(file, 0)
    for end in [*range(len(HEAD), len(line) - 1, 9), len(line) - 2]:
        file.write_bytes(line[:end])
        assert kept(file) == [] and File(file).torn == 1
        put(file, 1)
        assert kept(file) == [1]


def test_what_an_earlier_version_went_on_behind_half_a_line_is_read(file: Path) -> None:
    line, more = put(file, 0), put(file, 1)
    second = more[len(line) :]
    for torn, count in ((second[:5], 1), (second[:40], 1), (second[:-2], 1), (second[:-2] * 2, 2)):
        file.write_bytes(line + torn + second + second)
        assert kept(file) == [0, 1] and File(file).torn == count


def test_after_a_crash_zeros_may_stand_at_the_end(file: Path) -> None:
    lines = put(file, 0, 1)
    for rest in (bytes(100), lines[:50] + bytes(100), b"\n" + bytes(3) + b"\n"):
        file.write_bytes(lines + rest)
        put(file, 2)
        assert kept(file) == [0, 1, 2]


# ---- a full disk ----------------------------------------------------------------------------------------------------


def test_what_a_full_disk_tore_is_written_again_when_there_is_room(file: Path) -> None:
    size = len(put(file, 0))
    for room in (1, size // 2, size - 1, size, size + 1, 2 * size + 30):  # for three more runs
        file.unlink()
        put(file, 0)
        store = File(file)
        with disk_of(size + room), pytest.raises(OSError, match="File too large"):
            store.put({RUNS[seed]: FOUND for seed in (1, 2, 3)}, STEPS)
        assert kept(file) == list(range(1 + (room + 1) // size))  # a kill now costs only what there was no room for
        store.put({RUNS[4]: FOUND}, STEPS)
        assert kept(file) == [0, 1, 2, 3, 4]


def test_another_process_goes_on_behind_what_a_full_disk_tore(file: Path) -> None:
    size = len(put(file, 0))
    with disk_of(size + 100), pytest.raises(OSError, match="File too large"):
        put(file, 1)
    assert len(file.read_bytes()) == size + 100
    put(file, 2)
    assert kept(file) == [0, 2] and File(file).torn == 1


def test_a_file_never_begins_with_half_a_name(file: Path) -> None:
    for room in (0, 1, len(HEAD), 200):
        store = File(file)
        with disk_of(room), pytest.raises(OSError, match="File too large"):
            store.put({RUNS[0]: FOUND}, STEPS)
        assert file.read_bytes() == b""  # where a few bytes would have been nobody's
        store.put({}, STEPS)
        assert kept(file) == [0]
        file.unlink()


def test_a_job_says_that_the_disk_is_full_only_while_it_is(file: Path) -> None:
    workers = Workers()
    with Pool(1, start=workers) as pool:
        configs = [config.with_(num_experts=2 + config.seed) for config in RUNS[:2]]  # two pieces
        job = Job(configs, STEPS, store=File(file), pool=pool)
        with disk_of(100):
            workers.all[0].finish()
        assert job.errors == [
            "finished runs must be written to a file: [Errno 27] File too large; make room and start again"
        ]
        workers.all[0].finish()
        assert job.over and job.errors == [] and None not in [File(file).get(each, STEPS) for each in configs]


def test_numbers_that_are_none_are_not_read_from_a_file(file: Path) -> None:
    text = put(file, 0, 1).decode()
    for written in ("1e999", "NaN", "-Infinity"):
        file.write_text(text.replace(f"{FOUND.test_loss}", written, 1))
        try:
            found: Result | None = File(file).get(RUNS[0], STEPS)
        except ValueError as error:
            assert "must hold what a sweep has written" in str(error)
        else:
            assert found is None and kept(file) == [1]
