"""What a browser may say about a run: each message is checked, and reduced to the fields that it may have."""

from __future__ import annotations

import math
from collections.abc import Callable

from moeviz.config.knob import shown
from moeviz.config.router_facts import TREATMENTS
from moeviz.engine.protocol import GHOSTS, MAX_CREDIT, MAX_STEPS, PERIODS, Message
from moeviz.frames import PICTURES

MAX_COORDINATE = 1e6
MAX_ID, MAX_PLACE = 1000, 10**9
MAX_TEXT, MAX_PIXELS = 400, 1024


def check_client(message: object) -> Message:
    """A browser's message reduced to the fields it may have; raises ValueError (rule, value, remedy) otherwise."""
    op = message.get("op") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(op, str) or op not in CLIENT_OPS:
        raise ValueError(f"op must be one of {', '.join(CLIENT_OPS)}: got {shown(op)}; reload the page")
    return {"op": op, **CLIENT_OPS[op](message)}


def _view(message: Message) -> Message:
    return {"credit": _credit(message), "want": _want(message), "probe": check_probe(message.get("probe"))}


def _credit(message: Message) -> int:
    credit = message.get("credit", 0)
    if type(credit) is not int or not 0 <= credit <= MAX_CREDIT:
        raise ValueError(f"credit must be a whole number from 0 to {MAX_CREDIT}: got {shown(credit)}; ask for fewer")
    return credit


def _want(message: Message) -> list[str] | None:
    want = message.get("want")
    if want is None:
        return None
    if not isinstance(want, list) or len(want) > len(PICTURES) or any(each not in PICTURES for each in want):
        raise ValueError(f"want must list pictures among {', '.join(PICTURES)}: got {shown(want)}; check the spelling")
    return list(dict.fromkeys(want))


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


def check_steps(message: Message) -> Message:
    """The field n of the op step."""
    count = message.get("n", 1)
    if type(count) is not int or not 1 <= count <= MAX_STEPS:
        raise ValueError(f"n must be a whole number from 1 to {MAX_STEPS}: got {shown(count)}; step again for more")
    return {"n": count}


def check_speed(message: Message) -> Message:
    """The field value of the op speed."""
    value = message.get("value")
    if not isinstance(value, str) or value not in PERIODS:
        raise ValueError(f"speed must be one of {', '.join(PERIODS)}: got {shown(value)}; choose one of them")
    return {"value": value}


def _ghost(message: Message) -> Message:
    value = message.get("value")
    if not isinstance(value, str) or value not in GHOSTS:
        raise ValueError(f"ghost must be one of {', '.join(GHOSTS)}: got {shown(value)}; choose one of them")
    return {"value": value}


def _hidden(message: Message) -> Message:
    if not isinstance(message.get("value"), bool):
        raise ValueError(f"hidden must be true or false: got {shown(message.get('value'))}; send document.hidden")
    return {"value": message["value"]}


def check_treatment(message: Message) -> Message:
    """The fields expert, how and twin of the op treat; twin = the number of a run, or None for all."""
    expert, how, twin = (message.get(name) for name in ("expert", "how", "twin"))
    if type(expert) is not int or not 0 <= expert <= MAX_ID:
        raise ValueError(f"expert must be a whole number from 0 to {MAX_ID}: got {shown(expert)}; send an expert's id")
    if not isinstance(how, str) or how not in TREATMENTS:
        raise ValueError(f"how must be one of {', '.join(TREATMENTS)}: got {shown(how)}; choose one of them")
    if twin is not None and (type(twin) is not int or not 0 <= twin <= MAX_ID):
        raise ValueError(
            f"twin must be a run's number from 0 to {MAX_ID}, or null for all: got {shown(twin)}; send one"
        )
    return {"expert": expert, "how": how, "twin": twin}


def check_place(message: Message) -> Message:
    """The field step of the op rewind."""
    step = message.get("step")
    if type(step) is not int or not 0 <= step <= MAX_PLACE:
        raise ValueError(f"step must be a whole number from 0 to {MAX_PLACE}: got {shown(step)}; send a recorded step")
    return {"step": step}


def check_given(message: Message) -> Message:
    """The field value of the op give: a visitor's own text, or a picture of one number from 0 to 1 for each pixel."""
    value = message.get("value")
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # a browser may cut one in two
        return {"value": whole}
    if isinstance(value, list) and len(value) <= MAX_PIXELS and all(_is_share(each) for each in value):
        return {"value": [float(each) for each in value]}
    raise ValueError(
        f"value must be a text of at most {MAX_TEXT} characters, or at most {MAX_PIXELS} numbers from 0 to 1: "
        f"got {shown(value)}; send less"
    )


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def _bare(message: Message) -> Message:
    return {}


CLIENT_OPS: dict[str, Callable[[Message], Message]] = {
    "view": _view, "play": _bare, "pause": _bare, "step": check_steps, "reset": _bare, "speed": check_speed,
    "hidden": _hidden, "recover": _bare, "ghost": _ghost, "treat": check_treatment, "rewind": check_place,
    "branch": _bare, "give": check_given,
}  # fmt: skip
