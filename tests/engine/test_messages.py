"""Messages are what their types say: in the worker's table of ops, in the checks of a browser's, and in the scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints

import pytest

from moeviz.engine import messages
from moeviz.engine.browser_messages import CLIENT_OPS, check_client
from tests.pretend import World

TYPES = Path(__file__).resolve().parents[2] / "moeviz/stage/component/types.d.ts"
SERVERS_OWN = {"run", "viewer", "call"}  # fields that the server adds


def ops(message: Any) -> tuple[str, ...]:
    """The names by which a message, or one of several, is known."""
    if get_args(message):
        return tuple(op for each in get_args(message) for op in ops(each))
    return get_args(get_type_hints(message)["op"])


def fields(message: Any) -> dict[str, bool]:
    """What a message of this type has besides its op, and whether it must."""
    hints = get_type_hints(message, include_extras=True)
    return {name: get_origin(hint) is not NotRequired for name, hint in hints.items() if name != "op"}


FROM_BROWSER = {ops(each)[0]: each for each in get_args(messages.FromBrowser)}


def test_each_op_names_one_type():
    for union in (messages.ToWorker, messages.FromWorker, messages.ToBrowser):
        assert len(set(ops(union))) == len(ops(union))
    assert ops(messages.FromBrowser) == ops(messages.Op)[: len(FROM_BROWSER)]


def test_a_worker_carries_out_every_op_and_each_takes_its_own_message():
    table: dict[str, Any] = World().host._ops
    assert sorted(table) == sorted(ops(messages.Op))
    for name, act in table.items():
        assert ops(get_type_hints(act)["message"]) == (name,)


SAID: list[dict[str, Any]] = [
    {"op": "view", "credit": 2, "want": ["gate"], "probe": [1, 2.5]}, {"op": "play"}, {"op": "pause"},
    {"op": "step", "n": 3}, {"op": "reset"}, {"op": "speed", "value": "slow"}, {"op": "hidden", "value": True},
    {"op": "recover"}, {"op": "ghost", "value": "twin"}, {"op": "rewind", "step": 7}, {"op": "branch"},
    {"op": "treat", "expert": 1, "how": "kill", "twin": None}, {"op": "give", "value": "two words"},
]  # fmt: skip


@pytest.mark.parametrize("said", SAID, ids=[each["op"] for each in SAID])
def test_what_a_browser_says_becomes_the_message_of_its_type_and_no_more(said):
    more = {"run": "another's", "viewer": "1", "call": 1, "until": 5, "configs": [], "extra": None}
    clean = check_client({**said, **more})
    assert clean == said
    assert set(clean) == {"op"} | {name for name, must in fields(FROM_BROWSER[said["op"]]).items() if must}


def test_all_that_a_browser_may_say_is_checked():
    assert sorted(CLIENT_OPS) == sorted(FROM_BROWSER) == sorted(each["op"] for each in SAID)


def scripts_type(name: str) -> dict[str, dict[str, bool]]:
    """The messages of a type in types.d.ts: of each op its fields, and whether it must have them."""
    source = TYPES.read_text(encoding="utf-8").split(f"type {name} =")[1].split(";\n/**")[0].split(";\ntype")[0]
    found = {}
    for each in re.findall(r"\{(.*?)\}", source):
        own = dict(re.findall(r"(\w+)(\??):", each))
        assert own.pop("op") == ""
        for op in re.findall(r"'(\w+)'", each.partition(";")[0]):
            found[op] = {field: mark == "" for field, mark in own.items()}
    return found


def test_the_scripts_know_the_same_messages():
    said = scripts_type("Message")
    assert sorted(said) == sorted(FROM_BROWSER)
    for op, message in FROM_BROWSER.items():
        # `until` and `configs` come from pages alone
        assert said[op] == {name: must for name, must in fields(message).items() if must and name not in SERVERS_OWN}
    told = {op: fields(each) for each in get_args(messages.ToBrowser) for op in ops(each)}
    assert scripts_type("Said") == told
