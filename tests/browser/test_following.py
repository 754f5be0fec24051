"""One token's journey in the browser: its numbers add up, agree with the Playground, and every way to walk it works."""

from __future__ import annotations

import re
import statistics
import time
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import torch

from moeviz.config import RunConfig
from moeviz.training import Training
from tests.browser.opened_page import Stage, soon, stage_on
from tests.equations import checked
from tests.training.test_journey import answers, parts

pytestmark = pytest.mark.browser
WARM = 100  # the step at which the page's run waits
STOPS = ["x", "logits", "softmax", "top_k", "weights", "experts", "sum", "task_loss", "balance_loss"]
# every router, by the knobs that ask for it
ROUTERS: list[dict[str, Any]] = [
    {"top_k": 2}, {"top_k": 2, "gate_form": "plain"}, {"top_k": 1}, {"top_k": 8},
    {"top_k": 2, "router": "noisy_top_k"}, {"top_k": 1, "router": "switch"}, {"top_k": 2, "router": "gshard"},
    {"top_k": 2, "router": "mixtral"}, {"top_k": 2, "router": "deepseek_v3"}, {"top_k": 2, "router": "expert_choice"},
    {"top_k": 2, "router": "hash"}, {"top_k": 8, "router": "soft"}, {"top_k": 2, "num_shared_experts": 1},
]  # fmt: skip
OTHERS: list[dict[str, Any]] = [
    {"top_k": 4, "num_experts": 32}, {"top_k": 2, "task": "digits", "hidden_width": 32, "learning_rate": 0.003},
    {"top_k": 2, "task": "piecewise"}, {"top_k": 3, "task": "linear_clusters"}, {"top_k": 1, "num_experts": 1},
]  # fmt: skip


def open_journey(stage: Stage, **address: Any) -> Stage:
    stage.open(f"/journey?{urlencode(address)}")
    stage.until(f"stage.step === {0 if address.get('play') == '0' else WARM} && stage.state === 'paused' && stage.stop")
    return stage


def to(stage: Stage, stop: str) -> None:
    stage.page.locator(f'.mv-stop[data-stop="{stop}"] button').click()
    stage.until("stage.stop === value", stop)


def lines(stage: Stage) -> list[str]:
    """The formula's lines as text, with plain minus signs."""
    found = stage.part("formula").locator("p").evaluate_all("all => all.map((line) => line.textContent)")
    return [line.replace("−", "-").replace("\u00a0", " ") for line in found]


def checked_sums(stage: Stage) -> list[tuple[float, float]]:
    """What each filled line of the sum comes to when its printed products are added, and what it says it is."""
    found = []
    for line in lines(stage):
        pairs = re.findall(r"\(?(-?[\d.]+)\)?·\(?(-?[\d.]+)\)?(?!E)", line)
        total = re.search(r"=\s*(-?[\d.]+)\s*$", line)
        if pairs and total and "E" not in line:
            found.append((sum(float(a) * float(b) for a, b in pairs), float(total[1])))
    return found


def cells(stage: Stage, stop: str) -> list[str]:
    return list(stage.page.locator(f'.mv-stop[data-stop="{stop}"] .mv-cell > span').all_inner_texts())


def surprise(stage: Stage) -> None:
    before = stage.query().get("probe")
    at = stage.data()["frames"]
    stage.press("surprise")
    stage.until("stage.frames > Number(value)", at)
    soon(lambda: check_moved(stage, before))


def check_moved(stage: Stage, before: str | None) -> None:
    assert stage.query().get("probe") != before


def check_equations(stage: Stage) -> None:
    """Every printed equation of every stop is true as printed, and there are some."""
    script = """buttons => buttons.map((button) => {
        button.click();
        const lines = document.querySelectorAll('.mv-stage [data-part="formula"] p');
        return Array.from(lines, (line) => line.innerHTML.replaceAll('&nbsp;', ' '));
    })"""
    stops = stage.page.locator(".mv-stop-name").evaluate_all(script)
    found = [checked(line) for lines in stops for line in lines]
    assert [wrong for _, wrong in found if wrong] == [] and len(stops) == len(STOPS)
    assert sum(count for count, _ in found) >= len(stops) - 3


def alone(stage: Stage) -> list[tuple[list[float], float]]:
    """What the page says of each expert alone: output and loss."""
    script = "all => all.map((tile) => [tile.querySelector('.mv-detail').textContent, tile.children[2].textContent])"
    said = stage.part("elsewhere").locator(".mv-tile").evaluate_all(script)
    number = r"-?\d+\.?\d*"
    return [
        ([float(each) for each in re.findall(number, y.replace("−", "-"))], float(re.findall(number, loss)[-1]))
        for y, loss in said
    ]


