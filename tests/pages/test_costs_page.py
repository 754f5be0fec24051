"""The page Sparse compute without a browser: sizes in the address, what is measured, and the calculator."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from moeviz.engine.server.printed_lines import Busy
from moeviz.experiments.cost.counted import Case, Layer, cases, kept
from moeviz.experiments.cost.process import Measurement, Spread
from moeviz.ui.page_parts import sparse_compute
from tests.pages.test_pages import address, healthy

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "sparse_compute.py")


class PretendedMeasurement(Measurement):
    """Times that are there at once: 1 ms for each expert that computes a token."""

    refused = False
    error, rounds, machine, over = None, 3.0, "CPU, 1 thread", True

    def __init__(self, layer: Layer) -> None:
        if type(self).refused:
            raise Busy("this server measures one size at a time")
        self.layer = layer
        self.cancel = weakref.finalize(self, int)  # there is nothing to end

    @property
    def seconds(self) -> dict[Case, Spread]:
        each = {case: case.layer.top_k + 1 if case.form == "sparse" else 16 for case in cases(self.layer)}
        return {case: Spread(time * 1e-3, time * 1e-3, time * 1e-3) for case, time in each.items()}

    @property
    def kept(self) -> dict[Case, int]:
        return {case: kept(case.layer, case.form) for case in cases(self.layer)}

    def wait(self, timeout: float | None = None) -> bool:
        return True


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[PretendedMeasurement]]:
    fresh = type("Fresh", (PretendedMeasurement,), {})
    monkeypatch.setattr(sparse_compute, "Measurement", fresh)
    sparse_compute.measured.cache_clear()
    yield fresh
    sparse_compute.measured.cache_clear()


def visit(**query: str) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def said(app: AppTest) -> str:
    return "\n".join(
        str(getattr(each, "value", "")) for kind in ("markdown", "caption", "warning") for each in app.get(kind)
    )


def charts(app: AppTest) -> dict[str, Any]:
    found = [json.loads(each.proto.spec) for each in app.get("plotly_chart")]
    return dict(zip(("N", "k", "n", "memory", *"rest"), found, strict=False))


def test_counts_are_there_at_once_and_times_at_a_button(pretended: type[PretendedMeasurement]) -> None:
    app = healthy(visit())
    assert "| Parameters, all in memory | 1,056,768 |" in said(app) and "pays" not in said(app)
    # 3 · 2 · 1024 · (16·128 + 2·2·128·256)
    assert "817{,}889{,}280" in said(app)
    assert {trace["mode"] for trace in charts(app)["N"]["data"]} == {"lines"}
    healthy(app.button(key="measure").click().run())
    assert "**With k = 2, sparse pays from N = 2 on:** at N = 64 the dense form takes 5.3 times as long." in said(app)
    assert "| Time of a step, measured | 3.0 ms | 16.0 ms |" in said(app) and "CPU, 1 thread" in said(app)
    points = next(trace for trace in charts(app)["k"]["data"] if trace["mode"] == "markers")
    assert points["x"] == [1, 2, 4, 8, 16] and points["y"] == pytest.approx([2, 3, 5, 9, 17])
    other = healthy(visit())  # another visitor sees it at once
    assert "sparse pays from N = 2" in said(other) and other.button(key="measure").label == "Measure here again"


def test_the_address_names_the_sizes_and_wrong_ones_are_mended(pretended: type[PretendedMeasurement]) -> None:
    app = healthy(visit(num_experts="4", top_k="9", width="banana", num_tokens="99999999"))
    assert address(app) == {"num_experts": "4", "top_k": "4", "num_tokens": "4096"}
    assert "width must be a whole number from 8 to 256" in app.warning[0].value.replace("\\", "")
    assert not healthy(app.run()).warning
    healthy(app.select_slider(key="size_layer_num_experts").set_value(2).run())
    assert address(app) == {"num_experts": "2", "num_tokens": "4096"}  # k follows, to its usual value


def test_a_busy_server_says_so(pretended: type[PretendedMeasurement]) -> None:
    pretended.refused = True
    app = healthy(visit())
    healthy(app.button(key="measure").click().run())
    assert "The server is busy" in app.warning[0].value and "pays" not in said(app)


def test_the_calculator_compares_with_what_was_published_until_a_shape_is_changed(
    pretended: type[PretendedMeasurement],
) -> None:
    app = healthy(visit(model="olmoe"))
    # 16 · 64 · 3 · 2048 · 1024 + 16 · 4 · 2048² + 16 · 2048 · 64 + 2 · 50304 · 2048 = 6.919 · 10⁹
    assert "**All parameters: 6.92 B** · OLMoE-1B-7B is published with 6.9 B (+0.3%)" in said(app)
    healthy(app.number_input(key="size_model_top_k").set_value(1).run())
    assert address(app) == {"model": "olmoe", "model_top_k": "1"} and "(+0.3%)" not in said(app)
    healthy(app.button(key="own_shapes").click().run())
    assert address(app) == {"model": "olmoe"} and "(+0.3%)" in said(app)
    healthy(app.selectbox(key="calculator_model").set_value("grok_1").run())
    assert "Grok-1 is published with 314 B (+0.5%)" in said(app) and address(app) == {"model": "grok_1"}
    assert "model must be one of" in healthy(visit(model="gpt")).warning[0].value.replace("\\", "")
