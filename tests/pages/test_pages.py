"""The pages without a browser: knobs, presets, the address, shown code, and what they ask of the engine."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from moeviz.config import KNOBS, LOSS_NAMES, TASK_INFO, Knob, RunConfig
from moeviz.config.router_facts import BALANCED_VALUES, ROUTER_INFO, ROUTER_NAMES
from moeviz.content.methods import METHODS, all_methods, as_in_its_paper
from moeviz.content.presets import PRESETS
from moeviz.content.router_notes import BALANCE_NOTES, ROUTER_NOTES, Note
from moeviz.engine import Engine, EngineBusy, EngineFull, RunGone
from moeviz.engine.browser_messages import MAX_COORDINATE, check_probe
from moeviz.ui.run import visitor
from moeviz.ui.run.address import OTHERS
from moeviz.ui.run.waiting_room import PATIENCE
from moeviz.ui.widgets import code
from tests.nearest_configs import nearest

ROOT = Path(__file__).resolve().parents[2]
SHELL = ROOT / "moeviz" / "ui" / "shell.py"
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
SHARED_TASKS = [name for name, info in TASK_INFO.items() if not info.page]  # the others have a page of their own
WITH_RUN = [name for name in PAGES if name not in ("sweep", "article", "sparse_compute")]  # pages with a live run
NOT_ON_A_PAGE = {"device", "dispatch"}  # nothing to see
KINDS = ("slider", "select_slider", "selectbox", "toggle", "number_input")
MARKS = re.escape(
    r"\`*_{}[]()<>#+-.!|~$:&@="
)  # what Markdown, and Streamlit's own additions to it, may take for a sign


class RecordedEngine:
    """Writes down what pages ask of the engine, and starts nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.replaced: list[str | None] = []
        self.plays: list[bool] = []
        self.open_run: str | None = None
        self.recovered: tuple[RunConfig, ...] = ()
        self.busy = self.gone = False
        self.num_runs, self.max_runs = 0, 3

    @property
    def has_room(self):
        return self.num_runs < self.max_runs

    def open(self, configs, *, play=True, replaces=None):
        if not self.has_room:
            raise EngineFull("this server trains at most 3 runs at once: 3 are open; close a tab that shows one")
        if self.busy:
            raise EngineBusy("a worker must keep up with its messages: this one is far behind; try again in a moment")
        self.asked.append(("open", tuple(configs)))
        self.replaced.append(replaces)
        self.plays.append(play)
        self.open_run = f"token-{len(self.asked)}"
        return self.open_run

    def alive(self, token):
        return token == self.open_run

    def set(self, token, **knobs):
        self._check(token)
        self.asked.append(("set", knobs))
        return [f"told about {', '.join(knobs)}"]

    def info(self, token):
        return {"configs": list(self.recovered)}

    def reset(self, token, configs):
        self._check(token)
        self.asked.append(("reset", tuple(configs)))

    def _check(self, token):
        if self.busy:
            raise EngineBusy("a worker must keep up with its messages: this one is far behind; try again in a moment")
        if self.gone or token != self.open_run:
            self.gone = False
            raise RunGone("freed")


