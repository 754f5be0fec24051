"""Pictures and words: what is drawn and read, who hears of whom in the model, losses by hand, and what is found."""

from __future__ import annotations

import importlib.util
import json
import math

import numpy as np
import pytest
import torch

from moeviz import RunConfig, Training
from moeviz.config import TASK_INFO
from moeviz.content.presets import LEARNS_PAIRS
from moeviz.content.twins import dense_twin
from moeviz.losses import LOSSES
from moeviz.tasks import TASKS
from moeviz.tasks.pairs import GRAMS, LANGUAGES, PIXELS, catalog, letter_groups, tokens, word_numbers
from moeviz.training import from_configs
from moeviz.training.objective import contrastive, found, scores
from moeviz.training.views.pairs import owners

SMALL = LEARNS_PAIRS.with_(num_experts=4, hidden_width=4, batch_size=8)


@pytest.fixture(scope="module")
def small() -> Training:
    """Twins after three steps, without the entropy loss and with it."""
    training = Training([SMALL.with_(balance_coef=0.0), SMALL])
    training.step(3)
    return training


# ---- data ------------------------------------------------------------------------------------------------------


def test_every_picture_is_drawn_and_every_name_is_in_its_language() -> None:
    found = catalog()
    ink_M = (255 - found.pictures_MYX3.astype(int)).sum((1, 2, 3))
    assert len(ink_M) == 1391 and ink_M.min() > 0
    assert len({picture.tobytes() for picture in found.pictures_MYX3}) > 0.99 * len(ink_M)
    cat = next(names for names in found.names if names[0] == "cat")
    assert cat == ("cat", "katze", "gato", "кошка", "猫") and len(LANGUAGES) == len(cat)
    heart = next(at for at, names in enumerate(found.names) if names[0] == "red heart")
    red, green, blue = found.pictures_MYX3[heart, 8, 8].tolist()  # the middle of it
    assert red > 180 and max(green, blue) < 100


def test_no_test_emoji_is_ever_trained_on() -> None:
    first, again, other = (TASKS["pairs"](SMALL.with_(seed=seed)) for seed in (0, 0, 1))
    train, test = set(first.train.target.tolist()), set(first.test.target.tolist())
    assert not train & test and train | test == set(range(1391))
    assert torch.equal(first.test.x_TD, again.test.x_TD) and not torch.equal(first.test.target, other.test.target)


def test_patches_come_one_after_the_other() -> None:
    found = catalog()
    patch = found.inputs_MD[7, 48 * 6 : 48 * 7].view(4, 4, 3)  # the seventh: second row of patches, third from the left
    assert torch.equal(patch, 1 - torch.from_numpy(found.pictures_MYX3[7, 4:8, 8:12].astype(float)) / 255)


@pytest.mark.parametrize(
    ("text", "four"),
    [
        ("Red Heart", ["red", "heart", "red", "heart"]),
        ("a, b; c", ["a", "b", "c", "a"]),
        ("one two three four five six", ["one", "two three", "four", "five six"]),
        ("黑色的猫", ["黑", "色", "的", "猫"]),
        ("!", ["", "", "", ""]),
    ],
)
def test_a_text_has_four_tokens(text: str, four: list[str]) -> None:
    assert tokens(text) == four
    assert [len(numbers) for numbers in word_numbers(text)] == [GRAMS] * 4


def test_related_words_share_letter_groups() -> None:
    assert len(letter_groups("cat")) == 4  # <cat>, <ca, cat, at>
    assert len(set(letter_groups("katze")) & set(letter_groups("katzen"))) == 4  # <ka, kat, atz, tze


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"task=pairs needs the package emoji: .* `pip install emoji`"):
        catalog.__wrapped__()


# ---- model -----------------------------------------------------------------------------------------------------


