"""The engine with a real worker process that really trains: frames, knobs, and what it refuses."""

from __future__ import annotations

import contextlib
import io
import itertools
import re

import pandas
import pytest

from moeviz.config import RunConfig
from moeviz.engine import Engine, EngineFull, RunGone
from moeviz.engine.server import run_record
from moeviz.engine.server.viewer import MAX_RATE
from moeviz.frames import unpack
from moeviz.training import Training
from tests.viewers import Page, missing_device, wait_until


def test_a_run_trains_and_its_frames_carry_the_pictures_asked_for(engine, token):
    page = Page(engine, token, want=["first_choice", "choices"], probe=[0.5, -0.5])
    first = page.header()
    later = page.header(lambda header: header["step"] >= first["step"] + 20)
    assert (later["state"], later["speed"], later["revision"], later["num_experts"]) == ("running", "watch", 0, 8)
    assert later["probe"] == pytest.approx([0.5, -0.5])
    page.viewer.send({"op": "pause"})
    page.header(lambda header: header["state"] == "paused")
    page.ask(credit=1, want=["first_choice", "confidence"])
    frame = next(received for received in page.received() if isinstance(received, bytes))
    _, arrays = unpack(frame)
    assert arrays["winner"].shape == (1, 64, 64) and arrays["confidence"].shape == (1, 64, 64)
    assert "point_choice" not in arrays


def test_set_returns_notices_and_raises_the_revision_of_the_next_frames(engine, token):
    page = Page(engine, token)
    assert engine.set(token, balance_coef=10.0) == []
    assert engine.info(token)["revision"] == 1 and engine.info(token)["configs"][0].balance_coef == 10.0
    header = page.header(lambda header: header["revision"] == 1)
    assert header["balance_coef"] == [10.0]
    notices = engine.set(token, num_experts=1)  # k cannot stay at 2
    assert len(notices) == 1 and "top_k" in notices[0]
    assert page.header(lambda header: header["revision"] == 2)["num_experts"] == 1


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"top_k": 99}, "top_k must be a whole number from 1 to 64"),
        ({"task": "spiral"}, "got task"),
        ({"balance_coef": float("nan")}, "must be finite numbers"),
        ({"balance_coef": {1}}, "must be finite numbers"),
    ],
)
def test_a_bad_knob_is_a_value_error_here_and_leaves_the_run_alone(engine, token, knobs, words):
    with pytest.raises(ValueError, match=words):
        engine.set(token, **knobs)
    assert engine.info(token)["revision"] == 0


def test_step_pauses_and_moves_exactly_n_and_reset_goes_back(engine):
    token = engine.open([RunConfig()], play=False)
    page = Page(engine, token)
    engine.step(token, 50)
    first = page.header(lambda header: header["step"] == 50)
    assert first["state"] == "paused"
    engine.reset(token)
    page.header(lambda header: header["step"] == 0)
    engine.step(token, 50)
    again = page.header(lambda header: header["step"] == 50)
    assert again["task_loss"] == first["task_loss"]  # bit-equal: the same seed deals the same weights and batches
    engine.close(token)


def test_the_history_is_the_table_of_the_same_run_here(engine):
    token = engine.open([RunConfig(seed=3)], play=False)
    page = Page(engine, token)
    engine.step(token, 25)
    page.header(lambda header: header["step"] == 25)
    training = Training([RunConfig(seed=3)])
    training.step(25)
    table = pandas.read_csv(io.StringIO(engine.history(token)))
    assert table.columns.tolist() == training.history.columns.tolist()
    assert table["step"].tolist() == [0, 10, 20]
    for name in table.columns:
        assert table[name].tolist() == pytest.approx(training.history[name].tolist(), rel=1e-5), name
    engine.close(token)


def test_reset_with_other_configs_keeps_token_and_viewers(engine, token):
    page = Page(engine, token)
    before = page.header()
    engine.reset(token, [RunConfig(task="spiral", hidden_width=32)])
    header = page.header(lambda header: header["task"] == "spiral")
    assert header["data_version"] == before["data_version"] + 1
    assert engine.info(token)["configs"] == [RunConfig(task="spiral", hidden_width=32)]


def test_speeds_play_and_pause_from_python(engine, token):
    engine.speed(token, "fast")
    wait_until(lambda: engine.info(token)["speed"] == "fast")
    engine.pause(token)
    wait_until(lambda: engine.info(token)["state"] == "paused")
    engine.play(token)
    wait_until(lambda: engine.info(token)["state"] == "running")
    with pytest.raises(ValueError, match="speed must be one of slow, watch, fast: got 'warp'"):
        engine.speed(token, "warp")
    with pytest.raises(ValueError, match="n must be a whole number from 1 to 50"):
        engine.step(token, 0)