@pytest.fixture(autouse=True, scope="module")
def no_search():
    """Each AppTest run would search all installed packages for components, at 0.2 s a time; ours come from the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
        yield


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RecordedEngine:
    recorded = RecordedEngine()
    monkeypatch.setattr(visitor, "engine", lambda: recorded)
    return recorded


def visit(page: str = "playground", **address: Any) -> AppTest:
    """A new visitor who opens a page at an address, and all that is folded up on it."""
    app = AppTest.from_file(str(SHELL), default_timeout=30)
    app.session_state.more = app.session_state.show_code = True
    for name, value in address.items():
        app.query_params[name] = value
    return app.switch_page(f"../../pages/{page}.py").run()


def widget(app: AppTest, name: str) -> Any:
    """The widget of a knob, whatever kind it is."""
    keys = (f"knob_{name}", f"knob_{name}_fixed")
    return next(each for kind in KINDS for each in app.get(kind) if each.key in keys)


def router_of(name: str) -> str:
    """A router that uses the knob: the default one if it does."""
    return next(router for router in ROUTER_NAMES if KNOBS[name].used_by(router))


def special(name: str, **knobs: Any) -> RunConfig:
    """The nearest config in which a knob is used."""
    return RunConfig().nearest(router=router_of(name), **knobs)[0]


def config(app: AppTest) -> RunConfig:
    return app.session_state.config


def address(app: AppTest) -> dict[str, str]:
    return {name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()}


def picture(app: AppTest) -> dict[str, Any]:
    """What the page gave to its live picture."""
    (component,) = app.get("bidi_component")
    return json.loads(component.proto.json)


def healthy(app: AppTest) -> AppTest:
    assert not app.exception, [each.message for each in app.exception]
    return app


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_RUN)
def test_every_page_shows_the_run_that_it_opened(engine, name):
    app = healthy(visit(name))
    assert [what for what, _ in engine.asked] == ["open"]
    assert picture(app)["token"] == engine.open_run
    assert picture(healthy(app.run()))["token"] == engine.open_run  # a rerun keeps it
    assert len(engine.asked) == 1


def test_home_opens_twins_that_differ_in_the_balance_weight_only(engine):
    app = visit("home")
    ((_, (left, right)),) = engine.asked
    assert (left.balance_coef, right.balance_coef, left.top_k) == (0.0, 10.0, 1)
    assert left.with_(balance_coef=10.0) == right
    assert len(picture(app)["titles"]) == 2 and picture(app)["layout"] == "twins"


def test_homes_button_leads_to_the_playground_and_its_run_makes_room(engine):
    app = visit("home")
    homes = engine.open_run
    healthy(app.button[0].click().run())
    assert picture(app)["layout"] == "playground"
    assert engine.replaced == [None, homes] and engine.asked[-1] == ("open", (RunConfig(),))


def test_the_journey_opens_dense_and_paused_for_who_is_new_and_lowers_k_at_a_button(engine):
    app = healthy(visit("journey"))
    assert engine.asked == [("open", (RunConfig(top_k=8),))] and engine.plays == [False]
    assert address(app) == {"top_k": "8"} and picture(app)["warm"] == 100
    press(app, "Now keep only the best 2")
    assert engine.asked[-1] == ("set", {"top_k": [2]}) and address(app) == {"top_k": "2"}
    press(app, "Let every expert answer")
    assert engine.asked[-1] == ("set", {"top_k": [8]})
    app = healthy(visit("journey", num_experts="5"))
    assert address(app) == {"num_experts": "5", "top_k": "5"}
    app = healthy(visit("journey", top_k="3", play="0"))
    assert engine.asked[-1] == ("open", (RunConfig(top_k=3),)) and picture(app)["warm"] == 0
    assert healthy(visit("journey", num_experts="1", top_k="1")).button == []  # nothing to choose


def test_what_the_journey_opened_with_stays_there_unless_it_was_turned(engine):
    app = visit("journey")
    healthy(app.switch_page("../../pages/playground.py").run())
    assert config(app) == RunConfig() and widget(app, "top_k").value == 2 and widget(app, "num_experts").value == 8
    app = visit("journey")
    healthy(widget(app, "balance_coef").set_value(5.0).run())
    healthy(app.switch_page("../../pages/playground.py").run())
    assert config(app) == RunConfig(top_k=8, balance_coef=5.0) and widget(app, "top_k").value == 8
    healthy(app.switch_page("../../pages/journey.py").run())
    assert config(app) == RunConfig(top_k=8, balance_coef=5.0)  # who has a k keeps it


@pytest.mark.parametrize(("play", "said"), [("", "waits at step 100;"), ("0", "waits at step 0;"), ("1", "trains,")])
def test_the_journey_says_where_its_run_waits(engine, play, said):
    app = visit("journey", **({"play": play} if play else {}))
    assert picture(app)["warm"] == (0 if play else 100)
    assert any(each.value.startswith(f"The run {said}") for each in app.markdown)


def test_the_journey_follows_one_token_so_a_task_of_many_is_another_there(engine):
    app = healthy(visit("journey", task="digit_rows", top_k="3", num_experts="6"))
    wanted = RunConfig(top_k=3, num_experts=6)
    assert engine.asked == [("open", (wanted,))] and config(app) == wanted and "task" not in address(app)
    assert "an input of this task is many tokens" in app.warning[0].value
    offered = [info.label for info in TASK_INFO.values() if info.tokens_per_input == 1]
    assert widget(app, "task").options == offered
    assert not healthy(app.run()).warning and config(app) == wanted  # said once
    app = visit(task="digit_rows", hidden_width="32")
    assert widget(app, "task").value == "digit_rows"
    healthy(app.switch_page("../../pages/journey.py").run())
    assert config(app).task == "clusters" and app.warning and picture(app)["view"] == "map"


def test_a_transformers_code_is_shown_where_it_runs(engine):
    assert not any("transformer" in each.value for each in visit().caption)
    app = visit(task="digit_rows", expert="transformer")
    app.session_state["show_code"] = True
    said = [each.value for each in healthy(app.run()).caption]
    shown = (
        "`Transformer` in `moeviz.models.transformer`",
        "`transformer` in `moeviz.models.experts`",
        "`seen` in `moeviz.models.moe_layer`",
    )
    for name in shown:
        assert any(each.startswith(name) for each in said), name


def test_experts_and_levels_are_those_that_the_task_has_a_use_for(engine):
    app = visit()
    app.session_state["more"] = True
    healthy(app.run())
    assert widget(app, "expert").options == ["one hidden layer (MLP)", "linear"]
    assert "knob_route_by" not in {each.key for each in app.selectbox}  # an input is one token
    widget(app, "task").set_value("digit_rows")
    healthy(app.run())
    assert widget(app, "expert").options == ["one hidden layer (MLP)", "linear", "Transformer layer"]
    assert widget(app, "route_by").options == ["each token", "the whole input (mean)"]
    widget(app, "expert").set_value("transformer")
    healthy(app.run())
    assert (config(app).expert, config(app).route_by) == ("transformer", "input")  # which it computes whole
    assert widget(app, "route_by").value == "input"
    assert address(app) == {"task": "digit_rows", "expert": "transformer", "route_by": "input"}
    widget(app, "task").set_value("clusters")
    healthy(app.run())
    assert config(app) == RunConfig() and widget(app, "expert").value == "mlp"


@pytest.mark.parametrize(
    "knobs", [{}, {"task": "bumps", "expert": "linear"}, *({"balance_loss": name} for name in LOSS_NAMES)], ids=str
)
def test_every_formula_of_the_journey_has_its_functions(engine, knobs):
    shown = picture(healthy(visit("journey", **knobs)))["code"]
    assert set(shown) == set("x logits softmax top_k weights experts sum task_loss balance_loss slopes".split())
    for places in shown.values():
        for each in places:
            assert f"def {each['place'].split(':')[1]}(" in each["source"]


def test_the_first_page_is_home(engine):
    app = healthy(AppTest.from_file(str(SHELL), default_timeout=30).run())
    assert picture(app)["layout"] == "twins"


@pytest.mark.parametrize(("play", "plays"), [("0", False), ("1", True)])
def test_the_address_may_say_that_the_run_waits(engine, play, plays):
    visit(play=play)
    assert engine.plays == [plays]


# --- pages that compare -----------------------------------------------------------------------------------------------


def routers_of(app: AppTest) -> tuple[Any, Any]:
    boxes = {box.key: box.value for box in app.selectbox}
    return boxes["choose_left"], boxes["choose_right"]


def test_routers_opens_two_twins_with_few_seats_and_waits(engine):
    app = healthy(visit("routers"))
    base = RunConfig(capacity_factor=1.25, eval_capacity_factor=2.0)  # as Switch's paper trains and tests
    pair = tuple(as_in_its_paper(base, router) for router in ("switch", "gshard"))
    assert engine.asked == [("open", pair)] and engine.plays == [False] and routers_of(app) == ("switch", "gshard")
    assert picture(app)["titles"] == ["Switch, k = 1", "GShard, k = 2"] and picture(app)["layout"] == "routers"
    seats = {"capacity_factor": "1.25", "eval_capacity_factor": "2"}
    assert address(app) == {**seats, "left": "switch", "right": "gshard", "draws": "1"}
    assert (widget(app, "capacity_factor").value, widget(app, "eval_capacity_factor").value) == (1.25, 2.0)
    healthy(app.switch_page("../../pages/playground.py").run())  # the few seats were not asked for
    assert config(app) == RunConfig()


def test_sliders_turn_both_routers_and_each_takes_what_it_can(engine):
    app = visit("routers", left="top_k", right="deepseek_v3")
    healthy(widget(app, "gate_skew").set_value(1.0).run())
    assert engine.asked[-1] == ("set", {"gate_skew": [1.0, 1.0]})
    healthy(widget(app, "capacity_factor").set_value(1.0).run())
    assert engine.asked[-1] == ("set", {"capacity_factor": [1.0, None]})  # this router has no seats to limit
    healthy(widget(app, "top_k").set_value(3).run())
    assert engine.asked[-1] == ("set", {"top_k": [3, 3]})
    healthy(app.select_slider(key="choose_draws").set_value("0").run())
    assert engine.asked[-1][0] == "set"  # neither has noise: nothing was asked


@pytest.mark.parametrize("page", ["routers", "methods"])
@pytest.mark.parametrize("before", ["home", "playground", "journey"])
def test_what_was_turned_elsewhere_is_kept_and_the_runs_wait(engine, before, page):
    app = visit(before)
    if before != "home":
        healthy(widget(app, "num_experts").set_value(5).run())
    healthy(app.switch_page(f"../../pages/{page}.py").run())
    (what, configs) = engine.asked[-1]
    assert what == "open" and engine.plays[-1] is False
    assert {each.num_experts for each in configs} == {8 if before == "home" else 5}
    healthy(app.run())
    assert engine.asked[-1] == (what, configs)  # and stays so


def test_a_slider_that_cannot_turn_a_router_says_so(engine):
    app = visit("routers", num_experts="1", top_k="1")
    text = " ".join(each.value for each in app.caption)
    assert "Switch always has k = 1; GShard always has k = 2; one of these routers needs more experts" in text


def test_another_router_starts_both_again(engine):
    app = visit("routers", capacity_factor="2")
    healthy(next(box for box in app.selectbox if box.key == "choose_right").set_value("hash").run())
    base = RunConfig(capacity_factor=2.0)
    assert engine.asked[-1] == ("reset", (as_in_its_paper(base, "switch"), as_in_its_paper(base, "hash")))
    assert address(app)["right"] == "hash" and routers_of(app) == ("switch", "hash")


def test_noise_is_as_many_times_as_in_each_paper(engine):
    visit("routers", left="noisy_top_k", right="switch", draws="2")
    ((_, (left, right)),) = engine.asked
    assert (left.router_noise, right.router_noise, right.gate_jitter) == (2.0, 2.0, 0.01)


def test_a_router_from_elsewhere_is_on_the_left_and_strange_ones_are_said(engine):
    app = healthy(visit("routers", router="mixtral"))
    assert routers_of(app) == ("mixtral", "gshard") and config(app).router == "top_k"
    app = healthy(visit("routers", left="nobody"))
    assert routers_of(app)[0] == "switch" and "left must be one of top" in app.warning[0].value
    app = visit(router="deepseek_v3")
    healthy(app.switch_page("../../pages/routers.py").run())
    assert routers_of(app)[0] == "deepseek_v3"


def test_ways_to_balance_opens_one_run_for_each_and_strength_acts_on_all(engine):
    app = healthy(visit("methods"))
    assert engine.asked == [("open", tuple(all_methods(RunConfig())))] and engine.plays == [False]
    shown = picture(app)
    assert shown["titles"] == [method.label for method in METHODS.values()] and len(shown["whys"]) == len(METHODS)
    assert [len(each["arrays"]) for each in shown["measures"]] == [len(METHODS)] * 4
    columns = ("test_metric", "cv_load", "specialization", "dropped_share", "unserved_share")
    assert {name for each in shown["measures"] for name in each["arrays"]} == {f"history_{name}" for name in columns}
    healthy(app.select_slider(key="choose_strength").set_value("3").run())
    (what, knobs) = engine.asked[-1]
    assert what == "set" and knobs["balance_coef"][1] == 30.0 and knobs["bias_rate"][5] == pytest.approx(0.009)
    healthy(widget(app, "seed").set_value(4).run())
    assert engine.asked[-1] == ("reset", tuple(all_methods(RunConfig(seed=4), 3.0)))


@pytest.mark.parametrize("page", ["routers", "methods"])
def test_what_is_known_of_routers_and_ways_is_on_their_pages(engine, page):
    text = " ".join(each.value for each in healthy(visit(page)).markdown)
    for note in (ROUTER_NOTES if page == "routers" else BALANCE_NOTES).values():
        assert f"**{note.name}" in text and (note.arxiv == "–" or f"arxiv.org/abs/{note.arxiv}" in text), note.name


def check_card(app: AppTest, note: Note, code: str | None) -> None:
    """The card of this note is on the page, and its function under Show code."""
    text = " ".join(each.value for each in app.markdown)
    for said in (f"**{note.name}.** {note.idea}", f"**Fixed:** {note.fixed}", f"**Cost:** {note.cost}"):
        assert said in text, note.name
    assert any(note.formula in each.value for each in app.latex), note.name
    assert code is None or any(f"`{code}`" in each.value for each in app.caption), note.name


def test_every_way_to_balance_has_its_card_and_its_code(engine):
    app = visit("methods")
    app.session_state.show_code = True
    app = healthy(app.run())
    for key, note in BALANCE_NOTES.items():
        functions = {"none": None, "bias": "bias_step", "drops": "queue"}
        check_card(app, note, functions.get(key, key))


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_every_router_has_its_card_and_its_code_where_it_is_compared(engine, router):
    app = visit("routers", left=router)
    app.session_state.show_code = True
    check_card(healthy(app.run()), ROUTER_NOTES[router], router)


@pytest.mark.parametrize(
    ("router", "parts"),
    [
        ("top_k", {"top_k", "capacity", "queue"}), ("noisy_top_k", {"noisy_top_k", "noise_size"}),
        ("deepseek_v3", {"deepseek_v3", "bias_step"}), ("soft", {"soft", "slot_inputs", "mix_back"}),
    ],
)  # fmt: skip
def test_all_that_a_routers_formula_speaks_of_has_its_code(engine, router, parts):
    app = visit(router=router)
    app.session_state.show_code = True
    shown = {each.value.split("`")[1] for each in healthy(app.run()).caption if each.value.startswith("`")}
    assert shown == parts | {"squared", "sparse", "dense", "mlp"}


def test_every_router_and_loss_of_the_tables_has_its_code_there(engine):
    app = visit("routers")
    app.session_state.show_code = True
    shown = {each.value.split("`")[1] for each in healthy(app.run()).caption if each.value.startswith("`")}
    assert shown >= {*ROUTER_NAMES, *BALANCED_VALUES, "bias_step", "queue", "random_drop"}


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_a_chosen_loss_has_its_card_and_its_code_in_the_playground(engine, loss):
    app = visit(balance_loss=loss)
    app.session_state.show_code = app.session_state.chosen_cards = True
    app = healthy(app.run())
    check_card(app, ROUTER_NOTES["top_k"], "top_k")
    for key in ("importance", "load") if loss == "importance_load" else (loss,):
        check_card(app, BALANCE_NOTES[key], None)
    assert any(f"`{loss}` in `moeviz.losses`" in each.value for each in app.caption)


# --- knobs -----------------------------------------------------------------------------------------------------------


def test_every_knob_has_a_widget_with_its_label_help_and_value(engine):
    apps = {router: visit(**RunConfig().nearest(router=router)[0].to_url()) for router in ROUTER_NAMES}
    for knob in KNOBS.values():
        if knob.name in NOT_ON_A_PAGE:
            continue
        app = visit(task="digit_rows") if knob.name == "route_by" else apps[router_of(knob.name)]
        shown = widget(app, knob.name)
        assert (shown.label, shown.help) == (knob.label, knob.help)
        assert shown.value == getattr(config(app), knob.name)


@pytest.mark.parametrize("router", ROUTER_NAMES)
def test_a_router_shows_its_own_knobs_and_its_story(engine, router):
    app = healthy(visit())
    healthy(widget(app, "router").set_value(router).run())
    wanted, complaints = RunConfig().nearest(router=router)
    assert config(app) == wanted and address(app) == wanted.to_url()
    keys = {str(each.key) for kind in KINDS for each in app.get(kind)}
    assert {name for name in KNOBS if f"knob_{name}" in keys} == {
        name for name, knob in KNOBS.items() if knob.used_by(router) and name not in {*NOT_ON_A_PAGE, "route_by"}
    }  # the gate of a task whose inputs are one token each has nothing else to see
    assert any(caption.value == ROUTER_INFO[router].story for caption in app.caption)
    said = [toast.value for toast in app.toast]
    for each in complaints:
        assert any(KNOBS[each.name].label in toast and each.why in toast for toast in said)
    assert widget(app, "top_k").value == wanted.top_k
    assert widget(app, "top_k").disabled == (ROUTER_INFO[router].k != "any")
    if router != "top_k":
        assert engine.asked[1:] == [("reset", (wanted,))]


def test_another_router_drops_what_it_has_no_use_for_and_says_so(engine):
    app = visit(capacity_factor="1.25", gate_form="plain")
    healthy(widget(app, "router").set_value("mixtral").run())
    assert config(app) == RunConfig(router="mixtral")
    said = " ".join(toast.value for toast in app.toast)
    assert "Seats per expert set to none: this router has no use for it" in said
    assert "Make chosen weights add up to 1 set to automatic" in said
    healthy(widget(app, "router").set_value("top_k").run())
    assert widget(app, "capacity_factor").value is None and config(app) == RunConfig()


def test_soft_moe_keeps_k_at_n(engine):
    app = visit(router="soft", top_k="8")
    healthy(widget(app, "num_experts").set_value(5).run())
    assert config(app) == RunConfig(router="soft", num_experts=5, top_k=5) and widget(app, "top_k").value == 5
    assert engine.asked[-1] == ("set", {"num_experts": 5, "top_k": [5]})


def test_groups_are_offered_only_where_they_fit(engine):
    app = visit(router="deepseek_v3", num_experts="12")
    assert widget(app, "expert_groups").options == ["1", "2", "3", "4", "6", "12"]
    healthy(widget(app, "expert_groups").set_value(6).run())
    assert widget(app, "kept_groups").options == ["1", "2", "3", "4", "5", "6"]  # a group of two holds k = 2
    healthy(widget(app, "num_experts").set_value(8).run())
    assert config(app).expert_groups == 4 and widget(app, "expert_groups").value == 4


def test_numbers_end_where_config_says(engine):
    app = visit()
    for name in ("num_experts", "noise", "train_share", "seed"):
        knob, shown = KNOBS[name], widget(app, name)
        assert (shown.min, shown.max) == (knob.low, knob.page_high or knob.high)
    assert (widget(app, "top_k").min, widget(app, "top_k").max) == (1, RunConfig().num_experts)
    for name in ("balance_coef", "learning_rate", "hidden_width", "batch_size", "capacity_factor"):
        numbers = [float(option) for option in widget(app, name).options if option != "none"]
        assert numbers == sorted(set(numbers))
        KNOBS[name].check(KNOBS[name].kind(numbers[0]))
        assert numbers[-1] == (KNOBS[name].page_high or KNOBS[name].high)
    assert widget(app, "balance_coef").options[0] == "0" and widget(app, "capacity_factor").options[0] == "none"


def test_choices_are_those_of_config(engine):
    app = visit()
    assert widget(app, "task").options == [TASK_INFO[name].label for name in SHARED_TASKS]
    assert widget(app, "expert").options == ["one hidden layer (MLP)", "linear"]  # what the task allows
    for name in ("router", "balance_loss", "gate_form"):  # one label for each choice, in the same order
        assert len(KNOBS[name].choice_labels) == len(KNOBS[name].choices)
        assert widget(app, name).options == list(KNOBS[name].choice_labels)


def test_fewer_experts_than_k_lower_k_and_say_so(engine):
    app = visit(top_k="4")
    healthy(widget(app, "num_experts").set_value(3).run())
    assert config(app) == RunConfig(num_experts=3, top_k=3) and widget(app, "top_k").value == 3
    assert any("k) set to 3" in toast.value for toast in app.toast)
    assert engine.asked[-1] == ("set", {"num_experts": 3, "top_k": [3]})
    assert address(app) == {"num_experts": "3", "top_k": "3"}


@pytest.mark.parametrize("num_experts", [2, 7, 9, 32])
def test_another_number_of_experts_keeps_k(engine, num_experts):
    app = visit()
    healthy(widget(app, "num_experts").set_value(num_experts).run())
    assert engine.asked[-1] == ("set", {"num_experts": num_experts})
    assert widget(app, "top_k").value == 2 and not any("set to" in toast.value for toast in app.toast)
    healthy(app.run())
    assert config(app) == RunConfig(num_experts=num_experts)


def test_one_expert_has_a_k_that_cannot_be_turned(engine):
    app = visit(num_experts="1", top_k="1")
    assert widget(app, "top_k").value == 1 and widget(app, "top_k").disabled
    healthy(widget(app, "num_experts").set_value(4).run())
    assert not widget(app, "top_k").disabled and config(app) == RunConfig(num_experts=4, top_k=1)


LIVE: dict[str, Any] = {
    "num_experts": 5, "top_k": 1, "balance_coef": 10.0, "balance_loss": "switch", "gate_form": "plain", "noise": 0.5,
    "learning_rate": 0.1, "capacity_factor": 1.25, "eval_capacity_factor": 2.0, "batch_prioritized": True,
    "gate_jitter": 0.01, "second_policy": "all", "token_groups": 4, "bias_rate": 0.01, "expert_groups": 2,
    "kept_groups": 2, "route_scale": 3.0, "gate_skew": 1.0, "router_noise": 2.0,
}  # fmt: skip
FIXED: dict[str, Any] = {
    "task": "moons", "seed": 7, "gate_bias": True, "expert": "linear", "hidden_width": 16, "batch_size": 64,
    "num_classes": 3, "train_share": 0.25, "num_shared_experts": 1, "router": "mixtral",
}  # fmt: skip


def test_every_knob_on_the_page_is_turned_below():
    on_page = {name: knob.live for name, knob in KNOBS.items() if name not in NOT_ON_A_PAGE}
    elsewhere = {"route_by": False}  # where a task has several levels, as the digits row by row have
    assert on_page == dict.fromkeys(LIVE, True) | dict.fromkeys(FIXED, False) | elsewhere


@pytest.mark.parametrize("name", LIVE)
def test_a_live_knob_turns_the_run_and_never_restarts_it(engine, name):
    start = special(name, **{"expert_groups": 4} if name == "kept_groups" else {})
    app = visit(**start.to_url())
    token = picture(app)["token"]
    healthy(widget(app, name).set_value(LIVE[name]).run())
    value = [LIVE[name]] if KNOBS[name].per_run else LIVE[name]
    assert engine.asked[1:] == [("set", {name: value})]
    assert picture(app)["token"] == token
    assert [toast.value for toast in app.toast] == [f"told about {name}"]  # what the engine says is passed on
    assert address(app) == start.with_(**{name: LIVE[name]}).to_url()


@pytest.mark.parametrize("name", FIXED)
def test_any_other_knob_starts_the_run_again_and_says_so(engine, name):
    app = visit()
    token = picture(app)["token"]
    healthy(widget(app, name).set_value(FIXED[name]).run())
    wanted = RunConfig(**{name: FIXED[name]})
    assert engine.asked[1:] == [("reset", (wanted,))]
    assert picture(app)["token"] == token  # the picture stays mounted
    (toast,) = app.toast
    assert toast.value.startswith("Started again from step 0") and KNOBS[name].label in toast.value
    assert address(app) == wanted.to_url()


@pytest.mark.parametrize("task", SHARED_TASKS)
def test_classes_are_those_that_the_task_can_have(engine, task):
    app = healthy(visit(task=task))
    low, high = TASK_INFO[task].classes
    allowed = [None, *(count for count in range(2, 9) if low <= count <= high)]
    assert widget(app, "num_classes").options == [str(count or "none") for count in allowed]
    healthy(widget(app, "num_classes").set_value(allowed[-1]).run())
    assert config(app) == RunConfig(task=task, num_classes=allowed[-1])


def test_another_task_drops_a_number_of_classes_that_it_may_not_have(engine):
    app = visit(task="spiral", num_classes="5")
    healthy(widget(app, "task").set_value("xor").run())
    assert config(app) == RunConfig(task="xor") and address(app) == {"task": "xor"}


@pytest.mark.parametrize("task", SHARED_TASKS)
def test_a_gate_bias_that_the_task_declares_is_shown_as_on_and_explained(engine, task):
    app = visit(task=task)
    declared = TASK_INFO[task].gate_bias
    assert (widget(app, "gate_bias").value, widget(app, "gate_bias").disabled) == (declared, declared)
    assert any("not cones" in caption.value for caption in app.caption) is declared


def test_a_preset_has_a_name_of_its_own_and_a_story_of_one_line():
    assert len({preset.label for preset in PRESETS.values()}) == len(PRESETS)
    for preset in PRESETS.values():
        assert preset.label.strip() and "\n" not in preset.label
        assert preset.story.strip() and "\n" not in preset.story and len(preset.story) <= 100, preset.story


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_every_knob_and_the_address(engine, name):
    app = visit(num_experts="20", top_k="20", noise="0.5", task="bumps", play="0")
    preset = PRESETS[name]
    healthy(next(button for button in app.button if button.label == preset.label).click().run())
    assert config(app) == preset.config and engine.asked[-1] == ("reset", (preset.config,))
    assert address(app) == preset.config.to_url() | {"play": "0"}
    one_level = {"route_by"} if len(TASK_INFO[preset.config.task].levels) == 1 else set()  # nothing to choose
    for knob in set(KNOBS) - NOT_ON_A_PAGE - one_level:
        if KNOBS[knob].used_by(preset.config.router) and not widget(app, knob).disabled:
            assert widget(app, knob).value == getattr(preset.config, knob)
    healthy(app.run())  # and stays: no widget brings an old value back
    assert config(app) == preset.config


def press(app: AppTest, label: str) -> AppTest:
    return healthy(next(button for button in app.button if button.label == label).click().run())


def test_a_presets_story_replaces_the_first_steps_until_its_run_is_another(engine):
    app = visit()
    assert picture(app)["story"] == ""  # the three first steps
    for preset in PRESETS.values():
        press(app, preset.label)
        assert picture(app)["story"] == preset.story  # also that of the opening preset, once it is pressed
    healthy(widget(app, "balance_coef").set_value(5.0).run())
    assert picture(app)["story"] == preset.story  # a story invites to turn live knobs
    healthy(widget(app, "task").set_value("xor").run())
    assert picture(app)["story"] == TASK_INFO["xor"].story
    assert picture(visit(task="moons"))["story"] == TASK_INFO["moons"].story
    assert picture(visit(seed="3", num_experts="4"))["story"] == ""
    for router in ROUTER_NAMES[1:]:  # the first steps speak of idle experts and a k that can be turned
        assert picture(visit(router=router))["story"] == ROUTER_INFO[router].story


def test_a_browser_starts_only_presets_that_there_are(engine, monkeypatch):
    named: list[str] = []
    monkeypatch.setattr(
        "moeviz.ui.run.live.stage", lambda *_, on_preset, **data: on_preset(named.pop()) if named else None
    )
    app = visit(seed="3")
    for name in ("nothing", "__class__", ""):
        named.append(name)
        healthy(app.run())
        assert config(app) == RunConfig(seed=3) and engine.asked == [("open", (RunConfig(seed=3),))]
    named.append("spiral")
    healthy(app.run())
    assert config(app) == PRESETS["spiral"].config and engine.asked[1:] == [("reset", (config(app),))]


def test_present_mode_has_the_live_knobs_and_nothing_else(engine):
    app = healthy(visit(present="1", seed="3"))
    assert picture(app)["present"] is True and not app.expander
    knobs = [str(each.key) for kind in ("slider", "select_slider", "selectbox", "toggle") for each in app.get(kind)]
    assert sorted(knobs) == ["knob_balance_coef", "knob_num_experts", "knob_top_k"]
    assert [button.label for button in app.button] == ["Leave (P)"]
    press(app, "Leave (P)")
    assert picture(app)["present"] is False and app.expander and address(app) == {"seed": "3"}
    press(app, "Present")
    assert picture(app)["present"] is True and address(app) == {"seed": "3", "present": "1"}
    assert [what for what, _ in engine.asked] == ["open"]  # the run goes on


def test_the_link_names_every_knob_and_the_probe_and_leads_back(engine):
    app = visit(seed="3", top_k="4", play="0")
    app.session_state.share = True
    app.session_state.probe = "0.5,-1"
    press(app, "Too much balance")
    (link,) = [shown.value for shown in app.code if "probe=" in shown.value]
    params = dict(parse_qsl(urlsplit(link).query))
    assert params.pop("probe") == "0.5,-1"
    assert RunConfig.from_url(params) == (PRESETS["too_much"].config, [])
    press(app, "Back to the shared state")
    assert engine.asked[-1] == ("reset", (RunConfig(seed=3, top_k=4),)) and config(app) == RunConfig(seed=3, top_k=4)
    press(app, "Back to the shared state")
    assert engine.asked[-2:] == [("reset", (RunConfig(seed=3, top_k=4),))] * 2  # always from step 0


# --- the address -----------------------------------------------------------------------------------------------------


ODD = (
    "none", "", "1e400", "-0", "٣", "9" * 400, "9" * 5000, " 99\n", "\\", "a\nb", "a\n\n# b", "a\n===", "x" * 10_000,
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "**a**", ":red[x]", ":material/home:",
    "$x$", "$$\\frac{1}{0}$$", "[a](javascript:alert(1))", "javascript:alert(1)", "https://a.example", "www.a.example",
    "a@b.example", "\x00", "\u202eabc", "🙂", "שלום", "%00", "..%2f..%2fetc",
)  # fmt: skip


def texts(choices: tuple[str, ...] = ()) -> some.SearchStrategy[str]:
    """Anything a person, a typo or an attacker may write for a knob."""
    numbers = some.floats(allow_nan=True).map(str) | some.integers(-(10**12), 10**12).map(str)
    return some.text(max_size=60) | numbers | some.sampled_from([*choices, *ODD])


ADDRESSES = some.fixed_dictionaries({}, optional={name: texts(knob.choices) for name, knob in KNOBS.items()})
FEW = settings(max_examples=25)


def visited(params: Mapping[str, Any], page: str = "playground") -> tuple[AppTest, RecordedEngine]:
    """As `visit`, for tests of many examples, which may not share a fixture."""
    recorded = RecordedEngine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visitor, "engine", lambda: recorded)
        return healthy(visit(page, **params)), recorded


@FEW
@given(ADDRESSES)
@example({"num_experts": "999", "top_k": "77", "noise": "nan", "seed": "-1", "task": "<img src=x onerror=alert(1)>"})
@example({"task": "bumps", "num_classes": "3", "balance_coef": "1e999"})
@example({"num_experts": "40"})  # allowed on the command line only
def test_any_address_opens_the_nearest_run_and_names_what_was_changed(params):
    app, recorded = visited(params)
    nearest, notices = RunConfig.from_url(params)
    if TASK_INFO[nearest.task].page:
        assert config(app) == RunConfig() and "a page of its own" in app.warning[-1].value
        return
    assert config(app) == nearest and recorded.asked == [("open", (nearest,))]
    assert address(app) == nearest.to_url()
    assert len(app.warning) == (len(notices) > 0)
    if "device" in params and params["device"].strip().lower() != "auto":
        assert any(notice.startswith("device must be auto on a page: got device=") for notice in notices)
    lines = app.warning[0].value.removeprefix("The address was changed:\n\n- ").split("\n- ") if notices else []
    for plain, notice in zip(lines, notices, strict=True):
        assert any(name in notice for name in KNOBS)
        assert reads_as(plain) == " ".join(notice.split())


def reads_as(plain: str) -> str:
    """What a line of a notice shows, after a check that Markdown and Streamlit's additions find nothing in it."""
    assert not re.search(rf"[{MARKS}\n]", re.sub(rf"\\[{MARKS}]", "", plain))
    assert plain.count(":") == plain.count(":\u2060")  # icons and emoji do not mind a backslash
    assert not re.search(r"(?i)www\\?\.|[^\u2060]\\@", plain)  # nor do addresses that become links by themselves
    return re.sub(rf"\\([{MARKS}])", r"\1", plain.replace("\u2060", ""))


