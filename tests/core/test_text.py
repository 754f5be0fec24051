"""Text as a task: six kinds, an alphabet, stretches that do not overlap, and what counting alone achieves."""

from __future__ import annotations

import importlib.util
import math

import pytest
import torch
from torch import Tensor

from moeviz.config import TASK_INFO, RunConfig
from moeviz.config.task_facts import CHARACTER_CLASSES
from moeviz.tasks import TASKS, text
from moeviz.training.ngrams import ngram_losses

CONFIG = RunConfig(task="languages")


def words(x_W: Tensor) -> str:
    return "".join(text.ALPHABET[int(place)] for place in x_W)


def test_six_kinds_take_turns_and_each_looks_like_what_it_is_called() -> None:
    data = TASKS["languages"](CONFIG)
    assert tuple(text.KINDS) == TASK_INFO["languages"].segments
    assert data.test.segment_T[:12].tolist() == [*range(6)] * 2
    for kind, sign in enumerate(("the ", "self", "=", "isch", "ски", "ική")):
        read = "".join(words(x_W) for x_W in data.test.x_TD[data.test.segment_T == kind])
        assert sign in read
    assert (data.train.x_TD == 0).double().mean() < 0.002  # hardly a character is outside the alphabet


def test_targets_are_the_next_characters_and_ids_survive_float32() -> None:
    train = TASKS["languages"](CONFIG).train
    assert torch.equal(train.target[:, :-1], train.x_TD[:, 1:].float().long())
    assert int(train.target.min()) >= 0 and int(train.target.max()) < len(text.ALPHABET)


def test_train_and_test_text_come_from_different_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    # A source of 1,000 characters that says where each is: the first 500 train, the last 500 test.
    monkeypatch.setattr(text, "_read", lambda kind: torch.arange(1000))
    data = TASKS["languages"](CONFIG)
    assert (int(data.train.x_TD.max()), int(data.train.target.max())) <= (498, 499)
    assert int(data.test.x_TD.min()) >= 500


def test_noise_replaces_what_is_read_and_never_what_comes_next() -> None:
    clean, noisy = TASKS["languages"](CONFIG).train, TASKS["languages"](CONFIG.with_(noise=0.2)).train
    assert torch.equal(clean.target, noisy.target)
    assert float((clean.x_TD != noisy.x_TD).double().mean()) == pytest.approx(0.2, abs=0.01)


def test_an_alphabet_without_repeats_and_a_place_for_everything_else() -> None:
    assert len(set(text.ALPHABET)) == len(text.ALPHABET)
    assert text.ids("A漢A").tolist() == [text.PLACES["A"], 0, text.PLACES["A"]]
    named = [CHARACTER_CLASSES[text.character_class(character)] for character in "aÄ7\n,яΩ"]
    assert named == ["lower case", "upper case", "digit", "space", "punctuation", "other script", "other script"]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs the package Babel: it is not installed; install it with"):
        text.names("de")()


def test_counting_by_hand() -> None:
    # Train text abab, as pairs (a,b) (b,a) (a,b). Next characters: one a, two b: (1+1)/(3+2) = .4 and (2+1)/(3+2) = .6.
    # After a came b twice: (2 + 5·.6)/(2 + 5) = 5/7. After b came a once: (1 + 5·.4)/(1 + 5) = 1/2. Test pairs: ab, ba.
    before_T, next_T = torch.tensor([0, 1, 0]), torch.tensor([1, 0, 1])
    unigram, bigram = ngram_losses(before_T, next_T, torch.tensor([0, 1]), torch.tensor([1, 0]), 2).tolist()
    assert unigram == pytest.approx(-(math.log(0.6) + math.log(0.4)) / 2)
    assert bigram == pytest.approx(-(math.log(5 / 7) + math.log(1 / 2)) / 2)


@pytest.mark.parametrize("router", ["expert_choice", "soft"])
def test_a_router_that_looks_ahead_is_refused(router: str) -> None:
    with pytest.raises(ValueError, match=f"router must choose for each token apart for task=languages: got .*{router}"):
        RunConfig(task="languages", router=router, top_k=8)
    assert CONFIG.nearest(router=router)[0].router == "top_k"