def check_sums(stage: Stage) -> None:
    sums = checked_sums(stage)
    assert sums
    for again, said in sums:
        assert abs(again - said) <= 0.005 + 1e-9, (lines(stage), again, said)


@pytest.mark.parametrize(
    ("router", "tokens"),
    [(ROUTERS[0], 4), *(pytest.param(each, 20, marks=pytest.mark.slow, id=str(each)) for each in ROUTERS)],
)
def test_printed_numbers_of_random_tokens_are_those_of_the_model(stage, router, tokens):
    """They come to the printed output; and "sent elsewhere" is a forward pass with that routing forced: each expert's
    own network on the token, in numpy, with weight 1 and nobody else, and the loss of that."""
    open_journey(stage, **router)
    to(stage, "sum")
    run = Training([RunConfig(**router)])
    run.step(WARM)
    part = parts(run)
    test_TD, target_T = run.data.test.x_RTD[0].double().numpy(), run.data.test.target[0].numpy()
    for _ in range(tokens):
        surprise(stage)
        x_D = np.array([float(each) for each in stage.query()["probe"].split(",")])
        output = run.snapshot(probe=tuple(x_D)).probe_output[0].tolist()
        wanted_EO = answers(part, x_D)
        if "num_shared_experts" in router:  # a shared expert answers whoever is chosen
            shared_R1O = run.model.layer.shared_output(run.rows_RAP, torch.tensor([[x_D.tolist()]]))
            wanted_EO = wanted_EO + shared_R1O[0].detach().numpy()
        target = target_T[abs(test_TD - x_D).sum(-1).argmin()]
        loss_E = np.log(np.exp(wanted_EO).sum(-1)) - wanted_EO[:, target]

        def check(output: Any = output, wanted_EO: Any = wanted_EO, loss_E: Any = loss_E) -> None:
            check_sums(stage)
            assert [total for _, total in checked_sums(stage)] == pytest.approx(output, abs=0.0051)
            said = alone(stage)
            assert [output for output, _ in said] == [pytest.approx(each, abs=0.0051) for each in wanted_EO]
            assert [loss for _, loss in said] == pytest.approx(loss_E.tolist(), abs=0.0051)

        soon(check)
        check_equations(stage)
        to(stage, "sum")


@pytest.mark.slow
@pytest.mark.parametrize("knobs", OTHERS, ids=str)
def test_they_do_so_for_any_task_and_any_n_and_k(stage, knobs):
    open_journey(stage, **knobs)
    to(stage, "sum")
    for _ in range(5):
        surprise(stage)
        soon(lambda: check_sums(stage))
    for stop in STOPS:
        to(stage, stop)
        assert lines(stage) and "NaN" not in " ".join(lines(stage)) and "not a number" not in " ".join(lines(stage))


def test_its_numbers_are_those_of_the_playgrounds_probe(stage):
    address = {"top_k": 2, "seed": 1, "probe": "0.7,-0.4"}
    open_journey(stage, **address)
    probs, weights = cells(stage, "softmax"), cells(stage, "weights")
    stage.open(f"/playground?{urlencode({**address, 'play': 0})}").train_to(WARM)
    bars = stage.bars("probe-bars")
    assert [bar["value"] for bar in bars] == probs
    assert [bar["below"].lstrip("×") or "0" for bar in bars] == [each.lstrip("0") or "0" for each in weights]


def test_it_starts_dense_then_keeps_the_best(stage):
    open_journey(stage)
    assert "0" not in cells(stage, "weights") and stage.query()["top_k"] == "8"
    stage.page.get_by_role("button", name="Now keep only the best 2").click()
    stage.until("stage.revision > 0")
    soon(lambda: check_kept(stage, 2))
    stage.until_query(top_k="2")  # named, since the page itself would open with another
    stage.page.get_by_role("link", name="Playground").first.click()
    stage.until("part('probe-bars')")
    check_playground_k(stage)


def check_playground_k(stage: Stage) -> None:
    stage.until("[...part('probe-bars').querySelectorAll('.mv-solid')].length === 2")
    stage.until_query()
    assert stage.slider("num_experts").input_value() == "8"
    soon(lambda: check_value(stage))


def check_value(stage: Stage) -> None:
    assert stage.slider("top_k").input_value() == "2"


def check_kept(stage: Stage, count: int) -> None:
    assert cells(stage, "top_k").count("✓") == count


@pytest.mark.slow
def test_what_it_opened_with_does_not_follow_to_the_playground(stage):
    open_journey(stage)
    stage.page.get_by_role("link", name="Playground").first.click()
    stage.until("part('probe-bars')")
    check_playground_k(stage)