@FEW
@given(some.dictionaries(some.sampled_from([*KNOBS, *OTHERS]) | texts(), texts() | some.lists(texts(), min_size=1)))
@example(dict.fromkeys([*KNOBS, *OTHERS, "<img src=x onerror=alert(1)>"], "<img src=x onerror=alert(1)>"))
@example({"a\n\n# b": "1", "a\n===": "1", "www.a.example": "1", "x" * 10_000: "1", "a@b.example": "1"})
@example({f"unknown{each}": "1" for each in range(500)})
@example({"probe": "1e300,0", "embed": "true", "EMBED": "x", "seed": ["1", "x"]})
def test_nothing_in_an_address_is_more_than_text_or_ends_the_page(params):
    app, recorded = visited(params)
    assert [what for what, _ in recorded.asked] == ["open"]
    assert picture(app)["token"] == recorded.open_run
    check_probe(picture(app)["probe"])  # or the run's socket would refuse what its page asks first
    for warning in app.warning:
        first, *lines = warning.value.split("\n- ")
        assert first == "The address was changed:\n" and len(lines) <= 2 * len(KNOBS) + len(OTHERS) + 8
        assert all(len(reads_as(line)) < 400 for line in lines)
    assert not [each for each in app.markdown if "onerror" in each.value]


