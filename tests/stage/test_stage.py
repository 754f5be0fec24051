"""The stage's routes, with a pretended engine: who may connect, what is forwarded, and what is refused."""

import asyncio
import contextlib
import importlib.util
import json
import shutil
import threading
import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.websockets import WebSocket, WebSocketDisconnect

from moeviz.config import RunConfig
from moeviz.engine import Engine, EngineBusy
from moeviz.engine.server import run_record
from moeviz.engine.server.viewer import MAX_RATE, Viewer
from moeviz.stage import COMPONENT_DIR, LOADER_HTML, LOADER_JS, VERSION, live_socket
from moeviz.stage import routes as stage_routes
from moeviz.stage.live_socket import MAX_ERRORS, MAX_MESSAGE, MAX_SOCKETS, read_message
from moeviz.stage.routes import routes
from tests.marks import treated, turned
from tests.scripts import javascript
from tests.viewers import apart, missing_device, wait_until

with warnings.catch_warnings():  # starlette's test client prefers a successor of httpx that this project does not need
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


class FakeViewer:
    def __init__(self, engine, on_message):
        self.engine, self.on_message = engine, on_message

    def send(self, message):
        self.engine.heard.append(message)
        for answer in self.engine.answers:  # on another thread, as the real engine does
            thread = threading.Thread(target=self.on_message, args=(answer,))
            thread.start()
            thread.join()

    def close(self):
        self.engine.closed.set()


class FakeEngine:
    """Knows one token, answers each message with the same messages."""

    def __init__(self, *answers):
        self.answers, self.heard, self.closed = answers, [], threading.Event()

    def watch(self, token, on_message):
        if token != "known":
            raise KeyError(token)
        return FakeViewer(self, on_message)


def client(engine, **options):
    return TestClient(Starlette(routes=routes(engine, **options)))


def test_messages_are_forwarded_both_ways_and_the_viewer_leaves():
    engine = FakeEngine(b"MOE1 a frame", '{"op":"notice","message":"hello"}')
    with client(engine).websocket_connect("/live/known") as socket:
        socket.send_text('{"op":"view","credit":1,"want":["first_choice"],"probe":[0.5,-1]}')
        assert socket.receive_bytes() == b"MOE1 a frame"
        assert json.loads(socket.receive_text()) == {"op": "notice", "message": "hello"}
    assert engine.closed.wait(5)
    assert engine.heard == [{"op": "view", "credit": 1, "want": ["first_choice"], "probe": [0.5, -1]}]


