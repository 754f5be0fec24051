"""The knobs: bounds, text in and out, cross-field rules, buckets and the URL."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moeviz.config import KNOBS, TASK_INFO, TASK_NAMES, Knob, RunConfig, Value, as_runs, expand
from moeviz.content.twins import dense_twin
from moeviz.training import Training
from tests.nearest_configs import nearest
from tests.shapes import unexecuted

BOUNDED = [knob for knob in KNOBS.values() if knob.low is not None]
ON_PAGE = {name: knob.on_page for name, knob in KNOBS.items()}
CHOSEN = [knob for knob in KNOBS.values() if knob.choices]


ODD = (
    "9" * 400,
    "-" + "9" * 400,
    "9" * 5000,
    "1e400",
    "1e-400",
    "-0",
    "nan",
    "٣",
    "1_0",
    " 9\n",
    "a\nb\x00\ud800\u202e",
    "<b>",
)
texts = (  # that people, typos and attackers write
    st.text(max_size=40) | st.text(st.characters(), max_size=9) | st.floats().map(str) | st.integers().map(str)
    | st.sampled_from(ODD)
)  # fmt: skip


def values(knob: Knob) -> st.SearchStrategy[Any]:
    """Any allowed value of a knob."""
    if knob.choices:
        found: st.SearchStrategy[Any] = st.sampled_from(knob.choices)
    elif knob.kind is bool:
        found = st.booleans()
    elif knob.kind is int:
        found = st.integers(int(knob.low or 0), int(knob.high or 0))
    else:
        found = st.floats(knob.low, knob.high)
    return found | st.none() if knob.optional else found


@st.composite
def configs(draw: st.DrawFn, page: bool = False) -> RunConfig:
    """Any allowed config; with `page` only what a page can show."""
    drawn = {name: draw(values(knob)) for name, knob in (ON_PAGE if page else KNOBS).items()}
    return nearest(drawn)


# --- the knobs themselves


def test_every_field_of_a_config_is_a_knob_with_words_for_a_page() -> None:
    assert [field.name for field in dataclasses.fields(RunConfig)] == list(KNOBS)
    for knob in KNOBS.values():
        assert knob.label and knob.help.endswith((".", "损失", "专家", "网络", "权重", ")"))
        assert bool(knob.choices) + (knob.kind is bool) + (knob.low is not None) == 1, (
            f"{knob.name} has one kind of rule"
        )


def test_the_defaults_are_the_opening_state() -> None:
    # DESIGN, "What a class sees": clusters, N=8, k=2, hidden 8, learning rate .03, λ=0
    config = RunConfig()
    assert (config.task, config.num_experts, config.top_k, config.hidden_width) == ("clusters", 8, 2, 8)
    assert (config.learning_rate, config.balance_coef, config.balance_loss) == (0.03, 0.0, "squared")


@pytest.mark.parametrize("knob", KNOBS.values(), ids=lambda knob: knob.name)
def test_the_default_is_allowed_and_of_the_knobs_kind(knob: Knob) -> None:
    knob.check(knob.default)
    assert knob.default is None if knob.optional else type(knob.default) is knob.kind


@pytest.mark.parametrize("knob", BOUNDED, ids=lambda knob: knob.name)
def test_bounds_include_their_ends_and_nothing_beyond(knob: Knob) -> None:
    assert knob.low is not None and knob.high is not None
    knob.check(knob.kind(knob.low))
    knob.check(knob.kind(knob.high))
    beyond = 1 if knob.kind is int else 1e-6
    for value in (knob.low - beyond, knob.high + beyond):
        with pytest.raises(ValueError, match=f"{knob.name} must be"):
            knob.check(knob.kind(value))


@pytest.mark.parametrize("knob", BOUNDED, ids=lambda knob: knob.name)
def test_a_logarithmic_scale_has_no_zero_except_the_one_that_says_so(knob: Knob) -> None:
    assert knob.low is not None
    assert {"linear": True, "log": knob.low > 0, "log0": knob.low == 0}[knob.scale]
    assert knob.page_high is None or (knob.high is not None and knob.low < knob.page_high < knob.high)


@pytest.mark.parametrize("knob", CHOSEN, ids=lambda knob: knob.name)
def test_a_choice_must_be_one_of_the_choices(knob: Knob) -> None:
    for choice in knob.choices:
        knob.check(choice)
    with pytest.raises(ValueError, match=f"must be one of {knob.choices[0]}.*got {knob.name}='other'; choose"):
        knob.check("other")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_experts", 2.0),
        ("num_experts", True),
        ("num_experts", "8"),
        ("num_experts", None),
        ("balance_coef", True),
        ("balance_coef", math.nan),
        ("balance_coef", math.inf),
        ("learning_rate", -math.inf),
        ("gate_bias", 1),
        ("gate_bias", "true"),
        ("task", None),
        ("capacity_factor", "none"),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, value: Value) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*; choose an allowed value"):
        KNOBS[name].check(value)


def test_a_whole_number_is_allowed_where_a_number_is_asked_for() -> None:
    KNOBS["balance_coef"].check(10)
    assert RunConfig(balance_coef=10).balance_coef == 10


# --- text in


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("num_experts", " 16 ", 16),
        ("balance_coef", "1e-1", 0.1),
        ("task", "Spiral", "spiral"),
        ("capacity_factor", "none", None),
        ("capacity_factor", "", None),
        ("capacity_factor", "1.25", 1.25),
        ("num_classes", "None", None),
        ("gate_bias", "1", True),
        ("gate_bias", "ON", True),
        ("gate_bias", "no", False),
    ],
)
def test_parse_reads_what_people_write(name: str, text: str, value: Value) -> None:
    parsed = KNOBS[name].parse(text)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("num_experts", "eight"),
        ("num_experts", "8.0"),
        ("num_experts", "65"),
        ("num_experts", "none"),
        ("balance_coef", "nan"),
        ("balance_coef", "inf"),
        ("balance_coef", "-0.1"),
        ("task", "spirals"),
        ("gate_bias", "maybe"),
        ("seed", "9" * 400),
        ("seed", "9" * 5000),
        ("task", "a\nb\u202e\x00\ud800" * 1000),
    ],
)
def test_parse_refuses_with_rule_value_and_remedy_on_one_short_line(name: str, text: str) -> None:
    with pytest.raises(ValueError) as refused:
        KNOBS[name].parse(text)
    message = str(refused.value)
    assert message.startswith(f"{name} {KNOBS[name].rule}: got {name}=")
    assert message.endswith("; choose an allowed value")
    assert message.isprintable() and len(message) < 300


@given(st.sampled_from(list(KNOBS.values())), texts)
def test_parse_gives_an_allowed_value_or_a_value_error(knob: Knob, text: str) -> None:
    try:
        parsed = knob.parse(text)
    except ValueError as refused:
        assert knob.name in str(refused)
    else:
        knob.check(parsed)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("num_experts", "0", 1),
        ("num_experts", "500", 32),  # a page shows at most 32
        ("balance_coef", "-3", 0.0),
        ("balance_coef", "inf", 100.0),
        ("balance_coef", "nan", 0.0),  # no nearest value: the default
        ("num_experts", "9" * 400, 32),  # too long for a float
        ("seed", "-" + "9" * 400, 0),
        ("batch_size", "4096", 512),  # a page takes fewer
        ("num_experts", "many", 8),
        ("task", "unknown", "clusters"),
        ("gate_bias", "maybe", False),
        ("num_classes", "99", 8),
        ("device", "cuda", "auto"),
        ("device", "cpu", "auto"),
    ],
)
def test_clamp_takes_the_nearest_value_and_says_so(name: str, text: str, value: Value) -> None:
    clamped, notice = KNOBS[name].clamp(text)
    assert clamped == value
    assert notice is not None and name in notice and "; using " in notice
    KNOBS[name].check(clamped)


def test_clamp_keeps_an_allowed_value_in_silence() -> None:
    assert KNOBS["num_experts"].clamp("32") == (32, None)
    assert KNOBS["num_experts"].clamp("64", page=False) == (64, None)
    assert KNOBS["capacity_factor"].clamp("none") == (None, None)
    assert KNOBS["device"].clamp("auto") == ("auto", None)
    assert KNOBS["device"].clamp("cuda", page=False) == ("cuda", None)


@pytest.mark.parametrize(
    ("name", "text", "rule", "remedy"),
    [
        ("num_experts", "abc", "a whole number from 1 to 32: got num_experts='abc'", "num_experts=8"),
        ("num_experts", "-1", "from 1 to 32: got -1", "1"),
        ("batch_size", "x", "a whole number from 8 to 512: got batch_size='x'", "batch_size=256"),
        ("capacity_factor", "x", "a number from 0.1 to 16, or none: got capacity_factor='x'", "capacity_factor=none"),
        ("gate_bias", "x", "true or false: got gate_bias='x'", "gate_bias=false"),
        ("device", "mps", "auto on a page: got device='mps'", "device=auto"),
        ("device", "tpu", "auto on a page: got device='tpu'", "device=auto"),
    ],
)
def test_a_pages_notice_names_the_pages_rule_the_value_and_the_remedy(
    name: str, text: str, rule: str, remedy: str
) -> None:
    _, notice = KNOBS[name].clamp(text)
    assert notice is not None and notice.startswith(f"{name} must be {rule}") and notice.endswith(f"; using {remedy}")
    _, notice = KNOBS["num_experts"].clamp("abc", page=False)
    assert notice is not None and "from 1 to 64" in notice


@given(st.sampled_from(list(KNOBS.values())), texts)
def test_clamp_never_raises_and_always_gives_an_allowed_value(knob: Knob, text: str) -> None:
    value, notice = knob.clamp(text)
    knob.check(value)
    assert notice is None or knob.name in notice


# --- rules between knobs


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (
            {"top_k": 4, "num_experts": 2},
            "top_k must be at most num_experts: got top_k=4, num_experts=2; lower top_k or add experts",
        ),
        (
            {"task": "xor", "num_classes": 3},
            "num_classes must be none or 2 for task=xor: got num_classes=3; leave it at none",
        ),
        (
            {"task": "plane", "num_classes": 2},
            "num_classes must be none for task=plane: got num_classes=2; leave it at none",
        ),
        (
            {"num_experts": 65},
            "num_experts must be a whole number from 1 to 64: got num_experts=65; choose an allowed value",
        ),
        (
            {"capacity_factor": 99.0},
            "capacity_factor must be a number from 0.1 to 16, or none: got capacity_factor=99.0; "
            "choose an allowed value",
        ),
    ],
)
def test_an_error_says_rule_value_and_remedy(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as refused:
        RunConfig(**knobs)
    assert str(refused.value) == message


@pytest.mark.parametrize("task", TASK_NAMES)
def test_each_task_takes_the_number_of_classes_it_declares(task: str) -> None:
    info = TASK_INFO[task]
    assert info.kind in ("classification", "regression", "retrieval", "text")
    assert info.view in ("map", "curve", "projection", "rows", "text", "pictures", "pairs")
    low, high = info.classes
    assert (low > 0) == (info.kind == "classification")
    allowed = [count for count in range(2, 9) if low <= count <= high]
    for count in range(2, 9):
        if count in allowed:
            assert RunConfig(task=task, num_classes=count).num_classes == count
        else:
            with pytest.raises(ValueError, match=f"for task={task}"):
                RunConfig(task=task, num_classes=count)


@pytest.mark.parametrize(
    ("gate_form", "top_k", "renormalized"),
    # MATH, section 1: auto is plain at k = 1 and renormalized from k = 2
    [("auto", 1, False), ("auto", 2, True), ("auto", 8, True), ("plain", 2, False), ("renormalized", 1, True)],
)
def test_when_weights_are_renormalized(gate_form: str, top_k: int, renormalized: bool) -> None:
    assert RunConfig(gate_form=gate_form, top_k=top_k).renormalized is renormalized


def test_a_gate_has_a_bias_when_asked_for_or_when_its_task_declares_it() -> None:
    assert not RunConfig(task="clusters").biased_gate
    assert RunConfig(task="clusters", gate_bias=True).biased_gate
    assert RunConfig(task="circle").biased_gate


def test_with_changes_a_copy_and_checks_it_again() -> None:
    config = RunConfig()
    assert config.with_(top_k=1).top_k == 1 and config.top_k == 2
    with pytest.raises(ValueError, match="top_k must be at most num_experts"):
        config.with_(num_experts=1)
    with pytest.raises(ValueError, match=r"a knob must be one of task, .*: got lambda_; check the spelling"):
        config.with_(lambda_=1)


# --- buckets and lists of configs


def test_a_bucket_ignores_exactly_the_knobs_that_may_differ_between_its_runs() -> None:
    per_run = {name for name, knob in KNOBS.items() if knob.per_run}
    assert per_run == {
        "top_k", "balance_coef", "gate_form", "capacity_factor", "eval_capacity_factor", "gate_jitter", "bias_rate",
        "gate_skew", "router_noise", "learning_rate", "noise", "seed",
    }  # fmt: skip
    others: dict[str, Value] = {
        "task": "xor", "num_experts": 4, "top_k": 1, "balance_loss": "z", "balance_coef": 1.0, "gate_form": "plain",
        "gate_bias": True, "capacity_factor": 1.0, "expert": "linear", "hidden_width": 4, "batch_size": 64,
        "learning_rate": 0.1, "noise": 0.5, "seed": 1, "device": "cpu", "dispatch": "dense", "num_classes": 3,
        "train_share": 0.8, "eval_capacity_factor": 2.0, "batch_prioritized": True, "gate_jitter": 0.1,
        "second_policy": "all", "token_groups": 4, "bias_rate": 0.1, "expert_groups": 4, "kept_groups": 2,
        "route_scale": 2.0, "num_shared_experts": 1, "router": "mixtral", "gate_skew": 1.0, "router_noise": 2.0,
        "route_by": "input",
    }  # fmt: skip
    assert set(others) == set(KNOBS)
    for name, value in others.items():
        task = "digit_rows" if name == "route_by" else "clusters"
        config, _ = RunConfig().nearest(task=task, router=(KNOBS[name].routers or ("top_k",))[0])
        if name == "kept_groups":
            config = config.with_(expert_groups=4)
        assert (config.with_(**{name: value}).bucket() == config.bucket()) == (name in per_run), name


def test_expand_gives_every_combination_with_the_last_knob_fastest() -> None:
    found = expand(RunConfig(), balance_coef=[0, 10], seed=[0, 1, 2])
    assert [(each.balance_coef, each.seed) for each in found] == [(0, 0), (0, 1), (0, 2), (10, 0), (10, 1), (10, 2)]
    assert expand(RunConfig()) == [RunConfig()]
    assert expand(RunConfig(), seed=[]) == []
    with pytest.raises(ValueError, match="top_k must be at most num_experts"):
        expand(RunConfig(), num_experts=[8, 1])


# --- the URL


@given(configs(page=True))
def test_a_url_gives_back_the_same_config(config: RunConfig) -> None:
    assert RunConfig.from_url(config.to_url()) == (config, [])


@given(configs())
def test_a_url_beyond_a_page_is_clamped_to_it_with_a_notice(config: RunConfig) -> None:
    read, notices = RunConfig.from_url(config.to_url())
    assert read.num_experts == min(config.num_experts, 32) and read.device == "auto"
    assert read.top_k == min(config.top_k, 32)
    assert bool(notices) == (read != config)


def test_a_url_holds_only_what_differs_from_the_defaults() -> None:
    assert RunConfig().to_url() == {}
    config = RunConfig(top_k=1, balance_coef=10.0, gate_bias=True, learning_rate=0.005, capacity_factor=1.25)
    expected = {"top_k": "1", "balance_coef": "10", "gate_bias": "true", "learning_rate": "0.005"}
    assert config.to_url() == {**expected, "capacity_factor": "1.25"}


@given(
    st.dictionaries(
        st.sampled_from(list(KNOBS)) | st.text(max_size=10),
        texts | st.sampled_from(TASK_NAMES),
    )
)
def test_from_url_never_raises(params: dict[str, str]) -> None:
    config, notices = RunConfig.from_url(params)
    assert RunConfig(**dataclasses.asdict(config)) == config
    for knob in KNOBS.values():
        if knob.page_high is not None:
            assert getattr(config, knob.name) <= knob.page_high
    assert all(notice.isprintable() and 0 < len(notice) < 400 for notice in notices)


OFTEN = {name: values(knob).map(knob.write) | texts for name, knob in KNOBS.items()}


@settings(max_examples=30)
@given(st.fixed_dictionaries({}, optional=OFTEN))
@example({"device": "cuda"})
@example({"device": "mps"})
def test_whatever_an_address_says_can_be_trained_and_drawn(params: dict[str, str]) -> None:
    config, _ = RunConfig.from_url(params)
    training = Training([config])
    training.step(2)
    header = training.snapshot(want=["points", "history"], probe=(1e6, -1e6)).header
    assert header["step"] == 2 and header["num_experts"] == config.num_experts


@pytest.mark.parametrize(
    ("params", "expected", "named"),
    [
        ({"top_k": "5", "num_experts": "3"}, RunConfig(num_experts=3, top_k=3), ["top_k"]),
        ({"num_experts": "1"}, RunConfig(num_experts=1, top_k=1), []),  # a k that it did not name follows in silence
        ({"num_experts": "1", "top_k": "2"}, RunConfig(num_experts=1, top_k=1), ["top_k"]),
        ({"router": "switch"}, RunConfig(router="switch", top_k=1), []),
        ({"router": "switch", "top_k": "2"}, RunConfig(router="switch", top_k=1), ["top_k"]),
        ({"router": "soft"}, RunConfig(router="soft", top_k=8), []),
        ({"router": "gshard", "num_experts": "1"}, RunConfig(router="gshard", num_experts=2), ["num_experts"]),
        ({"router": "mixtral", "capacity_factor": "1"}, RunConfig(router="mixtral"), ["capacity_factor"]),
        ({"num_experts": "999"}, RunConfig(num_experts=32), ["num_experts"]),
        ({"task": "plane", "num_classes": "4"}, RunConfig(task="plane"), ["num_classes"]),
        ({"seed": "x", "noise": "7"}, RunConfig(noise=1.0), ["noise", "seed"]),
        ({"play": "0", "present": "1"}, RunConfig(), []),
        ({"device": "cuda"}, RunConfig(), ["device"]),
    ],
)
def test_from_url_mends_what_it_can_and_names_it(params: dict[str, str], expected: RunConfig, named: list[str]) -> None:
    config, notices = RunConfig.from_url(params)
    assert config == expected
    assert [notice.split(" ")[0] for notice in notices] == named


def test_a_notice_names_the_value_that_was_asked_for() -> None:
    _, notices = RunConfig.from_url({"top_k": "9", "num_experts": "4"})
    assert notices == ["top_k must be at most num_experts: got top_k=9, num_experts=4; using top_k=4"]


# ---- a plain network beside the mixture ---------------------------------------------------------------------------


@pytest.mark.parametrize("num_shared_experts", [0, 2])
@pytest.mark.parametrize(("equal", "as_many"), [("active", 3), ("total", 6)])
def test_a_dense_twin_has_as_many_weights(equal: str, as_many: int, num_shared_experts: int) -> None:
    config = RunConfig(num_experts=6, top_k=3, hidden_width=5, num_shared_experts=num_shared_experts, seed=3)
    dense = dense_twin(config, equal)
    assert (dense.num_experts, dense.top_k, dense.hidden_width) == (1, 1, 5 * (as_many + num_shared_experts))
    assert dense.data() == config.data()
    sparse, plain = (Training([each]).snapshot().header for each in (config, dense))
    # 2 inputs, 2 outputs; a gate column has 2 numbers; each expert has an output bias of 2 numbers
    ours = sparse["active_parameters" if equal == "active" else "num_parameters"][0] - 6 * 2
    theirs = plain["num_parameters"][0] - 2
    assert ours - theirs == (as_many + num_shared_experts - 1) * 2
    assert plain["active_parameters"] == plain["num_parameters"]


@pytest.mark.parametrize("router", ["switch", "gshard", "deepseek_v3", "soft", "hash"])
def test_a_dense_twin_has_no_gate_to_turn(router: str) -> None:
    config, _ = RunConfig().nearest(router=router, balance_coef=3.0, gate_skew=1.0, learning_rate=0.01)
    if router in ("switch", "gshard"):
        config = config.with_(capacity_factor=0.5, token_groups=4 if router == "gshard" else 1)
    dense = dense_twin(config, "active")
    assert dense == RunConfig(num_experts=1, top_k=1, hidden_width=8 * config.top_k, learning_rate=0.01)


@pytest.mark.parametrize(
    ("knobs", "equal", "words"),
    [
        ({"hidden_width": 64}, "total", "at most 256 hidden units: got 512 for equal total parameters; lower hidden"),
        ({"expert": "linear"}, "active", "must have hidden units: got expert=linear, which has none; use expert=mlp"),
        ({}, "half", "must have equal active or total parameters: got 'half'; pass one of the two"),
    ],
)
def test_what_has_no_dense_twin_says_why(knobs: dict[str, Any], equal: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dense_twin(RunConfig(**knobs), equal)


# ---- what scripts and notebooks pass --------------------------------------------------------------------------------


@unexecuted()
def test_numbers_of_numpy_and_torch_become_pythons() -> None:
    given: dict[str, Any] = {
        "num_experts": np.int64(4), "top_k": np.array(1), "balance_coef": np.float32(0.5), "gate_bias": np.bool_(True),
        "task": np.str_("spiral"), "learning_rate": torch.tensor(0.25), "seed": torch.tensor(3),
        "capacity_factor": np.float64(2),
    }  # fmt: skip
    config = RunConfig(**given)
    same = RunConfig("spiral", 4, 1, balance_coef=0.5, gate_bias=True, learning_rate=0.25, seed=3, capacity_factor=2.0)
    assert config == same and hash(config) == hash(same)
    assert json.loads(json.dumps(dataclasses.asdict(config))) == dataclasses.asdict(same)
    assert {type(value) for value in dataclasses.asdict(config).values()} == {str, int, float, bool, type(None)}
    two: Any = np.uint8(2)
    assert config.with_(top_k=two).top_k == config.nearest(top_k=two)[0].top_k == 2


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"top_k": np.float64(2.0)}, r"top_k must be a whole number from 1 to 64: got top_k=2.0; choose"),
        ({"top_k": np.array([2])}, r"top_k must be a whole number .*: got top_k=array\(\[2\]\); choose"),
        ({"top_k": np.ones((2, 2))}, r"top_k must be a whole number .*: got top_k=array\(\[\[1., 1.\], .*\]\); choose"),
        ({"top_k": np.bool_(True)}, r"top_k must be a whole number .*: got top_k=True; choose"),
        ({"gate_bias": np.int64(1)}, r"gate_bias must be true or false: got gate_bias=1; choose"),
        ({"balance_coef": np.float32("nan")}, r"balance_coef must be a number .*: got balance_coef=nan; choose"),
        ({"learning_rate": float("inf")}, r"learning_rate must be a number .*: got learning_rate=inf; choose"),
        ({"learning_rate": 1e400}, r"learning_rate must be a number .*: got learning_rate=inf; choose"),
        ({"balance_coef": 10**400}, r"balance_coef must be a number .*: got balance_coef=1000.*; choose"),
        ({"seed": 10**5000}, r"seed must be a whole number .*: got seed=a number of thousands of digits; choose"),
        ({"task": ["spiral"]}, r"task must be one of clusters, .*: got task=\['spiral'\]; choose"),
        ({"task": None}, r"task must be one of clusters, .*: got task=None; choose"),
        ({"top_k": 1j}, r"top_k must be a whole number .*: got top_k=1j; choose"),
    ],
)
@unexecuted()
def test_what_is_no_value_of_a_knob_is_refused_in_one_line(knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        RunConfig(**knobs)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@unexecuted()
def test_lists_of_every_kind_can_be_expanded() -> None:
    expected = expand(RunConfig(), balance_coef=[0.0, 1.0], top_k=[1, 2])
    for make in (tuple, np.array, pd.Series, iter, torch.tensor, lambda each: (one for one in each)):
        assert expand(RunConfig(), balance_coef=make([0.0, 1.0]), top_k=make([1, 2])) == expected
    assert expand(RunConfig(), top_k=range(1, 3), balance_coef=np.arange(2)) == expand(
        RunConfig(), top_k=[1, 2], balance_coef=[0.0, 1.0]
    )


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"task": "spiral"}, r"task must be a list of values: got 'spiral'; write \['spiral'\]"),
        ({"top_k": 2}, r"top_k must be a list of values: got 2; write \[2\]"),
        ({"top_k": np.array(2)}, r"top_k must be a list of values: got 2; write \[2\]"),
        ({"capacity_factor": None}, r"capacity_factor must be a list of values: got None; write \[None\]"),
        ({"top_k": {1: 2}}, r"top_k must be a list of values: got {1: 2}; list its values"),
        ({"top_k": np.ones((2, 2))}, r"top_k must be a whole number .*: got top_k=array"),
        ({"top_k": itertools.count(1)}, r"top_k must have at most 10000 values: got more; list fewer"),
        ({"topk": "spiral"}, r"a knob must be one of task, .*: got topk; check the spelling"),
    ],
)
@unexecuted()
def test_what_is_no_list_is_not_expanded(lists: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        expand(RunConfig(), **lists)


@unexecuted()
def test_one_run_is_as_good_as_a_list_of_one() -> None:
    assert as_runs(RunConfig()) == as_runs(iter([RunConfig()])) == (RunConfig(),)
    for value, shown in (({"top_k": 1}, "{'top_k': 1}"), ([1], "1"), ("spiral", "'spiral'"), (None, "None")):
        with pytest.raises(ValueError, match=f"a run must be a RunConfig: got {shown}; pass RunConfig"):
            as_runs(value)