def allowed(knob: Knob) -> some.SearchStrategy[Any]:
    """Any value that a page may have for a knob."""
    knob = knob.on_page
    if knob.name == "task":
        return some.sampled_from(SHARED_TASKS)
    if knob.choices or knob.kind is bool:
        return some.sampled_from(knob.choices or (False, True))
    values: some.SearchStrategy[Any] = some.integers(int(knob.low or 0), int(knob.high or 0))
    if knob.kind is float:
        values = some.floats(knob.low or 0, knob.high, allow_subnormal=False)
    return values | some.none() if knob.optional else values


WITH_KNOBS = ("playground", "journey", "lab", "routers", "methods")
SIZES = {  # so that opening many runs takes little time
    "num_experts": some.integers(-1, 9).map(str), "hidden_width": some.sampled_from(["1", "8", "0", "none"]),
    "batch_size": some.sampled_from(["8", "9", "64", "-1"]),
}  # fmt: skip
EXTRAS = {
    "left": some.sampled_from(ROUTER_NAMES) | texts(), "right": some.sampled_from(ROUTER_NAMES) | texts(),
    "draws": some.sampled_from(["0", "4"]) | texts(), "strength": some.sampled_from(["0.1", "10"]) | texts(),
}  # fmt: skip
LIKELY = {
    name: allowed(KNOBS[name]).map(KNOBS[name].write) | texts(KNOBS[name].choices)
    for name in KNOBS
    if name not in SIZES
}


