"""Reads the page's formulas (MathML): recomputes every equation from what is printed, and says what each name is."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from xml.etree import ElementTree

SIGNS = {"−": "-", "·": "*", "+": "+", "(": "(", ")": ")", ",": ",", "mod": "%"}
RELATIONS = {"≥": lambda left, right: left >= right, ">": lambda left, right: left > right,
             "<": lambda left, right: left < right}  # fmt: skip
UNKNOWN = "?"  # a letter, or what is left out of a long list


@dataclass(frozen=True)
class Logarithm:
    """`ln` in front of what it is taken of, and behind what it is multiplied by; 0 · ln 0 is 0."""

    times: float = 1.0

    def __rmul__(self, times: float) -> Logarithm:
        return Logarithm(times * self.times)

    def __neg__(self) -> Logarithm:
        return Logarithm(-self.times)

    def __matmul__(self, value: float) -> float:
        return self.times * math.log(value) if self.times else 0.0


NAMES = {"ln": Logarithm(), "exp": math.exp, "max": max}


def _written(node: ElementTree.Element) -> str:
    """A piece of MathML as Python: `=` and relations stay, as what parts an equation."""
    parts = [_written(child) for child in node]
    content = (node.text or "").strip()
    match node.tag:
        case "mn":
            return f"[{content[1:]}]" if content.startswith("<") else f"({content.replace('−', '-')})"
        case "mo":
            return SIGNS.get(content, f" {content} " if content == "=" or content in RELATIONS else UNKNOWN)
        case "mi":
            return {"ln": "ln@", "max": "max"}.get(content, UNKNOWN)
        case "mfrac":
            return f"(({parts[0]})/({parts[1]}))"
        case "msup":
            return f"(exp({parts[1]}))" if node[0].text == "e" else f"(({parts[0]})**({parts[1]}))"
        case "msub" | "munder" | "mover" | "mtext":
            return UNKNOWN
    return "".join(parts)


def _chains(line: str) -> list[str]:
    """The equations of a line; words, and a comma between formulas, part them."""
    chains = [""]
    for piece in ElementTree.fromstring(f"<p>{line}</p>"):
        if piece.tag == "span":
            chains.append("")
        else:
            written = _written(piece)
            if written.startswith(","):
                chains.append("")
            chains[-1] += written.removeprefix(",")
    return chains


def _value(expression: str) -> float | None:
    """What it comes to; None where letters stand in it, parts were left out, or it is a list."""
    if UNKNOWN in expression or "[" in expression or not expression.strip():
        return None
    found = eval(re.sub(r"\)\s*\(", ")*(", expression), {"__builtins__": {}}, NAMES)  # (written by _written)
    return None if isinstance(found, tuple) else float(found)


def _pieces(side: str) -> tuple[str, list[str]]:
    """The parts of a side: numerator and denominator of a fraction, or what a logarithm is taken of; else none."""
    side, kind = side.strip(), ""
    while side.startswith(("-", "ln@")):
        sign = "-" if side.startswith("-") else "ln@"
        side, kind = side.removeprefix(sign).strip(), kind + sign
    if not (side.startswith("((") and side.endswith("))")):
        return kind, [side] if "ln@" in kind else []
    depth = 0
    for at, letter in enumerate(side):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "/" and depth == 1:
            parts = [side[1:at], side[at + 1 : -1]]
            return kind, [side] if "ln@" in kind else parts
    return kind, []


def _printed(expression: str) -> tuple[float, float] | None:
    """A single number, and half a unit of its last digit; None for whatever is not one."""
    found = re.fullmatch(r"\(*\s*(-?\d+(?:\.(\d+))?)\s*\)*", expression.strip())
    return (float(found[1]), 0.5 * 10.0 ** -len(found[2] or "")) if found else None


def _steps(sides: list[str]) -> tuple[int, list[str]]:
    """From one side of an equation to the next: each number must be what the piece in its place before comes to."""
    count = 0
    wrong: list[str] = []
    for before, after in itertools.pairwise(sides):
        (kind, parts), (kind_after, parts_after) = _pieces(before), _pieces(after)
        if kind != kind_after or len(parts) != len(parts_after):
            continue
        for part, number in zip(parts, map(_printed, parts_after), strict=True):
            value = _value(part)
            if value is None or number is None:
                continue
            count += 1
            if abs(value - number[0]) > number[1] + 1e-9:
                wrong.append(f"{part} is {value}, not {number[0]}")
    return count, wrong


def checked(line: str) -> tuple[int, list[str]]:
    """How many equations and comparisons of a line were recomputed, and those that are not true as printed."""
    count = 0
    wrong: list[str] = []
    for chain in _chains(line):
        before, sign = math.nan, ""
        for each in re.split(r" ([≥><]) ", chain):
            if each in RELATIONS:
                sign = each
                continue
            *sides, shown = (side.strip() for side in each.split(" = "))
            steps, broken = _steps([*sides, shown])
            count, wrong = count + steps, wrong + broken
            if not re.fullmatch(r"[(\[]\s*-?[\d.]+[)\]]", shown):
                continue
            number = shown.strip("()[] ")
            near = float(number) if shown.startswith("[") else 0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9
            result = 0.0 if shown.startswith("[") else float(number)  # [0.0001] is "less than 0.0001"
            values = [value for value in map(_value, sides) if value is not None]
            count += len(values)
            wrong += [f"{value} is not {shown} in {chain}" for value in values if abs(value - result) > near]
            if sign and not math.isnan(before):
                count += 1
                wrong += [] if RELATIONS[sign](before, result) else [f"{before} {sign} {result} in {chain}"]
            before, sign = result, ""
    return count, wrong


def _leaves(node: ElementTree.Element) -> list[str]:
    """A piece of MathML as a row of signs, numbers and names: `p_C` with its index is one name, "p C"."""
    content = (node.text or "").strip()
    parts = [_leaves(child) for child in node]
    match node.tag:
        case "msub":
            return [" ".join(leaf for part in parts for leaf in part)]
        case "mfrac":
            return ["(", *parts[0], ")", "/", "(", *parts[1], ")"]
        case "msup":
            return [*parts[0], "^", *parts[1]]
        case "span":
            return [";"]
    return [content] if content else [leaf for part in parts for leaf in part]


def _is_number(leaf: str) -> bool:
    return re.fullmatch(r"−?[\d.]+", leaf) is not None


def _pairs(side: list[str], other: list[str]) -> list[tuple[str, str]]:
    """Where one side differs from another only by numbers in place of names: each name, and its number."""
    if len(side) != len(other):
        return []
    differing = [(a, b) for a, b in zip(side, other, strict=True) if a != b]
    return differing if all(a[:1].isalpha() and _is_number(b) for a, b in differing) else []


def named(line: str) -> list[tuple[str, str]]:
    """What a line prints of each name: of `p_C/(p_C + p_F) = 0.40/(0.40 + 0.20)` "p C" twice and "p F".

    What multiplies an expert's answer, as in `0.62·E_C(x)`, is its weight, "g C".
    """
    leaves = [leaf for piece in ElementTree.fromstring(f"<p>{line}</p>") for leaf in _leaves(piece)]
    weights = [
        (f"g {answer[2:]}", weight)
        for weight, sign, answer in zip(leaves, leaves[1:], leaves[2:], strict=False)
        if sign == "·" and answer.startswith("E ") and _is_number(weight)
    ]
    chains: list[list[list[str]]] = [[[]]]
    for leaf in leaves:
        if leaf in {";", ",", "≥", ">", "<"}:
            chains.append([[]])
        elif leaf == "=":
            chains[-1].append([])
        else:
            chains[-1][-1].append(leaf)
    sides = [pair for chain in chains for pair in itertools.permutations(chain, 2)]
    return weights + [found for side, other in sides for found in _pairs(side, other)]
