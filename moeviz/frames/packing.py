"""A frame as bytes and back.

    offset 0   b"MOE1"
    offset 4   header_bytes, uint32 little-endian; 8 + header_bytes is a multiple of 8
    offset 8   the header: a JSON object in UTF-8, padded with spaces (never NaN or Infinity: null instead)
    then       the arrays, little-endian and in C order, each starting at a multiple of 8

`header["arrays"]` lists them as [name, type, shape, offset]: type is one of u1 i2 i4 f4, and offset counts bytes from
the start of the frame, so that a browser reads `new Float32Array(buffer, offset, count)` without copying. What stands
in a header, and what each array is: moeviz.frames.header and moeviz.frames.pictures, of which docs/frames.md is made.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from moeviz.frames.field import Field
from moeviz.frames.header import KEYS
from moeviz.frames.pictures import field_of

MAGIC = b"MOE1"
DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(f"<{name}") for name in ("u1", "i2", "i4", "f4")}
ALIGNMENT = 8
PREFIX = struct.Struct("<4sI")
WIDE_OFFSET = 10**9  # as many digits as an offset can need: the header's room is measured with it


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """One frame from a header and its arrays, which are as their fields say; ValueError for others."""
    unknown = header.keys() - KEYS.keys()
    if unknown:
        raise ValueError(f"a frame's header must hold keys of moeviz.frames.header: got {', '.join(sorted(unknown))}")
    for name, array in arrays.items():
        _check(field_of(name), array)
    return encode(header, arrays)


def _check(field: Field, array: np.ndarray) -> None:
    if _type(array) not in field.types:
        raise ValueError(f"array {field.name} must be {field.type}: got {array.dtype}; convert it first")
    if array.ndim not in (len(field.axes), len(field.all_axes)):
        raise ValueError(f"array {field.name} must have the axes {field.shape}: got shape {array.shape}")


def encode(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Any header and arrays as bytes; non-finite numbers in the header become null."""
    if "arrays" in header:
        raise ValueError("a frame's header must not hold the key arrays: got one; pass the arrays as second argument")
    plain = {name: _little_endian(name, array) for name, array in arrays.items()}
    start = _json({**header, "arrays": []})[: -len(b"]}")]  # written once; the table of arrays depends on its length
    room = _aligned(PREFIX.size + len(start) + len(_json(_table(plain, WIDE_OFFSET)))) - PREFIX.size
    text = start + _json(_table(plain, PREFIX.size + room))[1:] + b"}"
    parts = [PREFIX.pack(MAGIC, room), text.ljust(room)]
    for array in plain.values():
        parts += [array.tobytes(), bytes(_aligned(array.nbytes) - array.nbytes)]
    return b"".join(parts)


def unpack(frame: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header (without its table) and the arrays, as read-only views into the frame."""
    header, start = _read_header(frame)
    arrays = dict(_read_arrays(frame, header.pop("arrays", None), start))
    return header, arrays


def _read_header(frame: bytes) -> tuple[dict[str, Any], int]:
    """The header with its table, and where the arrays may begin."""
    if len(frame) < PREFIX.size:
        raise ValueError(f"a frame must have at least {PREFIX.size} bytes: got {len(frame)}; was it cut off?")
    magic, room = PREFIX.unpack_from(frame)
    start = PREFIX.size + room
    if magic != MAGIC:
        raise ValueError(f"a frame must begin with {MAGIC!r}: got {magic!r}; this is not a moeviz frame")
    if start > len(frame) or start % ALIGNMENT:
        raise ValueError(f"a frame's header must end inside it, at a multiple of 8: got {start} of {len(frame)} bytes")
    try:
        header = json.loads(bytes(frame[PREFIX.size : start]).decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a frame's header must be JSON in UTF-8: {error}; was it packed by moeviz.frames?") from None
    if not isinstance(header, dict):
        raise ValueError(f"a frame's header must be a JSON object: got {type(header).__name__}")
    return header, start


def _read_arrays(frame: bytes, table: Any, start: int) -> Iterator[tuple[str, np.ndarray]]:
    if not isinstance(table, list):
        raise ValueError(f"a frame's header must list its arrays: got arrays={table!r}; was it packed here?")
    for row in table:
        try:
            name, dtype, shape, offset = row
            whole = all(type(each) is int and each >= 0 for each in [*shape, offset])
            known = isinstance(name, str) and dtype in DTYPES
        except (TypeError, ValueError):
            whole = known = False
        if not (whole and known):
            raise ValueError(f"an array must be listed as [name, dtype, shape, offset]: got {row!r}"[:200])
        end = offset + math.prod(shape) * DTYPES[dtype].itemsize
        if offset < start or offset % ALIGNMENT or end > len(frame):
            raise ValueError(
                f"array {name} must lie inside the frame, from byte {start} to {len(frame)} and at a multiple of 8: "
                f"got {offset} to {end}; was the frame cut off?"
            )
        yield name, _view(frame, name, DTYPES[dtype], shape, offset)


def _view(frame: bytes, name: str, dtype: np.dtype[Any], shape: list[int], offset: int) -> np.ndarray:
    try:
        view: np.ndarray = np.ndarray(shape, dtype, buffer=frame, offset=offset)
    except ValueError as error:  # more axes, or a longer empty axis, than numpy can hold
        raise ValueError(f"array {name} must have a shape that numpy can hold: {error}"[:200]) from None
    view.flags.writeable = False
    return view


def _table(arrays: Mapping[str, np.ndarray], start: int) -> list[list[Any]]:
    """[name, dtype, shape, offset] of each array when the first begins at byte `start`."""
    rows: list[list[Any]] = []
    for name, array in arrays.items():
        rows.append([name, _type(array), list(array.shape), start])
        start += _aligned(array.nbytes)
    return rows


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    dtype = DTYPES.get(_type(array))
    if dtype is None:
        raise ValueError(f"array {name} must be one of {', '.join(DTYPES)}: got {array.dtype}; convert it first")
    return array.astype(dtype, copy=False)


def _type(array: np.ndarray) -> str:
    return f"{array.dtype.kind}{array.dtype.itemsize}"


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _json(value: Any) -> bytes:
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_native)
    except ValueError:  # rare, so the common frame does not pay for looking at every number
        text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.encode()


def _native(value: Any) -> Any:
    """numpy's numbers and arrays as Python's; anything else is a caller's mistake."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a frame's header must hold JSON values: got {type(value).__name__}; convert it first")


def _finite(value: Any) -> Any:
    """The same value with null in place of every NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