@settings(max_examples=12)
@given(some.sampled_from(WITH_KNOBS), some.fixed_dictionaries(SIZES, optional=EXTRAS | LIKELY))
@example("playground", {"device": "cuda"})
@example("methods", {"device": "mps", "dispatch": "dense", "strength": "10"})
@example("routers", {"dispatch": "sparse", "left": "soft", "right": "expert_choice", "num_experts": "1"})
def test_what_a_page_opens_for_any_address_is_taken_by_a_worker(page, params):
    from moeviz.training import opened

    app, recorded = visited(params, page)
    ((_, asked),) = recorded.asked
    training = opened(asked)
    training.step(1)
    assert training.current_step == 1 and len(training.configs) == len(asked)
    assert picture(app)["token"] == recorded.open_run


KNOWN = {name: allowed(knob) for name, knob in KNOBS.items()}


@some.composite
def configs(draw: some.DrawFn) -> RunConfig:
    """Any run that a page can show."""
    return nearest(draw(some.fixed_dictionaries(KNOWN)) | {"num_classes": None})


@FEW
@given(configs())
@example(RunConfig(balance_coef=0.0100000001, learning_rate=0.0300000001))  # written with %g these look like neighbors
def test_an_address_brings_any_run_back_and_a_turned_knob_keeps_the_others(wanted):
    app, recorded = visited(wanted.to_url())
    assert config(app) == wanted and not app.warning
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visitor, "engine", lambda: recorded)
        other = 2 if wanted.num_experts != 2 else 3
        fewer = healthy(widget(app, "num_experts").set_value(other).run())
    assert config(fewer) == wanted.nearest(num_experts=other)[0]
    assert RunConfig.from_url(address(fewer)) == (config(fewer), [])


