"""Files at random: damaged stores, odd targets, disks that fill up. No traceback, and what is refused stays as it is.

A failing example says its seed; `MOEVIZ_SEED=… pytest tests/experiments/test_fuzzing_files.py` runs it again.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moeviz.cli import main
from moeviz.cli.outputs import write_json
from moeviz.config import expand
from moeviz.experiments.sweep import File, Job, Pool
from moeviz.experiments.terminal import UsageError
from tests.cli.test_cli import strict_json
from tests.experiments.test_sweep_store import disk_of
from tests.pretend_workers import FOUND, SMALL, Workers

pytestmark = pytest.mark.slow

RUNS = expand(SMALL, seed=list(range(8)))
STEPS = 20
STORES, COMMANDS, VALUES = 1500, 120, 400  # examples
SWEEP = f"sweep --vary top_k=2 --seeds 8 --steps {STEPS} --batch-size 16 --hidden-width 4 --device cpu --num-experts 8"


@pytest.fixture
def examples(record_property: Callable[[str, object], None]) -> Callable[[int], Iterator[random.Random]]:
    """Random numbers for so many examples; the seed of the last one is printed, and so known when it fails."""
    first = int(os.environ.get("MOEVIZ_SEED", time.time_ns() % 10**9))
    record_property("seed", first)

    def each(count: int) -> Iterator[random.Random]:
        for seed in range(first, first + (1 if "MOEVIZ_SEED" in os.environ else count)):
            with contextlib.suppress(OSError):
                print(f"seed {seed}")
            yield random.Random(seed)

    return each


# ---- damage ---------------------------------------------------------------------------------------------------------

WORDS = (
    b"notes\n", b"\0" * 9, b"\xff\xfe", b"\r\n", b"\n", b"{", b"}", b'"', b'{"made_by":"torch 2', b'{"made_by":',
    b"NaN", b"1e999", b"9" * 5000, b"[" * 3000, b"\xef\xbb\xbf", b'{"a":1}\n', b" ", b"\\ud800", b"null", b"-", b"\x1a",
)  # fmt: skip
OTHERS = (
    b"", b"\n", b"a letter", b"a,b\n1,2\n", b'{"a":1}\n', b"[]", b"\x89PNG\r\n\x1a\n" + bytes(50), bytes(5000),
    b"{" * 9, "čas\n".encode("utf-16"), b"PK\x03\x04", b"[" * 10**5, b"\x1f\x8b\x08",
)  # fmt: skip


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """The file after one to three accidents."""
    data = bytearray(whole if rng.random() < 0.9 else rng.choice(OTHERS))
    for _ in range(rng.randint(1, 3)):
        place, more = rng.randint(0, len(data)), rng.randint(0, 400)
        accident = rng.choice(("cut", "lose", "flip", "word", "word", "again", "noise", "lines", "windows", "end"))
        if accident == "cut":
            del data[place:]
        elif accident == "lose":
            del data[place : place + more]
        elif accident == "flip" and place < len(data):
            data[place] ^= 1 << rng.randint(0, 7)
        elif accident == "word":
            data[place:place] = rng.choice(WORDS)
        elif accident == "again":
            data[place:place] = data[rng.randint(0, len(data)) :][:more]
        elif accident == "noise":
            data[place : place + more] = rng.randbytes(more)
        elif accident == "lines":
            lines = data.splitlines(keepends=True)
            rng.shuffle(lines)
            data = bytearray(b"".join(lines))
        elif accident == "windows":
            data = bytearray(data.replace(b"\n", b"\r\n"))
        elif accident == "end":
            data += rng.choice((*WORDS, whole[: more + 1]))
    return bytes(data)


def written(folder: Path) -> bytes:
    """A store of all runs but the last one."""
    file = folder / "whole.jsonl"
    file.unlink(missing_ok=True)
    File(file).put(dict.fromkeys(RUNS[:-1], FOUND), STEPS)
    data = file.read_bytes()
    file.unlink()
    return data


def standing(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files below a folder: what is in them, and when it was written."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_damaged_stores_lose_what_is_damaged_alone(tmp_path: Path, examples: Any) -> None:
    whole, file = written(tmp_path), tmp_path / "runs.jsonl"
    lines, refused = whole.splitlines(), 0
    for rng in examples(STORES):
        data = damaged(whole, rng)
        file.write_bytes(data)
        before = standing(tmp_path)
        try:
            store = File(file)
        except ValueError as error:
            assert "must hold what a sweep has written: got " in str(error) and len(str(error)) < 400
            assert standing(tmp_path) == before
            refused += 1
            continue
        assert standing(tmp_path) == before
        kept = {number for number, line in enumerate(lines) if line in data.split(b"\n")}
        assert all(store.get(RUNS[number], STEPS) is not None for number in kept)
        room = len(data) + rng.randint(0, 2000)
        with disk_of(room), contextlib.suppress(OSError):
            store.put({RUNS[-1]: FOUND}, STEPS)
        assert file.read_bytes().startswith(data)
        store.put({}, STEPS)  # there is room again
        after = File(file)
        assert file.read_bytes().startswith(data)
        assert all(after.get(RUNS[number], STEPS) is not None for number in [*kept, -1])
    assert refused < STORES * 0.9  # not all is refused


# ---- commands -------------------------------------------------------------------------------------------------------

NAMES = (
    "map.csv", "map.csv", "r.json", "./map.csv", "folder", "folder/r", "no/r", "link", "loop", "ahead", "hard", "-",
    "x" * 300, "", "a\0b", "new\nline", "é λ", "\udcff", "map.csv.jsonl", "/dev/full", "/dev/null",
    ".", "pipe/x", "read-only",
)  # fmt: skip


def furnish(folder: Path, whole: bytes, rng: random.Random) -> None:
    """Put some of what users have into an empty folder."""
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(rng.choice(("map.csv", "r.json", "folder", "new")))
    (folder / "loop").symlink_to("loop")
    (folder / "ahead").symlink_to("folder/not there yet")
    (folder / "read-only").write_text("keep")
    (folder / "read-only").chmod(0o444)
    for name in ("map.csv", "r.json"):
        if rng.random() < 0.5:
            (folder / name).write_bytes(b"yesterday's")
    if (folder / "map.csv").exists() and rng.random() < 0.5:
        os.link(folder / "map.csv", folder / "hard")
    if rng.random() < 0.7:
        store = folder / rng.choice(("map.csv.jsonl", "r.json.jsonl", "link.jsonl", "folder/r.jsonl"))
        store.write_bytes(damaged(whole, rng) if rng.random() < 0.5 else whole)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sweeps are trained by pretended workers, whenever a command waits for them."""
    workers = Workers()

    def wait(job: Job, timeout: float | None = None) -> bool:
        for worker in workers.all:
            while worker.answered < len(worker.trained):
                worker.finish()
        return job.over

    with Pool(1, start=workers) as pool:
        monkeypatch.setattr("moeviz.experiments.sweep.job.shared_pool", lambda: pool)
        monkeypatch.setattr(Job, "wait", wait)
        yield