def test_a_diverged_run_says_which_knob_and_recovers(engine):
    token = engine.open([RunConfig(learning_rate=10.0)], speed="fast")
    page = Page(engine, token)
    header = page.header(lambda header: header["state"] == "diverged")
    assert "learning rate" in header["reason"]
    assert engine.recover(token)
    header = page.header(lambda header: header["state"] == "running")
    assert header["reason"] is None
    assert engine.info(token)["configs"][0].learning_rate < 10
    engine.close(token)


def test_bad_messages_of_a_browser_are_answered_and_do_no_harm(engine, token):
    page = Page(engine, token)
    with pytest.raises(ValueError, match="op must be one of"):
        page.viewer.send({"op": "explode"})
    page.viewer.send({"op": "recover"})
    assert "recover must follow a divergence" in page.text("error")["message"]
    for _ in range(2 * MAX_RATE):  # what comes too soon is refused (see test_stage)
        with contextlib.suppress(ValueError):
            page.viewer.send({"op": "play"})
    step = page.header()["step"]  # frames are still answered
    page.header(lambda header: header["step"] > step)


def test_a_callback_that_fails_is_detached_and_the_others_live(engine, token, caplog):
    bad = engine.watch(token, lambda received: 1 / 0)
    page = Page(engine, token)
    bad.send({"op": "view", "credit": 1})
    wait_until(lambda: "ZeroDivisionError" in caplog.text)
    step = page.header()["step"]
    page.header(lambda header: header["step"] > step + 5)


def test_a_full_server_says_so_and_an_unknown_token_is_gone(engine):
    tokens = [engine.open([RunConfig(seed=seed)], play=False) for seed in range(4)]
    assert engine.num_runs == engine.max_runs == 4
    with pytest.raises(EngineFull, match="at most 4 runs at once: 4 are open; close a tab"):
        engine.open([RunConfig()])
    page = Page(engine, tokens[0])
    tokens[0:1] = [engine.open([RunConfig()], replaces=tokens[0])]
    assert "another run took this one's place" in page.text("gone")["reason"]
    for token in tokens:
        engine.close(token)
        engine.close(token)  # twice is fine
        assert not engine.alive(token)
    for use in (engine.info, engine.play, engine.set, engine.history, lambda token: engine.watch(token, print)):
        with pytest.raises(RunGone, match="must belong to a live run"):
            use(tokens[0])