def test_buttons_and_keys_walk_the_stops_and_the_map_keeps_its_arrows(stage):
    open_journey(stage, top_k=2)
    for stop in STOPS[1:]:
        stage.press("next")
        stage.until("stage.stop === value", stop)
    assert stage.part("next").is_disabled()
    assert "only x → y" in stage.part("stop-note").inner_text()
    stage.press("back")
    stage.until("stage.stop === 'task_loss'")
    stage.page.locator("body").press("ArrowLeft")
    stage.until("stage.stop === 'sum'")
    stage.page.locator("body").press("ArrowRight")
    stage.until("stage.stop === 'task_loss'")
    stage.part("field").focus()
    stage.page.keyboard.press("ArrowLeft")
    soon(lambda: check_moved(stage, None))
    assert stage.data()["stop"] == "task_loss"
    stage.page.keyboard.press("Space")
    stage.until("stage.state === 'running' && stage.step > value", WARM)


@pytest.mark.slow
def test_a_click_picks_the_nearest_test_token(stage):
    open_journey(stage, top_k=2)
    box = stage.part("field").bounding_box()
    assert box is not None
    stage.page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    soon(lambda: check_moved(stage, None))
    test_TD = Training([RunConfig()]).data.test.x_RTD[0].numpy()
    place = [float(each) for each in stage.query()["probe"].split(",")]
    assert abs(test_TD - place).sum(-1).min() < 0.002


def test_at_k_1_the_renormalized_weight_teaches_the_router_nothing(stage):
    open_journey(stage, top_k=2)
    for value in ("renormalized", "one"):
        stage.page.locator(f'[data-part="forms"] [data-value="{value}"]').click()
    assert "exactly 0 here" in stage.part("verdict").inner_text()
    slopes = stage.part("slopes").locator(".mv-tile > span:nth-of-type(2)").all_inner_texts()
    assert slopes == ["0"] * 8
    stage.page.locator('[data-part="forms"] [data-value="plain"]').click()
    assert "does learn" in stage.part("verdict").inner_text()
    assert any(each != "0" for each in stage.part("slopes").locator(".mv-tile > span:nth-of-type(2)").all_inner_texts())


@pytest.mark.slow
def test_every_formula_has_its_function_one_click_away(stage):
    open_journey(stage, top_k=2)
    wanted = ["def routed_probe", "def _route", "def softmax", "def top_k", "def top_k", "def mlp", "def dense",
              "def cross_entropy", "def squared"]  # fmt: skip
    for stop, function in zip(STOPS, wanted, strict=True):
        to(stage, stop)
        code = stage.part("code")
        if code.get_attribute("open") is None:
            code.locator("summary").click()
        assert function in code.inner_text()


@pytest.mark.slow
def test_the_untrained_run_and_a_phone(warm_context, server):
    with stage_on(
        warm_context, server, color_scheme="dark", has_touch=True, viewport={"width": 390, "height": 844}
    ) as stage:
        open_journey(stage, play="0", top_k=2)
        to(stage, "sum")
        check_sums(stage)
        wide = stage.page.evaluate(
            "() => ['[data-testid=stMain]', '.mv-stage'].map((name) => document.querySelector(name))"
            ".map((each) => each.scrollWidth - each.clientWidth)"
        )
        assert wide == [0, 0]
        assert stage.page.locator('.mv-stop[data-stop="logits"] .mv-cells').is_hidden()  # only the present one unfolds
        named = ("Home", "One token's journey", "Playground")  # Streamlit's own menu on a phone
        assert [text for text, size in stage.texts() if size < 15.9 and text not in named] == []


@pytest.mark.slow
def test_the_first_picture_and_a_step_are_timed(stage, report):
    stage.open("/journey")  # warms the worker up
    began = time.monotonic()
    stage.page.goto(f"{stage.address}/journey?top_k=2&seed=5", wait_until="commit")
    stage.until("stage.stop && stage.frames > 0")
    first = time.monotonic() - began
    report("first picture of the journey (warm)", 1000 * first, "ms")
    assert first > 0
    script = """async () => {
        const root = document.querySelector('.mv-stage');
        const took = [];
        for (let round = 0; round < 24; round += 1) {
            const forward = Math.floor(round / 8) % 2 === 0;
            const began = performance.now();
            root.querySelector(`[data-part="${forward ? 'next' : 'back'}"]`).click();
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            took.push(performance.now() - began);
        }
        return took;
    }"""
    took = statistics.median(stage.page.evaluate(script))
    report("a stop forward or back, median", took, "ms")
    assert took > 0
