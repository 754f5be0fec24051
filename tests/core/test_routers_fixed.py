"""Hash layers: equal inputs always meet the same expert, in every layer, in every picture, whatever was learned."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from moeviz.config import TASK_INFO, RunConfig
from moeviz.routers import sequence_ids
from moeviz.tasks.pairs import PIXELS
from moeviz.training import Training
from moeviz.training.views.rows import digits
from moeviz.training.views.snapshot import Snapshot

KINDS = [
    (task, level, expert)
    for task, info in TASK_INFO.items() if info.tokens_per_input > 1
    for level in info.levels for expert in info.experts
    if expert != "linear" and (level == "input" or expert == "mlp")
]  # fmt: skip


def training(task: str, level: str = "token", expert: str = "mlp", k: int = 1) -> Training:
    config = RunConfig(
        task=task, router="hash", top_k=k, num_experts=5, route_by=level, expert=expert, batch_size=8, hidden_width=4,
        learning_rate=0.1,
    )  # fmt: skip
    return Training([config])


def chosen(run: Training) -> Tensor:
    """Who is chosen for each unit of the measured test inputs, layer by layer `[L, M, U, E]`."""
    test = run.data.measured_test
    with torch.inference_mode():
        routing = run.model.route(run.rows_RAP, test.x_RTD, run.routing_knobs_for(test.count))
    layers = run.model.num_layers
    return routing.chosen_TE[0].reshape(layers, test.count, -1, run.configs[0].num_experts)


def units(task: str, level: str, x_D: Tensor) -> Iterator[bytes]:
    """What a router of this level may know a unit by, as it stands in the input; one unit after the other."""
    whole = x_D.numpy()
    if level == "input":
        yield whole.tobytes()
    elif task == "languages":
        for place in range(len(whole)):
            yield whole[0 if level == "context" else place : place + 1].tobytes()
    elif task == "pairs":
        for patch in whole[:PIXELS].reshape(16, -1):
            yield b"patch" + patch.tobytes()
        for word in whole[PIXELS:].reshape(20, -1):
            yield b"word" + word.tobytes()
    else:
        for token in whole.reshape(TASK_INFO[task].tokens_per_input, -1):
            yield token.tobytes()


@pytest.mark.parametrize(("task", "level", "expert"), KINDS)
def test_equal_inputs_always_meet_the_same_expert(task: str, level: str, expert: str) -> None:
    run = training(task, level, expert)
    before = chosen(run)
    run.step(3)
    assert run.measure().task_loss[0] != run.records[0].task_loss[0]  # it has learned
    assert torch.equal(before, chosen(run))
    met: dict[bytes, int] = {}
    for x_D, chosen_LUE in zip(run.data.measured_test.x_RTD[0], before.transpose(0, 1), strict=True):
        for unit, chosen_LE in zip(units(task, level, x_D), chosen_LUE.transpose(0, 1), strict=True):
            for expert_id in chosen_LE.int().argmax(-1).tolist():
                assert met.setdefault(unit, expert_id) == expert_id
    assert len(set(met.values())) == 5


def test_ids_of_sequences_by_hand() -> None:
    # Windows "ab", "ba", "aa", "ab": equal where all that came so far is equal, in order; a shorter one agrees with the
    # beginning of a longer one, and one more of the same is another sequence, also of id 0.
    windows_MW = torch.tensor([[3, 4, 0], [4, 3, 0], [3, 3, 0], [3, 4, 0]])
    first, other, doubled, again = sequence_ids(windows_MW).tolist()
    assert first == again and first[0] == doubled[0] != other[0]
    assert len({*first, *other, *doubled}) == 8  # nine places, of which two are the same "a"
    assert sequence_ids(windows_MW[:, :2]).tolist() == [each[:2] for each in (first, other, doubled, again)]


# ---- pictures --------------------------------------------------------------------------------------------------------


def shot(run: Training, *want: str, **more: object) -> Snapshot:
    run.step(2)
    return run.snapshot(want, **more)  # type: ignore[arg-type]


def test_rows_and_the_probe_show_what_the_table_says() -> None:
    for level in ("token", "input"):
        run = training("digit_rows", level)
        picture = shot(run, "rows", probe=(7, 2))
        chosen_MUE = chosen(run)[0][digits(run)].int()
        expert_MU = chosen_MUE.argmax(-1).expand(-1, 8)
        assert picture.row_expert[0].tolist() == expert_MU.tolist()
        assert picture.probe_chosen[0].argmax() == expert_MU[7, 2]


def test_a_text_of_ones_own_meets_the_experts_of_the_same_text() -> None:
    for level in ("token", "context"):
        run = training("languages", level)
        shown = shot(run, "text", "samples")
        read = "".join(chr(code) for code in shown.text_char[0, 1])
        own = run.snapshot(["own_text"], None, read)
        assert own.own_expert[0].tolist() == shown.text_expert[0, :, 1].tolist()
        first, second = shown.text_expert[0]
        assert first.tolist() == second.tolist()  # one table for both layers


def test_pictures_and_a_drawing_meet_the_experts_of_their_patches() -> None:
    run = training("pictures")
    picture = shot(run, "gallery")
    target_M = run.data.measured_test.target[0]
    places = [int(place) for target in range(16) for place in (target_M == target).nonzero()[:2]]
    assert picture.gallery_expert[0].tolist() == chosen(run)[0][places].int().argmax(-1).tolist()
    blank = run.snapshot(["drawn"], None, (0.0,) * 256)
    assert len(set(blank.drawn_expert[0].tolist())) == 1  # sixteen equal patches
    assert run.snapshot(["drawn"], None, (0.0,) * 256).drawn_expert.tolist() == blank.drawn_expert.tolist()


def test_pairs_and_a_word_of_ones_own_meet_the_experts_of_their_tokens() -> None:
    run = training("pairs")
    picture = shot(run, "pairs", "items")
    assert picture.pair_expert[0].tolist() == chosen(run)[0].int().argmax(-1).tolist()
    names, expert_MU = json.loads(picture.item_words.tobytes()), picture.pair_expert[0]
    for item in range(3):
        own = run.snapshot(["found"], None, names[item][0][0])  # its English name, which stands behind the 16 patches
        assert own.found_expert[0].tolist() == expert_MU[item, 16:20].tolist()
