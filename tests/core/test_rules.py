"""Rules between knobs: refused with rule, value and remedy, mended to the nearest, and cautions before wondering."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moeviz.config import KNOBS, RULES, TASK_INFO, RunConfig
from moeviz.config.router_facts import ROUTER_INFO, ROUTER_NAMES, SEATED
from moeviz.config.rules import complaint, largest_divisor
from moeviz.content.cautions import CAUTIONS, cautions
from moeviz.routers import ROUTERS
from tests.core.test_config import configs, values
from tests.nearest_configs import nearest


def test_every_router_has_words_and_is_there() -> None:
    assert list(ROUTER_INFO) == list(ROUTERS) == list(ROUTER_NAMES) == list(KNOBS["router"].choices)
    for name, info in ROUTER_INFO.items():
        assert info.label and info.story.endswith(".") and info.k in ("any", "1", "2", "N"), name
    assert SEATED == ("top_k", "switch", "gshard")


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"router": "switch"}, "top_k must be 1 for router=switch: got top_k=2; pass 1, or use top_k"),
        ({"router": "gshard", "top_k": 1}, "top_k must be 2 for router=gshard: got top_k=1; pass 2, or use top_k"),
        ({"router": "soft"}, "top_k must be 8 for router=soft: got top_k=2; pass 8, or use top_k"),
        (
            {"router": "gshard", "num_experts": 1, "top_k": 1},
            "num_experts must be at least 2 for router=gshard: got num_experts=1; add experts",
        ),
        (
            {"router": "mixtral", "capacity_factor": 1.25},
            "capacity_factor must be none for router=mixtral: got capacity_factor=1.25; "
            "leave it at none, or use top_k, switch, gshard",
        ),
        (
            {"gate_jitter": 0.01},
            "gate_jitter must be 0 for router=top_k: got gate_jitter=0.01; leave it at 0, or use switch",
        ),
        (
            {"router": "deepseek_v3", "expert_groups": 3},
            "expert_groups must divide num_experts=8: got expert_groups=3; use a divisor of 8",
        ),
        (
            {"router": "deepseek_v3", "expert_groups": 4, "top_k": 3},  # groups of two: three experts need two of them
            "kept_groups must be from 2 to 4 for top_k=3 and expert_groups=4: got kept_groups=1; "
            "keep enough groups for k",
        ),
        (
            {"router": "gshard", "token_groups": 3},
            "token_groups must divide batch_size=256: got token_groups=3; use a divisor of 256",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as refused:
        RunConfig(**knobs)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("config", "changes", "expected"),
    [
        (RunConfig(), {"router": "switch"}, RunConfig(router="switch", top_k=1)),
        (RunConfig(), {"router": "soft", "num_experts": 5}, RunConfig(router="soft", num_experts=5, top_k=5)),
        (RunConfig(capacity_factor=1.0), {"router": "hash"}, RunConfig(router="hash")),
        (RunConfig(num_experts=1, top_k=1), {"router": "gshard"}, RunConfig(router="gshard", num_experts=2)),
        (RunConfig(router="gshard", token_groups=8), {"batch_size": 12},
         RunConfig(router="gshard", batch_size=12, token_groups=6)),
        (RunConfig(router="deepseek_v3", expert_groups=8, kept_groups=8), {"num_experts": 6},
         RunConfig(router="deepseek_v3", num_experts=6, expert_groups=6, kept_groups=6)),
    ],
)  # fmt: skip
def test_the_nearest_allowed_config(config: RunConfig, changes: dict[str, Any], expected: RunConfig) -> None:
    found, complaints = config.nearest(**changes)
    assert found == expected
    changed = {name for name in KNOBS if getattr(found, name) != getattr(config, name)} - set(changes)
    assert {each.name for each in complaints} == changed
    for each in complaints:
        assert each.notice.startswith(f"{each.name} {each.rule}: got {each.got}; using {each.name}=")
        assert each.why and f"got {each.name}=" in str(each)


def test_a_knob_that_was_asked_for_is_kept_or_refused() -> None:
    with pytest.raises(ValueError, match="top_k must be 1 for router=switch: got top_k=3"):
        RunConfig().nearest(keep=["top_k"], router="switch", top_k=3)
    with pytest.raises(ValueError, match=r"num_experts must be a whole number .* got num_experts='x'"):
        RunConfig().nearest(num_experts="x")
    with pytest.raises(ValueError, match=r"a knob must be one of task, .*: got lambda_"):
        RunConfig().nearest(lambda_=1)


@given(st.fixed_dictionaries({name: values(knob) for name, knob in KNOBS.items()}))
def test_any_knobs_are_mended_and_mended_once(drawn: dict[str, Any]) -> None:
    config = nearest(drawn)
    assert complaint(vars(config), RULES) is None
    assert nearest(vars(config)) == config
    leaks = TASK_INFO[drawn["task"]].causal and ROUTER_INFO[drawn["router"]].batchwise
    assert config.router == ("top_k" if leaks else drawn["router"]) and config.task == drawn["task"]


@given(configs(), st.sampled_from(["expert_groups", "kept_groups", "token_groups"]))
def test_the_choices_of_a_knob_are_those_that_it_keeps(config: RunConfig, name: str) -> None:
    found = config.choices_now(name)
    assert getattr(config, name) in found
    for each in found:
        changes: dict[str, Any] = {name: each}
        assert getattr(config.nearest(**changes)[0], name) == each


def test_divisors() -> None:
    assert [largest_divisor(12, most) for most in (1, 5, 7, 12, 99)] == [1, 4, 6, 12, 12]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (RunConfig(top_k=1, gate_form="renormalized"), ["the task teaches the gate nothing"]),
        (RunConfig(router="mixtral", top_k=1), ["the task teaches the gate nothing"]),
        (RunConfig(top_k=1), ["so the task can teach the gate"]),
        (RunConfig(router="switch", top_k=1), ["so the task can teach the gate"]),
        (RunConfig(top_k=8), ["the load is always even"]),
        (RunConfig(router="hash"), ["no gate to train"]),
        (RunConfig(router="soft", top_k=8), ["no balance loss is needed"]),
        (RunConfig(router="expert_choice"), ["some inputs get no expert"]),
        (RunConfig(balance_loss="load", balance_coef=1.0), ["choose noisy top-k"]),
        (RunConfig(balance_loss="load"), []),  # λ = 0: not in what training minimizes
        (RunConfig(router="noisy_top_k", balance_loss="load", balance_coef=1.0), []),
        (
            RunConfig(router="noisy_top_k", balance_loss="load", balance_coef=1.0, top_k=8),
            ["always even", "k = N no draw"],
        ),
        (
            RunConfig(router="mixtral", top_k=1, balance_loss="importance", balance_coef=1.0),
            ["teaches the gate nothing", "all of them are 1"],
        ),
        (RunConfig(), []),
    ],
)
def test_cautions(config: RunConfig, words: list[str]) -> None:
    said = cautions(config)
    assert len(said) == len(words)
    for sentence, part in zip(said, words, strict=True):
        assert part in sentence


def test_a_caution_is_one_or_two_sentences() -> None:
    assert all(each.sentence.endswith(".") and len(each.sentence) < 150 for each in CAUTIONS)
