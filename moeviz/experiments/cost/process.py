"""A measurement of a layer's cost in a process of its own, watched by pages while it runs."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from moeviz.engine.server.printed_lines import Lines
from moeviz.experiments.cost.counted import Case, Layer, along, cases, pays_from

_place = threading.BoundedSemaphore(1)  # two at once would slow each other


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing: their median, and the quarters on both sides of it."""

    low: float
    median: float
    high: float


Seconds = Mapping[Case, Spread]
"""The time of a step of each case that was measured."""


class Measurement(Lines):
    """All cases of a layer, measured from the moment this is made."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self._cases = layer, cases(layer)
        full = "this server measures one size at a time, and one is under way; try again in a minute"
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in asdict(layer).items()]
        super().__init__("moeviz.experiments.cost.measured", arguments, what="the measurement", place=_place, full=full)

    @property
    def seconds(self) -> dict[Case, Spread]:
        """The time of a step, for each case that was measured so far."""
        by_case: dict[Case, list[float]] = {}
        for line in list(self.lines):
            if "seconds" in line:
                by_case.setdefault(_case(line["case"]), []).append(line["seconds"])
        return {case: _spread(each) for case, each in by_case.items()}

    @property
    def kept(self) -> dict[Case, int]:
        """The numbers that were really kept for the backward pass, for each case that was measured so far."""
        return {_case(line["case"]): line["kept"] for line in list(self.lines) if "kept" in line}

    @property
    def rounds(self) -> float:
        """How many times every case was measured."""
        return sum("seconds" in line for line in list(self.lines)) / len(self._cases)

    @property
    def machine(self) -> str:
        """What it is measured on; empty until that is known."""
        for line in self.lines[:1]:
            threads = line["threads"]
            return str(line["device"]) + (f", {threads} {'thread' if threads == 1 else 'threads'}" if threads else "")
        return ""


# ---- what times say --------------------------------------------------------------------------------------------------


def pays_at(layer: Layer, name: str, seconds: Seconds) -> int | None:
    """The size from which on the sparse form takes less time than the dense one; of k, up to which it does.

    None where it does not, or is not known.
    """
    layers = [each for each in along(layer, name) if _both(layer, name, each, seconds) is not None]
    if name == "top_k":
        layers.reverse()
    pairs = [_both(layer, name, each, seconds) or (0.0, 0.0) for each in layers]
    at = pays_from([getattr(each, name) for each in layers], [ours for ours, _ in pairs], [full for _, full in pairs])
    return None if at is None else int(at)


def _both(layer: Layer, name: str, each: Layer, seconds: Seconds) -> tuple[float, float] | None:
    """The times of both forms; k does not change the dense one, which is measured with the layer's own."""
    ours = seconds.get(Case(each, "sparse"))
    full = seconds.get(Case(layer if name == "top_k" else each, "dense"))
    return None if ours is None or full is None else (ours.median, full.median)


def sentences(layer: Layer, seconds: Seconds) -> list[str]:
    """What the measured times say, as far as they are there."""
    said = [_about_experts(layer, seconds), *(_about_growth(layer, name, seconds) for name in ("top_k", "num_tokens"))]
    even, same = seconds.get(Case(layer, "sparse")), seconds.get(Case(layer, "sparse", collapsed=True))
    if even is not None and same is not None:
        said.append(
            f"A collapsed router, which sends all tokens to the same {layer.top_k} experts: "
            f"{same.median * 1e3:.1f} ms instead of {even.median * 1e3:.1f}."
        )
    return [each for each in said if each]


def _about_experts(layer: Layer, seconds: Seconds) -> str:
    layers = [each for each in along(layer, "num_experts") if _both(layer, "num_experts", each, seconds) is not None]
    if not layers:
        return ""
    most, pays = layers[-1], pays_at(layer, "num_experts", seconds)
    ours, full = _both(layer, "num_experts", most, seconds) or (1.0, 1.0)
    said = f"at N = {most.num_experts} the dense form takes {full / ours:.1f} times as long."
    if pays is None:
        return f"**With k = {layer.top_k}, sparse does not pay here:** {said}"
    return f"**With k = {layer.top_k}, sparse pays from N = {pays} on:** {said}"


def _about_growth(layer: Layer, name: str, seconds: Seconds) -> str:
    layers = [each for each in along(layer, name) if Case(each, "sparse") in seconds]
    if len(layers) < 2:
        return ""
    low, high = layers[0], layers[-1]
    times = seconds[Case(high, "sparse")].median / seconds[Case(low, "sparse")].median
    what = {"top_k": "active experts", "num_tokens": "tokens"}[name]
    return f"Sparse, {getattr(high, name) / getattr(low, name):g} times as many {what} take {times:.1f} times as long."


def _case(written: dict[str, object]) -> Case:
    layer, form, collapsed = (written[name] for name in ("layer", "form", "collapsed"))
    assert isinstance(layer, dict)
    return Case(Layer(**layer), str(form), bool(collapsed))


def _spread(values: list[float]) -> Spread:
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)
