"""packing: what goes in comes out, every array is aligned, and a broken frame is refused in plain words."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moeviz.frames.packing import DTYPES, encode, unpack

quick = settings(deadline=None, derandomize=True, max_examples=50)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | st.text(max_size=9)
keys = st.text(max_size=8).filter(lambda key: key != "arrays")
headers = st.dictionaries(keys, values | st.lists(values, max_size=4), max_size=5)
arrays = st.dictionaries(
    st.text(min_size=1, max_size=12),
    st.sampled_from(sorted(DTYPES)).flatmap(
        lambda name: hnp.arrays(DTYPES[name], hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    ),
    max_size=5,
)


@quick
@given(headers, arrays)
def test_what_goes_in_comes_out(header, given_arrays):
    got_header, got_arrays = unpack(encode(header, given_arrays))
    assert got_header == header
    assert list(got_arrays) == list(given_arrays)
    for name, array in given_arrays.items():
        assert got_arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(got_arrays[name], array)  # NaN equals NaN here: f4 arrays may hold it


@quick
@given(headers, arrays)
def test_every_array_starts_at_a_multiple_of_8_where_the_table_says(header, given_arrays):
    frame = encode(header, given_arrays)
    room = struct.unpack_from("<I", frame, 4)[0]
    assert (8 + room) % 8 == 0
    table = json.loads(frame[8 : 8 + room])["arrays"]
    for (name, dtype, shape, offset), array in zip(table, given_arrays.values(), strict=True):
        assert offset % 8 == 0 and offset >= 8 + room
        assert shape == list(array.shape) and DTYPES[dtype] == array.dtype, name
        assert frame[offset : offset + array.nbytes] == array.tobytes()


@quick
@given(st.binary(max_size=64), st.integers(0, 255), st.integers(0, 255))
def test_a_damaged_frame_is_a_value_error_or_still_a_frame(garbage, place, byte):
    frame = bytearray(encode({"step": 3}, {"load": np.ones((2, 8), "f4"), "winner": np.zeros((2, 3), "u1")}))
    frame[place % len(frame)] = byte
    for damaged in (bytes(frame), bytes(frame[:place]), garbage, b"MOE1" + garbage):
        try:
            unpack(damaged)
        except ValueError as error:
            assert "must" in str(error)


def table_frame(table) -> bytes:
    text = json.dumps({"arrays": table}).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return b"MOE1" + struct.pack("<I", len(text)) + text + bytes(16)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"MOE", "at least 8 bytes: got 3"),
        (b"MOE2" + bytes(4), "must begin with b'MOE1': got b'MOE2'"),
        (b"MOE1" + struct.pack("<I", 800), "must end inside it"),
        (b"MOE1" + struct.pack("<I", 8) + b"{not js}", "must be JSON"),
        (b"MOE1" + struct.pack("<I", 8) + b"[1, 2]  ", "must be a JSON object: got list"),
        (b"MOE1" + struct.pack("<I", 8) + b"{}      ", "must list its arrays: got arrays=None"),
        (table_frame([["load", "f4", [2]]]), r"\[name, dtype, shape, offset\]"),
        (table_frame([["load", "f8", [2], 48]]), r"\[name, dtype, shape, offset\]"),
        (table_frame([["load", "f4", [-2], 48]]), r"\[name, dtype, shape, offset\]"),
        (table_frame([["load", "f4", [99], 48]]), "load must lie inside the frame"),
        (table_frame([["load", "f4", [2], 8]]), "load must lie inside the frame"),
    ],
)
def test_the_error_says_what_is_wrong(frame, words):
    with pytest.raises(ValueError, match=words):
        unpack(frame)


def test_non_finite_numbers_become_null_and_numpy_numbers_are_plain():
    header = {"loss": [float("nan"), np.float32(0.5)], "high": float("inf"), "step": np.int64(3), "ids": np.arange(2)}
    assert unpack(encode(header, {}))[0] == {"loss": [None, 0.5], "high": None, "step": 3, "ids": [0, 1]}


def test_arrays_are_views_that_cannot_be_written():
    array = unpack(encode({}, {"load": np.ones(3, "f4")}))[1]["load"]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 2


def test_big_endian_and_strided_arrays_arrive_as_little_endian():
    source = np.arange(12, dtype=">i4").reshape(3, 4).T
    np.testing.assert_array_equal(unpack(encode({}, {"a": source}))[1]["a"], source)


@pytest.mark.parametrize("dtype", ["f8", "i8", "bool", "O"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="load must be one of u1, i2, i4, f4"):
        encode({}, {"load": np.zeros(2, dtype)})


def test_a_header_may_not_bring_its_own_table():
    with pytest.raises(ValueError, match="must not hold the key arrays"):
        encode({"arrays": []}, {})


def test_what_json_cannot_say_is_a_type_error():
    with pytest.raises(TypeError, match="must hold JSON values: got set"):
        encode({"names": {1}}, {})
