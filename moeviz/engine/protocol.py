"""What travels on the pipe between server and worker.

One message on a pipe: uint32 length of all that follows the first 8 bytes, uint32 length of its JSON part, the JSON,
and the payload (a frame, or nothing). Both numbers are little-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

LENGTHS = struct.Struct("<II")
LARGEST = 1 << 26  # 64 MB; the largest real frame is below 1 MB, so a larger length means a broken stream
PERIODS = {"slow": 2.0, "watch": 0.025, "fast": 0.0}
"""Seconds between two steps: time to watch a batch travel, 40 a second (a default run unfolds in 7.5 s), no pause."""
GHOSTS = ("twin", "previous", "none")
"""What is drawn gray beside a run: itself without its last change, itself before it started again, nothing."""
DEFAULT_GHOST = GHOSTS[0]
MAX_CREDIT = 4
MAX_STEPS = 50

Message = Mapping[str, object]  # any of `moeviz.engine.messages`, or of those between a sweep and its workers


def write_message(stream: IO[bytes], message: Message, payload: bytes = b"") -> None:
    """Write one message to an unbuffered stream; blocks while the pipe is full."""
    text = json.dumps(message, separators=(",", ":")).encode()
    rest = memoryview(LENGTHS.pack(len(text) + len(payload), len(text)) + text + payload)
    while rest:
        rest = rest[stream.write(rest) :]


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next message and its payload, or None at the end of the stream (also when it ends inside a message)."""
    prefix = _read(stream, LENGTHS.size)
    if prefix is None:
        return None
    length, text_length = LENGTHS.unpack(prefix)
    if not text_length <= length <= LARGEST:
        raise ValueError(f"a message must have at most {LARGEST} bytes: got {length}; is this a worker's pipe?")
    body = _read(stream, length)
    if body is None:
        return None
    return json.loads(body[:text_length]), bytes(body[text_length:])


def _read(stream: IO[bytes], count: int) -> bytearray | None:
    body = bytearray(count)
    rest = memoryview(body)
    while rest:
        got = stream.readinto(rest)  # type: ignore[attr-defined]  # every raw stream has it
        if not got:
            return None
        rest = rest[got:]
    return body


def check_json(message: Message) -> None:
    """Refuse what a pipe cannot carry, before it is sent."""
    try:
        json.dumps(message, allow_nan=False)
    except (TypeError, ValueError) as error:
        rule = "knob values must be finite numbers, text, true, false or none"
        raise ValueError(f"{rule}: {error}; convert them first") from None
