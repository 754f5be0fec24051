"""The Balance lab in the browser: what is drawn is measured, experts can be killed and freed, and a run rewound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import BrowserContext

from moeviz.config import RunConfig
from moeviz.content.twins import STARTS, twins
from moeviz.training import Training
from moeviz.training.views.skill import wanted_loss
from tests.browser.opened_page import Server, Stage, soon, stage_on

pytestmark = pytest.mark.browser
LAMBDAS = (0.0, 1.0, 10.0)
DOTS = "(host) => [...host.querySelectorAll('figure')].map((box) => [...box.querySelectorAll('.mv-dot')].map((dot) => [dot.dataset.expert, Number(dot.dataset.x), Number(dot.dataset.y)]))"  # noqa: E501


def open_lab(stage: Stage, section: str = "", step: int = 0, **address: Any) -> Stage:
    """The page with its twins paused at a step, and one of its questions open."""
    stage.open(f"/lab?{urlencode({'play': '0', **address})}")
    stage.until("part('differences').rows.length > 0")
    stage.train_to(step)
    if section:
        ask(stage, section)
    return stage


@pytest.fixture(scope="module")
def opened_lab(warm_context: BrowserContext, server: Server) -> Iterator[Stage]:
    """The page with its twins paused at step 60, opened once for the tests that only look at it."""
    with stage_on(warm_context, server) as stage:
        yield open_lab(stage, step=60)


@pytest.fixture
def lab(opened_lab: Stage) -> Stage:
    assert opened_lab.step == 60 and opened_lab.revision == 0, "an earlier test has changed the page"
    return opened_lab


def ask(lab: Stage, section: str) -> None:
    """Open one of the page's questions."""
    lab.page.locator(f'.mv-stage [data-tab="{section}"]').click()


def trained(step: int, base: RunConfig | None = None) -> Training:
    """The same twins, trained here."""
    training = Training(twins(base or RunConfig(), "balance_coef", LAMBDAS))
    training.step(step)
    return training


def test_the_table_tells_each_number_and_its_difference_from_the_first_twin(lab):
    header = trained(60).snapshot().header

    def check() -> None:
        rows = lab.part("differences").locator("tbody tr").all()
        assert [row.locator("th").inner_text() for row in rows] == ["λ = 0", "λ = 1", "λ = 10"]
        for run, row in enumerate(rows):
            accuracy, cv, dead, match = row.locator("td b").all_inner_texts()[:4]
            assert float(accuracy) == pytest.approx(100 * header["test_metric"][run], abs=0.06)
            assert float(cv) == pytest.approx(header["cv_load"][run], abs=0.006)
            assert int(dead) == sum(header["dead"][run])
            assert float(match) == pytest.approx(header["specialization"][run], abs=0.006)
            differs = row.locator("td span").nth(1).inner_text().replace("−", "-").replace("±", "")
            printed = float(cv) - float(rows[0].locator("td b").nth(1).inner_text())
            assert (float(differs) if run else differs) == (pytest.approx(printed, abs=1e-9) if run else "")

    soon(check)


def test_nobody_is_said_to_learn_before_the_first_step(stage):
    open_lab(stage, "learners")

    def check() -> None:
        for kind in ("gradient", "updates"):
            values = stage.page.locator(f'[data-bars="{kind}"] .mv-value').all_inner_texts()
            assert values == ["–"] * 24  # eight experts of three twins
        labels = stage.page.locator('[data-bars="gradient"] .mv-bar').all()
        assert (labels[0].get_attribute("aria-label") or "").endswith("gradient norm –")
        times = stage.part("differences").locator("tbody tr td:last-child b").all_inner_texts()
        assert times == ["–"] * 3
        assert "gradient norm –" in (stage.part("loop").locator("svg").first.get_attribute("aria-label") or "")

    soon(check)