def test_an_unknown_token_is_told_and_closed():
    with client(FakeEngine()).websocket_connect("/live/guessed") as socket:
        assert json.loads(socket.receive_text())["op"] == "gone"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 4404


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "must be JSON"), ("[" * 4000, "must be JSON"), ('{"op":"view","probe":[NaN,0]}', "finite: got NaN"),
        ("{}" + " " * MAX_MESSAGE, "at most 4096 characters: got 4098"), (None, "must be text"),
    ],
)  # fmt: skip
def test_a_broken_message_is_refused_with_its_rule(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_message(text)


def test_a_broken_message_is_answered_and_the_next_one_counts():
    engine = FakeEngine("ok")
    with client(engine).websocket_connect("/live/known") as socket:
        socket.send_text("no json")
        assert json.loads(socket.receive_text())["op"] == "error"
        socket.send_bytes(b"bytes")
        assert "must be text" in json.loads(socket.receive_text())["message"]
        socket.send_text('{"op":"pause"}')
        assert socket.receive_text() == "ok"
    assert engine.heard == [{"op": "pause"}]


class Forwarding(FakeEngine):
    """An engine whose viewers check as the real ones do; its worker answers each credit with a frame, or none."""

    def __init__(self, frames=True):
        super().__init__()
        self.frames = frames

    def watch(self, token, on_message):
        def forward(viewer, message):
            self.heard.append(message)
            viewer.note(message)
            for _ in range(message.get("credit", 0) if self.frames else 0):
                viewer.pay()
                viewer.show(b"MOE1 a frame")

        return Viewer("1", on_message, forward, lambda viewer: self.closed.set())


@pytest.fixture
def one_second(monkeypatch):
    """All that is sent comes in one second, however slow this computer is."""
    monkeypatch.setattr(run_record.time, "monotonic", lambda: 100.5)


MOVE, ASK = '{"op":"view","credit":0,"probe":[0.5,1]}', '{"op":"view","credit":1}'


def test_a_probe_dragged_on_a_fast_screen_neither_freezes_nor_closes(one_second):
    engine = Forwarding()
    with client(engine).websocket_connect("/live/known") as socket:
        for _ in range(60):  # a screen of 240 Hz, for a second
            for _ in range(4):
                socket.send_text(MOVE)
            socket.send_text(ASK)
            assert socket.receive_bytes() == b"MOE1 a frame"
    assert len(engine.heard) == 300


def test_too_many_messages_are_dropped_and_said_but_requests_for_frames_pass(one_second):
    engine = Forwarding()
    with client(engine).websocket_connect("/live/known") as socket:
        for _ in range(MAX_RATE + 3):
            socket.send_text('{"op":"play"}')
        for _ in range(3):
            assert f"a run takes at most {MAX_RATE} messages a second" in json.loads(socket.receive_text())["message"]
        for _ in range(2 * MAX_ERRORS):
            socket.send_text(ASK)
            assert socket.receive_bytes() == b"MOE1 a frame"
    assert len(engine.heard) == MAX_RATE + 2 * MAX_ERRORS


@pytest.mark.parametrize("message", ['{"op":"reset"}', ASK, '{"op":"explode"}'])
def test_a_flood_is_sent_away(one_second, message):
    """Also one of requests for frames, once it has more credit than the engine gives."""
    engine = Forwarding(frames=False)
    with client(engine).websocket_connect("/live/known") as socket:
        for _ in range(MAX_RATE + MAX_ERRORS):
            socket.send_text(message)
        told = socket.receive()
        while told["type"] != "websocket.close":
            told = socket.receive()
    assert told["code"] == 1008 and len(engine.heard) <= MAX_RATE


def test_who_keeps_breaking_rules_is_sent_away():
    engine = FakeEngine()
    with client(engine).websocket_connect("/live/known") as socket:
        for _ in range(MAX_ERRORS):
            socket.send_text("no json")
        messages = [socket.receive() for _ in range(2)]
        while messages[-1]["type"] != "websocket.close":  # it never answers all of them
            messages.append(socket.receive())
    assert json.loads(messages[0]["text"])["op"] == "error" and messages[-1]["code"] == 1008
    assert engine.closed.wait(5)


@pytest.mark.parametrize("token", ["guessed", "x" * 3000, "%00", "known%20", "KNOWN", "é", "%F0%9F%99%82"])
def test_every_token_that_leads_nowhere_gets_the_same_answer(token):
    with client(FakeEngine()).websocket_connect(f"/live/{token}") as socket:
        assert json.loads(socket.receive_text()) == {"op": "gone", "reason": live_socket.GONE_REASON}
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 4404


def test_the_socket_of_a_run_that_was_refused_says_why_and_that_of_a_guess_does_not():
    with Engine(in_process=True) as real:
        browser = client(real)
        token = real.open([RunConfig(device=missing_device())])
        wait_until(lambda: not real.alive(token))  # before its page has come
        with browser.websocket_connect(f"/live/{token}") as socket:
            told = socket.receive_json()
            socket.send_json({"op": "view", "credit": 1})
            assert told["refused"] and "device must be present on this machine" in told["reason"]
        with browser.websocket_connect(f"/live/{token[::-1]}") as socket:
            assert socket.receive_json() == {"op": "gone", "reason": live_socket.GONE_REASON}


def test_who_guesses_tokens_is_soon_told_nothing_and_does_no_harm_to_others(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(live_socket.time, "monotonic", lambda: now[0])
    door = live_socket.Door()
    assert sum(door.may_answer() for _ in range(1000)) == 200  # a school behind one address that reloads at once
    now[0] += 1
    assert sum(door.may_answer() for _ in range(1000)) == 50
    now[0] += 1000
    assert sum(door.may_answer() for _ in range(1000)) == 200
    monkeypatch.setattr(stage_routes, "Door", lambda: door)
    browser = client(FakeEngine("ok"))
    assert check_refused(browser, "/live/guessed") == []
    check_answered(browser)


def check_refused(browser: TestClient, path: str) -> list[Any]:
    """Sent away, to come again later; what it is told before."""
    with browser.websocket_connect(path) as socket:
        events = [socket.receive()]
        while events[-1]["type"] != "websocket.close":
            events.append(socket.receive())
    assert events[-1]["code"] == 1013
    return [json.loads(each["text"]) for each in events[:-1]]


def check_answered(browser: TestClient) -> None:
    with browser.websocket_connect("/live/known") as socket:
        socket.send_text('{"op":"play"}')
        assert socket.receive_text() == "ok"


def test_a_run_has_few_sockets_and_a_closed_one_makes_room():
    engine = FakeEngine("ok")
    browser = client(engine)
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(browser.websocket_connect("/live/known")) for _ in range(MAX_SOCKETS)]
        for socket in sockets:
            socket.send_text('{"op":"play"}')
            assert socket.receive_text() == "ok"
        (told,) = check_refused(browser, "/live/known")
        assert told["op"] == "busy" and f"a run has at most {MAX_SOCKETS} pages" in told["message"]
    check_answered(browser)


def test_a_server_that_can_take_nobody_says_so_and_is_asked_again():
    class Busy(FakeEngine):
        def watch(self, token, on_message):
            raise EngineBusy("a worker must keep up with its messages: this one is far behind; try again in a moment")

    (told,) = check_refused(client(Busy()), "/live/known")
    assert told["op"] == "busy" and "try again in a moment" in told["message"]


@pytest.mark.parametrize("said", [["no json"] * (MAX_ERRORS + 1), ['{"op":"play"}'] * 9, []])
def test_a_browser_that_leaves_while_it_is_sent_away_is_no_fault(said):
    """What the sender has noticed the receiver may not know yet: it raised, and 55 lines were logged."""
    engine, tried = FakeEngine("one", "two"), []
    events = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "text": each} for each in said)]

    async def receive():
        await asyncio.sleep(0)
        return events.pop(0) if events else {"type": "websocket.disconnect", "code": 1006}

    async def send(message):
        if message["type"] != "websocket.accept":
            tried.append(message)
            raise OSError("the browser has left")

    scope = {"type": "websocket", "path": "/live/known", "path_params": {"token": "known"}, "headers": []}
    apart(live_socket.LiveSocket(engine, WebSocket(scope, receive, send), live_socket.Door()).run())
    assert engine.closed.is_set() and len(tried) <= 1


