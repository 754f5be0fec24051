"""One token's journey in node: what is printed adds up as printed, and each sentence follows from its numbers."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from tests.scripts import javascript

LETTERS = "ABCDEFGH"


def printed(cases: list[Any], script: str) -> list[Any]:
    return list(
        javascript(f"""
        const sums = await import('$/kit/sums.js');
        const cases = {json.dumps(cases)};
        console.log(JSON.stringify(cases.map((each) => {{ {script} }})));""")
    )


def test_a_sum_of_products_adds_up_as_printed():
    """Random weights and outputs: whoever multiplies and adds the printed numbers gets the printed sum."""
    draw = random.Random(0)
    cases = []
    for count in (1, 2, 3, 8, 32) * 40:
        weights = [draw.random() for _ in range(count)]
        cases.append([[weight / sum(weights), draw.gauss(0, 4)] for weight in weights])
    found = printed(cases, """
        const total = each.reduce((sum, [a, b]) => sum + a * b, 0);
        const { shown, digits } = sums.settledSum(each, total);
        const text = each.map((pair) => pair.map((value) => sums.plain(value, digits)));
        return [text, shown, digits];""")  # fmt: skip
    number = {ord("−"): "-"}
    for pairs, total, digits in found:
        again = sum(float(a.translate(number)) * float(b.translate(number)) for a, b in pairs)
        said = total.translate(number)
        near = 0.5 * 10.0 ** -len(said.partition(".")[2])
        assert abs(again - float(said)) <= near + 1e-9, (pairs, total)
        assert 2 <= digits <= 6
    assert min(digits for *_, digits in found) == 2  # no more digits than are needed


def test_a_result_between_two_prints_gets_more_digits_instead_of_a_wrong_one():
    """0.30/0.80 is 0.375: with two digits a reader of 0.38 and a reader of 0.37 would both be right."""
    cases = [[0.3, 0.8, 0.375], [1, 3, 1 / 3], [0.2, 0.2, 1], [1e-5, 1, 1e-5]]
    found = printed(cases, """
        const [above, below, value] = each;
        const { shown, digits } = sums.settled(value, [(round) => round(above) / round(below)]);
        return [sums.plain(above, digits), sums.plain(below, digits), shown];""")  # fmt: skip
    for above, below, shown in found:
        assert abs(float(above) / float(below) - float(shown)) <= 0.5 * 10.0 ** -len(shown.partition(".")[2]) + 1e-12
    assert [shown for *_, shown in found] in (["0.38", "0.33", "1.00", "0.00"], ["0.375", "0.33", "1.00", "0.00"])


def test_small_numbers_are_written_so_that_they_say_something():
    # .0931 has four digits, since two would be .09; below .00005 four digits would be 0
    values = [0, 2.345, 0.0931, 0.00006, 1e-9, -0.001, -0.0]
    wanted = ["0", "2.35", "0.0931", "0.0001", "< 0.0001", "−0.0010", "0"]
    assert printed(values, "return sums.small(each);") == wanted


FORM = {"weight": [0.7, 0.3, 0, 0], "gradient": [-0.5, 0.5, 0, 0], "y": [0, 0], "loss": 1}


@pytest.mark.parametrize(
    ("place", "gradient", "said"),
    [
        (4, [0, 0, 0, 0], "The router’s gradient is exactly 0 here: the only weight is p/p = 1"),
        (5, [0, 0, 0, 0], "The router’s gradient is exactly 0 here: the only weight is a softmax over one score = 1"),
        (3, [-0.2, 0.1, 0.05, 0.05], "At k = 1 the plain weight is p itself, so the router does learn: 4 of 4"),
        (0, [-0.2, 0.1, 0.05, 0.05], "4 of 4 scores have a slope, because every score is in the softmax’s sum."),
        (1, [0.5, -0.5, 0, 0], "2 of 4 scores have a slope: only the chosen compete"),
        (2, [0.5, -0.5, 0, 0], "these weights differ by 0.0000 at most"),
        (1, [0, 0, 0, 0], "No slope at all"),
    ],
)
def test_the_verdict_is_about_these_slopes(place, gradient, said):
    forms = [dict(FORM) for _ in range(6)]
    forms[place]["gradient"] = gradient
    token = {"forms": forms, "header": {"top_k": [2]}, "count": 4, "names": list("ABCD")}
    found = javascript(f"""
        const {{ verdict }} = await import('$/pages/journey/whatif.js');
        console.log(JSON.stringify(verdict({json.dumps(token)}, {place})));""")
    assert said in found
    assert ("raises the score" in found) is any(gradient)


def test_what_rounded_numbers_add_up_to_is_said_where_it_is_something_else():
    # 3 · .33 = .99; 8 · .125 = 1, and 8 · .13 (halves go up) 1.04; .6149 + .2549 = .8698, and .61 + .25 = .86
    cases = [[1 / 3] * 3, [0.125] * 8, [0.6149, 0.2549], [0.5, 0.5, 0], [0.25, 0.75], [], [1.581]]
    wanted = [
        "sum 1.00, shown 0.99", "sum 1.00, shown 1.04", "sum 0.87, shown 0.86", "sum 1.00", "sum 1.00",
        "sum 0.00", "sum 1.58",
    ]  # fmt: skip
    assert printed(cases, "return sums.sumWords(each);") == wanted
    # 3 · .6049 = 1.8147, and 3 · .60 = 1.80
    assert printed([[0.6049] * 3], "return sums.sumWords(each, 'y = ', 1.8147);") == ["y = 1.81, shown 1.80"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"renormalized": True, "weights": "renormalized"}, "y = Σi∈Top‑k G(x)i Ei(x) / Σj∈Top‑k G(x)j"),
        ({"renormalized": False, "weights": "plain"}, "y = Σi∈Top‑k G(x)i Ei(x)"),
        ({"renormalized": False, "weights": "plain", "choice": "experts"}, "y = Σi∈chosen G(x)i Ei(x)"),
        ({"weights": "sigmoid", "choice": "bias"}, "y = scale · Σi∈Top‑k si Ei(x) / Σj∈Top‑k sj"),
        ({"weights": "sigmoid", "choice": "bias", "top_k": 1}, "y = scale · Σi∈Top‑k si Ei(x)"),
        ({"renormalized": True, "weights": "mixture", "choice": "nobody"}, "y = Σi G(x)i Ei(x\u0303i)"),
    ],
)
def test_the_playgrounds_formula_is_that_of_the_router(header, said):
    header = {
        name: [value] for name, value in ({"renormalized": False, "choice": "scores", "top_k": 2} | header).items()
    }
    found = javascript(f"""
        const {{ formula }} = await import('$/panels/probe.js');
        console.log(JSON.stringify(formula({json.dumps(header)})));""")
    assert re.sub("<[^>]*>", "", found) == said


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        # 0.53 − 0.37; a loss below 0.1 has four digits, and so has what is beside it
        ({"loss": 0.5349, "best": 0.3749, "chosen": True}, "loss 0.53. C alone would have had 0.37: the router’s "
                                                           "regret is 0.16. It was asked, but others were mixed in."),
        ({"loss": 0.21, "best": 0.2, "chosen": True}, "regret is 0.01. "),
        ({"loss": 0.5349, "best": 0.0931}, "C alone would have had 0.0931: the router’s regret is 0.4418. "),
        ({"loss": 0.5349, "best": 0.00001}, "would have had 0.0000: the router’s regret is 0.5349. It was not asked."),
        ({"loss": 0.2041, "best": 0.2032}, "C alone would have had 0.2032: the router’s regret is 0.0009."),
        ({"loss": 0.2, "best": 0.4}, "the mixture beats every single expert, no regret"),
        ({"loss": 0.2, "best": 0.2}, "no regret"),
        ({"loss": 0.3, "best": 0.2, "asked": ["C"], "chosen": True, "weight": 0.6341}, "with weight 0.63 instead of 1"),
        ({"loss": 0.3, "best": 0.2, "asked": ["C"], "chosen": True, "weight": 1.581}, "with weight 1.58 instead of 1"),
        ({"loss": 0.1, "best": 0.2, "asked": ["C"], "weight": 0.6}, "weight beats every single expert with weight 1"),
        ({"loss": 0.3, "best": 0.2, "asked": [], "choosing": "experts"}, "No expert took this token: loss 0.30."),
        ({"loss": 0.1, "best": 0.2, "asked": [], "choosing": "experts"}, "no answer at all beats every single expert"),
        ({"loss": 0.3, "best": 0.2, "asked": [], "choosing": "experts", "shared": True}, "only the shared ones answer"),
        ({"loss": 0.3, "best": 0.2, "choosing": "experts"}, "Taken by A and C: loss 0.30."),
        ({"loss": 0.3, "best": 0.2, "choosing": "experts"}, "It did not take this token."),
        ({"loss": 0.3, "best": 0.2, "choosing": "table"}, "The table sent it to A and C: loss 0.30."),
        ({"loss": 0.3, "best": 0.2, "choosing": "nobody", "chosen": True}, "it answered to a mixture"),
    ],
)  # fmt: skip
def test_the_regret_is_the_difference_of_what_is_printed(numbers, said):
    usual = {"name": "C", "asked": ["A", "C"], "chosen": False, "weight": 0.5, "choosing": "scores", "shared": False}
    found = javascript(f"""
        const {{ regret }} = await import('$/pages/journey/whatif.js');
        console.log(JSON.stringify(regret({json.dumps(usual | numbers)})));""")
    assert said in found


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ({"choosing": "table"}, "A table decides, not the scores"),
        ({"choosing": "experts", "asked": []}, "No expert took this token, so no weight depends on its scores"),
        ({"choosing": "experts", "gradient": [0.1, -0.2, 0.1]}, "3 of 3 scores have a slope: each weight is p"),
        (
            {"choosing": "bias", "k": 2, "gradient": [0.1, -0.1, 0]},
            "2 of 3 scores have a slope: only the chosen compete",
        ),
        (
            {"choosing": "bias", "k": 1, "gradient": [0, -0.1, 0]},
            "1 of 3 scores have a slope: the weight is made of the",
        ),
        (
            {"choosing": "nobody", "gradient": [0.1, -0.2, 0.1]},
            "left out here.) Training raises the score of B the most.",
        ),
        ({"choosing": "nobody", "gradient": [0]}, "No slope at all"),
    ],
)
def test_other_routers_learn_in_their_own_way(token, said):
    usual = {"asked": [0], "gradient": [0, 0, 0], "names": list("ABC"), "header": {"top_k": [token.pop("k", 2)]}}
    token = usual | token
    found = javascript(f"""
        const {{ ownVerdict }} = await import('$/pages/journey/whatif.js');
        console.log(JSON.stringify(ownVerdict({json.dumps(token | {"count": len(token["gradient"])})})));""")
    assert said in found


def test_arrow_keys_hop_to_the_nearest_token_in_their_direction():
    # from (0, 0): right lies (1, .5); (.1, 2) is nearly above; (-1, -1) is exactly on the border of left and down
    places = [[0, 0], [1, 0.5], [3, 0], [0.1, 2], [-1, -1]]
    found = javascript(f"""
        const {{ ahead, nearest }} = await import('$/pages/journey/hop.js');
        const places = {json.dumps(places)};
        const ways = [[1, 0], [0, 1], [-1, 0], [0, -1]];
        const hops = ways.map((way) => ahead(places, [0, 0], way));
        console.log(JSON.stringify([...hops, ahead(places, [3, 0], [1, 0]), nearest(places, [0.9, 0.9])]));""")
    assert found == [[1, 0.5], [0.1, 2], [-1, -1], [-1, -1], None, [1, 0.5]]
