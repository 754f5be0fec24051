"""What a browser may say about a run: each message is checked, and reduced to the fields that it may have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from moeviz.config.knob import shown
from moeviz.config.router_facts import TREATMENTS
from moeviz.engine import messages
from moeviz.engine.messages import FromBrowser
from moeviz.engine.protocol import GHOSTS, MAX_CREDIT, MAX_STEPS, PERIODS
from moeviz.frames import PICTURES

MAX_COORDINATE = 1e6
MAX_ID, MAX_PLACE = 1000, 10**9
MAX_TEXT, MAX_PIXELS = 400, 1024


Unchecked = Mapping[str, Any]  # what a browser sent


def check_client(message: object) -> FromBrowser:
    """A browser's message reduced to the fields it may have; raises ValueError (rule, value, remedy) otherwise."""
    op = message.get("op") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(op, str) or op not in CLIENT_OPS:
        raise ValueError(f"op must be one of {', '.join(CLIENT_OPS)}: got {shown(op)}; reload the page")
    return CLIENT_OPS[op](message)


def _view(message: Unchecked) -> messages.View:
    credit, want, probe = _credit(message), _want(message), check_probe(message.get("probe"))
    return {"op": "view", "credit": credit, "want": want, "probe": probe}


def _credit(message: Unchecked) -> int:
    credit = message.get("credit", 0)
    if type(credit) is not int or not 0 <= credit <= MAX_CREDIT:
        raise ValueError(f"credit must be a whole number from 0 to {MAX_CREDIT}: got {shown(credit)}; ask for fewer")
    return credit


def _want(message: Unchecked) -> list[str] | None:
    want = message.get("want")
    if want is None:
        return None
    if not isinstance(want, list) or len(want) > len(PICTURES) or not all(_is_picture(each) for each in want):
        raise ValueError(f"want must list pictures among {', '.join(PICTURES)}: got {shown(want)}; check the spelling")
    return list(dict.fromkeys(want))


def _is_picture(name: object) -> bool:
    return isinstance(name, str) and name in PICTURES


def check_probe(probe: object) -> list[float] | None:
    """The probe as two finite numbers, or None."""
    if probe is None:
        return None
    numbers = probe if isinstance(probe, (list, tuple)) else ()
    if len(numbers) != 2 or not all(_is_coordinate(each) for each in numbers):
        raise ValueError(f"probe must be two numbers within ±{MAX_COORDINATE:g}: got {shown(probe)}; send [x, y]")
    return [float(each) for each in numbers]


def _is_coordinate(value: object) -> bool:
    # the size is compared before any conversion: a whole number may be too long for a float
    return type(value) in (int, float) and abs(value) <= MAX_COORDINATE and math.isfinite(value)  # type: ignore[arg-type]


def check_steps(message: Unchecked) -> messages.Step:
    """The op step, from its field n."""
    count = message.get("n", 1)
    if type(count) is not int or not 1 <= count <= MAX_STEPS:
        raise ValueError(f"n must be a whole number from 1 to {MAX_STEPS}: got {shown(count)}; step again for more")
    return {"op": "step", "n": count}


def check_speed(message: Unchecked) -> messages.Speed:
    """The op speed, from its field value."""
    value = message.get("value")
    if not isinstance(value, str) or value not in PERIODS:
        raise ValueError(f"speed must be one of {', '.join(PERIODS)}: got {shown(value)}; choose one of them")
    return {"op": "speed", "value": value}


def _ghost(message: Unchecked) -> messages.Ghost:
    value = message.get("value")
    if not isinstance(value, str) or value not in GHOSTS:
        raise ValueError(f"ghost must be one of {', '.join(GHOSTS)}: got {shown(value)}; choose one of them")
    return {"op": "ghost", "value": value}


def _hidden(message: Unchecked) -> messages.Hidden:
    if not isinstance(message.get("value"), bool):
        raise ValueError(f"hidden must be true or false: got {shown(message.get('value'))}; send document.hidden")
    return {"op": "hidden", "value": message["value"]}


def check_treatment(message: Unchecked) -> messages.Treat:
    """The op treat, from expert, how and twin: the number of a run, or None for all."""
    expert, how, twin = (message.get(name) for name in ("expert", "how", "twin"))
    if type(expert) is not int or not 0 <= expert <= MAX_ID:
        raise ValueError(f"expert must be a whole number from 0 to {MAX_ID}: got {shown(expert)}; send an expert's id")
    if not isinstance(how, str) or how not in TREATMENTS:
        raise ValueError(f"how must be one of {', '.join(TREATMENTS)}: got {shown(how)}; choose one of them")
    if twin is not None and (type(twin) is not int or not 0 <= twin <= MAX_ID):
        raise ValueError(
            f"twin must be a run's number from 0 to {MAX_ID}, or null for all: got {shown(twin)}; send one"
        )
    return {"op": "treat", "expert": expert, "how": how, "twin": twin}


def check_place(message: Unchecked) -> messages.Rewind:
    """The op rewind, from its field step."""
    step = message.get("step")
    if type(step) is not int or not 0 <= step <= MAX_PLACE:
        raise ValueError(f"step must be a whole number from 0 to {MAX_PLACE}: got {shown(step)}; send a recorded step")
    return {"op": "rewind", "step": step}


def check_given(message: Unchecked) -> messages.Give:
    """The op give, from its field value: a visitor's own text, or a picture of a number from 0 to 1 a pixel."""
    value = message.get("value")
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # a browser may cut one in two
        return {"op": "give", "value": whole}
    if isinstance(value, list) and len(value) <= MAX_PIXELS and all(_is_share(each) for each in value):
        return {"op": "give", "value": [float(each) for each in value]}
    raise ValueError(
        f"value must be a text of at most {MAX_TEXT} characters, or at most {MAX_PIXELS} numbers from 0 to 1: "
        f"got {shown(value)}; send less"
    )


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


CLIENT_OPS: dict[str, Callable[[Unchecked], FromBrowser]] = {
    "view": _view, "play": lambda message: {"op": "play"}, "pause": lambda message: {"op": "pause"},
    "step": check_steps, "reset": lambda message: {"op": "reset"}, "speed": check_speed, "hidden": _hidden,
    "recover": lambda message: {"op": "recover"}, "ghost": _ghost, "treat": check_treatment, "rewind": check_place,
    "branch": lambda message: {"op": "branch"}, "give": check_given,
}  # fmt: skip
