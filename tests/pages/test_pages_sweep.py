"""The page Sweep without a browser: what is asked for, started, shown and taken away; workers are pretended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from moeviz.config import RunConfig
from moeviz.experiments.sweep import Memory, Pool, job
from moeviz.ui.page_parts import sweep
from moeviz.ui.run.notices import plain
from tests.pages.test_pages import engine, no_search, visit  # noqa: F401  # fixtures
from tests.pretend_workers import Workers

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    pretended, memory = Workers(), Memory()
    with Pool(1, max_jobs=2, start=pretended) as pool:
        for module in (sweep, job):
            monkeypatch.setattr(module, "shared_pool", lambda: pool)
        monkeypatch.setattr(sweep, "kept", lambda: memory)
        yield pretended


def press(app: AppTest, label: str) -> AppTest:
    return healthy(next(each for each in app.button if each.label == label).click().run())


def healthy(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def maps(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(each.proto.spec) for each in app.get("plotly_chart")]


def test_it_opens_with_n_k_and_lambda_and_an_estimate(workers: Workers) -> None:
    app = healthy(visit("sweep"))
    assert [box.value for box in app.selectbox][:3] == ["num_experts", "balance_coef", "top_k"]
    assert [box.value for box in app.text_input][:3] == ["2,4,8", "0,1,10", "1,2"]
    assert any(each.value.startswith("36 runs: about ") for each in app.caption)
    assert "Start" in labels(app) and not workers.all and not maps(app)


def test_start_trains_and_results_come_as_they_are_ready(workers: Workers) -> None:
    app = press(visit("sweep", x="num_experts:2,4", y="top_k:1,2,4", each="nothing", seeds="2", steps="100"), "Start")
    assert "Cancel" in labels(app) and app.get("progress")[0].proto.text.startswith("0 of 10 runs, about ")
    asked = workers.all[0].trained
    assert len(asked) == 1 and asked[0]["steps"] == 100
    (figure,) = maps(app)
    assert figure["data"][1]["text"] == ["", "", "", "", "–", ""]  # N = 2 with k = 4 is no run
    workers.all[0].finish()  # N = 4 takes longer, so it is first
    (figure,) = maps(healthy(app.run()))
    assert [text.split("<br>")[0] for text in figure["data"][1]["text"]] == ["", "0.90", "", "0.90", "–", "0.90"]
    assert figure["layout"]["xaxis"]["ticktext"] == ["2", "4"] and figure["layout"]["xaxis"]["title"]["text"]
    workers.all[0].finish()
    app = healthy(app.run())
    assert "Start" in labels(app) and not app.get("progress")


def test_cancel_keeps_what_is_finished(workers: Workers) -> None:
    app = press(visit("sweep", x="num_experts:2,4", y="top_k:1,2", each="", seeds="1"), "Start")
    workers.all[0].finish()
    app = press(app, "Cancel")
    workers.all[0].say({"op": "stopped"}, b"")
    app = healthy(app.run())
    assert "2 of 4 runs are finished; the rest was cancelled" in app.info[0].value
    press(app, "Start")  # trains only what is missing
    assert [len(message["configs"]) for message in workers.all[0].trained] == [2, 2, 2]
    assert workers.all[0].trained[2] == workers.all[0].trained[1]


def test_what_has_failed_is_said_and_not_counted_as_done(workers: Workers) -> None:
    app = press(visit("sweep", x="num_experts:2,4,8", y="balance_coef:0", each="", seeds="2"), "Start")
    workers.all[0].say({"op": "failed", "why": "memory must suffice: got none; make room"}, b"")
    app = healthy(app.run())
    assert app.get("progress")[0].proto.text.startswith("0 of 6 runs, 2 failed, about ")
    assert app.get("progress")[0].proto.value == 0
    assert [each.value for each in app.error] == [plain("2 runs failed: memory must suffice: got none; make room")]
    workers.finish_all()
    app = healthy(app.run())
    assert app.info[0].value == "4 of 6 runs are finished, 2 failed. Start trains what is missing."


def test_the_job_survives_other_pages(workers: Workers) -> None:
    app = press(visit("sweep", each="", seeds="1"), "Start")
    before = app.session_state.sweep.job
    healthy(app.switch_page("../../pages/playground.py").run())
    app = healthy(app.switch_page("../../pages/sweep.py").run())
    assert app.session_state.sweep.job is before and "Cancel" in labels(app)
    assert [box.value for box in app.selectbox][2] == "nothing"  # what was chosen is still there


def test_what_another_visitor_has_trained_is_there_at_once(workers: Workers) -> None:
    press(visit("sweep", each="", seeds="1", steps="50"), "Start")
    workers.finish_all()
    app = healthy(visit("sweep", each="", seeds="1", steps="50"))
    assert any("nothing to train" in each.value for each in app.caption)
    assert all(text.startswith("0.90") for text in maps(app)[0]["data"][1]["text"])


def test_a_cell_leads_to_its_runs_in_the_playground(workers: Workers) -> None:
    app = press(visit("sweep", x="num_experts:2,4", y="balance_coef:0,1", each="", seeds="2", seed="7"), "Start")
    workers.finish_all()
    app.session_state.sweep_cell = {"num_experts": 4, "balance_coef": 1.0}
    app = healthy(app.run())
    (words,) = [each.value for each in app.markdown if "Open in the Playground" in each.value]
    links = [part.partition(")")[0] for part in words.split("](playground?")[1:]]
    found = [RunConfig.from_url(dict(parse_qsl(link)))[0] for link in links]
    assert found == [RunConfig(num_experts=4, balance_coef=1.0, seed=seed) for seed in (7, 8)]
    assert "part from the one in the map by rounding" in words and "(0.90)" in words
    opened, usual = healthy(visit(**dict(parse_qsl(links[0])))), healthy(visit())
    assert [each.value for each in opened.warning] == [] and [each.value for each in usual.info] == []
    assert "may part from that one by rounding" in opened.info[0].value


@pytest.mark.parametrize("picture", ["Map", "Lines", "All runs", "Table"])
def test_every_picture_of_a_finished_sweep(workers: Workers, picture: str) -> None:
    app = press(visit("sweep", seeds="2", measure="cv_load"), "Start")
    workers.finish_all()
    app = healthy(app.run())
    app.session_state.picture = picture
    app = healthy(app.run())
    assert len(maps(app)) == {"Map": 2, "Lines": 2, "All runs": 1, "Table": 0}[picture]
    if picture == "Table":
        frame = app.dataframe[0].value
        assert len(frame) == 36 and frame["open"].str.startswith("playground?").all()
        assert list(frame.columns[1:5]) == ["num_experts", "balance_coef", "top_k", "seed"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"x": "num_experts:2,99"}, "num_experts must be a whole number from 1 to 32: got num_experts=99"),
        ({"x": "num_experts:two"}, "num_experts must be a whole number"),
        ({"x": "num_experts:1", "y": "balance_coef:0", "each": "top_k:2"}, "must have a combination that fits"),
        ({"seeds": "10", "steps": "2000", "x": "num_experts:32", "y": "learning_rate:0.01,0.02,0.03"}, ""),
        ({"seeds": "10", "x": "num_experts:2,3,4,5,6,7,8,9", "each": ""}, "at most 200 runs: got 240"),
        (
            {"hidden_width": "256", "batch_size": "512", "x": "num_experts:32", "seeds": "9", "steps": "2000"},
            "at most 5 min",
        ),
    ],
)
def test_what_cannot_be_swept_is_said_and_not_started(workers: Workers, address: dict[str, str], said: str) -> None:
    app = healthy(visit("sweep", **address))
    errors = " ".join(each.value.replace("\\", "").replace("\u2060", "") for each in app.error)
    assert said in errors
    assert bool(said) == next(each for each in app.button if each.label == "Start").disabled


def test_an_unknown_knob_in_the_address_is_named(workers: Workers) -> None:
    app = healthy(visit("sweep", x="<b>x</b>:1", seeds="many"))
    said = " ".join(each.value for each in app.warning)
    assert "x must name a knob" in said and "seeds must be a whole number" in said and "<b>" not in said
    assert [box.value for box in app.selectbox][:2] == ["task", "balance_coef"]


def test_where_the_workers_have_too_many_sweeps_the_page_says_so(workers: Workers) -> None:
    crowd = [press(visit("sweep", seeds="1", seed=str(seed)), "Start") for seed in range(2)]
    app = press(visit("sweep", seeds="1", seed="9"), "Start")
    assert "The server is busy" in app.warning[0].value and "Start" in labels(app) and len(crowd) == 2
    assert not press(app, "Cancel" if "Cancel" in labels(app) else "Start").exception


def test_the_choices_stand_in_the_address(workers: Workers) -> None:
    app = healthy(visit("sweep"))
    app.text_input[0].set_value("2,3").run()
    assert dict(app.query_params)["x"] in ("num_experts:2,3", ["num_experts:2,3"])
