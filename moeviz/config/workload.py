"""What runs cost a server, counted from their knobs before anything is made: the time of a step and of a frame, memory.

A visitor's runs take turns with everybody else's, and a step or a frame cannot be cut short. So all runs of one page
together must stay within LIMIT: a page lowers knobs until they do, and an engine refuses what does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from moeviz.config import KNOBS, TASK_INFO, RunConfig, Value
from moeviz.config.rules import Complaint

# Seconds of one core, fitted to 190 measured corners of all tasks, routers, experts and dispatches: most are met within
# a third. Of memory-bound work a number that is written tells more than the products that lead to it.
PRODUCT, NUMBER, CELL = 1e-11, 2e-9, 2.5e-8  # for a multiply-add, a number of a token, a cell of a token and an expert
SHAPE, PARAMETER, SCORE = 1.5e-3, 1.7e-8, 1.5e-7  # for a step of one shape, a parameter, a picture beside a name
PASSES = 3  # of a step: forward, and back with twice the products
LOOKS = 2  # how many times as often as a forward pass a measurement reads the tables of tokens and experts
PICTURES = 0.01  # for all pictures of one shape, whatever its size
AGAIN = {"map": 4, "curve": 1, "projection": 1, "rows": 1, "text": 4, "pictures": 1, "pairs": 1}
"""How many inputs a view's pictures ask about, as multiples of those that are measured of the test set."""
EACH = {"map": 2, "curve": 1, "projection": 1}
"""... and about how many of them every expert is asked, chosen or not."""
BYTES_OF_NUMBER, BYTES_OF_CELL, BYTES_OF_PARAMETER = 5, 80, 64  # at the peak of a step
LIGHTER = 4  # a measurement keeps nothing for a backward pass
BYTES_OF_INPUT = 2e4  # of all data of a shape, for each number of an input
KEPT = 40.0  # megabytes of recorded states (see moeviz.training.tape) and memory that lies ready


@dataclass(frozen=True)
class Cost:
    """What all runs of a page take: seconds of one step and of one frame, and megabytes at the peak of a step."""

    step: float
    frame: float
    memory: float


LIMIT = Cost(step=0.06, frame=0.31, memory=160.0)
"""The most that the runs of one page may take of a server."""


@dataclass(frozen=True)
class Amount:
    """What one forward pass does: multiply-adds, numbers written for tokens, and cells of tables [tokens, experts]."""

    products: float
    numbers: float
    cells: float

    @property
    def seconds(self) -> float:
        return self.products * PRODUCT + self.numbers * NUMBER + self.cells * CELL


def cost(configs: Sequence[RunConfig]) -> Cost:
    """What these runs take together; those of several shapes step one after the other."""
    shapes: dict[tuple[Value, ...], list[RunConfig]] = {}
    for config in configs:
        shapes.setdefault(config.bucket(), []).append(config)
    step = sum(step_seconds(config) for config in configs) + SHAPE * len(shapes)
    frame = sum(frame_seconds(config) for config in configs) + PICTURES * len(shapes)
    peak = max(sum(peak_bytes(config) for config in runs) for runs in shapes.values())
    learned = sum(parameters(config) for config in configs) * BYTES_OF_PARAMETER
    data = len(shapes) * TASK_INFO[configs[0].task].inputs * BYTES_OF_INPUT
    return Cost(step, frame, KEPT + (peak + learned + data) / 2**20)


def fits(configs: Sequence[RunConfig]) -> bool:
    """Whether a page may have these runs."""
    return not _over(cost(configs))


def check(configs: Sequence[RunConfig]) -> None:
    """Raise ValueError (rule, value, remedy) where these runs would take more of a server than a page may."""
    needed = cost(configs)
    if over := _over(needed):
        rule = f"the runs of a page may take at most {LIMIT.step:g} s a step, {LIMIT.frame:g} s a frame and "
        got = f"about {needed.step:.2g} s, {needed.frame:.2g} s and {needed.memory:.0f} MB"
        remedy = "lower batch_size or hidden_width" if "memory" in over or "step" in over else "lower hidden_width"
        raise ValueError(f"{rule}{LIMIT.memory:g} MB: got {got}; {remedy}, or use fewer experts")