def test_gradients_and_shares_are_those_of_the_training(lab):
    ask(lab, "learners")
    training = trained(60)
    shot, losses = training.snapshot(), wanted_loss(training).numpy()

    def check() -> None:
        for run in range(3):
            host = lab.page.locator(f'[data-learner="{run}"]').locator("xpath=ancestor::section[1]")
            said = [
                bar.get_attribute("aria-label") or ""
                for bar in host.locator('[data-bars="gradient"] .mv-bar').all()
            ]  # fmt: skip
            found = [float(each.split()[-1]) for each in said]
            assert found == pytest.approx(shot.gradient_norm[run].tolist(), rel=0.02, abs=1e-6)
            shares = host.locator('[data-bars="updates"] .mv-value').all_inner_texts()
            assert [int(each) for each in shares] == pytest.approx((100 * shot.update_share[run]).tolist(), abs=0.51)
        busiest, idlest = int(shot.load[0].argmax()), int(shot.load[0].argmin())
        for place, expert in enumerate((busiest, idlest)):
            texts = lab.part("loop").locator("svg").nth(place).locator(".mv-strong").all_text_contents()
            load, gradient, loss, prob = (float(each.removesuffix(" %")) for each in texts)
            assert load == pytest.approx(100 * shot.load[0, expert], abs=0.51)
            assert gradient == pytest.approx(float(shot.gradient_norm[0, expert]), rel=0.02, abs=1e-6)
            assert loss == pytest.approx(float(losses[0, expert]), abs=0.002)
            assert prob == pytest.approx(100 * shot.mean_prob[0, expert], abs=0.51)
        arrows = lab.part("loop").locator(".mv-arrow").evaluate_all("all => all.map((each) => each.dataset.width)")
        widths = np.array(arrows, float).reshape(2, 4)
        assert (widths.max(0) == 16).all()  # the larger of both is as wide as can be
        assert widths[1, 0] / 16 == pytest.approx(shot.load[0, idlest] / shot.load[0, busiest], abs=0.02)

    soon(check)


@pytest.mark.parametrize("shows", ["mean_prob", "importance"])
def test_the_scatter_is_at_load_and_mean_gate(lab, shows):
    ask(lab, "evenness")
    lab.page.locator(f'[data-part="evenness-shows"] [data-value="{shows}"]').click()
    shot = trained(60).snapshot()
    upwards = shot.mean_prob if shows == "mean_prob" else shot.importance / shot.importance.sum(-1, keepdims=True)

    def check() -> None:
        found = lab.part("evenness").evaluate(DOTS)
        assert len(found) == 3
        for run, dots in enumerate(found):
            assert "".join(name for name, _, _ in dots) == "ABCDEFGH"
            assert [x for _, x, _ in dots] == pytest.approx(shot.load[run].tolist(), abs=1e-3)
            assert [y for _, _, y in dots] == pytest.approx(upwards[run].tolist(), abs=1e-3)

    soon(check)


@pytest.mark.slow
def test_three_experts_are_a_point_over_the_balance_loss(stage):
    open_lab(stage, "simplex", step=0)
    stage.press("three")  # its button: N = 3
    stage.until("part('simplex').querySelectorAll('.mv-here').length === 3")
    if stage.data()["state"] == "running":
        stage.press("play")
    stage.until("stage.state === 'paused'")
    stage.press("reset")
    stage.until("stage.step === 0")
    stage.train_to(50)
    shot = trained(50, STARTS["three"].base).snapshot()

    def check() -> None:
        for run, coef in enumerate(LAMBDAS):
            point = stage.part("simplex").locator(".mv-here").nth(run)
            probs = [float(each) for each in str(point.get_attribute("data-probs")).split(",")]
            assert probs == pytest.approx(shot.mean_prob[run].tolist(), abs=1e-3)
            a, b, c = probs  # corners: (45, 256.5), (295, 256.5), (170, 40)
            low = 40 + 250 * 3**0.5 / 2
            assert float(point.get_attribute("cx") or 0) == pytest.approx(45 * a + 295 * b + 170 * c, abs=0.5)
            assert float(point.get_attribute("cy") or 0) == pytest.approx(low * (a + b) + 40 * c, abs=0.5)
            loss = coef * sum((1 / 3 - each) ** 2 for each in probs)
            said = stage.part("simplex").locator("figure > p b").nth(run).inner_text()
            assert float(said) == pytest.approx(loss, abs=0.002)
            rings = stage.part("simplex").locator("figure").nth(run).locator(".mv-contour").count()
            assert rings == (4 if coef else 0)

    soon(check)