def test_other_parameters_of_the_page_stay_in_the_address(engine):
    app = visit(play="0", present="1", top_k="9")
    assert address(app) == {"play": "0", "present": "1", "top_k": "8"}
    widget(app, "balance_coef").set_value(1.0).run()
    assert address(app) == {"play": "0", "present": "1", "top_k": "8", "balance_coef": "1"}


def test_a_parameter_that_means_nothing_is_named_and_left_out(engine):
    app = visit(**{"lambda": "3", "probe": "zz"})
    assert "names 'lambda', which is no knob" in app.warning[0].value
    assert "probe must be two numbers" in app.warning[0].value and "got 'zz'" in app.warning[0].value
    assert "lambda" not in address(app)


def said(app: AppTest) -> list[str]:
    """The notices about the address, as they read."""
    return [reads_as(line) for warning in app.warning for line in warning.value.split("\n- ")[1:]]


def test_an_address_cannot_choose_a_device(engine):
    app = visit(device="cuda", seed="3")
    notice = "device must be auto on a page: got device='cuda'; choose an allowed value; using device=auto"
    assert said(app) == [notice] and engine.asked == [("open", (RunConfig(seed=3),))]
    assert address(app) == {"seed": "3"}


def test_a_knob_that_does_not_fit_another_is_named_with_the_value_asked_for(engine):
    app = visit(top_k="9", num_experts="4")
    assert said(app) == ["top_k must be at most num_experts: got top_k=9, num_experts=4; using top_k=4"]


