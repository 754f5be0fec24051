"""What a worker does when told to, when a run fails and when nobody watches: the Host with a pretended clock."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moeviz.config import KNOBS, RunConfig
from moeviz.engine.browser_messages import CLIENT_OPS, check_client
from moeviz.engine.protocol import GHOSTS, PERIODS
from moeviz.engine.worker.host import Host
from moeviz.frames import PICTURES, unpack
from moeviz.training import Training
from tests.core.test_config import configs, values
from tests.pretend import World

# --- play, pause, step, reset ----------------------------------------------------------------------------------------


def test_step_pauses_and_moves_exactly_n():
    world = World()
    world.open("run")
    world.run(0.1)
    before = world.step("run")
    world.tell(op="step", run="run", n=50)
    world.tell(op="step", run="run", n=1)
    world.run(2)
    assert world.step("run") == before + 51
    assert world.of("run", "status")[-1]["state"] == "paused"


@pytest.mark.parametrize("more", [[], [{"op": "step", "n": 50}]])
def test_a_run_waits_at_the_step_that_it_was_asked_to_play_to(more):
    world = World()
    world.open("run", play=False)
    for message in [{"op": "play", "until": 20}, *more]:
        world.tell(run="run", **message)
    world.run(5, greedy=True)
    assert world.step("run") == 20 and world.frames("run")[-1][1]["step"] == 20
    assert world.of("run", "status")[-1]["state"] == "paused"
    world.tell(op="play", run="run")  # as a browser says it, which knows of no such step
    world.run(1)
    assert world.step("run") > 60


def test_a_pause_does_not_make_a_run_forget_where_to_wait():
    world = World()
    world.tell(
        op="open", run="run", configs=[vars(RunConfig(batch_size=64))], play=True, speed="fast", probe=None, until=30
    )  # as after the end of a worker
    world.tell(op="pause", run="run")
    world.tell(op="play", run="run")
    world.run(5)
    assert world.step("run") == 30


@pytest.mark.parametrize("play", [True, False])
def test_reset_begins_at_step_0_and_keeps_the_play_state(play):
    world = World()
    world.open("run", play=play, speed="slow")
    world.tell(op="reset", run="run")
    world.run(0.1)
    assert world.step("run") == int(play)  # the first step comes at once
    assert world.of("run", "status")[-1]["state"] == ("running" if play else "paused")


def test_a_diverged_run_stops_says_why_and_recovers():
    world = World()
    world.open("run", learning_rate=10.0)
    world.run(1, greedy=True)
    _, header = world.frames("run")[-1]
    assert (header["state"], header["reason"], header["step"]) == ("diverged", "lower the learning rate", 1)
    world.tell(op="step", run="run", n=5)
    world.tell(op="play", run="run")
    world.run(1, greedy=True)
    assert world.step("run") == 1
    world.tell(op="recover", run="run", viewer="run")
    world.run(1, greedy=True)
    _, header = world.frames("run")[-1]
    assert (header["state"], header["reason"]) == ("running", None) and header["step"] > 50
    assert world.of("run", "tell")[-1]["body"] == {"op": "notice", "message": "learning_rate is new"}


def test_of_several_runs_one_that_diverges_is_named_and_the_others_train_on():
    world = World(real=True)
    wild, calm = RunConfig(task="bumps", learning_rate=10.0, batch_size=64), RunConfig(task="bumps", batch_size=64)
    configs = [vars(each) for each in (wild, calm.nearest(router="mixtral")[0])]
    world.tell(op="open", run="run", configs=configs, play=False, speed="fast", probe=None)
    world.tell(op="watch", run="run", viewer="run", credit=0, want=None, probe=None, hidden=False)
    world.tell(op="step", run="run", n=30)
    world.view("run")
    world.run(1, greedy=True)
    _, header = world.frames("run")[-1]
    assert (header["state"], header["step"], header["reason"]) == ("paused", 30, None)
    assert header["diverged_at"][0] in (10, 20, 30) and header["diverged_at"][1] is None
    world.tell(op="step", run="run", n=5)
    world.run(1, greedy=True)
    assert world.step("run") == 35
    world.tell(op="recover", run="run", viewer="run")
    world.run(1, greedy=True)
    _, header = world.frames("run")[-1]
    assert header["diverged_at"] == [None, None] and header["step"] == 0
    assert "lowered the learning rate to 0.003" in world.of("run", "tell")[-1]["body"]["message"]


def test_what_a_frame_shows_the_server_has_been_told_before():
    world = World()
    world.open("other", speed="fast")
    world.open("run", learning_rate=10.0)
    world.run(1, greedy=True)
    world.tell(op="recover", run="run", viewer="run")
    world.run(1, greedy=True)
    world.tell(op="set", run="run", viewer="run", knobs={"balance_coef": 1.0})  # is answered by a frame at once
    known = -1
    shown = []
    for _, message, payload in world.sent:
        if message.get("run") == "run" and message["op"] == "status":
            known = message["revision"]
        elif message.get("run") == "run" and message["op"] == "frame":
            shown.append(unpack(payload)[0]["revision"])
            assert known == shown[-1]
    assert set(shown) == {0, 1, 2}


def test_recover_of_a_healthy_run_is_refused():
    world = World()
    world.open("run")
    world.tell(op="recover", run="run", viewer="run")
    tell = world.of("run", "tell")[-1]
    assert tell["viewer"] == "run" and "recover must follow a divergence" in tell["body"]["message"]


def test_bad_knobs_come_back_as_an_error():
    world = World()
    world.open("run")
    world.tell(op="set", run="run", call=3, knobs={"top_k": 99})
    reply = next(message for _, message, _ in world.sent if message["op"] == "reply")
    assert "top_k must be a whole number from 1 to 64: got top_k=99" in reply["error"] and reply["call"] == 3


def test_a_fault_in_one_run_stops_that_run_alone(caplog):
    world = World()
    world.open("bad")
    world.open("good")
    world.tell(op="set", run="bad", call=1, knobs={"broken": "step"})
    world.run(1, greedy=True)
    assert world.step("good") > 80
    assert world.of("bad", "status")[-1]["state"] == "diverged"
    errors = [tell["body"]["message"] for tell in world.of("bad", "tell") if tell["body"]["op"] == "error"]
    assert len(errors) == 1 and "an error inside this run stopped it" in errors[0] and "press Reset" in errors[0]
    assert "Traceback" in caplog.text
    world.tell(op="set", run="bad", call=2, knobs={"broken": None})
    world.tell(op="reset", run="bad")
    world.run(1, greedy=True)
    assert world.step("bad") > 40 and world.frames("bad")[-1][1]["state"] == "running"


def test_a_picture_that_cannot_be_drawn_stops_nothing(caplog):
    world = World()
    world.open("run")
    world.tell(op="watch", run="run", viewer="other", credit=4, want=["curve"], probe=None, hidden=False)
    world.tell(op="set", run="run", call=1, knobs={"broken": "gate"})
    world.run(1, greedy=True)
    before, shown = world.step("run"), len(world.frames("run"))
    world.view("run", want=["gate"])
    world.run(1, greedy=True)
    assert world.step("run") > before + 80 and world.of("run", "status")[-1]["state"] == "running"
    errors = [tell for tell in world.of("run", "tell") if tell["body"]["op"] == "error"]
    assert [tell["viewer"] for tell in errors] == ["run"]  # once, and to nobody else
    assert errors[0]["body"]["message"].startswith(
        "an error kept this from being shown (KeyError: 'gate'); the run goes"
    )
    assert caplog.text.count("Traceback") == 1 and len(world.frames("run")) == shown
    world.tell(op="view", run="run", viewer="other", credit=1, want=None, probe=None)
    world.run(0.1)
    assert world.of("run", "frame")[-1]["viewer"] == "other"
    world.view("run", want=["curve"], credit=0)  # the credit is still there
    world.run(1, greedy=True)
    assert world.frames("run")[-1][1]["left_out"] == ["curve"]


def test_an_op_that_only_looks_stops_nothing_when_it_fails():
    world = World()
    world.open("run", play=False)  # a pretended training has no history
    world.tell(op="history", run="run", call=1)
    reply = world.sent[-1][1]
    assert reply["op"] == "reply" and "AttributeError" in reply["fault"] and "the run goes on" in reply["fault"]
    world.tell(op="step", run="run", n=5)
    world.run(1)
    assert world.step("run") == 5


def test_configs_that_cannot_be_opened_free_the_run(caplog):
    world = World()
    world.tell(op="open", run="run", configs=[{"task": "nonsense"}], play=True, speed="fast", probe=None)
    (freed,) = world.of("run", "freed")
    assert freed["reason"].startswith("This run could not be opened: task must be one of") and freed["refused"]
    world.tell(op="play", run="run")  # was on its way: nobody is left to answer
    assert world.host.wait() is None
    assert "a run was refused: task must be one of" in caplog.text and "Traceback" not in caplog.text


def test_a_fault_while_a_run_is_opened_is_told_with_a_way_on(caplog):
    def broken(configs):
        raise RuntimeError("out of memory")

    sent: list[Any] = []
    host = Host(lambda message, payload: sent.append(message), broken)
    config = vars(RunConfig())
    host.handle({"op": "open", "run": "run", "configs": [config], "play": True, "speed": "fast", "probe": None})
    (freed,) = sent
    assert freed["refused"] and freed["reason"].endswith(
        "could not be opened: an error in its worker (RuntimeError: out of memory); use other knobs"
    )
    assert "Traceback" in caplog.text


def test_a_knob_is_answered_at_once_and_its_frame_is_owed():
    world = World()
    world.open("run")
    world.run(0.5)  # the only credit is used up
    before = len(world.frames("run"))
    at = world.clock.now
    world.tell(op="set", run="run", call=1, knobs={"balance_coef": 1.0})
    answers = world.frames("run")[before:]
    assert [header["revision"] for _, header in answers] == [1] and answers[0][0] - at < 0.02
    for call in range(2, 12):
        world.tell(op="set", run="run", call=call, knobs={"balance_coef": float(call)})
    assert len(world.frames("run")) - before == 2  # a slow page is not buried under answers
    world.view("run", credit=2)  # what it gives back for them
    world.run(0.5)
    assert len(world.frames("run")) - before == 2
    world.view("run")
    world.run(0.5)
    _, header = world.frames("run")[-1]
    assert len(world.frames("run")) - before == 3 and header["revision"] == 11


# --- nobody watches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [{"op": "unwatch"}, {"op": "hidden", "value": True}])
def test_a_run_that_nobody_watches_pauses_and_goes_on_when_somebody_comes_back(leave):
    world = World(idle_pause=1.0)
    world.open("run")
    world.run(2, greedy=True)
    world.tell(run="run", viewer="run", **leave)
    left = world.step("run")
    world.run(5)
    paused = world.step("run")
    assert paused - left == pytest.approx(125, abs=2)  # one more second
    assert world.of("run", "status")[-1]["state"] == "paused"
    if leave["op"] == "unwatch":
        world.tell(op="watch", run="run", viewer="run", credit=1, want=None, probe=None, hidden=False)
    else:
        world.tell(op="hidden", run="run", viewer="run", value=False)
    world.run(1, greedy=True)
    assert world.step("run") - paused > 100
    assert world.frames("run")[-1][1]["state"] == "running"


def test_a_hidden_viewer_gets_no_frames():
    world = World()
    world.open("run", viewer=False)
    look = {"credit": 3, "want": None, "probe": None}
    world.tell(op="watch", run="run", viewer="run", hidden=True, **look)
    world.run(1)
    assert not world.frames("run")
    world.tell(op="hidden", run="run", viewer="run", value=False)
    world.run(1)
    assert len(world.frames("run")) == 3


def test_a_viewer_that_takes_no_frames_does_not_count_as_watching():
    world = World(idle_pause=1.0)
    world.open("run")
    world.run(5)  # one frame was sent at once, and no further credit came
    assert world.step("run") == pytest.approx(125, abs=3)
    world.view("run")
    world.run(0.5)
    assert world.step("run") == pytest.approx(187, abs=5)


def test_a_run_without_viewers_is_freed():
    world = World(idle_pause=1.0, idle_free=3.0)
    world.open("left")
    world.open("kept", viewer=False)
    world.tell(op="watch", run="kept", viewer="kept", hidden=True, credit=0, want=None, probe=None)
    world.run(1)
    world.tell(op="unwatch", run="left", viewer="left")
    world.run(2.9)
    assert not world.of("left", "freed")
    world.run(0.2)
    assert "nobody watched this run for 3 s" in world.of("left", "freed")[0]["reason"]
    world.run(10)
    assert not world.of("kept", "freed")


def test_the_notice_of_a_restart_is_in_the_next_frames_for_a_while():
    world = World()
    config = vars(RunConfig(batch_size=64))
    world.tell(
        op="open", run="run", configs=[config], play=False, speed="fast", probe=None, notice="stopped", revision=4
    )
    world.tell(op="watch", run="run", viewer="run", credit=1, want=None, probe=None, hidden=False)
    world.run(20, greedy=True)
    assert [(h["reason"], h["state"], h["revision"]) for _, h in world.frames("run")] == [
        ("stopped", "paused", 4),
        (None, "paused", 4),
    ]


# --- whatever comes, in whatever order -------------------------------------------------------------------------------

probes = st.none() | st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2)
wants = st.none() | st.lists(st.sampled_from(list(PICTURES)), max_size=4)
said = st.one_of(
    st.builds(lambda credit, want, probe: {"op": "view", "credit": credit, "want": want, "probe": probe},
              st.integers(0, 4), wants, probes),
    st.builds(lambda n: {"op": "step", "n": n}, st.integers(1, 50)),
    st.builds(lambda value: {"op": "speed", "value": value}, st.sampled_from([*PERIODS])),
    st.builds(lambda value: {"op": "hidden", "value": value}, st.booleans()),
    st.builds(lambda value: {"op": "ghost", "value": value}, st.sampled_from(GHOSTS)),
    st.sampled_from([{"op": op} for op in ("play", "pause", "reset", "recover")]),
)  # fmt: skip
KINDS: dict[type, st.SearchStrategy] = {
    int: st.integers(),
    float: st.floats(),
    bool: st.booleans(),
    str: st.text(max_size=9),
}
turned = st.one_of(  # allowed, out of bounds, or not live at all
    [st.fixed_dictionaries({name: KINDS[knob.kind]}) for name, knob in KNOBS.items()]
    + [st.fixed_dictionaries({name: values(knob.on_page)}) for name, knob in KNOBS.items() if knob.live]
)
small: dict[str, Any] = {"hidden_width": 4, "batch_size": 8, "device": "cpu", "num_experts": 5, "top_k": 2}
asked = st.one_of(
    said,
    turned.map(lambda knobs: {"op": "set", "call": 1, "knobs": knobs}),
    configs(page=True).map(lambda config: {"op": "reset", "call": 2, "configs": [vars(config) | small]}),
    st.just({"op": "watch", "credit": 1, "want": None, "probe": None, "hidden": False}),
    st.just({"op": "unwatch"}),
    st.just({"op": "history", "call": 3}),
)
messages = st.lists(st.tuples(asked, st.sampled_from(["run", "run", "unknown"]), st.sampled_from("ab")), max_size=12)


@settings(max_examples=20)
@given(messages)
def test_after_any_messages_in_any_order_a_reset_brings_a_frame(messages):
    sent: list[tuple[Any, bytes]] = []
    clock = itertools.count(100.0, 0.004).__next__  # each look takes 4 ms: slices of few steps
    host = Host(lambda message, payload: sent.append((message, payload)), Training, clock=clock)
    config = RunConfig(**small)
    host.handle({"op": "open", "run": "run", "configs": [vars(config)], "play": True, "speed": "fast", "probe": None})
    for message, run, viewer in messages:
        allowed = check_client(message) if message["op"] in CLIENT_OPS and "configs" not in message else message
        said: Any = {**allowed, "run": run, "viewer": viewer}
        host.handle(said)
        host.advance()
    sent_before = len(sent)
    last: Any = {"run": "run", "viewer": "last", "credit": 1, "want": None, "probe": None}
    for op in ("reset", "pause", "watch"):
        host.handle(last | {"op": op})
    for _ in range(9):
        host.advance()
    frames = [unpack(frame)[0] for message, frame in sent[sent_before:] if message.get("viewer") == "last" and frame]
    assert [header["state"] for header in frames] == ["paused"] and frames[0]["step"] < 20
    for message, _ in sent:
        assert "fault" not in message and "an error inside" not in json.dumps(message, allow_nan=False)


def test_a_run_that_has_settled_pauses_until_a_knob_is_turned_or_it_starts_again():
    world = World()
    world.open("run", speed="watch")
    world.run(1)
    training: Any = world.host._runs["run"].playing.training
    training.settled = lambda since: training.current_step - since >= 100
    world.run(10)
    world.view("run")
    world.run(1)
    assert 100 <= world.step("run") <= 105  # it looks ten times a second
    header = world.frames("run")[-1][1]
    assert header["settled"] and header["state"] == "paused"
    for op in ({"op": "set", "knobs": {"balance_coef": 1.0}}, {"op": "reset"}, {"op": "play"}):
        before = world.step("run")
        world.tell(run="run", **op)
        world.view("run")
        world.run(0.5)
        header = world.frames("run")[-1][1]
        assert not header["settled"] and header["state"] == "running", op
        world.run(10)
        assert world.step("run") - (0 if op["op"] == "reset" else before) == pytest.approx(102, abs=4)


def test_another_speed_leaves_a_settled_run_as_it_is():
    world = World()
    world.open("run", speed="watch")
    training: Any = world.host._runs["run"].playing.training
    training.settled = lambda since: training.current_step - since >= 100
    world.run(10)
    step = world.step("run")
    world.tell(op="speed", run="run", value="fast")
    world.view("run")
    world.run(1)
    header = world.frames("run")[-1][1]
    assert (header["settled"], header["state"], header["speed"], header["step"]) == (True, "paused", "fast", step)
    world.tell(op="set", run="run", call=1, knobs={"balance_coef": 1.0})
    world.run(0.5)
    world.tell(op="speed", run="run", value="watch")  # calm is counted from the knob on
    world.run(10)
    assert world.step("run") - step == pytest.approx(102, abs=12)  # at 8 ms a step it looks every 12 steps


def test_a_paused_run_is_not_said_to_have_settled():
    world = World()
    world.open("run", play=False)
    training: Any = world.host._runs["run"].playing.training
    training.settled = lambda since: True
    world.run(2)
    assert not world.frames("run")[-1][1]["settled"]
