"""Every number of one token, for every router: formulas are true of what is printed, and no two places disagree."""

from __future__ import annotations

import json
import math
import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moeviz.config import RunConfig
from moeviz.config.letters import letter
from moeviz.training import Training
from moeviz.training.views.snapshot import Snapshot
from tests.equations import checked, named
from tests.scripts import javascript
from tests.training.test_journey import TASKS, at, trained

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


def written(shots: list[Snapshot], folder: Path) -> list[dict[str, Any]]:
    """Token by token, as the pages write them: the lines of every stop's formula; [name, number] of bars, cards and the
    Playground's probe; what stands below the columns; and sentences, also those for screen readers."""
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
        const {{ formulas }} = await import('$/pages/journey/formulas.js');
        const {{ letter }} = await import('$/kit/palette.js');
        const {{ prediction, probeBars, probeTerms, probeWords }} = await import('$/panels/probe.js');
        const {{ STOPS }} = await import('$/pages/journey/stops.js');
        const {{ FORMS, tokenOf }} = await import('$/pages/journey/token.js');
        const {{ slopeTiles, verdict }} = await import('$/pages/journey/whatif.js');
        const written = frames.map(([header, values]) => {{
            const of = ([name, value]) => [name, {{ of: () => value }}];
            const frame = {{ header, arrays: Object.fromEntries(Object.entries(values).map(of)) }};
            const token = tokenOf(frame);
            const stop = (name) => STOPS.find((each) => each.name === name);
            const foot = (name) => stop(name).foot(token);
            const named = (name, texts) => texts.map((text, expert) => [name + token.names[expert], text]);
            const cells = (name, column) => named(name, stop(column).cells(token).map(({{ text }}) => text));
            const [bars, probed] = [probeBars(frame), probeTerms(frame)];
            const own = FORMS.indexOf(token.weighing) + (header.top_k[0] === 1 ? FORMS.length : 0);
            const tiles = slopeTiles(token, token.article ? own : -1);
            const plain = token.article ? slopeTiles(token, 0) : []; // weights that are the probabilities as they are
            const shown = (tiles) => tiles.map(({{ shown }}) => shown.replace('×', ''));
            const alone = !token.classes && token.outputs === 1;
            const y = alone ? 'y' : 'y ' + (token.shown + (token.classes ? 0 : 1));
            return {{
                lines: Object.fromEntries({json.dumps(STOPS)}.map(
                    (stop) => [stop, formulas(stop, token).map((pieces) => pieces.join(' '))])),
                numbers: [
                    ...cells('z ', 'logits'), ...cells('p ', 'softmax'), ...cells('g ', 'weights'),
                    ...named('p ', bars.map(({{ value }}) => value)),
                    ...named('g ', bars.map(({{ below }}) => below.replace('×', ''))).filter(([, text]) => text),
                    ...probed.terms.map(({{ id, weight }}) => ['g ' + letter(id), weight]),
                    ...named('g ', shown(tiles)), ...named('p ', shown(plain)).filter((_, at) => token.chosen[at]),
                    [y, foot('sum').replace('y = ', '').split(',')[0]],
                    ...(alone ? [[y, prediction(header, token.y)], [y, stop('task_loss').body(token)[0][1]]] : []),
                ],
                said: [
                    ...[...bars, ...tiles].map(({{ text }}) => text), probeWords(header, probed),
                    ...(token.article ? [verdict(token, 0)] : []),
                ],
                feet: {{ p: foot('softmax'), g: foot('weights'), y: foot('sum') }}, shown: token.shown,
            }};
        }});
        console.log(JSON.stringify(written));""")
    )


# what is said of whom, in sentences
SAID = {
    "p": r"Expert ([A-Z]+): gate probability ([\d.]+)", "g": r"Expert ([A-Z]+):(?: .*,)? weight ([\d.]+)",
    "sum": r"()The weights add up to ([\d.]+\d)",
}  # fmt: skip


def truths(shot: Snapshot) -> dict[str, float]:
    """Every quantity of a token that has a name, as the frame holds it."""
    names = [letter(each) for each in shot.ids[0]]
    of = {"p": shot.probe_prob[0], "g": shot.probe_weight[0], "z": shot.journey_logit[0]}
    of["s"] = 1 / (1 + np.exp(-of["z"].astype(float)))
    found = {
        f"{name} {expert}": float(value)
        for name, values in of.items()
        for expert, value in zip(names, values, strict=True)
    }
    outputs = shot.probe_output[0].tolist()
    first = 1 if shot.kind == "regression" else 0
    return found | {f"y {at}": value for at, value in enumerate(outputs, first)} | {"y": outputs[0]}


def rounded(value: float, text: str) -> str:
    """A number with as many digits as a text has."""
    unit = Decimal(1).scaleb(-len(text.partition(".")[2]))
    return f"{abs(Decimal(value)).quantize(unit, ROUND_HALF_UP):f}"


def check_agreement(token: dict[str, Any], shot: Snapshot) -> dict[str, int]:
    """Wherever a quantity is printed, it is the same number, rounded plainly; how often each kind is."""
    truth = truths(shot)
    chosen = shot.probe_weight[0][shot.probe_chosen[0].astype(bool)].astype(float)
    truth["sum "] = float(shot.probe_prob[0][shot.probe_chosen[0].astype(bool)].astype(float).sum())
    printed = list(token["numbers"])
    for line in (line for lines in token["lines"].values() for line in lines):
        other = line.startswith("<span>If ")  # weights as they would be in another form
        printed += [pair for pair in named(line) if not (other and pair[0].startswith("g"))]
    said = "\n".join(token["said"])
    for name, pattern in SAID.items():
        printed += [(f"{name} {expert}", number) for expert, number in re.findall(pattern, said)]
    printed += [
        (f"g {expert}", number) for number, expert in re.findall(r"([\d.]+) times expert (\w+)", "".join(token["said"]))
    ]
    counts: dict[str, int] = {}
    for name, text in printed:
        if name in truth:
            number = text.replace("−", "")
            wanted = rounded(truth[name], number)
            assert Decimal(number) == Decimal(wanted), (name, text, truth[name])
            assert ("−" in text) == (truth[name] < 0 and Decimal(wanted) != 0), (name, text, truth[name])
            counts[name[0]] = counts.get(name[0], 0) + 1
    for values, foot in ((shot.probe_prob[0].astype(float), token["feet"]["p"]), (chosen, token["feet"]["g"])):
        whole = rounded(float(values.sum()), "0.00")
        again = str(sum((Decimal(rounded(each, "0.00")) for each in values), Decimal("0.00")))
        assert foot == (f"sum {whole}" if whole == again else f"sum {whole}, shown {again}")
    if not shot.num_shared:
        answers = shot.probe_expert_output[0].astype(float)[:, token["shown"]]
        parts = [math.copysign(float(rounded(each, "0.00")), each) for each in shot.probe_weight[0] * answers]
        whole, again = (
            f"{each:.2f}".replace("-0.00", "0.00") for each in (float(shot.probe_output[0][token["shown"]]), sum(parts))
        )
        assert token["feet"]["y"].replace("−", "-") == f"y = {whole}" + (f", shown {again}" if again != whole else "")
    return counts


def check(shots: list[Snapshot], folder: Path, *, stops: list[str]) -> list[dict[str, list[str]]]:
    """Every equation is true, at each of these stops there is one for some token at least, and no two numbers of one
    quantity differ; returns the lines of every stop, token by token."""
    counts = dict.fromkeys(STOPS, 0)
    tokens = written(shots, folder)
    for token, shot in zip(tokens, shots, strict=True):
        for stop, lines in token["lines"].items():
            assert lines and "not a number" not in str(lines) and "NaN" not in str(lines), (stop, lines)
            for line in lines:
                count, wrong = checked(line)
                counts[stop] += count
                assert not wrong, (stop, wrong)
        seen = check_agreement(token, shot)
        # p in the Journey, at the probe and in words; each of z and y in a column and in a formula
        assert seen["p"] >= 3 * len(shot.ids[0]) and seen["z"] > len(shot.ids[0]) and seen["y"] > 1, seen
    assert all(counts[stop] for stop in stops), counts
    return [token["lines"] for token in tokens]


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


def test_numbers_of_a_formula_are_those_of_its_names():
    def name(letter, expert):
        return f"<msub><mi>{letter}</mi><mi>{expert}</mi></msub>"

    def fraction(above, *below):
        return f"<mfrac>{above}<mrow>{'<mo>+</mo>'.join(below)}</mrow></mfrac>"

    p_c, p_f = name("p", "C"), name("p", "F")
    sides = [name("g", "C"), fraction(p_c, p_c, p_f), fraction("<mn>0.4</mn>", "<mn>0.4</mn>", "<mn>0.2</mn>")]
    line = f"<math>{'<mo>=</mo>'.join([*sides, '<mn>0.67</mn>'])}</math>"
    assert sorted(named(line)) == [("g C", "0.67"), ("p C", "0.4"), ("p C", "0.4"), ("p F", "0.2")]
    answer = f"<math><mi>y</mi><mo>=</mo><mn>0.62</mn><mo>·</mo><mrow>{name('E', 'C')}<mo>(</mo></mrow></math>"
    assert named(answer) == [("g C", "0.62")]


@pytest.mark.parametrize("router", [*ROUTERS, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE)], ids=str)
def test_every_printed_equation_is_true(router, tmp_path):
    """Of some tokens before training, and of 20 after it."""
    training = Training([RunConfig(seed=3, batch_size=64, hidden_width=4, balance_coef=0.3).with_(**router)])
    for steps, tokens in ((0, 5), (40, 20)):
        training.step(steps)
        shots = [at(training, index) for index in range(tokens)]
        check(shots, tmp_path, stops=EQUATIONS[shots[0].header["weights"][0]])


@pytest.mark.slow
@pytest.mark.parametrize("router", ROUTERS, ids=str)
def test_so_is_it_of_200_tokens(router, tmp_path):
    training = Training([RunConfig(seed=5, batch_size=64, hidden_width=4, balance_coef=0.3).with_(**router)])
    training.step(120)
    shots = [at(training, index) for index in range(200)]
    check(shots, tmp_path, stops=EQUATIONS[shots[0].header["weights"][0]])


@pytest.mark.parametrize("balance_loss", LOSSES)
def test_so_is_that_of_every_balance_loss(balance_loss, tmp_path):
    for knobs in ({"top_k": 1}, {"router": "expert_choice"}, {"router": "soft", "top_k": 8}, {"num_experts": 32}):
        training = trained(20, balance_loss=balance_loss, balance_coef=0.3, **knobs)
        tokens = check([at(training, index) for index in range(4)], tmp_path, stops=["balance_loss"])
        assert all(len(token["balance_loss"]) >= 3 for token in tokens)  # what L is, its numbers, and the sum


@pytest.mark.parametrize("task", TASKS, ids=lambda knobs: knobs["task"])
def test_and_of_every_kind_of_task(task, tmp_path):
    training = trained(30, **task)
    check([at(training, index) for index in range(20)], tmp_path, stops=["softmax", "weights", "task_loss"])


def test_scores_far_from_0_are_written_readably(tmp_path):
    """e^40 would be a number of 18 digits: the largest score is taken off all, which changes no share."""
    training = trained(0)
    training.rows_RAP = training.rows_RAP.clone()
    training.rows_RAP[..., :2] *= 40
    tokens = check([at(training, index) for index in range(20)], tmp_path, stops=["softmax", "weights"])
    assert any("is taken off all" in str(token["softmax"]) for token in tokens)
    assert all(len(number) < 9 for token in tokens for number in re.findall(r"[\d.]+", str(token["softmax"])))
