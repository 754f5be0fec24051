"""What runs may take of a server: counted by hand and against the models, and kept to by pages and engine."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from moeviz.config import KNOBS, TASK_INFO, TASK_NAMES, RunConfig, workload
from moeviz.config.router_facts import ROUTER_NAMES
from moeviz.content import twins, vision_ways
from moeviz.content.methods import all_methods, compared
from moeviz.content.presets import LANGUAGE, LEARNS_PAIRS, PRESETS
from moeviz.content.questions import QUESTIONS
from moeviz.lessons import lessons
from moeviz.training.from_configs import model
from moeviz.ui.page_parts import image_text
from tests.core.test_config import configs
from tests.nearest_configs import nearest
from tests.pretend import World
from tests.task_tokens import draw

# --- counting --------------------------------------------------------------------------------------------------------


def test_a_pass_by_hand():
    # 10 points of 2 numbers, k = 1 of 4 experts of 8 hidden units, 2 classes: the sparse form.
    # products: each item 8 · (2 + 2) = 32, 10 items; gate 10 · 4 · 2. numbers: an item's 2 + 8 + 2. cells: 10 · 4.
    config = RunConfig(num_experts=4, top_k=1)
    assert workload.forward(config, 10) == workload.Amount(products=400, numbers=120, cells=40)
    # with k = 3 of 4 the dense form computes all 4: 40 items
    assert workload.forward(config.with_(top_k=3), 10) == workload.Amount(products=40 * 32 + 80, numbers=480, cells=40)
    # a shared expert computes all 10 besides
    assert workload.forward(config.with_(num_shared_experts=1), 10).products == 20 * 32 + 80
    assert workload.forward(config.with_(dispatch="dense"), 10).products == 40 * 32 + 80
    # Soft MoE: 4 mixtures of 10 points, 10 of 4 answers: 4 · 32 + 2 · 10 · 4 · 2, and the gate's 80
    assert workload.forward(config.with_(router="soft", top_k=4), 10).products == 128 + 160


def test_a_pass_of_text_by_hand():
    # one window of 64 characters, width 64, 2 layers: attention 4 · 64² + 2 · 64 · 64 a character and layer,
    # one expert of 16 hidden units 16 · 128, the gate of 2 experts 128, and a head of 241 characters once
    config = RunConfig(task="languages", num_experts=2, top_k=1, hidden_width=16)
    each = 2 * (4 * 64**2 + 2 * 64 * 64 + 16 * 128 + 2 * 64) + 64 * 241
    assert workload.forward(config, 1).products == 64 * each


@pytest.mark.parametrize("task", TASK_NAMES)
def test_the_sizes_of_a_task_are_those_of_its_data(task):
    data, info = draw(task), TASK_INFO[task]
    assert info.inputs == data.train.x_TD.shape[-1]
    assert workload.outputs(nearest({"task": task})) == data.num_outputs


@pytest.mark.parametrize("task", TASK_NAMES)
def test_products_and_parameters_are_about_those_of_the_model(task):
    """`flops` of the models is counted apart, matrix by matrix; of attention to what came before it counts half."""
    for expert, k, shared in itertools.product(TASK_INFO[task].experts, (1, 3), (0, 2)):
        config = nearest({
            "task": task, "expert": expert, "num_experts": 8, "top_k": k, "hidden_width": 32,
            "num_shared_experts": shared,
        })  # fmt: skip
        found, tokens = model([config], draw(task), torch.device("cpu")), TASK_INFO[task].tokens_per_input
        assert workload.forward(config, 1).products == pytest.approx(tokens * found.flops(8, k) / 2, rel=0.2)
        assert workload.parameters(config) == pytest.approx(found.num_parameters(8), rel=0.1)


def test_runs_of_one_shape_peak_together_and_others_one_after_the_other():
    small, large = RunConfig(batch_size=64), RunConfig(batch_size=512, hidden_width=64)
    alone, both, twice = (workload.cost(each) for each in ([large], [large, small], [large, large]))
    learned = workload.BYTES_OF_PARAMETER * workload.parameters(small) + 2 * workload.BYTES_OF_INPUT  # of 2 numbers
    assert both.memory == pytest.approx(alone.memory + learned / 2**20)
    learned = workload.BYTES_OF_PARAMETER * workload.parameters(large)
    assert twice.memory == pytest.approx(alone.memory + (workload.peak_bytes(large) + learned) / 2**20)
    assert both.step == pytest.approx(alone.step + workload.cost([small]).step)
    assert twice.step == pytest.approx(2 * alone.step - workload.SHAPE)


# --- what is offered fits --------------------------------------------------------------------------------------------


def offered() -> Iterator[tuple[str, Sequence[RunConfig]]]:
    """Everything that pages open with or start at a button."""
    yield "home", [RunConfig(top_k=1, seed=7)] * 2
    yield "methods", all_methods(RunConfig())
    for name, preset in PRESETS.items():
        yield f"preset {name}, with its ghost", [preset.config] * 2
    for name, preset in LANGUAGE.items():
        yield f"language {name}", [preset.config, *twins.dense(preset.config, ["active"])[0]]
    yield "image and text", image_text.runs(LEARNS_PAIRS, True)
    for way in vision_ways.WAYS:
        yield f"vision {way}", list(vision_ways.runs(way).values())
    for name, start in twins.STARTS.items():
        dense, _ = twins.dense(start.base, list(twins.DENSE))
        yield f"start {name}", [*twins.twins(start.base, start.knob, start.values), *dense]
    for knob, values in twins.VARIED.items():
        yield f"twins of {knob}", twins.twins(RunConfig(), knob, values)
    for pair in itertools.product(ROUTER_NAMES, repeat=2):
        yield f"routers {pair}", compared(RunConfig(), pair)
    for key, question in QUESTIONS.items():
        for example in question.examples:
            yield f"question {key}", example.configs
    for key, lesson in lessons().items():
        for look in lesson.steps:
            yield f"lesson {key}", look.group.configs
        for answer in [None, *lesson.prediction.choices]:
            yield f"lesson {key} {answer}", lesson.asked_group(0, answer).configs


def test_everything_that_pages_offer_may_stay_as_it_is():
    found = dict(offered())
    assert len(found) > 100
    assert [name for name, runs in found.items() if not workload.fits(runs)] == []


# --- pages -----------------------------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[RunConfig], Sequence[RunConfig]]] = {
    "playground": lambda config: [config],
    "methods": all_methods,
    "routers": lambda config: compared(config, ("expert_choice", "deepseek_v3")),
    "lab": lambda config: twins.twins(config, "top_k", (1, 2, 4, 8, 16, 32)),
    "lab, dense": lambda config: [
        *twins.twins(config, "balance_coef", (0.0, 1.0, 2.0, 10.0)), *twins.dense(config, list(twins.DENSE))[0],
    ],
    "lab, routers": lambda config: twins.twins(config, "router", ROUTER_NAMES[:6]),
    "language": lambda config: [config, *twins.dense(config, ["active"])[0]],
    "image and text": lambda config: image_text.runs(config, True),
}  # fmt: skip
OF_ONE_TASK = {"language": "languages", "image and text": "pairs"} | dict.fromkeys(vision_ways.WAYS, "pictures")
for way in vision_ways.WAYS:
    MAKERS[way] = functools.partial(lambda way, config: list(vision_ways.runs(way, config).values()), way)


@pytest.mark.parametrize("page", MAKERS)
@settings(deadline=None, derandomize=True, max_examples=40)
@given(config=configs(), sizes=some.tuples(*(some.sampled_from(ends) for ends in (
    (1, 2, 8, 32), (1, 2, 16, 32), (1, 8, 256), (8, 96, 512), (0, 4),
))))  # fmt: skip
def test_whatever_is_asked_a_page_lowers_until_it_fits_and_nothing_else_changes(page, config, sizes):
    task = OF_ONE_TASK.get(page, config.task if not TASK_INFO[config.task].page else "digit_rows")
    asked = dict(zip(("num_experts", "top_k", "hidden_width", "batch_size", "num_shared_experts"), sizes, strict=True))
    config = nearest({**vars(config), "num_classes": None, **asked, "task": task})
    found, said = workload.lowered(config, MAKERS[page])
    assert workload.fits(MAKERS[page](found))
    changed = {name for name in KNOBS if getattr(found, name) != getattr(config, name)}
    sizes_of = {name for name, _ in workload.KEPT_FIRST}
    assert all(getattr(found, name) < getattr(config, name) for name in changed & sizes_of)
    assert {each.name for each in said} == changed & (sizes_of | {"dispatch"})
    followers = {"dispatch", "token_groups", "expert_groups", "kept_groups"}  # these must divide what was lowered
    assert changed <= sizes_of | followers
    if workload.fits(MAKERS[page](config)):
        assert found is config and said == []


def test_the_batch_gives_way_first_then_hidden_units_and_n_and_k_at_last():
    start = LANGUAGE["top1"].config
    found, said = workload.lowered(start.with_(batch_size=512))
    assert [each.name for each in said] == ["batch_size"] and found.batch_size >= start.batch_size
    found, said = workload.lowered(start.with_(num_experts=12, top_k=12))
    assert (found.num_experts, found.top_k) == (12, 12) and found.hidden_width < start.hidden_width
    assert {each.name for each in said} <= {"batch_size", "hidden_width"}
    notice = next(each.notice for each in said if each.name == "hidden_width")
    assert notice == (
        f"hidden_width must be at most {found.hidden_width} here, as more would hold up other visitors: "
        f"got hidden_width=64; using hidden_width={found.hidden_width}"
    )


# --- the engine ------------------------------------------------------------------------------------------------------

HEAVY: dict[str, Any] = {"task": "languages", "num_experts": 32, "hidden_width": 256, "batch_size": 512}


def test_an_engine_refuses_what_would_take_too_much_before_it_is_made():
    world = World()
    world.open("run", **HEAVY)
    (freed,) = world.of("run", "freed")
    assert freed["refused"] and "the runs of a page may take at most 0.06 s a step" in freed["reason"]
    assert "lower batch_size or hidden_width" in freed["reason"]
    assert "run" not in world.host._runs


@pytest.mark.parametrize("op", ["set", "reset"])
def test_a_run_that_is_asked_for_too_much_goes_on_as_it_was(op):
    world = World()
    world.open("run", task="languages", hidden_width=64, batch_size=16, num_experts=6)
    before = world.host._runs["run"].playing.training.configs
    what = {"knobs": {"num_experts": 32, "top_k": 32}} if op == "set" else {"configs": [{**vars(RunConfig()), **HEAVY}]}
    world.tell(op=op, run="run", call=1, **what)
    reply = next(message for _, message, _ in world.sent if message["op"] == "reply")
    assert "the runs of a page may take at most" in reply["error"]
    world.run(1)
    assert world.host._runs["run"].playing.training.configs == before and world.step("run") > 0


@pytest.mark.parametrize(("batch_size", "has"), [(512, False), (256, True)])
def test_a_ghost_that_would_take_too_much_is_left_out(batch_size, has):
    world = World(real=True)  # 17 hidden units · 12 experts · 3 · 512 digits: .035 s; with a ghost twice that
    world.open("run", task="digits", num_experts=32, top_k=32, hidden_width=128, batch_size=batch_size)
    world.tell(op="set", run="run", call=1, knobs={"balance_coef": 1.0})
    assert (world.host._runs["run"].playing.ghost.current is not None) is has