def test_a_socket_that_is_turned_away_is_tried_at_growing_intervals_and_says_why():
    told = javascript("""
        const { Connection } = await import('$/wire/connection.js');
        const pauses = [], heard = [];
        globalThis.document = { baseURI: 'http://here/', addEventListener() {}, hidden: false };
        globalThis.setTimeout = (act, pause) => { pauses.push(pause); };
        globalThis.WebSocket = class { constructor() { globalThis.latest = this; } };
        const on = { frame() {}, message: ({ op }) => heard.push(op), state() {} };
        const connection = new Connection('token', on);
        const turnedAway = () => {
            latest.onopen();
            latest.onmessage({ data: '{"op":"busy","message":"later"}' });
            latest.onclose({ code: 1013 });
            connection.connect();
        };
        turnedAway(); turnedAway(); turnedAway();
        latest.onmessage({ data: new ArrayBuffer(4) });
        latest.onclose({ code: 1006 });
        console.log(JSON.stringify({ pauses, heard }));""")
    assert told == {"pauses": [300, 700, 1500, 300], "heard": ["busy"] * 3}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    st.none()
    | st.text(max_size=50)
    | st.text(st.sampled_from('{}[]",:0e-.\\uNaInfity'), max_size=50)
    | JSON.map(json.dumps)
)
@example("[" * MAX_MESSAGE)
@example('{"a":' * 800)
@example("9" * MAX_MESSAGE)
@example('"\\ud800"')
@example("\ud800")
@example("1e999999")
def test_any_text_is_read_or_refused_with_a_short_rule(text):
    try:
        read_message(text)
    except ValueError as refused:
        assert "; " in str(refused) and len(str(refused)) < 200
        json.dumps({"message": str(refused)}).encode()


def test_scripts_are_modules_that_are_kept_at_an_address_of_this_version():
    with client(FakeEngine()) as browser:
        for path in COMPONENT_DIR.rglob("*.js"):
            name = path.relative_to(COMPONENT_DIR).as_posix()
            answer = browser.get(f"/stage/{VERSION}/{name}")
            assert answer.headers["content-type"].startswith(("text/javascript", "application/javascript"))
            assert "immutable" in answer.headers["cache-control"]
            assert browser.get(f"/stage/{name}").status_code == 404
        assert browser.get(f"/stage/{VERSION}/stage.css").headers["content-type"].startswith("text/css")
        assert browser.get(f"/stage/{VERSION}/../../routes.py").status_code == 404


