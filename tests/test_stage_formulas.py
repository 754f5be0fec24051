"""Every formula of one token's journey, for every router: what is printed is true of what is printed beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.training import Training
from moeviz.training.snapshot import Snapshot
from tests.equations import checked
from tests.test_journey import TASKS, at, trained
from tests.test_stage import javascript

STOPS = ["x", "logits", "softmax", "top_k", "weights", "experts", "sum", "task_loss", "balance_loss"]
# every router; then each with one expert chosen, with all, with one at all, and with its own knobs
ROUTERS: list[dict[str, Any]] = [
    {"top_k": 2}, {"top_k": 1}, {"router": "noisy_top_k"}, {"router": "switch", "top_k": 1}, {"router": "gshard"},
    {"router": "mixtral"}, {"router": "deepseek_v3", "bias_rate": 0.01, "expert_groups": 4, "kept_groups": 2},
    {"router": "deepseek_v3", "top_k": 1, "route_scale": 2.5}, {"router": "expert_choice", "top_k": 1},
    {"router": "hash", "top_k": 3}, {"router": "soft", "top_k": 8},
]  # fmt: skip
MORE: list[dict[str, Any]] = [
    {"top_k": 2, "gate_form": "plain"}, {"top_k": 1, "gate_form": "renormalized"}, {"top_k": 8},
    {"top_k": 1, "num_experts": 1}, {"top_k": 5, "num_experts": 32}, {"router": "noisy_top_k", "top_k": 1},
    {"router": "mixtral", "top_k": 1}, {"router": "mixtral", "top_k": 8}, {"router": "deepseek_v3", "bias_rate": 0.01},
    {"router": "deepseek_v3", "top_k": 8, "route_scale": 2.5}, {"router": "deepseek_v3", "num_experts": 1, "top_k": 1},
    {"router": "expert_choice"}, {"router": "expert_choice", "top_k": 8}, {"router": "hash", "top_k": 1},
    {"router": "hash", "num_experts": 1, "top_k": 1}, {"router": "soft", "top_k": 1, "num_experts": 1},
    {"num_shared_experts": 1}, {"gate_skew": 2.0}, {"gate_bias": True},
]  # fmt: skip
# by how the weights come about: the stops whose numbers are made of printed ones
ALWAYS = ["logits", "sum", "task_loss", "balance_loss"]
EQUATIONS = {
    "plain": ALWAYS, "mixture": [*ALWAYS, "softmax", "top_k"], "table": [*ALWAYS, "softmax", "weights", "top_k"],
    **{weights: [*ALWAYS, "softmax"] for weights in ("renormalized", "after", "sigmoid")},
}  # fmt: skip
LOSSES = ["squared", "switch", "gshard", "importance", "load", "importance_load", "z", "entropy"]


def written(shots: list[Snapshot], folder: Path) -> list[dict[str, list[str]]]:
    """The lines of every stop, token by token, as the page writes them."""
    frames = [
        [
            shot.header,
            {
                name: value[0].ravel().tolist()
                for name, value in shot.arrays.items()
                if name.startswith(("journey", "probe"))
            },
        ]
        for shot in shots
    ]
    (folder / "frames.json").write_text(json.dumps(frames))
    return list(
        javascript(f"""
        const {{ readFileSync }} = await import('node:fs');
        const frames = JSON.parse(readFileSync({json.dumps(str(folder / "frames.json"))}));
        const {{ formulas }} = await import('$/formulas.js');
        const {{ tokenOf }} = await import('$/token.js');
        const written = frames.map(([header, values]) => {{
            const of = ([name, value]) => [name, {{ of: () => value }}];
            const token = tokenOf({{ header, arrays: Object.fromEntries(Object.entries(values).map(of)) }});
            const lines = (stop) => formulas(stop, token).map((pieces) => pieces.join(' '));
            return Object.fromEntries({json.dumps(STOPS)}.map((stop) => [stop, lines(stop)]));
        }});
        console.log(JSON.stringify(written));""")
    )


def check(tokens: list[dict[str, list[str]]], *, stops: list[str]) -> None:
    """Every equation is true, and at each of these stops there is one for some token at least."""
    counts = dict.fromkeys(STOPS, 0)
    for token in tokens:
        for stop, lines in token.items():
            assert lines and "not a number" not in str(lines) and "NaN" not in str(lines), (stop, lines)
            for line in lines:
                count, wrong = checked(line)
                counts[stop] += count
                assert not wrong, (stop, wrong)
    assert all(counts[stop] for stop in stops), counts


def test_an_equation_that_is_not_true_is_found():
    third = "<math><mfrac><mn>1</mn><mn>3</mn></mfrac></math> <math><mo>=</mo><mn>{}</mn></math>"
    assert checked(third.format("0.33")) == (1, [])
    assert len(checked(third.format("0.34"))[1]) == 1
    power = "<math><msup><mi>e</mi><mn>−1.00</mn></msup><mo>=</mo><mn>{}</mn><mo>{}</mo><mn>0.37</mn></math>"
    assert checked(power.format("0.37", "≥")) == (2, [])
    assert [len(checked(power.format(*each))[1]) for each in (("0.38", "≥"), ("0.37", "&lt;"), ("0.38", "&lt;"))] == [
        1,
        1,
        2,
    ]
    logarithm = "<math><mo>−</mo><mi>ln</mi><mn>0.50</mn><mo>=</mo><mn>{}</mn></math>"
    assert checked(logarithm.format("0.69")) == (1, []) and checked(logarithm.format("0.70"))[1]
    # e^2.89 is 17.993: a fraction whose parts do not follow from those before it is found, though its value does
    whole = "<math><mfrac><msup><mi>e</mi><mn>2.89</mn></msup><mn>20.00</mn></mfrac>"
    parts = whole + "<mo>=</mo>{}<mo>=</mo><mn>0.90</mn></math>"
    parts_after = "<mfrac><mn>{}</mn><mn>20.00</mn></mfrac>"
    assert checked(parts.format(parts_after.format("17.99"))) == (4, [])
    assert len(checked(parts.format(parts_after.format("17.96")))[1]) == 1
    assert checked("<math><mi>y</mi><mo>=</mo><mn>0.00</mn><mo>+</mo><mo>⋯</mo><mo>=</mo><mn>9</mn></math>") == (0, [])


@pytest.mark.parametrize("router", [*ROUTERS, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE)], ids=str)
def test_every_printed_equation_is_true(router, tmp_path):
    """Of some tokens before training, and of 20 after it."""
    training = Training([RunConfig(seed=3, batch_size=64, hidden_width=4, balance_coef=0.3).with_(**router)])
    for steps, tokens in ((0, 5), (40, 20)):
        training.step(steps)
        shots = [at(training, index) for index in range(tokens)]
        check(written(shots, tmp_path), stops=EQUATIONS[shots[0].header["weights"][0]])


@pytest.mark.slow
@pytest.mark.parametrize("router", ROUTERS, ids=str)
def test_so_is_it_of_200_tokens(router, tmp_path):
    training = Training([RunConfig(seed=5, batch_size=64, hidden_width=4, balance_coef=0.3).with_(**router)])
    training.step(120)
    shots = [at(training, index) for index in range(200)]
    check(written(shots, tmp_path), stops=EQUATIONS[shots[0].header["weights"][0]])


@pytest.mark.parametrize("balance_loss", LOSSES)
def test_so_is_that_of_every_balance_loss(balance_loss, tmp_path):
    for knobs in ({"top_k": 1}, {"router": "expert_choice"}, {"router": "soft", "top_k": 8}, {"num_experts": 32}):
        training = trained(20, balance_loss=balance_loss, balance_coef=0.3, **knobs)
        tokens = written([at(training, index) for index in range(4)], tmp_path)
        check(tokens, stops=["balance_loss"])
        assert all(len(token["balance_loss"]) >= 3 for token in tokens)  # what L is, its numbers, and the sum


@pytest.mark.parametrize("task", TASKS, ids=lambda knobs: knobs["task"])
def test_and_of_every_kind_of_task(task, tmp_path):
    training = trained(30, **task)
    check(written([at(training, index) for index in range(20)], tmp_path), stops=["softmax", "weights", "task_loss"])


def test_scores_far_from_0_are_written_readably(tmp_path):
    """e^40 would be a number of 18 digits: the largest score is taken off all, which changes no share."""
    training = trained(0)
    training.rows_REP = training.rows_REP.clone()
    training.rows_REP[..., :2] *= 40
    tokens = written([at(training, index) for index in range(20)], tmp_path)
    check(tokens, stops=["softmax", "weights"])
    assert any("is taken off all" in str(token["softmax"]) for token in tokens)
    assert all(len(number) < 9 for token in tokens for number in re.findall(r"[\d.]+", str(token["softmax"])))


def test_and_the_bars_are_never_more_than_a_unit_away(tmp_path):
    """Where largest remainders move a bar's last digit, the formula says so."""
    training, moved = trained(30), 0
    shots = [at(training, index) for index in range(40)]
    for shot, token in zip(shots, written(shots, tmp_path), strict=True):
        notes = [line for line in token["softmax"] if "Its bar says" in line]
        moved += len(notes)
        largest = shot.probe_prob[0, np.argmax(shot.probe_weight[0])]
        said = re.findall(r"Its bar says ([\d.]+)", str(notes)) or [f"{largest:.2f}"]
        assert abs(float(said[0]) - largest) < 0.01
        assert len(notes) == (said[0] != f"{largest:.2f}")
    assert moved  # it happens
    check(
        written([at(training, index) for index in range(20)], tmp_path),
        stops=["logits", "sum", "task_loss", "balance_loss"],
    )
