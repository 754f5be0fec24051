"""The pictures of the view `pictures`, against plain loops and an independent Transformer with convolutions."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from moeviz.content.vision_ways import WAYS, runs
from moeviz.models.transformer import Transformer
from moeviz.tasks.pictures import ink, unpatched
from moeviz.training import Training
from moeviz.training.buckets import opened
from moeviz.training.data import Tokens
from moeviz.training.views.gallery import LIKED, some_of_each

SMALL = {"num_experts": 4, "hidden_width": 8, "batch_size": 16}


@pytest.fixture(scope="module")
def trained() -> dict[str, Training]:
    """One training for each way, with few steps."""
    found = {}
    for way in WAYS:
        config = next(iter(runs(way).values())).with_(**SMALL)
        found[way] = Training([config, config.with_(seed=1)], dtype=torch.float64)
        found[way].step(5)
    return found


def test_a_convolution_routed_by_the_picture_is_what_torch_computes(trained: dict[str, Training]) -> None:
    training = trained["conv"]
    assert isinstance(training.model, Transformer)
    run, x_MD = 1, training.data.test.x_RTD[1, :9]
    own: dict[str, Tensor] = {name: value[run] for name, value in training.model.own(training.rows_RAP).items()}
    part = {name: value[run] for name, value in training.parameters.items()}
    normed = lambda x, gain: functional.rms_norm(x, x.shape[-1:], own[gain], eps=1e-6)  # noqa: E731
    token_MWD = x_MD.unflatten(1, (16, 16)) @ own["w_embed"] + own["position"]
    seen = normed(token_MWD, "gain_attention")
    gathered = functional.scaled_dot_product_attention(
        seen @ own["w_query"], seen @ own["w_key"], seen @ own["w_value"]
    )
    token_MWD = token_MWD + gathered @ own["w_gathered"]
    given = normed(token_MWD, "gain_layer")
    probs_ME = (given.mean(1) @ part["gate_w"].mT).softmax(-1)
    for picture, expert in enumerate(probs_ME.argmax(-1).tolist()):
        map_1DYX = given[picture].mT.unflatten(1, (4, 4))[None]
        kernel = part["w_in"][expert].unflatten(0, (3, 3)).permute(3, 2, 0, 1)
        hidden = functional.conv2d(map_1DYX, kernel, part["b_in"][expert], padding=1).relu()
        answer = functional.conv2d(hidden, part["w_out"][expert].mT[..., None, None], part["b_out"][expert])
        token_MWD[picture] += probs_ME[picture, expert] * answer[0].flatten(1).mT
    expected_MO = normed(token_MWD, "gain_out").mean(1) @ own["w_out"] + own["b_out"]
    y_RMO, routing = training.model(training.rows_RAP, training.data.test.x_RTD[:, :9], training.routing_knobs_for(9))
    assert torch.allclose(y_RMO[run], expected_MO, atol=1e-10)
    assert torch.equal(routing.probs_TE[run].argmax(-1), probs_ME.argmax(-1))


def test_two_pictures_of_each_class_are_shown() -> None:
    # places of 0: 1, 4 (5 is one too many); of 1: only 3, shown twice; of 2: 0, 2
    assert some_of_each(torch.tensor([2, 0, 2, 1, 0, 0])).tolist() == [1, 4, 3, 3, 0, 2]


@pytest.mark.parametrize("way", WAYS)
def test_the_gallery_says_who_serves_each_patch(way: str, trained: dict[str, Training]) -> None:
    training = trained[way]
    shot = training.snapshot(["gallery"])
    test = training.data.measured_test
    for run in range(2):
        places = some_of_each(test.target[run])
        assert shot.gallery_target[run].tolist() == [each for each in range(16) for _ in range(2)]
        pixels = ink(unpatched(test.x_RTD[run, places])).flatten(1)
        assert np.abs(shot.gallery_pixels[run] / 255 - pixels.numpy(force=True)).max() < 0.51 / 255
        y_RMO, routing = training.model(training.rows_RAP, test.x_RTD[:, places], training.routing_knobs_for(32))
        assert shot.gallery_answer[run].tolist() == y_RMO[run].argmax(-1).tolist()
        first = routing.probs_TE[run].argmax(-1).tolist()  # k = 1, no seats: the largest probability serves
        expected = first if way == "mlp" else [each for each in first for _ in range(16)]
        assert shot.gallery_expert[run].flatten().tolist() == expected


@pytest.mark.parametrize("way", ["conv", "mlp"])
def test_who_serves_what_and_likes_what(way: str, trained: dict[str, Training]) -> None:
    training = trained[way]
    shot = training.snapshot(["liked", "groups"])
    test, units = training.data.measured_test, 16 if way == "mlp" else 1
    y_RMO, routing = training.model(training.rows_RAP, test.x_RTD, training.routing_knobs_for(test.count))
    run = 1
    probs = routing.probs_TE[run].view(test.count, units, 4).numpy(force=True)
    counts = np.zeros((4, 16))
    right = np.zeros((3, 2))
    for picture, (target, domain) in enumerate(
        zip(test.target[run].tolist(), test.segment_RT[run].tolist(), strict=True)
    ):
        right[domain] += [int(y_RMO[run, picture].argmax()) == target, 1]
        for unit in probs[picture]:
            counts[unit.argmax(), target] += 1
    assert shot.class_share[run] == pytest.approx(counts / counts.sum(0), abs=1e-6)
    assert shot.domain_metric[run] == pytest.approx(right[:, 0] / right[:, 1], abs=1e-6)
    mean_ME = probs.mean(1)
    for expert in range(4):
        best = np.sort(mean_ME[:, expert])[::-1][:LIKED]
        assert shot.liked_prob[run, expert] == pytest.approx(best, abs=1e-6)
    picture = int(mean_ME[:, 2].argmax())
    pixels = ink(unpatched(test.x_RTD[run, picture])).flatten()
    assert np.abs(shot.liked_pixels[run, 2, 0] / 255 - pixels.numpy(force=True)).max() < 0.51 / 255


@pytest.mark.parametrize("way", WAYS)
def test_a_drawing_is_answered_as_the_same_test_picture(way: str, trained: dict[str, Training]) -> None:
    training = trained[way]
    test = training.data.measured_test
    texture = int((test.segment_RT[0] == 1).nonzero()[0])  # it fills the frame, so it is not moved
    given = tuple(ink(unpatched(test.x_RTD[0, texture])).flatten().tolist())
    shot = training.snapshot(["drawn"], given=given)
    x_R1D = test.x_RTD[:, [texture]][:1].expand(2, -1, -1)
    y_R1O, routing = training.model(training.rows_RAP, x_R1D, training.routing_knobs_for(1))
    assert shot.drawn_class == pytest.approx(y_R1O[:, 0].softmax(-1).numpy(force=True), abs=1e-6)
    assert shot.drawn_prob == pytest.approx(routing.probs_TE.mean(1).numpy(force=True), abs=1e-6)
    assert shot.drawn_weight.sum(-1) == pytest.approx(routing.gates_TE.sum(-1).mean(-1).numpy(force=True), abs=1e-6)
    assert shot.drawn_expert.shape == (2, 16)


@pytest.mark.parametrize("given", [None, "a text", (), (0.5,) * 64])
def test_what_is_no_picture_is_not_answered(given: Any, trained: dict[str, Training]) -> None:
    shot = trained["conv"].snapshot(["drawn"], given=given)
    assert not [name for name in shot.arrays if name.startswith("drawn")]


def test_the_runs_of_the_page_are_drawn_side_by_side() -> None:
    training = opened([config.with_(batch_size=8) for config in runs("conv").values()])
    training.step(1)
    shot = training.snapshot(["gallery", "liked", "groups"])
    assert shot.header["experts"] == [6, 6, 1]
    assert shot.gallery_expert.shape == (3, 32, 16)
    assert shot.header["route_by"] == ["input", "token", "input"]
    # by an expert's row: the gate's 32 numbers are apart from what the dense network has
    sparse, _, dense = shot.header["active_parameters"]
    assert sparse - dense == 5 * 32


def test_of_a_class_and_a_domain_without_pictures_nothing_is_said(trained: dict[str, Training]) -> None:
    """A test set that has lost its textures (the second domain) and all fours."""
    training = trained["mlp"].fork()
    training.data = copy.copy(training.data)
    test = training.data.measured_test
    stays_T = (test.segment_RT[0] != 1) & (test.target[0] != 4)
    few = [value[:1, stays_T].expand(2, *[-1] * (value.dim() - 1)) for value in vars(test).values()]
    training.data.measured_test = Tokens(*few)
    training.data.measured = training.data.measured_train.then(training.data.measured_test)
    shot = training.snapshot(("liked", "groups"))
    assert np.isnan(shot.domain_metric).tolist() == [[False, True, False]] * 2
    assert np.isnan(shot.group_share).all(1).tolist() == [[False, True, False]] * 2
    assert np.isnan(shot.class_share[0]).all(0).nonzero()[0].tolist() == [4, 10, 11, 12]  # brick, grass and gravel