def test_a_point_for_each_twin_where_balance_has_its_price(lab):
    ask(lab, "tradeoff")
    header = trained(60).snapshot().header

    def check() -> None:
        found = lab.part("tradeoff").locator(".mv-dot").evaluate_all(
            "dots => dots.map(({ dataset: { twin, x, y } }) => [twin, [Number(x), Number(y)]])"
        )  # fmt: skip
        wanted = zip(header["cv_load"], header["test_metric"], strict=True)
        assert dict(found) == {
            f"λ = {coef:g}": pytest.approx(list(each), abs=2e-3)
            for coef, each in zip(LAMBDAS, wanted, strict=True)
        }  # fmt: skip

    soon(check)


def test_true_groups_stand_beside_the_load_with_what_chance_would_match(lab):
    ask(lab, "specialists")
    shot = trained(60).snapshot(["groups"])

    def check() -> None:
        boxes = lab.part("specialists").locator("section").all()
        for run, box in enumerate(boxes):
            rows = [row.locator("td").all_inner_texts() for row in box.locator("tbody tr").all()]
            shares, loads = [row[:-1] for row in rows], [row[-1] for row in rows]
            assert np.array(shares, float) == pytest.approx(100 * shot.group_share[run], abs=0.99)
            assert (np.array(shares, float).sum(0) == 100).all()  # a unit more or less where they would not add up
            assert loads == [bar["value"].rstrip("†") for bar in lab.bars(f"load-{run}")]  # which add up to 100
            assert np.array([each.replace("<1", "0") for each in loads], float) == pytest.approx(
                100 * shot.load[run], abs=1
            )
            assert f"with shuffled groups: {shot.group_baseline[run]:.2f}" in box.inner_text()

    soon(check)


def test_an_expert_is_killed_frozen_and_freed_and_the_strips_tell_when(stage):
    open_lab(stage, "collapse", step=20)
    stage.page.locator('[data-choose="expert"]').select_option(label="C")
    stage.page.locator('[data-how="kill"]').click()
    stage.until("part('alarm-0').textContent.includes('C ✕ killed')")
    assert "C ✕ killed" not in stage.part("alarm-1").inner_text()  # of one twin only
    stage.train_to(60)
    stage.until("part('alarms').children[0].textContent.includes('† C idle since step 30')")
    assert stage.bars("load-0")[2]["value"] == "0†"
    stage.part("strips").scroll_into_view_if_needed()
    soon(lambda: check_mark(stage, "C killed"))
    stage.page.locator('[data-choose="twin"]').select_option(label="λ = 10")
    stage.page.locator('[data-choose="expert"]').select_option(label="A")
    stage.page.locator('[data-how="freeze"]').click()
    stage.until("part('alarm-2').textContent.includes('A ❄ frozen')")
    stage.page.locator('[data-how="free"]').click()
    stage.until("!part('alarm-2').textContent.includes('frozen')")


def check_mark(stage: Stage, text: str) -> None:
    """The first twin's strip says so; no other does, whether it is drawn yet or not."""
    script = "plots => plots.map(({ layout }) => (layout?.annotations ?? []).map((each) => each.text).join())"
    labels = stage.part("strips").locator(".js-plotly-plot").evaluate_all(script)
    assert [text in each for each in labels[:1]] == [True] and not any(text in each for each in labels[1:])


def test_lambda_is_turned_on_while_it_runs_and_stays_in_the_address(stage):
    open_lab(stage, "collapse", step=20, values="0,1")
    stage.page.locator('[data-how="lambda"]').click()
    stage.until("stage.revision > 0 && part('title-0').textContent === 'λ = 10'")
    assert stage.step == 20 and stage.query()["values"] == "10,1"
    assert stage.page.locator('[data-tab="collapse"]').get_attribute("aria-selected") == "true"  # nothing closes
    assert stage.page.locator('[data-how="lambda"]').is_disabled()