def _over(needed: Cost) -> list[str]:
    """Which limits it is beyond."""
    return [name for name, most in vars(LIMIT).items() if getattr(needed, name) > most]


# ---- one run --------------------------------------------------------------------------------------------------------


def step_seconds(config: RunConfig) -> float:
    """One training step, without what its shape costs once."""
    passes = PASSES * forward(config, config.batch_size).seconds
    return passes + parameters(config) * PARAMETER + scores(config) * SCORE


def frame_seconds(config: RunConfig) -> float:
    """A measurement on train and test inputs, and all pictures of the task's view."""
    info = TASK_INFO[config.task]
    amount = forward(config, info.measured * (2 + AGAIN[info.view]))
    answers = config.num_experts * info.measured * EACH.get(info.view, 0)
    products, numbers = of_expert(config)
    return Amount(
        amount.products + answers * products, amount.numbers + answers * numbers, LOOKS * amount.cells
    ).seconds  # fmt: skip


def peak_bytes(config: RunConfig) -> float:
    """What a step keeps until its backward pass, or what a measurement, or a map, makes at once."""
    info = TASK_INFO[config.task]
    at_once = info.measured * (AGAIN["map"] if info.view == "map" else 2)
    step, look = forward(config, config.batch_size), forward(config, at_once)
    of_step = (step.numbers + scores(config)) * BYTES_OF_NUMBER + step.cells * BYTES_OF_CELL
    return max(of_step, (look.numbers * BYTES_OF_NUMBER + look.cells * BYTES_OF_CELL) / LIGHTER)


def scores(config: RunConfig) -> int:
    """How often a step compares a picture with a name."""
    return len(TASK_INFO[config.task].parts[1:]) * config.batch_size**2


def forward(config: RunConfig, num_inputs: int) -> Amount:
    """One pass of so many inputs through the layers, and through the Transformer around them if there is one."""
    info = TASK_INFO[config.task]
    tokens, width = num_inputs * info.tokens_per_input, layer_widths(config)[0]
    units = num_inputs if config.route_by == "input" else tokens
    items = tokens * (working(config) + config.num_shared_experts)
    products, numbers = of_expert(config)
    layer = Amount(items * products + units * config.num_experts * width, items * numbers, units * config.num_experts)
    if config.router == "soft":  # each expert computes one mixture of all units, and each unit is a mixture of answers
        few = config.num_experts * tokens // units + tokens * config.num_shared_experts
        mixing = 2 * tokens * config.num_experts * width
        layer = Amount(few * products + mixing, few * numbers + 2 * tokens * width, layer.cells)
    around = around_token(config)
    return Amount(
        info.layers * layer.products + tokens * around.products,
        info.layers * layer.numbers + tokens * around.numbers,
        info.layers * layer.cells,
    )


def working(config: RunConfig) -> int:
    """How many experts compute each token: k in the sparse form; all N in the dense, which `auto` takes for k > N/2."""
    sparse = config.dispatch == "sparse" or (config.dispatch == "auto" and 2 * config.top_k <= config.num_experts)
    return config.top_k if sparse else config.num_experts


def layer_widths(config: RunConfig) -> tuple[int, int]:
    """Numbers of a token in front of a layer and behind it."""
    info = TASK_INFO[config.task]
    return (info.inputs, outputs(config)) if info.tokens_per_input == 1 else (info.width, info.width)


def outputs(config: RunConfig) -> int:
    """Numbers of one answer."""
    info = TASK_INFO[config.task]
    return info.outputs or config.num_classes or info.own_classes


def of_expert(config: RunConfig) -> tuple[int, int]:
    """Multiply-adds of one expert for one token, and the numbers that it writes on the way."""
    (d, o), h, w = layer_widths(config), config.hidden_width, TASK_INFO[config.task].tokens_per_input
    return {
        "mlp": (h * (d + o), d + h + o), "linear": (d * o, 2 * d + 4 * o), "conv": (h * (9 * d + o), 14 * d + h + o),
        "transformer": (4 * d * d + 2 * w * d + h * (d + o), 9 * d + 3 * w + h + o),
    }[config.expert]  # fmt: skip


