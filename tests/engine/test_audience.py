"""Who watches a run, and when a viewer may see more, at times that are written down."""

from __future__ import annotations

import math
from typing import Any

import pytest

from moeviz.engine.protocol import MAX_CREDIT
from moeviz.engine.worker.audience import ATTENTIVE, Audience
from moeviz.engine.worker.watcher import MAX_DEBT, Shown, Watcher

PATIENCE = 10.0
NOW = Shown(step=5, version=1, state="running", reason=None)


def look(credit: int = 0, want: list[str] | None = None, probe: list[float] | None = None) -> Any:
    return {"op": "watch", "credit": credit, "want": want, "probe": probe}


def watched() -> Audience:
    """A run that was opened at 100 s, with a viewer from 101 s on that can take one frame."""
    audience = Audience([0.5, 1.0], 100.0, PATIENCE)
    audience.join("a", look(credit=1), 101.0)
    return audience


# --- whether anybody looks -------------------------------------------------------------------------------------------


def test_a_run_without_viewers_is_awake_for_a_while():
    audience = Audience(None, 100.0, PATIENCE)
    assert audience.awake(109.9) and not audience.awake(110.0) and audience.sleeps_at(105.0) == 110.0
    assert audience.empty_since == 100.0


def test_a_viewer_that_can_take_a_frame_watches_and_one_that_has_none_left_did_until_it_was_heard():
    audience = watched()
    assert audience.watched_at(300.0) == 300.0 and audience.empty_since == math.inf
    audience.watchers["a"].pay()
    assert audience.watched_at(300.0) == 101.0 and not audience.awake(111.0)
    audience.look("a", look(), 120.0)
    assert audience.watched_at(300.0) == 120.0 and audience.sleeps_at(121.0) == 130.0


def test_a_hidden_viewer_watched_until_it_was_hidden():
    audience = watched()
    audience.hide("a", True, 150.0)
    assert audience.watched_at(155.0) == 150.0 and not audience.awake(160.0)
    audience.hide("a", False, 170.0)
    assert audience.watched_at(175.0) == 175.0


def test_the_last_who_leaves_watched_until_then():
    audience = watched()
    audience.join("b", look(credit=1), 102.0)
    audience.leave("a", 110.0)
    assert audience.empty_since == math.inf
    audience.leave("b", 140.0)
    assert audience.empty_since == audience.watched_at(200.0) == 140.0
    audience.leave("b", 150.0)  # again: nobody was there, so nobody watched until then
    assert audience.watched_at(200.0) == 140.0


def test_who_has_not_been_heard_for_a_second_takes_no_frames():
    audience = watched()
    audience.join("b", look(), 101.5)
    assert audience.num_attentive(101.0 + ATTENTIVE / 2) == 2
    assert audience.num_attentive(101.0 + ATTENTIVE) == 1
    audience.hide("b", True, 101.9)
    assert audience.num_attentive(102.0) == 0


def test_newcomers_have_the_probe_where_it_was_put_last():
    audience = watched()
    audience.look("a", look(probe=[3.0, 4.0]), 102.0)
    audience.join("b", look(), 103.0)
    audience.look("nobody", look(probe=[7.0, 7.0]), 104.0)  # it left a moment ago
    audience.join("c", look(), 105.0)
    assert [audience.watchers[name].probe for name in "abc"] == [(3.0, 4.0)] * 3


# --- what a viewer may see -------------------------------------------------------------------------------------------


def test_credits_are_added_up_to_what_may_be_on_its_way():
    watcher = Watcher(100.0)
    watcher.look(look(credit=3), 101.0)
    watcher.look(look(credit=3), 102.0)
    assert watcher.credit == MAX_CREDIT and watcher.heard_at == 102.0


def seeing(**changes: Any) -> Watcher:
    """A viewer that has seen what there is now."""
    watcher = Watcher(100.0, credit=2, want=("gate", "history"), probe=(0.0, 0.0))
    watcher.see(NOW, 100.5)
    for name, value in changes.items():
        setattr(watcher, name, value)
    return watcher


@pytest.mark.parametrize(
    ("changes", "shown", "takes", "awaits"),
    [
        ({}, NOW, False, False),  # it has seen everything
        ({}, NOW._replace(step=6), True, False),  # later steps are nothing that it waits for
        ({}, NOW._replace(version=2), True, True),
        ({}, NOW._replace(state="paused"), True, True),
        ({}, NOW._replace(reason="it diverged"), True, True),
        ({"probe": (1.0, 0.0)}, NOW, True, True),
        ({"given": "its own text"}, NOW, True, True),
        ({"want": ("gate",)}, NOW, True, False),  # less is nothing new
        ({"want": ("gate", "history", "trails")}, NOW, True, False),  # asked for again and again
        ({"want": ("gate", "points")}, NOW, True, True),
        ({"credit": 0}, NOW._replace(version=2), False, True),
        ({"hidden": True}, NOW._replace(version=2), False, True),
        ({"blind": True}, NOW._replace(version=2), False, True),
    ],
)
def test_what_a_viewer_takes_and_what_it_waits_for(changes, shown, takes, awaits):
    watcher = seeing(**changes)
    assert (watcher.takes(shown), watcher.awaits(shown)) == (takes, awaits)


def test_a_newcomer_waits_for_its_first_picture_and_is_not_answered_before():
    watcher = Watcher(100.0, credit=1)
    assert watcher.takes(NOW) and watcher.awaits(NOW) and not watcher.may_be_answered


def test_answers_are_sent_on_credit_but_not_without_end():
    watcher = seeing(credit=0)
    answers = 0
    while watcher.may_be_answered:
        watcher.pay()
        answers += 1
    assert answers == MAX_DEBT and watcher.credit == -MAX_DEBT


def test_who_is_blind_sees_again_with_other_pictures_its_own_words_or_another_run():
    audience = watched()
    (watcher,) = audience.watchers.values()
    for act, sees in (
        (lambda: watcher.look(look(want=list(watcher.want)), 102.0), False),
        (lambda: watcher.look(look(want=["points"]), 102.0), True),
        (lambda: audience.give("a", "a text", 102.0), True),
        (audience.see_again, True),
    ):
        watcher.go_blind(101.5)
        act()
        assert watcher.blind is not sees
    assert watcher.sent_at == 101.5 and watcher.given == "a text"


def test_one_long_picture_does_not_make_a_viewer_dear():
    watcher = seeing()
    assert watcher.frame_seconds == 0.0
    watcher.seconds.extend([0.9, 0.002, 0.003, 0.002])  # of four, the second smallest
    assert watcher.frame_seconds == 0.002
    audience = watched()
    audience.join("b", look(), 101.0)
    audience.watchers["b"].seconds.append(0.1)
    assert audience.frame_seconds == 0.1