def test_pictures_and_names_do_not_hear_of_each_other(small: Training) -> None:
    """Another Russian name changes that name's embedding alone; so the picture cannot give its name away."""
    x_RMD = small.data.measured_test.x_RTD[:, :2].clone()
    knobs = small.routing_knobs_for(2)
    before, _ = small.model(small.rows_RAP, x_RMD, knobs)
    first = PIXELS + 3 * 4 * GRAMS
    x_RMD[:, 0, first : first + 4 * GRAMS] = torch.tensor(word_numbers("луна"), dtype=x_RMD.dtype).flatten()
    after, _ = small.model(small.rows_RAP, x_RMD, knobs)
    changed_RMN = ((after - before).unflatten(-1, (6, -1)).abs().amax(-1) > 1e-6).tolist()
    assert changed_RMN == [[[False, False, False, False, True, False], [False] * 6]] * 2


def test_a_word_is_the_mean_of_its_letter_groups(small: Training) -> None:
    model, part = small.model, small.model.own(small.rows_RAP)  # type: ignore[union-attr]
    numbers = torch.zeros(2, 1, GRAMS, device=small.device)
    numbers[:, 0, :2] = torch.tensor([5.0, 9.0])
    word_RTD = model.words(part, numbers)  # type: ignore[union-attr]
    assert torch.allclose(word_RTD[:, 0], (part["w_group"][:, 5] + part["w_group"][:, 9]) / 2)


# ---- losses and metric by hand ---------------------------------------------------------------------------------


def embedded(pictures: list[list[float]], names: list[list[float]]) -> torch.Tensor:
    """Embeddings of one run in which all five languages have the same names."""
    rows = [[*picture, *(5 * name)] for picture, name in zip(pictures, names, strict=True)]
    return torch.tensor([rows], dtype=torch.float64)