def test_a_parameter_that_is_named_twice_counts_once_and_says_so(engine):
    app = visit(num_experts=["8", "4"], play=["1", "0"], probe="1,1")
    assert said(app) == [
        "num_experts must be named once: got ['8', '4']; the last one counts, '4'",
        "play must be named once: got ['1', '0']; the last one counts, '0'",
    ]
    assert engine.asked == [("open", (RunConfig(num_experts=4),))] and engine.plays == [False]
    assert dict(app.query_params) == {"num_experts": "4", "play": "0", "probe": "1,1"}
    assert not healthy(app.run()).warning  # said once


@pytest.mark.parametrize("name", WITH_RUN)
@pytest.mark.parametrize("play", ["2", "no", "<b>x</b>"])
def test_a_play_that_means_nothing_is_named_and_left_out_on_every_page(engine, name, play):
    app = healthy(visit(name, play=play))
    (notice,) = said(app)
    assert notice.startswith(f"play must be 0 or 1: got {play!r}; left out") and "play" not in app.query_params
    assert engine.plays == [name not in ("journey", "routers", "methods", "lessons")]  # as without it
    usual = healthy(visit(name))
    assert engine.plays[0] is engine.plays[1] and address(app) == address(usual)
    assert not healthy(app.run()).warning


@pytest.mark.parametrize("name", ["left", "right", "draws"])
def test_what_the_routers_page_does_not_know_is_only_text(engine, name):
    app = healthy(visit("routers", **{name: "**b** <i>"}))
    assert f"{name} must be one of" in reads_as(app.warning[0].value) and "got '**b** <i>'" in reads_as(
        app.warning[0].value
    )


def test_a_preset_starts_again_even_if_only_live_knobs_differ(engine):
    app = visit()
    healthy(next(each for each in app.button if each.label == "Healthy").click().run())
    assert engine.asked[-1] == ("reset", (PRESETS["healthy"].config,))
    healthy(next(each for each in app.button if each.label == "Healthy").click().run())
    assert engine.asked[-2:] == [("reset", (PRESETS["healthy"].config,))] * 2
    assert any("Started “Healthy” from step 0" in toast.value for toast in app.toast)


def test_a_preset_that_found_the_server_busy_starts_when_it_is_tried_again(engine):
    app = visit()
    engine.busy = True
    healthy(next(each for each in app.button if each.label == "Healthy").click().run())
    assert "busy" in app.warning[0].value and len(engine.asked) == 1
    engine.busy = False
    healthy(next(each for each in app.button if each.label == "Try again").click().run())
    assert engine.asked[1:] == [("reset", (PRESETS["healthy"].config,))]
    healthy(widget(app, "noise").set_value(0.3).run())
    assert engine.asked[2:] == [("set", {"noise": [0.3]})]  # it is over


def test_a_preset_whose_run_is_freed_meanwhile_starts_once(engine):
    app = visit()
    engine.gone = True
    healthy(next(each for each in app.button if each.label == "Healthy").click().run())
    healthy(app.run())
    assert engine.asked[1:] == [("open", (PRESETS["healthy"].config,))]


def test_an_engine_that_fails_is_one_sentence_and_no_dead_page(engine, monkeypatch):
    app = visit()

    def broken(token, **knobs):
        raise TimeoutError("a worker must answer within 30 s: set got no answer")

    monkeypatch.setattr(engine, "set", broken)
    healthy(widget(app, "balance_coef").set_value(1.0).run())
    assert "did not take this change: a worker must answer within 30 s" in app.warning[0].value


PLACE = some.floats(-MAX_COORDINATE, MAX_COORDINATE)


@FEW
@given(PLACE, PLACE)
@example(1.5, -2.0)
def test_the_probe_starts_where_the_address_says(x, y):
    app, _ = visited({"probe": f"{x},{y}"})
    assert picture(app)["probe"] == [x, y] and address(app) == {"probe": f"{x},{y}"}


@pytest.mark.parametrize(
    "text", ["", ",", "1", "1,2,3", "1,inf", "nan,1", "1;2", "<b>,1", "[1,2]", "1e999,0", "2e6,0", "1," * 5000]
)
def test_what_is_no_place_leaves_the_probe_where_it_is(engine, text):
    assert picture(healthy(visit(probe=text)))["probe"] is None


# --- the visitor's run -----------------------------------------------------------------------------------------------


def test_a_busy_server_says_so_and_can_be_tried_again(engine):
    engine.busy = True
    app = healthy(visit(seed="5"))
    (warning,) = app.warning
    assert "busy" in warning.value and "this one is far behind" in warning.value and "in a moment" in warning.value
    assert not app.get("bidi_component")
    engine.busy = False
    healthy(next(button for button in app.button if button.label == "Try again").click().run())
    assert not app.warning and engine.asked == [("open", (RunConfig(seed=5),))]
    assert picture(app)["token"] == engine.open_run


@pytest.mark.parametrize("path", ["playground", "home"])
def test_a_full_server_lets_the_page_wait_for_a_place(engine, path):
    engine.num_runs = 3
    app = healthy(visit(path))
    (info,) = app.info
    assert "waits for a place" in info.value and "at most 3 runs at once, and 3 are open" in info.value
    assert "starts by itself" in info.value and not app.get("bidi_component") and not app.warning
    engine.num_runs = 2
    healthy(next(button for button in app.button if button.label == "Try again").click().run())
    assert not app.info and len(engine.asked) == 1 and picture(app)["token"] == engine.open_run