def test_a_run_is_rewound_with_the_keyboard_and_shows_what_was_recorded(lab):
    wanted = trained(20).snapshot()
    lab.part("scrub").focus()
    lab.page.keyboard.press("Home")
    lab.until("stage.step === 0")
    for _ in range(2):  # recorded every ten steps
        lab.page.keyboard.press("ArrowRight")
    lab.until("stage.step === 20 && !part('rewound').hidden")
    assert "Step 20 of 60, as recorded." in lab.part("rewound-said").inner_text()
    assert "of at most 16 MB" in lab.part("rewound-said").inner_text()
    assert lab.part("scrub").get_attribute("aria-valuetext") == "step 20 of 60"

    def check() -> None:
        for run in range(3):
            shown = [float(bar["value"].rstrip("†").replace("<1", "0")) for bar in lab.bars(f"load-{run}")]
            assert shown == pytest.approx((100 * wanted.load[run]).tolist(), abs=1)

    soon(check)
    lab.press("newest")
    lab.until("stage.step === 60 && part('rewound').hidden")


@pytest.mark.parametrize("page", ["lab", pytest.param("playground", marks=pytest.mark.slow)])
def test_a_branch_begins_where_the_run_was_rewound_to_and_the_recorded_one_is_gray(stage, page):
    stage.open(f"/{page}?play=0")
    stage.until("part('load-0').children.length > 0")
    stage.train_to(60)
    stage.part("scrub").focus()
    stage.page.keyboard.press("ArrowLeft")
    stage.page.keyboard.press("ArrowLeft")
    stage.until("stage.step === 40 && !part('rewound').hidden")
    stage.press("branch")
    stage.until("part('rewound').hidden && stage.step === 40")
    soon(lambda: check_gray(stage))
    stage.press("step")
    stage.until("stage.step === 41")


def check_gray(stage: Stage) -> None:
    where = "gray" if stage.part("gray").count() else "load-note"
    assert "as it was recorded" in stage.part(where).inner_text()


@pytest.mark.slow
def test_twins_come_and_go_while_they_train(stage):
    stage.open("/lab")
    stage.until("stage.step > 5")
    for label, count in (("Add a twin", 4), ("Balanced but useless", 2), ("Three experts", 3)):
        stage.page.get_by_role("button", name=label, exact=True).first.click()
        stage.until("root.querySelectorAll('.mv-small').length === value && stage.step > 20", count)
        stage.until("part('differences').tBodies[0].rows.length === value", count)


def test_arrow_keys_walk_the_questions(stage):
    open_lab(stage)
    stage.page.locator('[data-tab="curves"]').focus()
    stage.page.keyboard.press("ArrowRight")
    stage.until("part('treat').checkVisibility()")
    assert stage.page.locator('[data-tab="collapse"]').get_attribute("aria-selected") == "true"
    assert stage.page.locator(".mv-section:visible").count() == 1


@pytest.mark.slow
def test_only_the_open_question_is_asked_for(stage):
    asked: list[str] = []

    def listen(socket: Any) -> None:
        if "/live/" in socket.url:
            socket.on("framesent", lambda text: asked.append(str(text)))

    stage.page.on("websocket", listen)
    open_lab(stage, step=20)
    stage.page.locator('[data-tab="simplex"]').click()
    stage.until("part('three').checkVisibility()")
    assert any('"trails"' in each for each in asked) and not any('"skill"' in each for each in asked)
    del asked[:]
    stage.page.set_viewport_size({"width": 1280, "height": 300})
    stage.page.locator('[data-tab="specialists"]').click()
    stage.part("specialists").scroll_into_view_if_needed()
    stage.until("!part('specialists').hidden && part('specialists').querySelector('table')")
    stage.page.keyboard.press(".")  # the toolbar has been scrolled away
    soon(lambda: only_groups(asked))


def only_groups(asked: list[str]) -> None:
    last = next(each for each in reversed(asked) if '"view"' in each)
    assert '"groups"' in last and '"first_choice"' not in last, last


def test_twins_of_another_size_and_dense_networks_are_drawn(stage):
    open_lab(stage, "evenness", step=20, vary="router", values="top_k,switch", dense="active,total")
    stage.until("part('evenness').querySelectorAll('svg').length >= 4")
    assert [stage.part(f"title-{run}").inner_text() for run in range(4)] == [
        "top-k", "Switch, k = 1", "Dense, equal active", "Dense, equal total",
    ]  # fmt: skip
    assert [stage.letters(f"load-{run}") for run in range(4)] == ["ABCDEFGH", "ABCDEFGH", "A", "A"]
    assert stage.bars("load-2")[0]["value"] == "100"