def test_the_contrastive_loss_of_two_pairs() -> None:
    # scores: picture 1 · names = (2, 0), picture 2 · names = (1, 1).  Names for a picture: log(1 + e^-2), log 2;
    # pictures for a name: columns (2, 1) and (0, 1), so log(1 + e^-1) twice.
    y = embedded([[2.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    expected = (math.log(1 + math.exp(-2)) + math.log(2) + 2 * math.log(1 + math.exp(-1))) / 4
    assert float(contrastive(y, torch.tensor([[0, 1]]))) == pytest.approx(expected)
    assert scores(y).shape == (1, 5, 2, 2)
    assert float(contrastive(y, torch.tensor([[3, 3]]))) == pytest.approx(0)  # the other is the same: no wrong answer


def test_what_is_found_among_the_nearest_five() -> None:
    # seven items; picture i scores i·j with name j
    y = embedded([[float(i)] for i in range(7)], [[float(j)] for j in range(7)])
    # picture i finds names i+1..6 nearer: 6 − i < 5 from i = 2 on; picture 0 finds none nearer. So 6 of 7, both ways.
    assert float(found(y, torch.arange(7)[None])) == pytest.approx(6 / 7)


def test_the_entropy_loss_hears_of_the_modalities(small: Training) -> None:
    batch = small.data.measured_test.first(3)
    _, routing = small.model(small.rows_RAP, batch.x_RTD, small.routing_knobs_for(3))
    of_names = torch.tensor(([0] * 16 + [1] * 20) * 3, device=small.device)
    assert torch.allclose(small.balance_loss(routing, k=1), LOSSES["entropy"](routing, k=1, modality_T=of_names))
    assert from_configs.balance_loss("entropy", "clusters") is LOSSES["entropy"]
    assert small.lockstep == Training([SMALL.with_(balance_coef=0.0, seed=1), SMALL.with_(seed=1)]).lockstep


def test_whose_expert_each_one_is() -> None:
    # a picture has 16 tokens, five names 20.  A: 16·.9 of 14.4 tokens; B: 20·.9 and 16·.05; C: 16·.05 + 20·.1 = 2.8,
    # of which .8/2.8 = 29 % are of pictures; D: none.  Fair: 36/4 = 9, a fifth of it 1.8.
    share_EN = torch.tensor([[0.9] + [0.0] * 5, [0.05] + [0.9] * 5, [0.05] + [0.1] * 5, [0.0] * 6])
    assert owners(share_EN).tolist() == [1, 2, 3, 0]


# ---- pictures of a snapshot ------------------------------------------------------------------------------------


def test_retrieval_agrees_with_an_independent_search(small: Training) -> None:
    shot = small.snapshot(("items", "pairs", "found"), (3.0, 0.0), "red cat")
    y_RMO, _ = small.model(small.rows_RAP, small.data.measured_test.x_RTD, small.routing_knobs_for(200))
    both = y_RMO.numpy(force=True).reshape(2, 200, 6, -1)
    both /= np.linalg.norm(both, axis=-1, keepdims=True)
    for run in range(2):
        nearest = np.argsort(-(both[run, :, 0] @ both[run, 3, 4]), kind="stable")[:5]  # for its Russian name
        assert shot.pair_picture[run, 3].tolist() == nearest.tolist()
        nearest = np.argsort(-(both[run, :, 2] @ both[run, 3, 0]), kind="stable")[:5]  # German names for its picture
        assert shot.pair_name[run, 1].tolist() == nearest.tolist()
    assert json.loads(bytes(shot.found_words)) == ["red", "cat", "red", "cat"] and shot.found_picture.shape == (2, 5)
    words = json.loads(bytes(shot.item_words))
    number = int(small.data.test.target[0, 3])
    assert [each[0] for each in words[3]] == list(catalog().names[number])
    assert (shot.item_picture[3] == catalog().pictures_MYX3[number]).all()
    assert shot.pair_share.sum(1) == pytest.approx(np.ones((2, 6)))


def test_a_word_of_ones_own_does_not_queue() -> None:
    """With a tenth of the seats it has the embedding that it has without a limit."""
    config = SMALL.with_(router="switch", capacity_factor=0.1)
    limited, free = Training([config]), Training([config.with_(capacity_factor=None)])
    x_R1D = free.data.measured_test.x_RTD[:, :1].clone()
    x_R1D[..., PIXELS:] = torch.tensor(word_numbers("red cat") * 5, dtype=x_R1D.dtype).flatten()
    word_O = free.model(free.rows_RAP, x_R1D, free.routing_knobs_for(1))[0].detach().unflatten(-1, (6, -1))[0, 0, 1]
    tested = limited.data.measured_test
    y_RMO, _ = limited.model(limited.rows_RAP, tested.x_RTD, limited.routing_knobs_for(tested.count))
    picture_MO = y_RMO.detach().unflatten(-1, (6, -1))[0, :, 0]
    cosine_M = torch.nn.functional.cosine_similarity(picture_MO, word_O.unsqueeze(0), dim=-1)
    shot = limited.snapshot(("found",), None, "red cat")
    assert shot.found_score[0] == pytest.approx(cosine_M.topk(5).values.numpy(force=True), abs=1e-5)


# ---- behavior --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_unseen_pictures_are_found_and_both_modalities_keep_experts() -> None:
    """Three seeds, 400 steps. By chance 5 of 200 are among the nearest five: 2.5 %."""
    found, dense = [], []
    for seed in range(3):
        config = LEARNS_PAIRS.with_(seed=seed)
        training, twin = (Training([each], record_every=100) for each in (config, dense_twin(config, "active")))
        for each in (training, twin):
            each.step(400)
        shot = training.snapshot(("pairs",))
        found.append(shot.test_metric[0])
        dense.append(twin.measure().test_metric[0])
        assert {1, 2} <= set(shot.pair_owner[0].tolist())  # an own expert of pictures, and one of words
    assert min(found) > 0.06 and sum(found) / 3 > 0.09
    assert sum(found) > 0.8 * sum(dense)  # about as well as the dense network of equal active parameters


def test_the_task_says_what_its_parts_are() -> None:
    info = TASK_INFO["pairs"]
    assert sum(info.parts) == info.tokens_per_input and len(info.parts) == len(info.segments) == 1 + len(LANGUAGES)
    assert RunConfig(task="pairs").with_(num_experts=4).route_by == "token"