def around_token(config: RunConfig) -> Amount:
    """What a token costs outside the layers: embedding, norms, attention to its input, and the answer's head."""
    info = TASK_INFO[config.task]
    if info.tokens_per_input == 1:
        return Amount(0, 0, 0)
    w, d = info.tokens_per_input, info.width
    attention = Amount(4 * d * d + 2 * w * d, 14 * d + info.heads * w, 0)
    head = outputs(config) if info.kind == "text" else -(-outputs(config) // w)  # else one for all tokens of an input
    products = info.layers * attention.products + d * (head + (0 if info.table else info.inputs // w))
    return Amount(products, info.layers * attention.numbers + 3 * head, 0)


def parameters(config: RunConfig) -> int:
    """About how many numbers a run learns."""
    info, (d, o), h = TASK_INFO[config.task], layer_widths(config), config.hidden_width
    expert = {
        "mlp": h * (d + o + 1) + o, "linear": d * o + o, "conv": h * (9 * d + o + 1) + o,
        "transformer": 4 * d * d + h * (d + o + 1) + o,
    }[config.expert]  # fmt: skip
    gate = d * (2 if config.router == "noisy_top_k" else 1) + config.biased_gate
    layer = config.num_experts * gate + (config.num_experts + config.num_shared_experts) * expert
    if info.tokens_per_input == 1:
        return layer
    embedding = info.table or info.inputs // info.tokens_per_input
    head = outputs(config) // max(len(info.parts), 1) * max(min(len(info.parts), 2), 1)
    return info.layers * (layer + 4 * d * d) + d * (embedding + info.tokens_per_input + head)


# ---- what a page does about it --------------------------------------------------------------------------------------

# Which knob gets how much of what is left, one after the other: N and k, which pages are about, before all others.
KEPT_FIRST: tuple[tuple[str, float], ...] = (
    ("num_experts", math.inf), ("top_k", math.inf), ("num_shared_experts", math.inf), ("hidden_width", 16),
    ("batch_size", 16), ("hidden_width", math.inf), ("batch_size", math.inf),
)  # fmt: skip
WHY = {
    "step": "more would hold up other visitors", "frame": "more would hold up other visitors",
    "memory": "more would take too much of the server’s memory",
}  # fmt: skip
Runs = Callable[[RunConfig], Sequence[RunConfig]]


def lowered(config: RunConfig, runs: Runs = lambda config: [config]) -> tuple[RunConfig, list[Complaint]]:
    """The config with knobs lowered until a page may have its runs, and a complaint for each that gave way.

    Args:   runs: those that the page makes of a config.
    """
    over = _over(cost(runs(config)))
    if not over:
        return config, []
    values: dict[str, Any] = {name: int(KNOBS[name].low or 0) for name, _ in KEPT_FIRST}
    if config.dispatch == "dense":
        values["dispatch"] = "auto"
    fitting = config.nearest(**values)[0]
    for name, most in KEPT_FIRST:
        for value in _down(int(min(getattr(config, name), most)), int(getattr(fitting, name))):
            higher = config.nearest(**values | {name: value})[0]
            if fits(runs(higher)):
                fitting, values[name] = higher, value
                break
    said = [_complaint(config, fitting, name, WHY[over[0]]) for name in reversed(values)]
    return fitting, [each for each in said if getattr(fitting, each.name) != getattr(config, each.name)]


def _down(value: int, least: int) -> Iterator[int]:
    """This value, then lower ones above the least: powers of two, as sliders have them."""
    yield value
    yield from (2**power for power in reversed(range(13)) if least < 2**power < value)


def _complaint(before: RunConfig, after: RunConfig, name: str, why: str) -> Complaint:
    knob, value = KNOBS[name], getattr(after, name)
    rule = f"must be {'' if knob.choices else 'at most '}{knob.write(value)} here, as {why}"
    return Complaint(name, rule, f"{name}={knob.write(getattr(before, name))}", f"use {value}", value, why)
