"""Pages that are left soon, again and again: nothing of them stays in the browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from moeviz.figures.curves import loss_figure
from moeviz.stage import VERSION
from tests.browser.opened_page import Server, Stage, soon

pytestmark = pytest.mark.browser
TOUR = ("/playground", "/lab", "/questions", "/routers", "/journey")
ROUNDS = 4
SLACK = 300  # nodes; a chart that is left behind keeps its page with it, which are thousands

# Goes to each page by its link, stays there for so many milliseconds once it is there, and ends where it began.
VISIT = """
async ([pages, stay]) => {
    const links = () => [...document.querySelectorAll('[data-testid="stTopNavLink"]')];
    const go = (path) => links().find(({ href }) => new URL(href).pathname === path).click();
    const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
    for (const path of pages) {
        const before = document.querySelector('.mv-stage');
        go(path);
        const came = () => ![null, before].includes(document.querySelector('.mv-stage'));
        for (let waited = 0; !came() && waited < 200; waited += 1) await pause(20);
        await pause(stay);
    }
    go('/article');
    while (document.querySelector('.mv-stage')) await pause(20);
}
"""

# A chart is drawn, and taken away at a moment: what is left of it then, and of what it asked the window to tell it.
TAKEN_AWAY = """
async ([folder, template, moment]) => {
    const { Charts } = await import(`${folder}/charts/charts.js`);
    let listeners = 0;
    for (const [name, by] of [['addEventListener', 1], ['removeEventListener', -1]]) {
        const usual = EventTarget.prototype[name];
        window[name] = function (type, ...rest) {
            listeners += type === 'resize' ? by : 0;
            return usual.call(this, type, ...rest);
        };
    }
    const host = () => {
        const made = document.createElement('div');
        made.style.height = '300px';
        document.body.appendChild(document.createElement('figure')).append(made);
        return made;
    };
    const curve = { data: new Float32Array([0, 10, 20]), of: () => new Float32Array([3, 2, 1]), shape: [1, 3] };
    const named = template.data.flatMap(({ meta }) => Object.values(meta)).filter((each) => typeof each === 'string');
    const arrays = Object.fromEntries([...named, 'history_step'].map((name) => [name, curve]));
    const header = { data_version: 0, step: 20, revision: 0, marks: [], ghost: null };
    const charts = new Charts(() => {});
    const [own, other] = [host(), host()];
    const drawing = () => {
        charts.hosts.get('loss').visible = true;
        return charts.draw(header, arrays, { text: '#000', font: 'sans-serif', background: '#fff' });
    };
    const { react } = Plotly;
    const during = (act) => {
        Plotly.react = (...all) => {
            const begun = react(...all);
            act();
            return begun;
        };
    };
    charts.add('loss', own, template);
    if (moment === 'while it is drawn') during(() => charts.close());
    if (moment === 'while it is drawn, for another') during(() => charts.add('loss', other, template));
    if (moment === 'after its page') own.parentElement.remove();
    await drawing();
    if (moment === 'once drawn, for another') charts.add('loss', other, template);
    charts.close();
    await new Promise((resolve) => setTimeout(resolve, 300)); // plotly's own timer is shorter
    return { listeners, drawn: [own, other].map((each) => each.childElementCount + Number(Boolean(each._fullLayout))) };
}
"""


@pytest.mark.parametrize(
    "moment",
    ["once drawn", "once drawn, for another", "while it is drawn", "while it is drawn, for another", "after its page"],
)
def test_a_chart_that_is_taken_away_is_gone_at_whatever_moment(stage: Stage, moment: str) -> None:
    page = stage.page
    page.goto(f"{stage.address}/_stcore/health")
    page.set_content("<body></body>")
    page.add_script_tag(url=f"{stage.address}/stage/plotly.min.js")
    template = json.loads(loss_figure().to_json())
    left = page.evaluate(TAKEN_AWAY, [f"{stage.address}/stage/{VERSION}", template, moment])
    assert left == {"listeners": 0, "drawn": [0, 0]}


def weight(page: Page, tools: Any) -> tuple[int, int]:
    """Nodes and listeners that the browser keeps."""
    for _ in range(2):  # what the first lets go of may hold more
        tools.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(100)
    found = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    return int(found["Nodes"]), int(found["JSEventListeners"])


def test_pages_that_are_left_soon_leave_nothing_behind(stage: Stage, server: Server) -> None:
    """Each round stays a little longer, so that pages are left before, while and after their charts are drawn."""
    page = stage.page
    stage.open("/playground")
    stage.until("part('side-chart').querySelector('.js-plotly-plot')")  # its script is there
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    page.evaluate(VISIT, [TOUR, 0])
    nodes, listeners = weight(page, tools)
    for number in range(1, ROUNDS + 1):
        page.evaluate(VISIT, [TOUR, 150 * number])

    def gone() -> None:
        nodes_after, listeners_after = weight(page, tools)
        assert nodes_after < nodes + SLACK, (nodes, nodes_after)
        assert listeners_after < listeners + SLACK / 10, (listeners, listeners_after)

    soon(gone)  # a busy browser may still be leaving the last page
