"""What a browser may say, and messages on a pipe."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moeviz.config.router_facts import TREATMENTS
from moeviz.engine.browser_messages import CLIENT_OPS, check_client
from moeviz.engine.protocol import LARGEST, LENGTHS, read_message, write_message
from moeviz.frames import PICTURES
from tests.pretend import World

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.fixed_dictionaries(
    {"op": st.sampled_from(sorted(CLIENT_OPS)) | junk},
    optional={
        "credit": junk,
        "want": junk,
        "probe": junk | st.lists(st.floats(), min_size=2, max_size=2),
        "n": junk,
        "value": junk,
        "expert": junk,
        "how": st.sampled_from(sorted(TREATMENTS)) | junk,
        "twin": junk,
        "step": junk,
    },
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(fields | junk)
def test_whatever_a_browser_says_is_checked_or_refused_and_never_breaks_the_host(message):
    world = World()
    world.open("run", speed="slow")
    try:
        clean = check_client(message)
    except ValueError as error:
        assert "must" in str(error) and len(str(error)) < 300
        return
    json.dumps(clean, allow_nan=False)
    world.tell(run="run", viewer="run", **clean)
    world.run(0.2)
    assert not any(tell["body"]["message"].startswith("an error inside") for tell in world.of("run", "tell"))


def test_half_a_character_is_taken_for_an_unknown_one():
    said = json.loads('{"op": "give", "value": "a\\ud83d b\\ud83e\\udd8a"}')  # as a browser may cut a text
    assert check_client(said) == {"op": "give", "value": "a\ufffd b🦊"}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("play", "op must be one of"),
        ({"op": "close"}, "op must be one of"),
        ({"op": ["play"]}, "op must be one of"),
        ({"op": "step", "n": 51}, "n must be a whole number from 1 to 50: got 51"),
        ({"op": "step", "n": True}, "n must be a whole number from 1 to 50: got True"),
        ({"op": "speed", "value": "warp"}, "speed must be one of slow, watch, fast: got 'warp'"),
        ({"op": "hidden", "value": 1}, "hidden must be true or false: got 1"),
        ({"op": "view", "credit": 10**9}, "credit must be a whole number from 0 to 4"),
        ({"op": "view", "want": ["gate"] * (len(PICTURES) + 1)}, "want must list pictures among"),
        ({"op": "view", "want": [{}]}, "want must list pictures among"),
        ({"op": "view", "probe": [1, float("nan")]}, "probe must be two numbers"),
        ({"op": "view", "probe": [1, 10**400]}, "probe must be two numbers"),
        ({"op": "view", "probe": "12"}, "probe must be two numbers"),
        ({"op": "treat", "expert": -1, "how": "kill"}, "expert must be a whole number from 0 to 1000: got -1"),
        ({"op": "treat", "expert": 1, "how": "eat"}, "how must be one of kill, freeze, free: got 'eat'"),
        ({"op": "treat", "expert": 1, "how": "kill", "twin": "all"}, "twin must be a run's number from 0 to 1000, or"),
        ({"op": "rewind", "step": 1.5}, "step must be a whole number from 0 to 1000000000: got 1.5"),
    ],
)
def test_the_refusal_says_rule_and_value(message, words):
    with pytest.raises(ValueError, match=words):
        check_client(message)


def test_messages_survive_a_pipe_and_a_broken_stream_is_named():
    reading, writing = (os.fdopen(end, mode, buffering=0) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    with reading:
        with writing:
            messages = [({"op": "frame", "name": "λ"}, bytes(range(256)) * 100), ({}, b"")]
            for message, payload in messages:
                write_message(writing, message, payload)
            writing.write(LENGTHS.pack(10, 2) + b"{}")  # it died inside a message
        assert [read_message(reading), read_message(reading), read_message(reading)] == [*messages, None]
    reading, writing = (os.fdopen(end, mode, buffering=0) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    with reading, writing:
        writing.write(LENGTHS.pack(LARGEST + 1, 2))
        with pytest.raises(ValueError, match="a message must have at most"):
            read_message(reading)
