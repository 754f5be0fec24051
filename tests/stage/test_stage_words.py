"""What the stage says and where it puts small maps, in node: shares in words, the first steps, the log's lines."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from moeviz.config.changes import KnobChange, Mark, in_words
from tests.marks import turned
from tests.scripts import javascript


def test_shares_and_parts_in_words():
    # 4 of 8 cells are 2, three are 0, one is 1: largest first; 5 of 8 are at least 1
    said = javascript("""
        const { part, shares } = await import('$/kit/words.js');
        const cells = Uint8Array.from([2, 0, 2, 0, 2, 1, 2, 0]);
        const parts = [part(cells, (value) => value >= 1), part(cells, (value, cell) => cell < 2)];
        console.log(JSON.stringify([shares(cells, (value) => 'ABC'[value]), ...parts]));""")
    assert said == ["C 50 %, A 38 %, B 13 %", "63 %", "25 %"]


def test_what_is_not_known_is_written_as_a_dash_and_never_as_zero():
    said = javascript("""
        const { count, fixed, percent, precise, share } = await import('$/kit/numbers.js');
        const writings = [(value) => fixed(value, 4), percent, (value) => precise(value, 3), share, count];
        const of = (value) => writings.map((write) => write(value));
        console.log(JSON.stringify([null, undefined, NaN, Infinity, 0, 0.25].map(of)));""")
    # .25 with four digits, in percent, with three digits that say something, with two digits, and as it is
    assert said == [["–"] * 5] * 4 + [
        ["0.0000", "0", "0.00", "0.00", "0"], ["0.2500", "25", "0.250", "0.25", "0.25"]
    ]  # fmt: skip


def test_what_twins_differ_by_is_the_difference_of_what_is_printed():
    # .146 and .694 differ by .548, but .15 stands beside .69: .54; 89.64 and 89.56 are both printed as 89.6
    said = javascript("""
        const { away } = await import('$/pages/lab/differences.js');
        const pairs = [[0.146, 0.694, 2], [91.7, 89.6, 1], [89.64, 89.56, 1], [0, 2, 0], [null, 2, 0], [2, NaN, 0]];
        console.log(JSON.stringify(pairs.map((pair) => away(...pair))));""")
    assert said == ["−0.54", "+2.1", "±0", "−2", "", ""]


def test_each_column_of_a_table_of_shares_adds_up_to_100():
    # rounded one by one: 88 + 13 = 101, and 5 + 17 + 77 = 99; a third column has a group without inputs: unknown
    shares = [[0.875, 0.053, None], [0.125, 0.173, None], [0.0, 0.774, None]]
    said = javascript(f"""
        const {{ fillShares }} = await import('$/kit/expertrows.js');
        const cell = () => ({{ textContent: '', style: {{ setProperty() {{}} }}, classList: {{ toggle() {{}} }} }});
        const rows = [0, 1, 2].map(() => [cell(), cell(), cell()]);
        fillShares(rows, Float64Array.from({json.dumps(shares)}.flat(), (value) => value ?? NaN), '');
        console.log(JSON.stringify(rows.map((cells) => cells.map((each) => each.textContent))));""")
    # of 87.5 and 12.5 the first gets the unit that is left over; of 5.3, 17.3 and 77.4 the last, with the largest rest
    assert said == [["88", "5", "–"], ["12", "17", "–"], ["", "78", "–"]]


def test_a_run_without_a_number_is_in_words_too():
    said = javascript("""
        const { chartWords } = await import('$/kit/words.js');
        const header = { step: 7, task_loss: [null, 1.5], balance_loss_value: [0.25, null], balance_coef: [0, 10] };
        console.log(JSON.stringify(chartWords('loss', header, {})));""")
    assert "task loss unknown and 1.500, raw balance loss 0.250 and unknown" in said


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 32])
def test_small_maps_are_equal_and_lie_apart_inside_the_large_one(count):
    boxes = javascript(f"""
        const {{ tiles }} = await import('$/maps/shades.js');
        console.log(JSON.stringify(tiles({count}, 400)));""")
    assert len(boxes) == count and len({box["side"] for box in boxes}) == 1
    side = boxes[0]["side"]
    assert side > 400 / 8  # 32 maps take six columns
    for index, box in enumerate(boxes):
        assert min(box["x"], box["y"]) >= 0 and max(box["x"], box["y"]) + side <= 400 + 1e-9
        assert all(max(abs(box["x"] - other["x"]), abs(box["y"] - other["y"])) >= side for other in boxes[:index])


def test_of_several_runs_those_that_diverged_are_named():
    why = "diverged near step 30: it exploded. Lower it."
    found = javascript(f"""
        const {{ alarm, stopped }} = await import('$/kit/stopped.js');
        const titles = ['A', 'B', 'C'];
        const said = (...why) => alarm({{ num_runs: why.length, diverged_why: why }}, titles);
        const why = {json.dumps(why)};
        console.log(JSON.stringify([
            said(null, null), said(null, why), said(why, null, null), said(why, null, why), said(why, why), said(why),
            stopped({{ num_runs: 2, diverged_why: [null, why] }}, 1),
            stopped({{ num_runs: 1, diverged_why: [why] }}, 0),
            alarm({{ num_runs: 2 }}, titles),
        ]));""")
    assert found == [
        "", f"B {why} The other trains on.", f"A {why} The others train on.",
        "Diverged: A · C. Each says why. The other trains on.", "Diverged: A · B. Each says why. Nothing trains.", "",
        f"Stands still: it {why}", "", "",
    ]  # fmt: skip


def header(
    step: int = 200, idle: int = 0, coef: float = 0.0, k: int = 2, at: float = 0.0, first: str = "A", **other: Any
) -> Any:
    return {
        "header": {
            "step": step, "measured_step": step, "ids": [list(range(8))], "dead": [[e < idle for e in range(8)]],
            "balance_coef": [coef], "top_k": [k], "probe": [at, 0], "marks": [], "state": "running", **other,
        },
        "first": first,
    }  # fmt: skip


def seen(*frames: Any, story: str = "") -> list[str]:
    """Which first steps are ticked after each frame."""
    found = javascript(f"""
        const {{ Guide }} = await import('$/panels/guide.js');
        const host = {{ children: [{{}}, {{}}], dataset: {{}} }};
        const guide = new Guide(host);
        const ticked = {json.dumps(frames)}.map(({{ header, first }}) => {{
            guide.draw(header, {json.dumps(story)}, first);
            return host.dataset.seen;
        }});
        console.log(JSON.stringify(ticked));""")
    return list(found)


def test_the_first_steps_are_ticked_by_what_happens_and_stay_ticked():
    assert seen(header(step=50, idle=3), header(), header(idle=1), header()) == ["", "", "0", "0"]  # time to read it
    started, turned, after = header(idle=2), header(210, idle=2, coef=10.0), header(220, coef=10.0)
    assert seen(started, turned, header(220, idle=1, coef=10.0), after) == ["0", "0", "0", "01"]


def test_only_lambda_that_was_turned_up_can_have_brought_experts_back():
    """Those that were idle then, measured after it: not chance, before or without it."""
    one, none, up = header(idle=1), header(205), header(210, coef=10.0)
    assert seen(header(coef=10.0), header(210, idle=1, coef=10.0), header(220, coef=10.0))[-1] == "0"  # not turned
    assert seen(one, none, up, header(230, coef=10.0))[-1] == "0"  # it had come back by chance before
    little = [header(step, idle=idle, coef=0.01) for step, idle in ((210, 1), (220, 0))]
    assert seen(one, *little, header(230, coef=10.0), header(240, coef=10.0))[-1] == "0"  # … at a λ of next to nothing
    assert seen(one, header(210, coef=10.0, measured_step=200), header(220, coef=10.0)) == [
        "0",
        "0",
        "01",
    ]  # as it was before
    assert (
        seen(one, header(210, idle=1, coef=100.0), header(220, idle=1, coef=10.0), header(230, coef=10.0))[-1] == "01"
    )
    assert seen(one, header(210, idle=1, coef=10.0), header(220, idle=1), header(230))[-1] == "0"  # it was turned off
    gone = header(220, coef=10.0, ids=[list(range(1, 8))], dead=[[False] * 7])
    assert seen(one, header(210, idle=1, coef=10.0), gone)[-1] == "0"  # it did not come back: it left


def test_what_must_be_turned_before_any_expert_can_be_idle():
    asked = [header(ids=[[0]], dead=[[False]], k=1), header(k=8), header(coef=0.1), header()]
    found = javascript(f"""
        const {{ Guide }} = await import('$/panels/guide.js');
        const said = ({{ header, first }}) => {{
            const host = {{ children: [{{}}, {{}}], dataset: {{}} }};
            new Guide(host).draw(header, '', first);
            return host.children[1].textContent.split(': ')[1];
        }};
        console.log(JSON.stringify({json.dumps(asked)}.map(said)));""")
    assert found == ["Drag N up", "Drag k below N", "Set λ to 0 and Reset", "Watch"]


def test_the_third_step_needs_k_1_a_moved_probe_and_another_first_choice():
    one = header(k=1)
    assert seen(one, header(k=1, at=0.5), header(k=1, at=0.6, first="B")) == ["", "", "2"]
    assert seen(one, header(k=1, first="B")) == ["", ""]  # the router changed its mind under a resting probe
    assert seen(header(), header(at=0.5, first="B")) == ["", ""]  # k = 2
    assert seen(header(), header(k=1, at=0.5, first="B")) == ["", ""]  # k was turned in the same moment


def test_a_story_ticks_nothing():
    assert seen(header(idle=1), header(idle=1), story="Watch who answers where.") == ["", ""]


def test_slow_motion_is_explained_only_where_inputs_fly():
    found = javascript(f"""
        globalThis.matchMedia = () => ({{ matches: globalThis.still }});
        const {{ Guide }} = await import('$/panels/guide.js');
        const {{ flies }} = await import('$/pages/playground/travel.js');
        const {{ header, first }} = {json.dumps(header())};
        const said = (speed, view, still) => {{
            globalThis.still = still;
            const host = {{ children: [{{}}, {{}}], dataset: {{}} }};
            new Guide(host).draw({{ ...header, speed }}, '', first, flies({{ ...header, speed }}, view));
            return host.children[1].textContent.startsWith('Slow: each dot is an input');
        }};
        const map = {{ place() {{}}, tiled: false }};
        const cases = [['slow', map], ['watch', map], ['slow', {{ ...map, tiled: true }}], ['slow', {{}}]];
        console.log(JSON.stringify([...cases.map((each) => said(...each, false)), said('slow', map, true)]));""")
    assert found == [True, False, False, False, False]  # not at speed, on small maps, on rows, without motion


def test_a_gray_line_is_named_beside_the_heading_or_above_it():
    found = javascript("""
        const { nameGhost } = await import('$/charts/ghost.js');
        const named = (words, width, x = [0, 10]) => {
            const meta = { ghost_beside: 150, mark_row_height: 20, mark_offset: 20 };
            const layout = { font: { size: 16 }, annotations: [], meta };
            const gray = { meta: { x: 'ghost_step' }, x, line: { color: '#8A8F98' } };
            const host = { _fullLayout: { _size: { w: width, h: 100 } } };
            const room = nameGhost(layout, [{ meta: { x: 'history_step' }, x }, gray], words, host, { font: 'serif' });
            const plain = ({ text, xanchor }) => [text.replace(/<span.*?>|<.span>/g, ''), xanchor];
            return [room, layout.meta.mark_offset, ...layout.annotations.flatMap(plain)];
        };
        const words = 'without λ 0→10'; // 8 pixels a letter: 22 · 8 + 12 + 150 = 338
        console.log(JSON.stringify([
            named(words, 338), named(words, 337), named(words, 130), named(words, 338, []), named(null, 338),
        ]));""")
    text = "━ gray: without λ 0→10"
    assert found == [
        [0, 20, text, "right"], [20, 40, text, "left"], [40, 60, text.replace(" λ", "<br>λ"), "left"], [0, 20], [0, 20],
    ]  # fmt: skip


def test_one_turn_of_a_knob_is_one_line_of_the_log():
    marks = [
        turned(50, "λ", 0.0, 100.0), turned(50, "λ", 100.0, 50.0), turned(50, "k", 2, 1), turned(50, "λ", 50.0, 10.0),
        turned(51, "λ", 10.0, 5.0),
    ]  # fmt: skip
    lines = javascript(f"""
        const {{ dragged, named }} = await import('$/charts/marks.js');
        console.log(JSON.stringify(dragged({json.dumps(marks)}, 0).map((mark) => [mark.step, named(mark)])));""")
    assert lines == [[50, "λ 0→10"], [50, "k 2→1"], [51, "λ 10→5"]]


@pytest.mark.parametrize(
    "values", [(0.0, 10.0), (0.03, 1e-5), (0.0001, 1 / 3), (8, 64), ("squared", "z"), (None, 1.25), (False, True)]
)
def test_a_change_is_written_alike_by_scripts_and_by_python(values):
    mark = Mark(5, KnobChange("rate", *values), (0,))
    written = javascript(f"""
        const {{ named }} = await import('$/charts/marks.js');
        console.log(JSON.stringify(named({json.dumps(mark.as_data)})));""")
    assert written == in_words(mark.what)


def test_the_label_of_the_cut_covers_no_bar_that_crosses_it():
    cases = [
        [[0.1] * 8, "right"], [[0.1] * 7 + [0.9], "left"], [[0.9] + [0.1] * 6 + [0.9], "middle"],
        [[0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9], ""], [[0.9, 0.1], "right"],
    ]  # fmt: skip
    found = javascript(f"""
        const {{ labelPlace }} = await import('$/panels/probe.js');
        const cases = {json.dumps([probs for probs, _ in cases])};
        console.log(JSON.stringify(cases.map((probs) => labelPlace(probs, 0.5))));""")
    assert found == [place for _, place in cases]


def test_what_a_paused_or_settled_run_is_told():
    after_turn = header(idle=1)
    after_turn["header"] |= {"state": "paused", "marks": [turned(200, "λ", 0.0, 10.0)]}
    still = header(idle=1)
    still["header"] |= {"state": "paused", "settled": True}
    found = javascript(f"""
        const {{ Guide }} = await import('$/panels/guide.js');
        const said = (frame, story) => {{
            const host = {{ children: [{{}}, {{}}], dataset: {{}} }};
            new Guide(host).draw(frame.header, story, frame.first);
            return host.children[1].textContent;
        }};
        const [turned, still] = {json.dumps([after_turn, still])};
        console.log(JSON.stringify([said(turned, ''), said(still, ''), said(still, 'A story.')]));""")
    assert found[0] == "Paused: press Play to see what the change does."
    assert found[1].startswith("Settled. 2 of 3: Drag λ") and found[2] == "Settled. A story."


EXPERTS = """
        const { background, dashes, fillStyle, hue, onStripe, paintOf, square } = await import('$/kit/palette.js');
        const { Regions } = await import('$/maps/regions.js');
        const side = 8;
        globalThis.OffscreenCanvas = class {
            constructor() { this.strokes = []; }
            getContext() {
                const { strokes } = this;
                const put = (name, value) => strokes.push([name, value]);
                return {
                    fillRect() {}, beginPath() {}, lineTo: (...to) => put('to', to),
                    stroke() { put('wide', this.lineWidth); },
                    set fillStyle(value) { put('fill', value); }, set strokeStyle(value) { put('stroke', value); },
                };
            }
        };
        const filled = (id) => JSON.stringify(fillStyle({ createPattern: ({ strokes }) => strokes }, id));
        const painted = (id) => {
            const { color, stripe, pattern } = paintOf(id);
            const [regions, pixels] = [new Regions(side, 4), new Uint32Array((4 * side) ** 2)];
            regions.smooth(new Uint8Array(side * side));
            const number = (text) => parseInt(text.slice(1), 16);
            regions.paint([number(color)], [stripe ? number(stripe) : 0], [pattern], 0, pixels);
            return pixels.join();
        };
        const line = (id) => [hue(id), ...dashes(id)].join();
        const tick = (id) => hue(id) + square(id);
        const ids = Array.from({ length: 64 }, (_, id) => id);
        console.log(JSON.stringify([background, filled, painted, line, tick].map((draw) => ids.map(draw))));"""


def test_no_two_of_64_experts_are_drawn_alike():
    """On the page, on a canvas, as a region of the map, as a line, and on the axis of a chart."""
    for drawn in javascript(EXPERTS):
        assert len(drawn) == len(set(drawn)) == 64


def test_a_load_is_written_alike_everywhere_and_adds_up():
    found = javascript("""
        const { percents } = await import('$/kit/numbers.js');
        const { chartWords } = await import('$/kit/words.js');
        const load = Float32Array.from([0.335, 0.333, 0.329, 0.003, 0]);
        const steps = { step: 247, measured_step: 240 };
        const metrics = { test_metric: [0.5], train_metric: [0.5], metric_name: 'accuracy' };
        const header = { num_runs: 1, ids: [[0, 1, 2, 3, 4]], ...steps, ...metrics };
        const words = (name) => chartWords(name, header, { load: { of: () => load } });
        console.log(JSON.stringify([percents(load), words('load'), words('metric')]));""")
    # 33 + 33 + 32 + 0 + 0 = 98 hundredths, two are missing: they go to the largest remainders, .9 and .5
    assert found[0] == ["34", "33", "33", "<1", "0"]
    assert found[1] == "Load over training steps: A 34 %, B 33 %, C 33 %, D <1 %, E 0 % at step 240."
    assert found[2].endswith("train 0.500 at step 240.")  # measured then, though the run is at step 247


def test_numbers_in_a_low_strip_do_not_stand_on_each_other():
    found = javascript("""
        const { stripTicks } = await import('$/charts/charts.js');
        const ticks = (highest, pixels) => stripTicks(highest, pixels / (1.08 * highest), 16);
        const highest = Array.from({ length: 300 }, (_, at) => 0.001 * 1.04 ** at);
        const cases = highest.flatMap((each) => [12, 22, 40].map((pixels) => [each, pixels, ticks(each, pixels)]));
        const close = cases
            .filter(([each, pixels, [low, high]]) => high && (high - low) * pixels / (1.08 * each) < 16);
        const far = highest.filter((each) => ticks(each, 40).at(-1) < 0.65 * each || ticks(each, 40).at(-1) > each);
        console.log(JSON.stringify([close, far, ticks(0.19, 22), ticks(0.19, 40), ticks(0.005, 40)]));""")
    # of 22 pixels .15 of .205 are 16.1: just clear of the zero; 0.1, as it was, would be 10.7 above it
    assert found == [[], [], [0, 0.15], [0, 0.15], [0, 0.005]]


def test_a_dagger_is_in_parentheses_once_its_expert_came_back():
    found = javascript("""
        const { daggers } = await import('$/charts/charts.js');
        const of = (values) => ({ data: Float32Array.from(values.flat()), of: () => Float32Array.from(values.flat()) });
        const load = of([[1, 0, 0.5], [0, 0.5, 0], [0, 0, 0]]);
        const deaths = { ...of([[40, NaN], [0, 50], [0, NaN]]), shape: [1, 3, 2] };
        const arrays = { history_step: of([0, 50, 90]), history_load: load, deaths };
        const marks = daggers({ meta: { death: { text: '†' } } }, arrays, 0);
        console.log(JSON.stringify(marks.map(({ x, y, text }) => [x, y, text])));""")
    assert found == [[40, 0, "(†)"], [0, 1, "(†)"], [50, 1, "†"], [0, 2, "†"]]


def test_a_change_is_named_alike_in_charts_log_and_beside_the_gray_line():
    """Turns of one key are one change from where it began, unless what is gray begins between them."""
    values = [0.0, 0.01, 1.0, 10.0, 0.0]
    marks = [turned(step, "λ", *pair) for step, pair in zip((100, 103, 106, 108), pairwise(values), strict=True)]
    found = javascript(f"""
        const {{ dragged, named }} = await import('$/charts/marks.js');
        const names = (count, border) => dragged({json.dumps(marks)}.slice(0, count), 5, border).map(named);
        console.log(JSON.stringify([names(3), names(3, 100), names(3, 103), names(4)]));""")
    assert found == [["λ 0→10"], ["λ 0→10"], ["λ 0→0.01", "λ 0.01→10"], ["λ 0→…→0"]]