def test_any_changed_file_gives_every_file_another_address(tmp_path):
    package = tmp_path / "stage"
    shutil.copytree(COMPONENT_DIR.parent, package)

    def version() -> str:
        spec = importlib.util.spec_from_file_location("copied_stage", package / "__init__.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert all(
            f"./stage/{module.VERSION}/{name}" in module.LOADER_HTML for name in ("stage.js", "pages/lab/lab.css")
        )
        return str(module.VERSION)

    assert version() == VERSION
    for name in ("kit/bars.js", "pages/lab/lab.css"):
        before = version()
        with (package / "component" / name).open("a") as file:
            file.write(" ")
        assert version() != before


def test_plotly_comes_from_the_installed_package_packed_and_cached():
    with client(FakeEngine()) as browser:
        plain = browser.get("/stage/plotly.min.js", headers={"accept-encoding": "identity"})
        packed = browser.get("/stage/plotly.min.js", headers={"accept-encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
        assert int(packed.headers["content-length"]) < 0.4 * len(plain.content)
        assert "max-age=604800" in packed.headers["cache-control"]
        tag = {"if-none-match": packed.headers["etag"]}
        assert browser.get("/stage/plotly.min.js", headers=tag).status_code == 304


def test_a_base_path_goes_before_every_route():
    engine = FakeEngine("ok")
    browser = client(engine, base_path="/class/room/")
    assert browser.get(f"/class/room/stage/{VERSION}/stage.js").status_code == 200
    assert browser.get(f"/stage/{VERSION}/stage.js").status_code == 404
    with browser.websocket_connect("/class/room/live/known") as socket:
        socket.send_text('{"op":"play"}')
        assert socket.receive_text() == "ok"


def test_the_loader_is_inline_and_relative_to_the_page():
    assert "\n" in LOADER_JS.strip() and "\n" in LOADER_HTML.strip()  # or Streamlit takes them for file names
    assert f"new URL('./stage/{VERSION}/stage.js', document.baseURI)" in LOADER_JS
    assert 'class="mv-stage"' in LOADER_HTML


def mark_labels(marks, span=500, width=280):
    """Labels of knob changes in a chart of this many steps and pixels: [step, text, row, from, to], oldest first."""
    found = javascript(f"""
        const {{ dragged, together, place }} = await import('$/charts/marks.js');
        const labels = together(dragged({json.dumps(marks)}, 0.05 * {span}), 0.005 * {span});
        console.log(JSON.stringify(place(labels, {{ rows: 3, width: {width}, perStep: {width / span} }})));""")
    starts = [(each, each["step"] * width / span + each["shift"]) for each in reversed(found)]
    return [[each["step"], each["text"], each["row"], start, start + 8 * len(each["text"])] for each, start in starts]


def test_a_dragged_slider_is_one_mark_where_it_began():
    assert [
        each[:2] for each in mark_labels([turned(100, "λ", 0, 1), turned(110, "λ", 1, 5), turned(120, "λ", 5, 10)])
    ] == [[100, "λ 0→10"]]
    assert [each[1] for each in mark_labels([turned(100, "N", 12, 4), turned(100, "k", 5, 4)])] == ["N 12→4, k 5→4"]


def test_a_mark_of_one_twin_stands_in_its_own_charts_and_is_named_where_all_are_drawn():
    marks = [treated(10, "A", "frozen", [1]), turned(20, "k", 2, 1, [0, 1, 2]), turned(30, "λ", 0, 10, [0, 2])]
    found = javascript(f"""
        const {{ marksOf, named }} = await import('$/charts/marks.js');
        const all = {json.dumps(marks)};
        const of = (runs) => marksOf(all, runs, ['a', 'b', 'c']).map((mark) => [mark.step, named(mark)]);
        console.log(JSON.stringify([of([0]), of([1]), of([0, 1, 2])]));""")
    assert found == [
        [[20, "k 2→1"], [30, "λ 0→10"]],
        [[10, "A frozen"], [20, "k 2→1"]],
        [[10, "b: A frozen"], [20, "k 2→1"], [30, "a, c: λ 0→10"]],
    ]
    dragged = [  # two sliders, each its own
        turned(100, "λ", 0, 1) | {"whose": "a"},
        turned(104, "λ", 5, 1) | {"whose": "b"},
        turned(108, "λ", 1, 10) | {"whose": "a"},
    ]
    assert [each[1] for each in mark_labels(dragged, width=600)] == ["a: λ 0→10", "b: λ 5→1"]


@pytest.mark.parametrize("count", [3, 6, 20])
def test_no_label_of_a_change_vanishes_or_covers_another(count):
    marks = [turned(20 * index, "λNk"[index % 3], index, index + 1) for index in range(count)]
    labels = mark_labels(marks, span=20 * count)
    for mark in marks:
        assert any(f"{mark['knob']} " in label[1] for label in labels)
    if count == 3:
        assert [label[1] for label in labels] == ["λ 0→1", "N 1→2", "k 2→3"]
    for index, (_, _, row, start, end) in enumerate(labels):
        others = [label for label in labels[index + 1 :] if label[2] == row]
        assert start >= 0 and all(end <= other[3] or other[4] <= start for other in others)


def test_regions_that_are_painted_only_where_they_changed_are_those_painted_anew():
    different = javascript("""
        const { Regions } = await import('$/maps/regions.js');
        const [size, scale, experts] = [16, 4, 5];
        let state = 1; // of a small generator, so that every run is the same
        const random = (below) => { state = (state * 16807) % 2147483647; return state % below; };
        const winner = new Uint8Array(size * size).map((_, cell) => Math.floor((cell % size) / 4));
        const patterns = [null, null, { turn: 135, wide: 2 }, null, null];
        const paints = [Uint32Array.from([10, 11, 12, 13, 14]), Uint32Array.from([0, 0, 20, 0, 0]), patterns, 99];
        const painted = (regions, pixels) => {
            regions.smooth(winner);
            regions.paint(...paints, pixels);
            return pixels;
        };
        const kept = new Regions(size, scale);
        const pixels = new Uint32Array((size * scale) ** 2);
        const counts = Array.from({ length: 60 }, (_, round) => {
            for (let change = 0; change < round % 5; change += 1) winner[random(size * size)] = random(experts);
            painted(kept, pixels);
            const anew = painted(new Regions(size, scale), new Uint32Array(pixels.length));
            return anew.filter((each, index) => each !== pixels[index]).length;
        });
        console.log(JSON.stringify({ counts, borders: pixels.filter((each) => each === 99).length }));""")
    assert different["counts"] == [0] * 60 and different["borders"] > 0


def test_letters_of_a_projection_stand_apart_and_beside_the_probe():
    boxes = javascript("""
        const { apart } = await import('$/maps/regions.js');
        const boxes = [[100, 100], [102, 101], [108, 95], [99, 120], [300, 300]].map((at) => ({ at }));
        apart(boxes, 34, [110, 110], { width: 400, height: 400 });
        console.log(JSON.stringify(boxes.map(({ at }) => at)));""")
    pairs = [(one, other) for index, one in enumerate(boxes) for other in boxes[index + 1 :]]
    assert all(max(abs(a - b) for a, b in zip(one, other, strict=True)) >= 34 for one, other in pairs)
    assert all(max(abs(x - 110), abs(y - 110)) >= 34 for x, y in boxes)
    assert boxes[-1] == [300, 300]  # in nobody's way


def test_load_bars_fill_their_scale_and_it_seldom_jumps():
    scales = javascript("""
        const { loadScale } = await import('$/panels/load.js');
        let before;
        const next = (experts, ...loads) => {
            const ids = loads.map((load) => Array(load === 1 ? 1 : experts).fill(0));
            const header = { num_experts: experts, num_runs: loads.length, ids };
            before = loadScale(header, { load: { of: (run) => [loads[run]] }, mean_prob: { of: () => [0] } }, before);
            return before.top;
        };
        const told = [0.13, 0.4, 0.35, 0.3, 0.13].map((load) => next(8, load));
        console.log(JSON.stringify([...told, next(1, 1), next(8, 0.4, 1)]));""")
    # at N = 1 even load stands half way up, too; beside others a network of one expert does not make them small
    assert scales == pytest.approx([0.25, 0.44, 0.44, 0.44, 0.25, 2.0, 0.44])
