"""The decoder: another program as oracle, who may see what, and every layer's experts for themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from moeviz.content.presets import LANGUAGE, LEARNS_TEXT
from moeviz.content.twins import dense_twin
from moeviz.models.language_model import Decoder
from moeviz.models.moe_layer import MoE
from moeviz.routers import ROUTERS
from moeviz.routers.decide import RoutingKnobs
from moeviz.training import Training
from moeviz.training.views.text import repeats

WIDTH, HIDDEN, WINDOW, LETTERS, EXPERTS = 8, 6, 5, 7, 3
KNOBS = RoutingKnobs(k=1, renormalize=False)
SHORT = LEARNS_TEXT.with_(batch_size=8, hidden_width=4, num_experts=3)


def decoder(route_by: str = "context", how: str = "dense", router: str = "top_k") -> Decoder:
    layer = MoE(router, "mlp", how, WIDTH, HIDDEN, WIDTH, False, tokens_per_input=WINDOW, route_by=route_by)
    return Decoder(layer, depth=2, num_heads=2, vocabulary=LETTERS)


def text(windows: int = 4) -> Tensor:
    return torch.randint(LETTERS, (1, windows, WINDOW), generator=torch.Generator().manual_seed(1)).double()


# ---- another program ---------------------------------------------------------------------------------------------


def oracle(model: Decoder, rows_RAP: Tensor, window: list[int], by_context: bool) -> tuple[list[Tensor], list[int]]:
    """Scores at each place of one window, and who was chosen where, layer by layer; one place after the other."""
    own = {name: value[0] for name, value in model.own(rows_RAP).items()}
    parts = {name: value[0] for name, value in model.parameters(rows_RAP).items()}

    def norm(x_D: Tensor, gain_D: Tensor) -> Tensor:
        return gain_D * x_D / (x_D.square().mean() + 1e-6).sqrt()

    hidden = [own["embed_character"][letter] + own["embed_place"][place] for place, letter in enumerate(window)]
    chosen = []
    for block in range(2):
        seen = [norm(h_D, own[f"gain_attention_{block}"]) for h_D in hidden]
        query, key, value = ([x_D @ own[f"w_{name}_{block}"] for x_D in seen] for name in ("query", "key", "value"))
        for place in range(len(window)):
            heads = []
            for head, half in enumerate((slice(0, 4), slice(4, 8))):  # head h prefers what is near by 1 / 4^h a step
                scores = [
                    float(query[place][half] @ key[other][half]) / 2 - (place - other) / 4**head
                    for other in range(place + 1)
                ]
                shares = torch.tensor(scores).double().softmax(0)
                heads.append(sum(share * value[other][half] for other, share in enumerate(shares)))
            hidden[place] = hidden[place] + torch.cat(heads) @ own[f"w_gathered_{block}"]
        given = [norm(h_D, own[f"gain_layer_{block}"]) for h_D in hidden]
        for place, x_D in enumerate(given):
            gate_D = torch.stack(given[: place + 1]).mean(0) if by_context else x_D
            probs_E = (parts["gate_w"][:, block] @ gate_D).softmax(0)
            best = int(probs_E.argmax())
            w_in, b_in, w_out, b_out = (parts[name][best, block] for name in ("w_in", "b_in", "w_out", "b_out"))
            hidden[place] = hidden[place] + probs_E[best] * ((x_D @ w_in + b_in).clamp(min=0) @ w_out + b_out)
            chosen.append(best)
    return [norm(h_D, own["gain_out"]) @ own["w_out"] + own["b_out"] for h_D in hidden], chosen


@pytest.mark.parametrize("route_by", ["token", "context"])
@pytest.mark.parametrize("how", ["dense", "sparse"])
def test_the_same_as_one_place_after_the_other(route_by: str, how: str) -> None:
    model = decoder(route_by, how)
    rows_RAP, x_RMW = model.fresh_rows([3], EXPERTS), text()
    y_RMWO, routing = model(rows_RAP, x_RMW, KNOBS)
    first_LMW = routing.rank_TE[0].argmin(-1).unflatten(1, (4, WINDOW))
    for number, window in enumerate(x_RMW[0].long().tolist()):
        scores, chosen = oracle(model, rows_RAP, window, route_by == "context")
        torch.testing.assert_close(y_RMWO[0, number], torch.stack(scores))
        assert first_LMW[:, number].flatten().tolist() == chosen


@pytest.mark.parametrize("route_by", ["token", "context"])
@pytest.mark.parametrize("router", sorted(set(ROUTERS) - {"expert_choice", "soft"}))
def test_nothing_depends_on_what_comes_later(router: str, route_by: str) -> None:
    model, x_RMW = decoder(route_by, router=router), text()
    knobs = replace(KNOBS, k=2 if router == "gshard" else 1)
    rows_RAP = model.fresh_rows([3], EXPERTS)
    other_RMW = x_RMW.clone()
    other_RMW[..., -1] = (other_RMW[..., -1] + 1) % LETTERS
    before, after, prefix = (model(rows_RAP, each, knobs)[0] for each in (x_RMW, other_RMW, x_RMW[..., :-1]))
    torch.testing.assert_close(before[:, :, :-1], after[:, :, :-1])
    torch.testing.assert_close(before[:, :, :-1], prefix)
    assert not torch.allclose(before[:, :, -1], after[:, :, -1])


def test_parameters_by_hand() -> None:
    # Own: embeddings 7·8 + 5·8 = 96; each block two gains of 8 and four matrices of 64: 272; head 8 + 8·7 + 7 = 71.
    # Each layer: three gate columns of 8; an expert has 8·6 + 6 + 6·8 + 8 = 110.
    model = decoder()
    assert model.num_own == 96 + 2 * 272 + 71
    assert model.num_parameters(3) == model.num_own + 2 * (24 + 3 * 110)
    assert model.num_active_parameters(3, 1) == model.num_own + 2 * (24 + 110)
    filled = sum(value.numel() for value in model.parameters(model.fresh_rows([0], 3)).values())
    assert filled == 2 * 3 * (8 + 110)
    assert int(model.is_gate_P.sum()) == 2 * 8


# ---- layer by layer -------------------------------------------------------------------------------------------------


def test_repeats_by_hand() -> None:
    # One window AABB: of three pairs of neighbors two repeat; by chance (1/2)² + (1/2)².
    logits_TE = torch.tensor([[5.0, 0.0]] * 2 + [[0.0, 5.0]] * 2).double()[None, None]
    same, chance = repeats(ROUTERS["top_k"](logits_TE, k=1), torch.zeros(1, 1, 4).double())[0, 0].tolist()
    assert (same, chance) == pytest.approx((2 / 3, 1 / 2))


@pytest.mark.parametrize("preset", list(LANGUAGE))
def test_each_start_trains_resizes_and_shows_every_picture(preset: str) -> None:
    config = LANGUAGE[preset].config.with_(batch_size=8, hidden_width=4, num_experts=3)
    run = Training([config])
    before = run.records[0].test_loss[0]
    run.step(5)
    run.set(num_experts=4)
    run.treat(0, "kill")
    run.step(5)
    assert run.measure().test_loss[0] < before - 0.3
    shot = run.snapshot(["text", "text_tables", "samples", "own_text"], None, "Ab 漢 123")
    assert shot.text_expert.shape == shot.text_kept.shape == (1, 2, 6, 64)
    assert 0 not in shot.text_expert[shot.text_kept == 1]  # nobody can choose the dead
    assert shot.text_kind_share.sum(2) == pytest.approx(1)
    assert shot.own_char[0].tolist() == [ord(each) for each in "Ab 漢 123"]
    assert shot.own_known[0].tolist() == [1, 1, 1, 0, 1, 1, 1, 1]
    assert shot.own_prob.shape == (1, 2, 8, 4) and shot.own_prob.sum(-1, dtype="i4") == pytest.approx(255, abs=2)
    assert shot.sample_char[:, :, :16].tolist() == shot.text_char[:, :, :16].tolist()
    assert shot.load[0] == pytest.approx(shot.text_load[0], abs=1e-6)
    if config.capacity_factor is not None:
        run.set(capacity_factor=0.5)  # half as many seats as choices
        assert run.snapshot(["text"]).text_kept.mean() < 0.8


def test_own_text_is_routed_as_the_same_test_text_is() -> None:
    run = Training([SHORT])
    run.step(3)
    shown = run.snapshot(["text"])
    read = "".join(chr(code) for code in shown.text_char[0, 0])
    own = run.snapshot(["own_text"], None, read)
    assert own.own_expert[0].tolist() == shown.text_expert[0, :, 0].tolist()


@pytest.mark.slow
def test_context_follows_kinds_of_text_and_the_model_beats_counting() -> None:
    """Three seeds, 300 steps: the bands that the page's sentences rest on."""
    context, token, dense = (
        Training([config.with_(seed=seed) for seed in range(3)], record_every=100)
        for config in (LEARNS_TEXT, LEARNS_TEXT.with_(route_by="token"), dense_twin(LEARNS_TEXT, "active"))
    )
    for run in (context, token, dense):
        run.step(300)
    by_context, by_token = (run.snapshot(["text_tables"]) for run in (context, token))
    unigram_R, bigram_R = by_context.text_baseline.T
    loss_R = context.measure().test_loss
    assert (loss_R < bigram_R - 0.25).all() and (loss_R < unigram_R - 1.5).all()
    match_R, match_of_tokens_R = (shot.text_match[..., 0].mean(1) for shot in (by_context, by_token))
    assert (match_R >= 0.4).all() and (match_of_tokens_R <= 0.25).all()
    assert (by_token.text_match[..., 1].mean(1) > match_of_tokens_R).all()  # they follow kinds of characters instead
    assert (by_context.text_repeat[..., 0] > 0.8).all()
    assert not context.measure().dead_RE.any()
    # As the page says: by context about as good as the dense network of equal active parameters, by character better.
    dense_R = dense.measure().test_loss
    assert abs(dense_R - loss_R).max() < 0.06 and (token.measure().test_loss < dense_R).all()