def test_a_full_server_gives_a_newcomer_the_place_of_the_run_that_was_left_longest(engine, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("moeviz.engine.server.run_record.time.monotonic", lambda: now[0])
    watched, hidden, left, _ = tokens = [engine.open([RunConfig(seed=seed)], play=False) for seed in range(4)]
    pages = {token: Page(engine, token) for token in (watched, hidden, left)}
    pages[hidden].viewer.send({"op": "hidden", "value": True})
    with pytest.raises(EngineFull):  # each may have a page that is still opening
        engine.open([RunConfig()])
    now[0] += 11
    tokens.append(engine.open([RunConfig()], play=False))  # nobody ever came to the last of the four
    assert [engine.alive(token) for token in tokens] == [True, True, True, False, True]
    pages[left].viewer.close()
    now[0] += 55
    pages[tokens[4]] = Page(engine, tokens[4])
    tokens.append(engine.open([RunConfig()], play=False))  # left for 55 s, hidden for 66: both could go
    assert [engine.alive(token) for token in tokens] == [True, True, False, False, True, True]
    Page(engine, tokens[5])
    tokens.append(engine.open([RunConfig()], play=False))
    assert "the server needed its place" in pages[hidden].text("gone")["reason"]
    Page(engine, tokens[6])
    now[0] += 1000
    with pytest.raises(EngineFull):  # every run is watched
        engine.open([RunConfig()])
    for token in tokens:
        engine.close(token)


def test_tokens_cannot_be_guessed(engine):
    tokens: list[str] = []
    for _ in range(20):
        tokens.append(engine.open([RunConfig()], play=False, replaces=tokens[-1] if tokens else None))
    engine.close(tokens[-1])
    assert len(set(tokens)) == 20 and all(re.fullmatch(r"[\w-]{22}", token) for token in tokens)  # 128 bits of base64
    for place in range(21):  # the last character holds only two of its six bits
        assert len({token[place] for token in tokens}) > 5


def test_whoever_knows_the_token_of_a_run_that_was_refused_is_told_why(engine, monkeypatch):
    device = missing_device()
    early = engine.open([RunConfig(device=device)])
    told = Page(engine, early).text("gone")  # who came before the worker had answered, as a rule
    assert told["refused"] and not engine.alive(early)
    rule = rf"device must be present on this machine \(.*cpu\): got device={device}; use auto"
    assert re.fullmatch(f"This run could not be opened: {rule}", told["reason"])
    late = Page(engine, early)
    assert late.text("gone") == told
    late.viewer.send({"op": "play"})  # goes nowhere
    late.viewer.close()
    late.viewer.close()
    with pytest.raises(RunGone):
        engine.watch(f"{early[:-1]}_", print)  # nobody else learns of it
    monkeypatch.setattr("moeviz.engine.server.refused_runs.MOST_REFUSALS", 2)
    for seed in range(2):
        token = engine.open([RunConfig(device=device, seed=seed)])
        assert Page(engine, token).text("gone")["refused"]
    with pytest.raises(RunGone):
        engine.watch(early, print)  # two others were refused since
    assert Page(engine, token).text("gone")["refused"] and engine.num_runs == 0


def test_a_run_that_was_closed_is_not_one_that_was_refused(engine):
    token = engine.open([RunConfig()])
    page = Page(engine, token)
    page.header()
    engine.close(token)
    assert page.text("gone") == {"op": "gone", "reason": "this run was closed", "refused": False}
    with pytest.raises(RunGone):
        engine.watch(token, print)


def test_runs_that_cannot_be_compared_are_refused(engine):
    with pytest.raises(ValueError, match="train_share to be watched side by side: got 2 different ones"):
        engine.open([RunConfig(), RunConfig(num_experts=4, seed=1)])
    with pytest.raises(ValueError, match="at least one run: got none"):
        engine.open([])


@pytest.mark.parametrize(("workers", "most"), [(1, 30), (2, 60), (64, 200)])
def test_how_many_runs_fit_follows_from_the_workers(workers, most):
    with Engine(num_workers=workers) as idle:  # none of them starts before it is needed
        assert idle.max_runs == most


# ---- treated experts, and the tape -------------------------------------------------------------------------------


def test_an_expert_is_killed_while_the_run_goes_on(engine, token):
    page = Page(engine, token)
    assert engine.treat(token, 2, "kill") == []
    header = page.header(lambda header: header["treated"][0][2] == "killed")
    assert (
        header["ghost"] == "without C killed"
        and {"expert": "C", "now": "killed"}.items() <= header["marks"][-1].items()
    )
    assert engine.info(token)["revision"] == 1
    page.viewer.send({"op": "treat", "expert": 2, "how": "free", "twin": 0})
    page.header(lambda header: header["treated"] == [[None] * 8])
    for arguments, words in (((99, "kill"), "must be one of several"), ((2, "eat"), "how must be one of kill")):
        with pytest.raises(ValueError, match=words):
            engine.treat(token, *arguments)


def test_a_run_is_wound_back_played_again_and_branched(engine, token):
    page = Page(engine, token)
    with pytest.raises(ValueError, match="branch must follow a rewind"):
        engine.branch(token)
    page.header(lambda header: header["step"] >= 30)
    engine.pause(token)
    end = page.header(lambda header: header["state"] == "paused")["step"]
    engine.rewind(token, 25)
    shown = page.header(lambda header: header["step"] == 20)
    assert (shown["state"], shown["tape"]["end"], shown["tape"]["steps"][:3]) == ("paused", end, [0, 10, 20])
    page.viewer.send({"op": "rewind", "step": end})  # forward again
    page.header(lambda header: header["step"] == end)
    engine.rewind(token, 0)
    engine.set(token, balance_coef=5.0)
    header = page.header(lambda header: header["balance_coef"] == [5.0])
    assert header["ghost"] == "as it was recorded" and header["tape"] == {**header["tape"], "steps": [0], "end": 0}
    engine.play(token)
    page.header(lambda header: header["step"] >= 12 and header["tape"]["steps"] == [0, 10])
    engine.rewind(token, 3)
    engine.branch(token)
    assert page.header(lambda header: header["tape"]["end"] == 0)["ghost"] == "as it was recorded"


def test_all_sockets_of_a_run_together_may_say_so_much_a_second(engine, token, monkeypatch):
    monkeypatch.setattr(run_record.time, "monotonic", lambda: 100.5)
    pages = [Page(engine, token) for _ in range(3)]  # each has asked for a frame
    said = itertools.cycle(pages)
    for _ in range(MAX_RATE - len(pages)):
        next(said).viewer.send({"op": "pause"})
    for page in pages:
        with pytest.raises(ValueError, match="a run takes at most 600 messages a second"):
            page.viewer.send({"op": "pause"})
    monkeypatch.undo()
    pages[0].viewer.send({"op": "play"})