def test_a_page_that_waits_for_long_looks_no_more_until_it_is_told_to(engine):
    engine.num_runs = 3
    app = visit()
    app.session_state.waiting_since -= PATIENCE
    (info,) = healthy(app.run()).info
    assert "has stopped looking" in info.value
    healthy(next(button for button in app.button if button.label == "Try again").click().run())
    (info,) = app.info
    assert "starts by itself" in info.value


def test_a_freed_run_is_opened_again_from_the_address(engine):
    app = visit(seed="5")
    engine.open_run = None
    healthy(app.run())
    assert engine.asked[1:] == [("open", (RunConfig(seed=5),))] and picture(app)["token"] == engine.open_run


def test_a_run_that_is_freed_while_a_knob_is_turned_is_opened_with_it(engine):
    app = visit()
    engine.gone = True  # alive when asked, gone when turned
    healthy(widget(app, "balance_coef").set_value(10.0).run())
    assert engine.asked[1:] == [("open", (RunConfig(balance_coef=10.0),))]
    assert picture(app)["token"] == engine.open_run


def test_the_real_engine_takes_what_pages_ask(monkeypatch):
    with Engine(in_process=True) as real:
        monkeypatch.setattr(visitor, "engine", lambda: real)
        app = healthy(visit(play="0"))
        token = picture(app)["token"]
        healthy(widget(app, "num_experts").set_value(9).run())
        healthy(widget(app, "balance_coef").set_value(10.0).run())
        assert real.info(token)["configs"] == [RunConfig(num_experts=9, balance_coef=10.0)]
        healthy(widget(app, "seed").set_value(4).run())
        assert real.alive(token) and real.info(token)["configs"] == [config(app)]
        healthy(app.switch_page("../../pages/home.py").run())
        assert not real.alive(token) and real.alive(picture(app)["token"])  # one group of runs a visitor


def test_knobs_that_are_folded_up_keep_their_values(engine):
    app = healthy(visit(task="xor"))
    healthy(widget(app, "learning_rate").set_value(0.1).run())
    app.session_state.more = False
    healthy(app.run())
    assert not [each for each in app.get("select_slider") if each.key == "knob_learning_rate"]
    healthy(widget(app, "top_k").set_value(1).run())
    app.session_state.more = True
    healthy(app.run())
    assert widget(app, "learning_rate").value == config(app).learning_rate == 0.1
    assert widget(app, "task").value == config(app).task == "xor" and config(app).top_k == 1
    assert [what for what, _ in engine.asked] == ["open", "set", "set"]


def test_k_follows_when_n_falls_below_it_in_the_same_rerun(engine):
    app = visit(num_experts="8", top_k="2")
    widget(app, "top_k").set_value(6)
    healthy(widget(app, "num_experts").set_value(4).run())
    assert (config(app).num_experts, config(app).top_k, widget(app, "top_k").value) == (4, 4, 4)
    assert app.toast[0].value == "Active experts (k) set to 4: it must be at most N."


def browser_went_to(app: AppTest, **params: str) -> AppTest:
    """As after Back: the browser asks again with an address that it had before."""
    app.query_params.clear()
    for name, value in params.items():
        app.query_params[name] = value
    return healthy(app.run())


def test_back_turns_the_knobs_back_however_quickly(engine, monkeypatch):
    monkeypatch.setattr("moeviz.ui.run.address.HEARD", 0.0)
    app = visit()
    healthy(widget(app, "balance_coef").set_value(10.0).run())
    healthy(widget(app, "num_experts").set_value(12).run())
    monkeypatch.setattr("moeviz.ui.run.address.HEARD", 60.0)
    app.session_state.address = (app.session_state.address[0], -60.0)  # written a while ago
    browser_went_to(app, balance_coef="10")
    assert config(app) == RunConfig(balance_coef=10.0) and widget(app, "num_experts").value == 8
    browser_went_to(app)
    assert config(app) == RunConfig() and widget(app, "balance_coef").value == 0
    assert address(app) == {}


def test_an_old_address_soon_after_a_knob_is_no_step_back(engine):
    app = visit()
    healthy(widget(app, "balance_coef").set_value(10.0).run())
    browser_went_to(app)  # the browser has not heard of the new one yet
    assert config(app).balance_coef == 10 and address(app) == RunConfig(balance_coef=10.0).to_url()


def test_another_page_and_back_keeps_the_knobs(engine, monkeypatch):
    monkeypatch.setattr("moeviz.ui.run.address.HEARD", 0.0)
    app = visit()
    healthy(widget(app, "balance_coef").set_value(10.0).run())
    app.query_params.clear()  # as the browser does when the page changes
    healthy(app.switch_page("../../pages/home.py").run())
    app.query_params.clear()
    healthy(app.switch_page("../../pages/playground.py").run())
    assert config(app).balance_coef == widget(app, "balance_coef").value == 10


def test_the_probe_stays_in_the_address_when_a_knob_is_turned(engine):
    app = visit(seed="3")
    app.session_state.probe = "0.5,-1"  # what a release leaves behind
    healthy(widget(app, "top_k").set_value(1).run())
    assert address(app) == {"seed": "3", "top_k": "1", "probe": "0.5,-1"} and picture(app)["probe"] == [0.5, -1]


# --- shown code ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("router", "loss"),
    [*(("top_k", loss) for loss in LOSS_NAMES), *((router, "squared") for router in ROUTER_NAMES)],
)
def test_the_page_shows_the_very_functions_that_run(engine, router, loss):
    app = healthy(visit(**RunConfig(balance_loss=loss).nearest(router=router)[0].to_url()))
    for place in (f"moeviz.routers:{router}", f"moeviz.losses:{loss}", "moeviz.models.dispatch:sparse"):
        module, name = place.split(":")
        function = inspect.unwrap(getattr(importlib.import_module(module), name))
        assert inspect.getsource(function).rstrip() in [shown.value for shown in app.code]
        assert any(code.caption(place) in caption.value for caption in app.caption)
        assert code.caption(place) == (inspect.getdoc(function) or "").split("\n")[0]


def test_a_class_can_be_shown_too():
    assert code.source("moeviz.content.presets:Preset").startswith("class Preset:\n")


@pytest.mark.parametrize(
    ("place", "remedy"),
    [("moeviz.nowhere:top_k", "check the module's name"), ("moeviz.routers:no_such_function", "check the name")],
)
def test_code_that_is_not_there_is_named(place, remedy):
    with pytest.raises(ValueError, match=rf"code to show must .*: got {place}; {remedy}"):
        code.source(place)


def test_no_page_makes_the_server_import_torch():
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
from moeviz.ui.run import visitor
from tests.pages.test_pages import RecordedEngine, visit, PAGES
visitor.engine = lambda engine=RecordedEngine(): engine
for page in PAGES:
    assert not visit(page).exception
print("torch" in sys.modules, "jaxtyping" in sys.modules, len({PAGES!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False", "False", str(len(PAGES))], done.stderr