@pytest.mark.usefixtures("pretended")
def test_commands_write_all_or_leave_all(
    tmp_path: Path, examples: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, finished = written(tmp_path), 0
    for number, rng in enumerate(examples(COMMANDS)):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        furnish(folder, whole, rng)
        words = SWEEP.split()
        words += ["--csv", rng.choice(NAMES)] if rng.random() < 0.8 else []
        words += ["--json", rng.choice(NAMES)] if rng.random() < 0.6 else []
        before = standing(folder)
        capsys.readouterr()
        with disk_of(rng.randint(0, 20_000)) if rng.random() < 0.3 else contextlib.nullcontext():
            status = main(words)
        said = capsys.readouterr()
        after, lines = standing(folder), said.err.splitlines()
        assert status in (0, 1, 2) and not list(folder.rglob(".moeviz-*")), words
        if not any(line.startswith("training ") for line in lines):  # refused before anything started
            assert status == 2 and len(lines) == 1 and said.out == "" and after == before, words
        for name, (data, _) in after.items():
            if name.endswith(".jsonl"):
                assert data.startswith(before.get(name, (b"", 0))[0]), (words, name)
            elif name in before and data != before[name][0]:
                assert data.count(b"\n") == 9 or strict_json(data.decode())["complete"], (words, name)
        if status == 0:
            finished += 1
            check_outputs(words, said.out)
    assert finished > COMMANDS * 0.05


def check_outputs(words: list[str], out: str) -> None:
    """What a command that has succeeded was asked for is there, and whole."""
    for flag, read in (("--csv", lambda text: list(csv.DictReader(io.StringIO(text)))), ("--json", strict_json)):
        target = words[words.index(flag) + 1] if flag in words else "/dev/null"
        if target != "/dev/null":
            found = read(out if target == "-" else Path(target).read_text(encoding="utf-8"))
            assert len(found["runs"] if isinstance(found, dict) else found) == len(RUNS)


# ---- values ---------------------------------------------------------------------------------------------------------


def anything(rng: random.Random, depth: int = 0) -> Any:
    """A value as results have them, and odder."""
    if depth < 4 and rng.random() < 0.5:
        inner = [anything(rng, depth + 1) for _ in range(rng.randint(0, 4))]
        return rng.choice((inner, tuple(inner), {str(rng.random()): each for each in inner}))
    numbers = (
        rng.random(),
        10.0 ** rng.randint(-320, 308),
        float("nan"),
        float("-inf"),
        rng.getrandbits(200),
        -0.0,
        5e-324,
    )
    return rng.choice((*numbers, None, True, 'λ \udcff\0\n"\\', "", "é" * 9))


def test_every_value_is_json_for_everybody(tmp_path: Path, examples: Any) -> None:
    file = tmp_path / "r.json"
    for rng in examples(VALUES):
        value, old = anything(rng), file.read_bytes() if file.exists() else None
        room = rng.randint(0, 3000)
        try:
            with disk_of(room):
                write_json(value, str(file))
        except UsageError:
            assert (file.read_bytes() if file.exists() else None) == old and len(list(tmp_path.iterdir())) <= 1
            continue
        data = file.read_bytes()
        assert len(data) <= room and data.isascii()
        assert json.dumps(strict_json(data.decode())) == json.dumps(plain(value))


def plain(value: Any) -> Any:
    """The same without numbers that JSON has not."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value
