"""One token's journey in node: what is printed adds up as printed, and each sentence follows from its numbers."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.test_stage import javascript

LETTERS = "ABCDEFGH"


def printed(cases: list[Any], script: str) -> list[Any]:
    return list(
        javascript(f"""
        const sums = await import('$/sums.js');
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
        const digits = sums.digitsOfSum(each, total);
        const text = each.map((pair) => pair.map((value) => sums.plain(value, digits)));
        return [text, sums.plain(total), digits];""")  # fmt: skip
    number = {ord("−"): "-"}
    for pairs, total, digits in found:
        again = sum(float(a.translate(number)) * float(b.translate(number)) for a, b in pairs)
        assert f"{again:.2f}".replace("-0.00", "0.00") == total.translate(number), (pairs, total)
        assert 2 <= digits <= 6
    assert min(digits for *_, digits in found) == 2  # no more digits than are needed


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
        const {{ verdict }} = await import('$/whatif.js');
        console.log(JSON.stringify(verdict({json.dumps(token)}, {place})));""")
    assert said in found
    assert ("raises the score" in found) is any(gradient)


@pytest.mark.parametrize(
    ("loss", "best", "chosen", "said"),
    [
        (0.5349, 0.3749, True, "regret is 0.16. It was asked"),  # 0.53 − 0.37, as printed
        (0.5349, 0.00001, False, "regret is 0.53. It was not asked"),
        (0.2, 0.4, False, "the mixture beats every single expert"),
        (0.2, 0.2, True, "no regret"),
    ],
)
def test_the_regret_is_the_difference_of_what_is_printed(loss, best, chosen, said):
    case = json.dumps({"loss": loss, "best": best, "name": "C", "asked": ["A", "C"], "chosen": chosen, "k": 2})
    found = javascript(f"""
        const {{ regret }} = await import('$/whatif.js');
        console.log(JSON.stringify(regret({case})));""")
    assert said in found


def test_arrow_keys_hop_to_the_nearest_token_in_their_direction():
    # from (0, 0): right lies (1, .5); (.1, 2) is nearly above; (-1, -1) is exactly on the border of left and down
    places = [[0, 0], [1, 0.5], [3, 0], [0.1, 2], [-1, -1]]
    found = javascript(f"""
        const {{ ahead, nearest }} = await import('$/hop.js');
        const places = {json.dumps(places)};
        const ways = [[1, 0], [0, 1], [-1, 0], [0, -1]];
        const hops = ways.map((way) => ahead(places, [0, 0], way));
        console.log(JSON.stringify([...hops, ahead(places, [3, 0], [1, 0]), nearest(places, [0.9, 0.9])]));""")
    assert found == [[1, 0.5], [0.1, 2], [-1, -1], [-1, -1], None, [1, 0.5]]
