"""A snapshot as one binary frame and back; this docstring is the format, for Python and for the browser alike.

    offset 0   b"MOE1"
    offset 4   header_bytes, uint32 little-endian; 8 + header_bytes is a multiple of 8
    offset 8   the header: a JSON object in UTF-8, padded with spaces (never NaN or Infinity: null instead)
    then       the arrays, little-endian and in C order, each starting at a multiple of 8

`header["arrays"]` lists them as [name, dtype, shape, offset]: dtype is one of u1 i2 i4 f4, and offset counts bytes from
the start of the frame, so that a browser reads `new Float32Array(buffer, offset, count)` without copying.

Header, per frame: `step`, knob `revision`, `scene` (rises when the points must be asked for again), `state` running |
paused | diverged, `speed` slow | watch | fast, `reason` (a sentence, or null), `steps_per_second`, `seconds` trained,
`dispatch`, `device`, `marks` [[step, "λ 0→10"], …], `probe` [x, y], `batch_dependent` (capacity: maps show preference).
Header, about the task: `task`, `kind`, `view` map | curve | projection, `extent`, `metric_name`, `lo` and `hi` (values
that regression pictures are shaded between), `num_runs` R, `num_experts` N, `num_outputs` O, `balance_loss`.
Header, a list with one entry per run: `top_k`, `balance_coef`, `renormalized`, `task_loss`, `balance_loss_value` (raw),
`train_metric`, `test_loss`, `test_metric`, `cv_load`, `specialization`,
`dropped_share`, `max_violation`, `load_entropy`, `logit_size`; one per run and expert: `ids` (letter A is
id 0; the E axis is sorted by id), `dead`, `died_at` (step since which it is idle; 0 = never chosen; null = not dead).

Arrays in every frame: `load`, `mean_prob`, `importance`, `gradient_norm`, `update_share` (share of steps with a token),
`probe_prob`, `probe_weight` f4[R,N]; `probe_chosen` u1[R,N];
`probe_output` f4[R,O]; `probe_expert_output` f4[R,N,O]. Pictures add, in cells row by row from the upper left:
    first_choice   winner u1[R,64,64] (place on the E axis); chosen u1[R,64,64,⌈N/8⌉] (bit e%8 of byte e//8)
    confidence     confidence u1[R,64,64] (largest gate probability × 255)
    prediction     prediction u1[R,64,64] (class; or 255·(value − lo)/(hi − lo))
    gate           gate u1[R,N,32,32] (× 255)
    expert_output  expert_output u1[R,N,32,32] (as prediction)
    points         point_xy f4[R,P,2]; point_target [R,P] (u1 class, or f4 value); point_train, point_segment u1[R,P]
    choices        point_choice u1[R,P] (the kept expert with the largest weight; none kept: the first choice);
                   point_kept u1[R,P] (1 = any choice kept)
    curve          curve_x, curve_target f4[G]; curve_prediction f4[R,G]; curve_expert, curve_gate f4[R,N,G];
                   curve_winner u1[R,G]
    history        history_step f4[S]; history_<column of Training.history> f4[R,S]; history_balance_coef f4[R,S];
                   history_load f4[R,M,S]
                   by expert id, NaN while it does not exist
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

MAGIC = b"MOE1"
DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(f"<{name}") for name in ("u1", "i2", "i4", "f4")}
PICTURES = (
    "first_choice", "confidence", "prediction", "gate", "expert_output", "choices", "points", "curve", "history",
)  # fmt: skip
"""What a client may ask for; each name adds its own arrays to the ones that every frame carries."""

ALIGNMENT = 8
PREFIX = struct.Struct("<4sI")
WIDE_OFFSET = 10**9  # as many digits as an offset can need: the header's room is measured with it


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """One frame from a header and its arrays; non-finite numbers in the header become null."""
    if "arrays" in header:
        raise ValueError("a frame's header must not hold the key arrays: got one; pass the arrays as second argument")
    plain = {name: _little_endian(name, array) for name, array in arrays.items()}
    room = _aligned(PREFIX.size + len(_json({**header, "arrays": _table(plain, WIDE_OFFSET)}))) - PREFIX.size
    table = _table(plain, PREFIX.size + room)
    parts = [PREFIX.pack(MAGIC, room), _json({**header, "arrays": table}).ljust(room)]
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
        rows.append([name, f"{array.dtype.kind}{array.dtype.itemsize}", list(array.shape), start])
        start += _aligned(array.nbytes)
    return rows


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    dtype = DTYPES.get(f"{array.dtype.kind}{array.dtype.itemsize}")
    if dtype is None:
        raise ValueError(f"array {name} must be one of {', '.join(DTYPES)}: got {array.dtype}; convert it first")
    return array.astype(dtype, copy=False)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _json(header: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(header, allow_nan=False, separators=(",", ":"), default=_native)
    except ValueError:  # rare, so the common frame does not pay for looking at every number
        text = json.dumps(_finite(header), allow_nan=False, separators=(",", ":"))
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
